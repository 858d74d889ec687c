//! Walks over the elements downstream of a pad.

use gst::prelude::*;

/// Limit for the number of pads that a walk visits, in case an application builds a huge graph.
const MAX_PADS: usize = 4096;

/// Calls `visitor` once for every sink pad downstream of the source pad `source`, with its element.
///
/// The walk follows every element that passes data on, into bins (the bin itself first) and out of
/// them. If `visitor` returns false for an element, the walk does not continue after it.
pub fn visit_downstream(
    source: &gst::Pad,
    mut visitor: impl FnMut(&gst::Pad, &gst::Element) -> bool,
) {
    visit(source, &mut Vec::new(), &mut visitor);
}

fn visit(
    source: &gst::Pad,
    visited: &mut Vec<gst::Pad>,
    visitor: &mut impl FnMut(&gst::Pad, &gst::Element) -> bool,
) {
    let Some(sink) = source.peer() else { return };
    if visited.contains(&sink) || visited.len() >= MAX_PADS {
        return;
    }
    visited.push(sink.clone());
    // A pad that an application created by itself, and the inner pad of a ghost pad, have no
    // element.
    let element = sink.parent_element();
    if element.as_ref().is_some_and(|element| !visitor(&sink, element)) {
        return;
    }
    // At the border of a bin, a ghost pad is paired with an internal proxy pad.
    if let Some(border) = sink.downcast_ref::<gst::ProxyPad>() {
        if let Some(beyond) = border.internal() {
            visit(beyond.upcast_ref(), visited, visitor);
        }
        return;
    }
    let Some(element) = element else { return };
    let mut next: Vec<gst::Pad> = sink.iterate_internal_links().into_iter().flatten().collect();
    if next.is_empty() {
        // Some elements do not report their internal links.
        next.extend(element.src_pads());
    }
    for pad in next {
        visit(&pad, visited, visitor);
    }
}

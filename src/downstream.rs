//! Walks over the elements downstream or upstream of a pad.

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

/// As [`visit_downstream`], for every source pad upstream of the sink pad `sink`.
pub fn visit_upstream(sink: &gst::Pad, mut visitor: impl FnMut(&gst::Pad, &gst::Element) -> bool) {
    visit(sink, &mut Vec::new(), &mut visitor);
}

/// Visits the pad that `from` is linked to, and those beyond its element, in the same direction.
fn visit(
    from: &gst::Pad,
    visited: &mut Vec<gst::Pad>,
    visitor: &mut impl FnMut(&gst::Pad, &gst::Element) -> bool,
) {
    let Some(pad) = from.peer() else { return };
    if visited.contains(&pad) || visited.len() >= MAX_PADS {
        return;
    }
    visited.push(pad.clone());
    // A pad that an application created by itself, and the inner pad of a ghost pad, have no
    // element.
    let element = pad.parent_element();
    if element.as_ref().is_some_and(|element| !visitor(&pad, element)) {
        return;
    }
    // At the border of a bin, a ghost pad is paired with an internal proxy pad.
    if let Some(border) = pad.downcast_ref::<gst::ProxyPad>() {
        if let Some(beyond) = border.internal() {
            visit(beyond.upcast_ref(), visited, visitor);
        }
        return;
    }
    let Some(element) = element else { return };
    let mut next: Vec<gst::Pad> = pad.iterate_internal_links().into_iter().flatten().collect();
    if next.is_empty() {
        // Some elements do not report their internal links.
        match pad.direction() {
            gst::PadDirection::Src => next.extend(element.sink_pads()),
            _ => next.extend(element.src_pads()),
        }
    }
    for pad in next {
        visit(&pad, visited, visitor);
    }
}

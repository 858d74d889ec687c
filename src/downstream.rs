//! What is linked downstream of a pad.

use gst::prelude::*;

/// Most pads that are looked at; a bound for what application code may build.
const MAX_PADS: usize = 4096;

/// Shows `see` every sink pad downstream of the source pad `source`, once, with its element:
/// through whatever passes data on, into bins (the bin itself first) and out of them. Where `see`
/// returns false, what is behind that element is left out.
pub fn visit_downstream(source: &gst::Pad, mut see: impl FnMut(&gst::Pad, &gst::Element) -> bool) {
    visit(source, &mut Vec::new(), &mut see);
}

fn visit(
    source: &gst::Pad,
    visited: &mut Vec<gst::Pad>,
    see: &mut impl FnMut(&gst::Pad, &gst::Element) -> bool,
) {
    let Some(sink) = source.peer() else { return };
    if visited.contains(&sink) || visited.len() >= MAX_PADS {
        return;
    }
    visited.push(sink.clone());
    // A pad of the application's own belongs to no element and leads nowhere; neither does the inner
    // half of a bin's border.
    let element = sink.parent_element();
    if element.as_ref().is_some_and(|element| !see(&sink, element)) {
        return;
    }
    // The border of a bin, inwards or outwards, is a pair of proxy pads.
    if let Some(border) = sink.downcast_ref::<gst::ProxyPad>() {
        if let Some(beyond) = border.internal() {
            visit(beyond.upcast_ref(), visited, see);
        }
        return;
    }
    let Some(element) = element else { return };
    let mut next: Vec<gst::Pad> = sink.iterate_internal_links().into_iter().flatten().collect();
    if next.is_empty() {
        // Some say nothing of that.
        next.extend(element.src_pads());
    }
    for pad in next {
        visit(&pad, visited, see);
    }
}

//! The result as the text of a `textoverlay` further down the pipeline.
//!
//! The overlay's `text` is set by a probe on its `video_sink`, from the metadata of the very buffer
//! that is about to be drawn: whatever queues lie between, text and picture belong together. Only a
//! `textoverlay` whose `text` is empty and whose `text_sink` is not linked is taken; once
//! somebody else sets its text, it is let go for good.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use catdog_core::sync::lock;
use gst::glib;
use gst::prelude::*;

use crate::downstream::visit_downstream;
use crate::metadata::{self, ClassificationFields};
use crate::text_format::TextFormat;

/// The overlays that one element writes to.
#[derive(Debug, Default)]
pub struct Overlays {
    attached: Vec<Attached>,
}

/// What the probes need: which metadata to read, and how to write it.
#[derive(Debug)]
pub struct OverlayWriter {
    /// The element whose metadata is drawn.
    pub element: String,
    /// How; changes while playing.
    pub format: Mutex<TextFormat>,
}

#[derive(Debug)]
struct Attached {
    overlay: glib::WeakRef<gst::Element>,
    pad: glib::WeakRef<gst::Pad>,
    probe: Option<gst::PadProbeId>,
    /// Set when the probe is no longer to write; it may be running meanwhile.
    detached: Arc<AtomicBool>,
    text: SharedText,
}

/// What was last written to one overlay, by whichever element: the overlay's text is theirs as long
/// as it is this. `None` once it was not, or the text comes from a pad.
type SharedText = Arc<Mutex<Option<String>>>;

impl Overlays {
    /// Looks again at what is linked downstream of `source`: takes the overlays that have come,
    /// lets go those that are no longer there. Returns the names of those taken.
    pub fn update(&mut self, source: &gst::Pad, writer: &Arc<OverlayWriter>) -> Vec<glib::GString> {
        let found = find_overlays(source);
        let (kept, gone) = std::mem::take(&mut self.attached).into_iter().partition(|attached| {
            attached.overlay.upgrade().is_some_and(|overlay| found.contains(&overlay))
        });
        self.attached = kept;
        for attached in gone {
            attached.detach();
        }
        let mut taken = Vec::new();
        for overlay in found {
            let known =
                self.attached.iter().any(|a| a.overlay.upgrade().as_ref() == Some(&overlay));
            if known {
                continue;
            }
            if let Some(attached) = Attached::new(&overlay, writer) {
                taken.push(overlay.name());
                self.attached.push(attached);
            }
        }
        taken
    }

    /// Lets go of every overlay, and leaves their text empty as it was found.
    pub fn clear(&mut self) {
        for attached in self.attached.drain(..) {
            attached.detach();
        }
    }
}

impl Drop for Overlays {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Attached {
    /// Takes `overlay` where its text is empty, or written by another element of this kind.
    fn new(overlay: &gst::Element, writer: &Arc<OverlayWriter>) -> Option<Self> {
        let text = shared_text(overlay);
        let ours = lock(&text).as_deref().is_some_and(|written| is_text(overlay, written));
        if !ours || text_is_linked(overlay) {
            return None;
        }
        let pad = overlay.static_pad("video_sink")?;
        let detached = Arc::new(AtomicBool::new(false));
        let probe = pad.add_probe(gst::PadProbeType::BUFFER, {
            let (overlay, writer) = (overlay.downgrade(), Arc::clone(writer));
            let (text, detached) = (Arc::clone(&text), Arc::clone(&detached));
            move |_pad, info| {
                if let (Some(buffer), Some(overlay)) = (info.buffer(), overlay.upgrade()) {
                    write_text(buffer, &overlay, &writer, &text, &detached);
                }
                // Also when the overlay is given up: who added the probe removes it, once.
                gst::PadProbeReturn::Ok
            }
        });
        Some(Self { overlay: overlay.downgrade(), pad: pad.downgrade(), probe, detached, text })
    }

    fn detach(mut self) {
        let mut text = lock(&self.text);
        self.detached.store(true, Ordering::Release);
        if let (Some(overlay), Some(written)) = (self.overlay.upgrade(), text.as_ref())
            && is_text(&overlay, written)
            && !written.is_empty()
        {
            overlay.set_property("text", "");
            *text = Some(String::new());
        }
        drop(text);
        if let (Some(pad), Some(probe)) = (self.pad.upgrade(), self.probe.take()) {
            pad.remove_probe(probe);
        }
    }
}

/// The one [`SharedText`] of `overlay` in this process: several elements may feed it, through a
/// selector or a mixer, and must know each other's texts from a user's.
fn shared_text(overlay: &gst::Element) -> SharedText {
    type Entry = (glib::WeakRef<gst::Element>, Weak<Mutex<Option<String>>>);
    static TEXTS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
    let mut texts = lock(&TEXTS);
    texts.retain(|(overlay, text)| overlay.upgrade().is_some() && text.strong_count() > 0);
    let known = texts.iter().find(|(other, _)| other.upgrade().as_ref() == Some(overlay));
    if let Some(text) = known.and_then(|(_, text)| text.upgrade()) {
        return text;
    }
    let text = Arc::new(Mutex::new(Some(String::new())));
    texts.push((overlay.downgrade(), Arc::downgrade(&text)));
    text
}

/// Sets the overlay's text to that of `buffer`: none, where no element of this kind has said
/// anything of it. Gives up for good when somebody else has set it.
fn write_text(
    buffer: &gst::BufferRef,
    overlay: &gst::Element,
    writer: &OverlayWriter,
    shared: &Mutex<Option<String>>,
    detached: &AtomicBool,
) {
    let render = |fields: &ClassificationFields<'_>| lock(&writer.format).markup(fields);
    let text = match metadata::read(buffer, Some(&writer.element), render) {
        Some(text) => text,
        // Another element's result, for its own probe to draw.
        None if gst::meta::CustomMeta::from_buffer(buffer, metadata::META_NAME).is_ok() => return,
        None => String::new(),
    };
    let mut written = lock(shared);
    let Some(last) = written.as_ref() else { return };
    if detached.load(Ordering::Acquire) {
        return;
    }
    if !is_text(overlay, last) || text_is_linked(overlay) {
        *written = None;
    } else if text != *last {
        overlay.set_property("text", &text);
        *written = Some(text);
    }
}

/// Whether the overlay's text is `text`. Read as a path, because an application's may be no UTF-8,
/// which a `String` from a property does not survive.
fn is_text(overlay: &gst::Element, text: &str) -> bool {
    let current = overlay.property::<Option<PathBuf>>("text").unwrap_or_default();
    current.as_os_str() == text
}

fn text_is_linked(overlay: &gst::Element) -> bool {
    overlay.static_pad("text_sink").is_some_and(|pad| pad.is_linked())
}

/// The first `textoverlay` on every branch below the source pad `source`: through whatever passes
/// video on, up to another element of this kind, which writes to the overlays behind it. Whoever
/// writes to an overlay that other frames reach finds no metadata of its own on them, and leaves
/// the text alone.
fn find_overlays(source: &gst::Pad) -> Vec<gst::Element> {
    let mut found = Vec::new();
    let own_type = source.parent_element().map(|element| element.type_());
    visit_downstream(source, |pad, element| {
        if Some(element.type_()) == own_type {
            return false;
        }
        let is_textoverlay = element.factory().is_some_and(|f| f.name() == "textoverlay");
        if is_textoverlay && pad.name() == "video_sink" {
            if !found.contains(element) {
                found.push(element.clone());
            }
            return false;
        }
        true
    });
    found
}

//! The classification as the text of a `textoverlay` downstream.
//!
//! A probe on the overlay's `video_sink` sets the property `text` from the metadata of the very
//! buffer that is about to be drawn, so the text belongs to its frame even if queues lie in
//! between. Only a `textoverlay` with an empty `text` and an unlinked `text_sink` is used. After
//! the user sets its text, the element never writes to it again.
//!
//! Setting a property calls the application's handlers of `notify::text`, so it is done with no
//! lock held. [`OverlayText`] decides under its lock what to write; a write that another element
//! requests meanwhile is left to the thread that is writing.

use std::ffi::OsString;
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

/// What the probes of one element share: which metadata to read, and how to write it.
#[derive(Debug)]
pub struct OverlayWriter {
    /// Name of the element whose metadata is drawn.
    pub element: String,
    /// The format of the text; it may change while playing.
    pub format: Mutex<TextFormat>,
}

#[derive(Debug)]
struct Attached {
    overlay: glib::WeakRef<gst::Element>,
    pad: glib::WeakRef<gst::Pad>,
    probe: Option<gst::PadProbeId>,
    notify: Option<glib::SignalHandlerId>,
    /// Whether the probe must not write. The probe may be running when this is set.
    detached: Arc<AtomicBool>,
    text: Arc<OverlayText>,
}

impl Overlays {
    /// Searches downstream of `source`: attaches to overlays that are new and detaches from those
    /// that are gone. Returns the names of the new ones.
    pub fn update(&mut self, source: &gst::Pad, writer: &Arc<OverlayWriter>) -> Vec<glib::GString> {
        let found = find_overlays(source);
        let (kept, gone) = std::mem::take(&mut self.attached).into_iter().partition(|attached| {
            attached.overlay.upgrade().is_some_and(|overlay| found.contains(&overlay))
        });
        self.attached = kept;
        for attached in gone {
            attached.detach();
        }
        let mut names = Vec::new();
        for overlay in found {
            let known =
                self.attached.iter().any(|a| a.overlay.upgrade().as_ref() == Some(&overlay));
            if known {
                continue;
            }
            if let Some(attached) = Attached::new(&overlay, writer) {
                names.push(overlay.name());
                self.attached.push(attached);
            }
        }
        names
    }

    /// Detaches from every overlay, and empties its text unless the user set it.
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
    /// Attaches to `overlay` if its text is empty or was written by a `catdogfilter`.
    fn new(overlay: &gst::Element, writer: &Arc<OverlayWriter>) -> Option<Self> {
        let text = OverlayText::of(overlay);
        if !text.is_ours(overlay) || text_is_linked(overlay) {
            return None;
        }
        let pad = overlay.static_pad("video_sink")?;
        let notify = overlay.connect_notify(Some("text"), {
            let text = Arc::downgrade(&text);
            move |overlay, _| {
                if let Some(text) = text.upgrade() {
                    text.note_change(overlay);
                }
            }
        });
        let detached = Arc::new(AtomicBool::new(false));
        let probe = pad.add_probe(gst::PadProbeType::BUFFER, {
            let (overlay, writer) = (overlay.downgrade(), Arc::clone(writer));
            let (text, detached) = (Arc::clone(&text), Arc::clone(&detached));
            move |_pad, info| {
                if let (Some(buffer), Some(overlay)) = (info.buffer(), overlay.upgrade()) {
                    write_text(buffer, &overlay, &writer, &text, &detached);
                }
                // The probe stays if the text is the user's; `detach` removes it, once.
                gst::PadProbeReturn::Ok
            }
        });
        let (overlay, pad, notify) = (overlay.downgrade(), pad.downgrade(), Some(notify));
        Some(Self { overlay, pad, probe, notify, detached, text })
    }

    fn detach(mut self) {
        if let Some(overlay) = self.overlay.upgrade() {
            self.text.clear(&overlay, &self.detached);
            if let Some(notify) = self.notify.take() {
                overlay.disconnect(notify);
            }
        }
        if let (Some(pad), Some(probe)) = (self.pad.upgrade(), self.probe.take()) {
            pad.remove_probe(probe);
        }
    }
}

/// The text of one overlay, shared by all elements of this process that write to it: several may do
/// so through a selector or a mixer, and each must distinguish the texts of the others from the
/// user's.
#[derive(Debug, Default)]
struct OverlayText {
    state: Mutex<TextState>,
}

#[derive(Debug, Default)]
struct TextState {
    /// The text that a `catdogfilter` wrote last, or is writing.
    written: String,
    /// A thread is setting the property.
    is_writing: bool,
    /// The text that this thread writes next, on behalf of another one.
    next: Option<String>,
    /// The user set the text, or linked `text_sink`; the overlay is not written to again.
    is_users: bool,
    /// The text that the user set while an element was writing.
    users_text: Option<OsString>,
}

impl OverlayText {
    /// Returns the one [`OverlayText`] of `overlay` in this process.
    fn of(overlay: &gst::Element) -> Arc<Self> {
        type Entry = (glib::WeakRef<gst::Element>, Weak<OverlayText>);
        static TEXTS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
        let mut texts = lock(&TEXTS);
        texts.retain(|(overlay, text)| overlay.upgrade().is_some() && text.strong_count() > 0);
        let known = texts.iter().find(|(other, _)| other.upgrade().as_ref() == Some(overlay));
        if let Some(text) = known.and_then(|(_, text)| text.upgrade()) {
            return text;
        }
        let text = Arc::new(Self::default());
        texts.push((overlay.downgrade(), Arc::downgrade(&text)));
        text
    }

    /// Returns whether the text of `overlay` is empty or was written by a `catdogfilter`.
    fn is_ours(&self, overlay: &gst::Element) -> bool {
        let state = lock(&self.state);
        !state.is_users && (state.is_writing || is_text(overlay, &state.written))
    }

    /// Writes `text`, unless `detached` is set or the text is the user's.
    fn write(&self, overlay: &gst::Element, text: String, detached: &AtomicBool) {
        let mut state = lock(&self.state);
        if detached.load(Ordering::Acquire) {
            return;
        }
        if text_is_linked(overlay) {
            state.is_users = true;
        }
        if state.request(overlay, text) {
            drop(state);
            self.write_requested(overlay);
        }
    }

    /// Sets `detached`, and empties the text unless it is the user's.
    fn clear(&self, overlay: &gst::Element, detached: &AtomicBool) {
        let mut state = lock(&self.state);
        detached.store(true, Ordering::Release);
        if state.request(overlay, String::new()) {
            drop(state);
            self.write_requested(overlay);
        }
    }

    /// Sets the property until no other text is requested.
    ///
    /// If the user sets the text at the same time, the user's text is set again. GObject cannot compare
    /// and set a property in one step, so a text that the user sets in the instant between the check and
    /// the write is lost.
    fn write_requested(&self, overlay: &gst::Element) {
        loop {
            let text = lock(&self.state).written.clone();
            overlay.set_property("text", &text);
            let mut state = lock(&self.state);
            let next = state.next.take();
            match next {
                Some(next) if next != state.written && !state.is_users => state.written = next,
                _ => {
                    state.is_writing = false;
                    let users_text = state.users_text.take();
                    drop(state);
                    if let Some(text) = users_text {
                        overlay.set_property("text", PathBuf::from(text));
                    }
                    return;
                }
            }
        }
    }

    /// Notes that the text of `overlay` was set, by a `catdogfilter` or by the user.
    fn note_change(&self, overlay: &gst::Element) {
        let mut state = lock(&self.state);
        let text = current_text(overlay);
        if text == *state.written {
            return;
        }
        state.is_users = true;
        // The thread that writes may be about to replace this text.
        state.users_text = state.is_writing.then_some(text);
    }
}

impl TextState {
    /// Requests that the text becomes `text`. Returns whether the caller must write it. The caller
    /// must not if the text is the user's or is `text` already, or if another thread is writing and
    /// will write `text` next.
    fn request(&mut self, overlay: &gst::Element, text: String) -> bool {
        if self.is_users {
            return false;
        }
        if self.is_writing {
            self.next = Some(text);
            return false;
        }
        self.is_users = !is_text(overlay, &self.written);
        let must_write = !self.is_users && text != self.written;
        if must_write {
            self.written = text;
            self.is_writing = true;
        }
        must_write
    }
}

/// Sets the text of the overlay to that of `buffer`, which is empty if no `catdogfilter` attached
/// metadata to it.
fn write_text(
    buffer: &gst::BufferRef,
    overlay: &gst::Element,
    writer: &OverlayWriter,
    overlay_text: &OverlayText,
    detached: &AtomicBool,
) {
    let render = |fields: &ClassificationFields<'_>| lock(&writer.format).markup(fields);
    let text = match metadata::read(buffer, Some(&writer.element), render) {
        Some(text) => text,
        // The buffer belongs to another element, whose own probe writes its text.
        None if gst::meta::CustomMeta::from_buffer(buffer, metadata::META_NAME).is_ok() => return,
        None => String::new(),
    };
    overlay_text.write(overlay, text, detached);
}

/// Returns whether the text of the overlay is `text`.
fn is_text(overlay: &gst::Element, text: &str) -> bool {
    current_text(overlay) == text
}

/// Returns the text of the overlay. It is read as a path, because the user's text may not be UTF-8,
/// and a `String` cannot hold such a text.
fn current_text(overlay: &gst::Element) -> OsString {
    overlay.property::<Option<PathBuf>>("text").unwrap_or_default().into_os_string()
}

fn text_is_linked(overlay: &gst::Element) -> bool {
    overlay.static_pad("text_sink").is_some_and(|pad| pad.is_linked())
}

/// Returns the first `textoverlay` on every branch downstream of `source`.
///
/// The search stops at another element of the same type, which writes to the overlays downstream of
/// itself. If frames of several elements reach one overlay, each probe ignores the frames of the
/// others.
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

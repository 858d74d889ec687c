//! The result as the text of a `textoverlay` further down the pipeline.
//!
//! The overlay's `text` is set by a probe on its `video_sink`, from the metadata of the very buffer
//! that is about to be drawn: whatever queues lie between, text and picture belong together. Only a
//! `textoverlay` whose `text` is empty and whose `text_sink` is not linked is taken; once
//! somebody else sets its text, it is let go for good.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use gst::glib;
use gst::prelude::*;

use crate::error::ConfigError;
use crate::metadata;
use crate::sync::lock;

/// The text-format property, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFormat {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// The label.
    Label,
    /// The confidence as "97 %".
    Percent,
    /// The confidence as "0.97".
    Confidence,
    /// Every ranked class, one a line: "cat 97 %".
    Results,
}

/// One result in words, as a buffer's metadata has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextInput<'a> {
    /// The label, or the unknown label.
    pub label: &'a str,
    /// 0..1.
    pub confidence: f64,
    /// Whether the best class is believed.
    pub known: bool,
    /// All ranked classes.
    pub results: &'a [(&'a str, f64)],
}

impl TextFormat {
    /// Parses `format`: text with the placeholders `{label}`, `{percent}`, `{confidence}` and
    /// `{results}`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Placeholder`] for anything else in braces.
    pub fn parse(format: &str) -> Result<Self, ConfigError> {
        let unknown = |placeholder: &str| ConfigError::Placeholder {
            format: format.to_owned(),
            placeholder: placeholder.to_owned(),
        };
        let mut pieces = Vec::new();
        let mut rest = format;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').ok_or_else(|| unknown(&rest[open..]))? + open;
            if open > 0 {
                pieces.push(Piece::Literal(rest[..open].to_owned()));
            }
            pieces.push(match &rest[open + 1..close] {
                "label" => Piece::Label,
                "percent" => Piece::Percent,
                "confidence" => Piece::Confidence,
                "results" => Piece::Results,
                _ => return Err(unknown(&rest[open..=close])),
            });
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The text for one result, as Pango markup. A result that is not believed shows the unknown
    /// label without a number, since the confidence would be that of a class not shown; an empty
    /// label shows nothing.
    pub fn render(&self, input: &TextInput<'_>) -> String {
        let mut text = String::new();
        if input.label.is_empty() {
            return text;
        }
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Label => text.push_str(&glib::markup_escape_text(input.label)),
                Piece::Percent if input.known => push_percent(&mut text, input.confidence),
                Piece::Confidence if input.known => {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{:.2}", input.confidence);
                }
                Piece::Percent | Piece::Confidence => {}
                Piece::Results => push_results(&mut text, input.results),
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn push_percent(text: &mut String, confidence: f64) {
    // Not rounded up to 100 %: only certainty is certain.
    let percent = (confidence * 100.0).round().min(if confidence < 1.0 { 99.0 } else { 100.0 });
    let _ = write!(text, "{percent} %");
}

fn push_results(text: &mut String, results: &[(&str, f64)]) {
    for (index, (label, confidence)) in results.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&glib::markup_escape_text(label));
        text.push(' ');
        push_percent(text, *confidence);
    }
}

/// The text for a buffer, from the metadata of `element`; `None` where it has none.
pub fn text_of(buffer: &gst::BufferRef, element: &str, format: &TextFormat) -> Option<String> {
    metadata::read(buffer, element, |structure| {
        let labels = structure.get::<gst::ArrayRef<'_>>(metadata::FIELD_LABELS).ok();
        let confidences = structure.get::<gst::ArrayRef<'_>>(metadata::FIELD_CONFIDENCES).ok();
        let results: Vec<(&str, f64)> = match (&labels, &confidences) {
            (Some(labels), Some(confidences)) => labels
                .iter()
                .zip(confidences.iter())
                .filter_map(|(label, confidence)| {
                    Some((label.get::<&str>().ok()?, confidence.get::<f64>().ok()?))
                })
                .collect(),
            _ => Vec::new(),
        };
        format.render(&TextInput {
            label: structure.get::<&str>(metadata::FIELD_LABEL).unwrap_or_default(),
            confidence: structure.get(metadata::FIELD_CONFIDENCE).unwrap_or_default(),
            known: structure.get::<i32>(metadata::FIELD_INDEX).is_ok_and(|index| index >= 0),
            results: &results,
        })
    })
}

/// The overlays that one element writes to.
#[derive(Debug, Default)]
pub struct Overlays {
    attached: Vec<Attached>,
}

/// What the probes need: which metadata to read, and how to write it.
#[derive(Debug)]
pub struct Writer {
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
    pub fn update(&mut self, source: &gst::Pad, writer: &Arc<Writer>) -> Vec<glib::GString> {
        let mut found = Vec::new();
        find_overlays(source, &mut found, &mut Vec::new());
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
    fn new(overlay: &gst::Element, writer: &Arc<Writer>) -> Option<Self> {
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
    writer: &Writer,
    shared: &Mutex<Option<String>>,
    detached: &AtomicBool,
) {
    let text = match text_of(buffer, &writer.element, &lock(&writer.format)) {
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

/// Most pads that are looked at; a bound for what application code may build.
const MAX_PADS: usize = 4096;

/// Collects the first `textoverlay` on every branch below the source pad `source`: through
/// whatever passes video on, into bins and out of them, up to another element of this kind, which
/// writes to the overlays behind it.
fn find_overlays(source: &gst::Pad, found: &mut Vec<gst::Element>, visited: &mut Vec<gst::Pad>) {
    let Some(sink) = source.peer() else { return };
    if visited.contains(&sink) || visited.len() >= MAX_PADS {
        return;
    }
    visited.push(sink.clone());
    // The border of a bin, inwards or outwards, is a pair of proxy pads.
    if let Some(border) = sink.downcast_ref::<gst::ProxyPad>() {
        if let Some(beyond) = border.internal() {
            find_overlays(beyond.upcast_ref(), found, visited);
        }
        return;
    }
    // A pad of the application's own belongs to no element and leads nowhere.
    let Some(element) = sink.parent_element() else { return };
    let factory = element.factory();
    match factory.as_ref().map(|factory| factory.name()).as_deref() {
        Some("textoverlay") if sink.name() == "video_sink" => {
            if !found.contains(&element) {
                found.push(element);
            }
        }
        Some(crate::FACTORY_NAME) => {}
        // All source pads, not the internal links alone: whoever writes to an overlay that other
        // frames reach finds no metadata of its own on them, and leaves the text alone.
        _ => element.src_pads().iter().for_each(|pad| find_overlays(pad, found, visited)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(format: &str, input: &TextInput<'_>) -> String {
        TextFormat::parse(format).unwrap().render(input)
    }

    const CAT: TextInput<'static> = TextInput {
        label: "cat",
        confidence: 0.974,
        known: true,
        results: &[("cat", 0.974), ("dog", 0.026)],
    };

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(render("{label} {percent}", &CAT), "cat 97 %");
        assert_eq!(render("I see a {label} ({confidence})!", &CAT), "I see a cat (0.97)!");
        assert_eq!(render("{results}", &CAT), "cat 97 %\ndog 3 %");
        assert_eq!(render("plain", &CAT), "plain");
    }

    #[test]
    fn an_unknown_result_shows_its_label_and_no_number() {
        let unknown = TextInput { label: "unknown", known: false, ..CAT };
        assert_eq!(render("{label} {percent}", &unknown), "unknown");
        let nothing = TextInput { label: "", known: false, ..CAT };
        assert_eq!(render("{label} {percent}", &nothing), "");
    }

    #[test]
    fn a_label_is_no_markup() {
        let label = TextInput { label: "cat & <dog>", ..CAT };
        assert_eq!(render("<b>{label}</b>", &label), "<b>cat &amp; &lt;dog&gt;</b>");
    }

    #[test]
    fn nearly_certain_is_not_certain() {
        assert_eq!(render("{percent}", &TextInput { confidence: 0.9999, ..CAT }), "99 %");
        assert_eq!(render("{percent}", &TextInput { confidence: 1.0, ..CAT }), "100 %");
    }

    #[test]
    fn unknown_placeholders_are_named() {
        for (format, placeholder) in [("{labels}", "{labels}"), ("a {", "{"), ("{}", "{}")] {
            let error = TextFormat::parse(format).unwrap_err();
            let want =
                ConfigError::Placeholder { format: format.into(), placeholder: placeholder.into() };
            assert_eq!(error, want);
        }
    }
}

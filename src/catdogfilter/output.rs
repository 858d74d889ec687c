//! The output of the element: metadata, read-only properties, messages.

use std::fmt;

use catdog_core::classifier::Classifier;

use super::choices::PostMessages;
use super::events::{Events, LabelChange};
use super::settings::RuntimeSettings;
use crate::metadata::{Entry, MetadataWriter};

/// The writer of the metadata, and the labels that were displayed and posted last.
pub struct Output {
    pub metadata: MetadataWriter,
    pub displayed: Displayed,
    /// The label of the last message.
    posted_label: Option<String>,
}

/// The values of the property `region`, with the number of the first view of each. A result has that
/// of its inferred frame, even if the property has changed since.
#[derive(Debug, Default)]
pub struct Regions(Vec<(u64, Option<String>)>);

impl Regions {
    /// Sets the value for `view` and the views after it. Views before `latest` are not used again.
    pub fn set(&mut self, view: u64, text: Option<String>, latest: u64) {
        let used = self.0.iter().rposition(|(first, _)| *first <= latest);
        self.0.drain(..used.unwrap_or_default());
        self.0.push((view, text));
    }

    /// Returns the value for `view`; `None` for the whole frame.
    pub fn of(&self, view: u64) -> Option<&str> {
        let (_, text) = self.0.iter().rfind(|(first, _)| *first <= view)?;
        text.as_deref()
    }
}

/// The label and confidence of the latest frame.
#[derive(Clone, Debug, Default)]
pub struct Displayed {
    /// `None` before the first frame.
    pub label: Option<String>,
    /// 0..1.
    pub confidence: f64,
    /// Whether the latest frame was inferred.
    pub fresh: bool,
    /// Why the latest frame was skipped; `None` if it was not.
    pub skip_reason: Option<&'static str>,
}

impl fmt::Display for Displayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_deref().unwrap_or_default();
        write!(
            f,
            "{label:?} {:.3}, {}",
            self.confidence,
            if self.fresh { "inferred" } else { "held" }
        )?;
        match self.skip_reason {
            Some(reason) => write!(f, " (the frame is {reason})"),
            None => Ok(()),
        }
    }
}

impl Output {
    /// Creates the output of an element that writes metadata with `metadata`.
    pub fn new(metadata: MetadataWriter) -> Self {
        Self { metadata, displayed: Displayed::default(), posted_label: None }
    }

    /// Makes the next label a change, whatever it is: the application does not know how the stream
    /// went on since the last one.
    pub fn forget_posted(&mut self) {
        self.posted_label = None;
    }

    /// Handles a new result: adds a message if every result is posted.
    pub fn note_result(
        &mut self,
        entry: &Entry<'_>,
        pts: Option<gst::ClockTime>,
        post_messages: PostMessages,
        events: &mut Events,
    ) {
        if post_messages == PostMessages::Every {
            self.post(entry, pts, events);
        }
    }

    /// Handles the classification of a frame: updates the displayed label, and adds a message if
    /// changes are posted and the label has changed.
    pub fn note_frame(
        &mut self,
        entry: &Entry<'_>,
        pts: Option<gst::ClockTime>,
        post_messages: PostMessages,
        events: &mut Events,
    ) {
        let classification = &entry.classification;
        let label = self.metadata.label(classification);
        self.displayed.confidence = classification.confidence().into();
        self.displayed.fresh = classification.fresh;
        events.classified = true;
        if self.displayed.label.as_deref() != Some(label) {
            let previous = self.displayed.label.replace(label.to_owned());
            events.label_change = Some(LabelChange::new(previous, label, classification));
        }
        if post_messages == PostMessages::Change && self.posted_label.as_deref() != Some(label) {
            self.post(entry, pts, events);
        }
    }

    fn post(&mut self, entry: &Entry<'_>, pts: Option<gst::ClockTime>, events: &mut Events) {
        self.posted_label = Some(self.metadata.label(&entry.classification).to_owned());
        events.messages.push(self.metadata.message(entry, pts));
    }
}

/// Returns the writer of the element named `element_name`, which runs `classifier`.
pub fn metadata_writer(
    classifier: &Classifier,
    settings: &RuntimeSettings,
    element_name: &str,
) -> MetadataWriter {
    MetadataWriter::new(
        classifier.labels(),
        settings.unknown_label.clone(),
        classifier.description().model.clone(),
        element_name.to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_the_region_of_its_view() {
        let mut regions = Regions::default();
        assert_eq!(regions.of(0), None);
        regions.set(0, Some("a".into()), 0);
        regions.set(1, Some("b".into()), 0);
        regions.set(3, None, 0);
        let found = [0, 1, 2, 3, 4].map(|view| regions.of(view));
        assert_eq!(found, [Some("a"), Some("b"), Some("b"), None, None]);
        // Another text of the same region.
        regions.set(3, Some("c".into()), 2);
        assert_eq!([2, 3].map(|view| regions.of(view)), [Some("b"), Some("c")]);
        assert_eq!(regions.of(0), None, "it was removed");
    }
}

//! What the element reports to the application after a frame.

use std::fmt::{self, Display};

use catdog_core::classifier::{Classification, Classifier, ClassifyError, Execution};
use gst::glib;
use gst::prelude::*;

use super::model_swap;
use super::settings::SettingsError;

/// The reports of one frame, which the element posts after the frame with no lock held.
#[derive(Default)]
pub struct Events {
    /// The frame was classified, or results were collected at the end of the stream.
    pub classified: bool,
    /// Warnings to post.
    pub warnings: Vec<Warning>,
    /// The structures of element messages.
    pub messages: Vec<gst::Structure>,
    /// The latency must be announced.
    pub latency_changed: bool,
    /// Another model runs from this frame on.
    pub model_changed: bool,
    /// Where inferences run from this frame on; `None` if that has not changed.
    pub execution: Option<Execution>,
    /// A model to drop: the one that was replaced, or one that does not accept the frames.
    pub replaced_model: Option<Box<Classifier>>,
    /// The label of the frame differs from that of the frame before.
    pub label_change: Option<LabelChange>,
    /// The names of overlays that show the result from this frame on.
    pub attached_overlays: Vec<glib::GString>,
}

/// A problem that does not stop the stream.
#[derive(Debug)]
pub enum Warning {
    /// A property was set to a value that cannot be used.
    Settings(SettingsError),
    /// The next model cannot be used with the frames of the stream.
    RefusedModel(ClassifyError),
    /// An inference failed and the stream continues; only the first failure is reported.
    FailedInference(ClassifyError),
}

/// A change of the displayed label, with the confidences that caused it.
#[derive(Debug)]
pub struct LabelChange {
    /// `None` for the first frame.
    pub previous: Option<String>,
    /// The displayed label.
    pub label: String,
    /// Confidence of the accepted class.
    pub accepted: Option<f32>,
    /// Confidence of the best class.
    pub best: Option<f32>,
}

impl Events {
    /// Posts messages and notifications. The caller must hold no lock.
    pub fn post(&mut self, element: &gst::Element) {
        if let Some(classifier) = self.replaced_model.take() {
            model_swap::drop_in_background(classifier);
        }
        for warning in &self.warnings {
            warning.post(element);
        }
        for structure in std::mem::take(&mut self.messages) {
            let message = gst::message::Element::builder(structure).src(element).build();
            // This fails only while the element shuts down.
            let _ = element.post_message(message);
        }
        if self.latency_changed {
            let message = gst::message::Latency::builder().src(element).build();
            let _ = element.post_message(message);
        }
        if self.label_change.is_some() {
            element.notify("last-label");
        }
    }
}

impl Warning {
    fn post(&self, element: &gst::Element) {
        match self {
            Self::Settings(error) => gst::element_warning!(
                element,
                gst::LibraryError::Settings,
                ("{error}; the previous value stays in use")
            ),
            Self::RefusedModel(error) => warn_of_kept_model(element, error),
            Self::FailedInference(error) => gst::element_warning!(
                element,
                gst::LibraryError::Failed,
                ("{error}; frames continue with the latest result")
            ),
        }
    }
}

/// Warns that another model cannot replace the one that runs.
pub fn warn_of_kept_model(element: &gst::Element, reason: &dyn Display) {
    gst::element_warning!(
        element,
        gst::LibraryError::Settings,
        ("{reason}; the previous model stays in use")
    );
}

impl Display for LabelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let previous = self.previous.as_deref().unwrap_or_default();
        write!(f, "label {previous:?} -> {:?}: ", self.label)?;
        match (self.accepted, self.best) {
            (Some(accepted), _) => write!(f, "accepted with confidence {accepted:.3}"),
            (None, Some(best)) => write!(f, "rejected, best confidence {best:.3}"),
            (None, None) => f.write_str("no result"),
        }
    }
}

impl LabelChange {
    /// Describes the change from `previous` to `label`.
    pub fn new(previous: Option<String>, label: &str, classification: &Classification<'_>) -> Self {
        Self {
            previous,
            label: label.to_owned(),
            accepted: classification.accepted.map(|accepted| accepted.confidence),
            best: classification.ranked.first().map(|best| best.confidence),
        }
    }
}

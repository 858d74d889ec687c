//! The metadata on buffers, and the element messages.

use gst::glib;
use gst::prelude::*;

use super::source_of;

/// The content of one `GstCatdogMeta`.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub label: String,
    pub confidence: f64,
    pub index: i32,
    pub labels: Vec<String>,
    pub confidences: Vec<f64>,
    pub fresh: bool,
    pub inference_pts: Option<u64>,
    pub age: Option<u64>,
    pub inference_time: u64,
    pub model: String,
    pub element: String,
}

impl Meta {
    /// Reads the fields of `structure`.
    pub fn of(structure: &gst::StructureRef) -> Self {
        let text = |field| structure.get::<String>(field).unwrap();
        Self {
            label: text("label"),
            confidence: structure.get("confidence").unwrap(),
            index: structure.get("index").unwrap(),
            labels: array(structure, "labels"),
            confidences: array(structure, "confidences"),
            fresh: structure.get("fresh").unwrap(),
            inference_pts: structure.get_optional("inference-pts").unwrap(),
            age: structure.get_optional("age").unwrap(),
            inference_time: structure.get("inference-time").unwrap(),
            model: text("model"),
            element: text("element"),
        }
    }

    /// Asserts the label, and the confidence within `tolerance`.
    #[track_caller]
    pub fn assert_is(&self, (label, confidence): (&str, f64), tolerance: f64) {
        let near = (self.confidence - confidence).abs() <= tolerance;
        assert!(self.label == label && near, "{self:?}; expected {label} {confidence}");
    }

    /// Returns the confidence of the class `label`.
    #[track_caller]
    pub fn confidence_of(&self, label: &str) -> f64 {
        let position = self.labels.iter().position(|name| name == label);
        self.confidences[position.unwrap_or_else(|| panic!("{label} is not in {self:?}"))]
    }
}

fn array<T>(structure: &gst::StructureRef, field: &str) -> Vec<T>
where
    T: for<'a> glib::value::FromValue<'a>,
{
    let array = structure.get::<gst::ArrayRef<'_>>(field).unwrap();
    array.iter().map(|value| value.get::<T>().unwrap()).collect()
}

/// Returns every `GstCatdogMeta` of `buffer`, in the order in which they were attached.
pub fn metas(buffer: &gst::BufferRef) -> Vec<Meta> {
    buffer
        .iter_meta::<gst::Meta>()
        .filter_map(|meta| {
            let meta = meta.try_as_custom_meta().filter(|meta| meta.has_name("GstCatdogMeta"))?;
            Some(Meta::of(meta.structure()))
        })
        .collect()
}

/// Returns the `GstCatdogMeta` of `buffer`, and asserts that it is the only one.
#[track_caller]
pub fn meta(buffer: &gst::BufferRef) -> Meta {
    let mut all = metas(buffer);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Returns the structures of the messages that `element` posted for its results.
pub fn results(messages: &[gst::Message], element: &str) -> Vec<gst::Structure> {
    messages
        .iter()
        .filter(|message| message.type_() == gst::MessageType::Element)
        .filter(|message| source_of(message) == element)
        .filter_map(|message| message.structure())
        .filter(|structure| structure.name() == gstcatdog::metadata::MESSAGE_NAME)
        .map(|structure| structure.to_owned())
        .collect()
}

/// Returns the labels in the structures of messages.
pub fn labels_of(results: &[gst::Structure]) -> Vec<String> {
    results.iter().map(|result| result.get("label").unwrap()).collect()
}

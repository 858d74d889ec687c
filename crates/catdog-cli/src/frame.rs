//! What catdogfilter found in a frame.

use std::time::Duration;

use gstcatdog::metadata;

/// The classification of a frame, from the metadata of its buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The timestamp of the frame; without one, the time since the start of the program.
    pub time: Duration,
    /// Whether the frame has a timestamp.
    pub has_timestamp: bool,
    /// Whether the result is that of this frame, and not that of an earlier one.
    pub is_fresh: bool,
    /// The accepted class, or the unknown label.
    pub label: String,
    /// Whether a class is accepted.
    pub is_accepted: bool,
    /// The best classes with their confidences, best first; empty if there is no result yet.
    pub ranked: Vec<(String, f64)>,
    /// Whether the classes of the model do not exclude each other.
    pub is_multi_label: bool,
    /// File name of the model.
    pub model: String,
}

impl Frame {
    /// Returns the classification of `buffer`; `None` if it has no metadata of catdogfilter.
    /// `elapsed` is the time since the start of the program.
    pub fn of(buffer: &gst::BufferRef, elapsed: Duration) -> Option<Self> {
        let meta = gst::meta::CustomMeta::from_buffer(buffer, metadata::META_NAME).ok()?;
        let fields = meta.structure();
        let array = |name: &str| fields.get::<gst::Array>(name).ok();
        let labels = array(metadata::FIELD_LABELS)?;
        let confidences = array(metadata::FIELD_CONFIDENCES)?;
        let ranked = labels.iter().zip(confidences.iter());
        let pts = buffer.pts();
        Some(Self {
            time: pts.map_or(elapsed, Duration::from),
            has_timestamp: pts.is_some(),
            is_fresh: fields.get(metadata::FIELD_FRESH).ok()?,
            label: fields.get(metadata::FIELD_LABEL).ok()?,
            is_accepted: fields.get::<i32>(metadata::FIELD_INDEX).ok()? >= 0,
            ranked: ranked
                .filter_map(|(label, confidence)| Some((label.get().ok()?, confidence.get().ok()?)))
                .collect(),
            is_multi_label: fields.get(metadata::FIELD_MULTI_LABEL).unwrap_or(false),
            model: fields.get(metadata::FIELD_MODEL).unwrap_or_default(),
        })
    }

    /// Returns the best class, which need not be the accepted one, and its confidence; without a
    /// result, the unknown label and 0.
    pub fn best(&self) -> (&str, f64) {
        self.ranked.first().map_or((&self.label, 0.0), |(label, confidence)| (label, *confidence))
    }
}

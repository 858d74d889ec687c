//! Carries classifications in GStreamer: as metadata on the buffer, and as messages on the bus.
//!
//! Every classified buffer gets a `GstCustomMeta` named [`META_NAME`], which C, Rust and Python
//! read without headers of this project. Its fields are the `FIELD_*` constants below. With the
//! feature `analytics`, an accepted class also becomes a classification in a
//! `GstAnalyticsRelationMeta`.

use catdog_core::classifier::Classification;
use catdog_core::stats::nanoseconds;
use gst::glib;

/// Name of the `GstCustomMeta` and of its structure.
pub const META_NAME: &str = "GstCatdogMeta";
/// Name of the structure in the element message.
pub const MESSAGE_NAME: &str = "catdog";

/// String: the label of the accepted class, otherwise the unknown label.
pub const FIELD_LABEL: &str = "label";
/// Double, 0..1: confidence of the accepted class, otherwise of the best one; 0 if there is no
/// result, because no inference has ended yet or the result is older than `result-timeout`.
pub const FIELD_CONFIDENCE: &str = "confidence";
/// Int: index of the accepted class; -1 if every class is rejected.
pub const FIELD_INDEX: &str = "index";
/// Array of string: the labels of the best classes, best first, at most `max-results`.
pub const FIELD_LABELS: &str = "labels";
/// Array of double: the confidences of the best classes, in the same order.
pub const FIELD_CONFIDENCES: &str = "confidences";
/// Boolean: true if this frame itself was inferred, false if the result of an earlier frame is
/// held.
pub const FIELD_FRESH: &str = "fresh";
/// Unsigned 64-bit, ns: presentation timestamp of the inferred frame; absent if it has none.
pub const FIELD_INFERENCE_PTS: &str = "inference-pts";
/// Unsigned 64-bit, ns: how much older the inferred frame is than this frame; absent without
/// timestamps.
pub const FIELD_AGE: &str = "age";
/// Unsigned 64-bit, ns: duration of the inference.
pub const FIELD_INFERENCE_TIME: &str = "inference-time";
/// String: file name of the model.
pub const FIELD_MODEL: &str = "model";
/// String: name of the element that attached the metadata.
pub const FIELD_ELEMENT: &str = "element";
/// Unsigned 64-bit, ns: presentation timestamp of the frame; in messages only.
pub const FIELD_PTS: &str = "pts";

/// Registers the metadata with GStreamer, once per process.
pub fn register() {
    if !gst::meta::CustomMeta::is_registered(META_NAME) {
        // Without tags, elements that scale, convert or crop keep the metadata.
        gst::meta::CustomMeta::register_simple(META_NAME);
    }
}

/// Writes classifications of one element into metadata and messages.
#[derive(Debug)]
pub struct MetadataWriter {
    /// The names of the classes.
    labels: Vec<String>,
    #[cfg(feature = "analytics")]
    quarks: Vec<glib::Quark>,
    /// The label if every class is rejected.
    pub unknown_label: String,
    /// File name of the model.
    model: String,
    /// Name of the element.
    element: String,
}

impl MetadataWriter {
    /// Creates the writer of the element named `element`, which runs `model` with the classes
    /// `labels`.
    pub fn new(labels: &[String], unknown_label: String, model: String, element: String) -> Self {
        Self {
            #[cfg(feature = "analytics")]
            quarks: labels.iter().map(glib::Quark::from_str).collect(),
            labels: labels.to_vec(),
            unknown_label,
            model,
            element,
        }
    }

    /// Returns the label to display for `classification`.
    pub fn label(&self, classification: &Classification<'_>) -> &str {
        classification.accepted.map_or(&self.unknown_label, |accepted| self.name(accepted.class))
    }

    /// Returns the name of the class with index `class`.
    fn name(&self, class: usize) -> &str {
        self.labels.get(class).map_or(&self.unknown_label, String::as_str)
    }

    /// Attaches `classification` to `buffer`, whose memory is not changed.
    ///
    /// With `object` (width and height of the frame in pixels), an accepted class is also attached
    /// as an object that fills the frame; without the feature `analytics` this has no effect.
    ///
    /// # Errors
    ///
    /// The error of GStreamer if the metadata is not registered.
    #[cfg_attr(not(feature = "analytics"), allow(unused_variables))]
    pub fn attach(
        &self,
        buffer: &mut gst::BufferRef,
        classification: &Classification<'_>,
        object: Option<(usize, usize)>,
    ) -> Result<(), glib::BoolError> {
        let mut meta = gst::meta::CustomMeta::add(buffer, META_NAME)?;
        self.fill(meta.mut_structure(), classification);
        #[cfg(feature = "analytics")]
        self.attach_analytics(buffer, classification, object)?;
        Ok(())
    }

    /// Returns the structure of the element message for `classification`: the fields of the
    /// metadata, and the timestamp of the frame.
    pub fn message(
        &self,
        classification: &Classification<'_>,
        pts: Option<gst::ClockTime>,
    ) -> gst::Structure {
        let mut structure = gst::Structure::new_empty(MESSAGE_NAME);
        self.fill(&mut structure, classification);
        structure.set_if_some(FIELD_PTS, pts.map(|pts| pts.nseconds()));
        structure
    }

    fn fill(&self, structure: &mut gst::StructureRef, classification: &Classification<'_>) {
        let index = classification.accepted.map_or(-1, |accepted| accepted.class as i32);
        structure.set(FIELD_LABEL, self.label(classification));
        structure.set(FIELD_CONFIDENCE, f64::from(classification.confidence()));
        structure.set(FIELD_INDEX, index);
        let labels = classification.ranked.iter().map(|ranked| self.name(ranked.class));
        structure.set(FIELD_LABELS, gst::Array::new(labels));
        let confidences = classification.ranked.iter().map(|ranked| f64::from(ranked.confidence));
        structure.set(FIELD_CONFIDENCES, gst::Array::new(confidences));
        structure.set(FIELD_FRESH, classification.fresh);
        structure.set_if_some(FIELD_INFERENCE_PTS, classification.inference_pts.map(nanoseconds));
        structure.set_if_some(FIELD_AGE, classification.age.map(nanoseconds));
        structure.set(FIELD_INFERENCE_TIME, nanoseconds(classification.inference_time));
        structure.set(FIELD_MODEL, &self.model);
        structure.set(FIELD_ELEMENT, &self.element);
    }

    /// Adds a classification to the buffer's relation metadata, which is created if there is none.
    ///
    /// A rejected result adds nothing, because readers of analytics metadata treat each entry as a
    /// result. The `object` is related to its classification.
    #[cfg(feature = "analytics")]
    fn attach_analytics(
        &self,
        buffer: &mut gst::BufferRef,
        classification: &Classification<'_>,
        object: Option<(usize, usize)>,
    ) -> Result<(), glib::BoolError> {
        use gst_analytics::prelude::*;
        use gst_analytics::{AnalyticsRelationMeta, RelTypes};

        let Some(accepted) = classification.accepted else { return Ok(()) };
        // The accepted class comes first, even if another one is best in this frame: some readers
        // use the first entry only.
        let others = classification.ranked.iter().filter(|ranked| ranked.class != accepted.class);
        let ranked = std::iter::once(&accepted).chain(others);
        let (confidences, quarks): (Vec<f32>, Vec<glib::Quark>) = ranked
            .filter_map(|ranked| Some((ranked.confidence, *self.quarks.get(ranked.class)?)))
            .unzip();
        let (Some(confidence), Some(quark)) = (confidences.first(), quarks.first()) else {
            return Ok(());
        };
        if buffer.meta::<AnalyticsRelationMeta>().is_none() {
            AnalyticsRelationMeta::add(buffer);
        }
        let Some(mut meta) = buffer.meta_mut::<AnalyticsRelationMeta>() else { return Ok(()) };
        let classification = meta.add_cls_mtd(&confidences, &quarks)?.id();
        if let Some((width, height)) = object {
            let (width, height) = (width as i32, height as i32);
            let object = meta.add_od_mtd(*quark, 0, 0, width, height, *confidence)?.id();
            meta.set_relation(RelTypes::RELATE_TO, object, classification)?;
        }
        Ok(())
    }
}

/// The fields of a classification, read from a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassificationFields<'a> {
    /// The label of the accepted class, otherwise the unknown label.
    pub label: &'a str,
    /// Confidence of the accepted class, otherwise of the best one, 0..1.
    pub confidence: f64,
    /// Index of the accepted class; -1 if every class is rejected.
    pub index: i32,
    /// The best classes and their confidences, best first.
    pub results: &'a [(&'a str, f64)],
    /// Whether this frame itself was inferred.
    pub fresh: bool,
    /// File name of the model.
    pub model: &'a str,
    /// Name of the element that attached the metadata.
    pub element: &'a str,
}

impl ClassificationFields<'_> {
    /// Returns whether a class is accepted.
    pub fn is_accepted(&self) -> bool {
        self.index >= 0
    }
}

/// Calls `reader` with the metadata that the element named `element`, or any element, attached to
/// `buffer`. Returns `None` if there is no such metadata.
///
/// A buffer may carry the metadata of several elements. The last one is that of the nearest element
/// upstream; it is used if several match.
pub fn find<T>(
    buffer: &gst::BufferRef,
    element: Option<&str>,
    reader: impl FnOnce(&gst::StructureRef) -> T,
) -> Option<T> {
    let is_of_element = |structure: &gst::StructureRef| match element {
        Some(element) => structure.get::<&str>(FIELD_ELEMENT) == Ok(element),
        None => true,
    };
    let of_element = buffer.iter_meta::<gst::Meta>().filter(|meta| {
        let meta = meta.try_as_custom_meta().filter(|meta| meta.has_name(META_NAME));
        meta.is_some_and(|meta| is_of_element(meta.structure()))
    });
    Some(reader(of_element.last()?.try_as_custom_meta()?.structure()))
}

/// As [`find`], but calls `reader` with the fields of the metadata.
pub fn read<T>(
    buffer: &gst::BufferRef,
    element: Option<&str>,
    reader: impl FnOnce(&ClassificationFields<'_>) -> T,
) -> Option<T> {
    find(buffer, element, |structure| {
        let labels = structure.get::<gst::ArrayRef<'_>>(FIELD_LABELS).ok();
        let confidences = structure.get::<gst::ArrayRef<'_>>(FIELD_CONFIDENCES).ok();
        let ranked = labels.iter().flat_map(|labels| labels.iter());
        let results: Vec<(&str, f64)> = ranked
            .zip(confidences.iter().flat_map(|confidences| confidences.iter()))
            .filter_map(|(label, confidence)| {
                Some((label.get::<&str>().ok()?, confidence.get::<f64>().ok()?))
            })
            .collect();
        reader(&ClassificationFields {
            label: structure.get(FIELD_LABEL).unwrap_or_default(),
            confidence: structure.get(FIELD_CONFIDENCE).unwrap_or_default(),
            index: structure.get(FIELD_INDEX).unwrap_or(-1),
            results: &results,
            fresh: structure.get(FIELD_FRESH).unwrap_or_default(),
            model: structure.get(FIELD_MODEL).unwrap_or_default(),
            element: structure.get(FIELD_ELEMENT).unwrap_or_default(),
        })
    })
}

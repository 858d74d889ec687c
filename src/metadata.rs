//! Carries classifications in GStreamer: as metadata on the buffer, and as messages on the bus.
//!
//! Every classified buffer gets a `GstCustomMeta` named [`META_NAME`], which C, Rust and Python
//! read without headers of this project. Its fields are listed in [`FIELDS`]. With the feature
//! `analytics`, an accepted class also becomes a classification in a `GstAnalyticsRelationMeta`.

use catdog_core::classifier::Classification;
use catdog_core::stats::nanoseconds;
use gst::glib;

/// Name of the `GstCustomMeta` and of its structure.
pub const META_NAME: &str = "GstCatdogMeta";
/// Name of the structure in the element message.
pub const MESSAGE_NAME: &str = "catdog";

/// A field of the metadata and of the element message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name in the structure.
    pub name: &'static str,
    /// The type, as GStreamer prints it.
    pub kind: &'static str,
    /// The unit or the range; empty if the value has neither.
    pub unit: &'static str,
    /// What the value means.
    pub meaning: &'static str,
    /// The structures that have the field.
    pub carrier: Carrier,
}

/// The structures that have a [`Field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The metadata on buffers and the element message.
    Both,
    /// The element message only.
    Message,
}

/// Defines a constant with the name of each field, and [`FIELDS`], from one table.
macro_rules! fields {
    ($(
        $constant:ident: $name:literal, $kind:literal $(in $unit:literal)?, $carrier:ident, $meaning:literal;
    )*) => {
        $(
            #[doc = concat!($meaning, ".\n\nType: ", $kind $(, ", in ", $unit)?, ".")]
            pub const $constant: &str = $name;
        )*

        /// The fields of the metadata and of the element message, in their order.
        pub const FIELDS: &[Field] = &[$(
            Field {
                name: $constant,
                kind: $kind,
                unit: concat!("" $(, $unit)?),
                meaning: $meaning,
                carrier: Carrier::$carrier,
            },
        )*];
    };
}

fields! {
    FIELD_LABEL: "label", "string", Both,
        "The label of the accepted class, otherwise the unknown label";
    FIELD_CONFIDENCE: "confidence", "double" in "0..1", Both,
        "Confidence of the accepted class, otherwise of the best one; 0 if there is no result, because no \
         inference has ended yet or the result is older than `result-timeout`";
    FIELD_INDEX: "index", "int" in "-1..", Both,
        "Index of the accepted class; -1 if every class is rejected";
    FIELD_LABELS: "labels", "array of string", Both,
        "The labels of the best classes, best first, at most `max-results`";
    FIELD_CONFIDENCES: "confidences", "array of double" in "0..1", Both,
        "The confidences of the best classes, in the same order";
    FIELD_FRESH: "fresh", "boolean", Both,
        "True if this frame was inferred, false if the result of an earlier frame is held";
    FIELD_INFERENCE_PTS: "inference-pts", "guint64" in "ns", Both,
        "Presentation timestamp of the inferred frame; absent if it has none";
    FIELD_AGE: "age", "guint64" in "ns", Both,
        "How much older the inferred frame is than this frame; absent without timestamps";
    FIELD_INFERENCE_TIME: "inference-time", "guint64" in "ns", Both,
        "Duration of the inference";
    FIELD_MODEL: "model", "string", Both,
        "File name of the model";
    FIELD_ELEMENT: "element", "string", Both,
        "Name of the element that attached the metadata";
    FIELD_PTS: "pts", "guint64" in "ns", Message,
        "Presentation timestamp of the frame; absent if it has none";
}

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use catdog_core::decision::RankedClass;

    use super::*;

    fn kind_name(value: &glib::SendValue) -> &'static str {
        match value.type_() {
            glib::Type::STRING => "string",
            glib::Type::F64 => "double",
            glib::Type::I32 => "int",
            glib::Type::U64 => "guint64",
            glib::Type::BOOL => "boolean",
            _ => {
                let array = value.get::<gst::ArrayRef<'_>>().unwrap();
                match array.first().unwrap().type_() {
                    glib::Type::STRING => "array of string",
                    glib::Type::F64 => "array of double",
                    other => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn the_table_lists_the_fields_of_the_message() {
        gst::init().unwrap();
        let class = RankedClass { class: 0, confidence: 0.9 };
        let classification = Classification {
            ranked: &[class],
            accepted: Some(class),
            fresh: true,
            inference_pts: Some(Duration::ZERO),
            age: Some(Duration::ZERO),
            inference_time: Duration::ZERO,
        };
        let (model, element) = ("model.tflite".into(), "filter".into());
        let writer = MetadataWriter::new(&["cat".into()], "unknown".into(), model, element);
        let message = writer.message(&classification, Some(gst::ClockTime::ZERO));
        let fields: Vec<(&str, &str)> =
            message.iter().map(|(name, value)| (name.as_str(), kind_name(value))).collect();
        let listed: Vec<(&str, &str)> =
            FIELDS.iter().map(|field| (field.name, field.kind)).collect();
        assert_eq!(fields, listed);
        let of_message = FIELDS.iter().filter(|field| field.carrier == Carrier::Message);
        assert_eq!(of_message.map(|field| field.name).collect::<Vec<_>>(), [FIELD_PTS]);
    }
}

//! Carries classifications in GStreamer: as metadata on the buffer, and as messages on the bus.
//!
//! Every classified buffer gets a `GstCustomMeta` named [`META_NAME`], which C, Rust and Python
//! read without headers of this project. Its fields are listed in [`FIELDS`]. With the feature
//! `analytics`, an accepted class also becomes a classification in a `GstAnalyticsRelationMeta`. With
//! `roi=each`, it is the class of each box that becomes one, related to the object detection.

use std::io::{self, Write};

use catdog_core::classifier::Classification;
use catdog_core::decision::RankedClass;
use catdog_core::frame::Region;
use catdog_core::stats::nanoseconds;
use gst::glib;

use crate::roi::{self, PixelBox, Roi};

/// Name of the `GstCustomMeta` and of its structure.
pub const META_NAME: &str = "GstCatdogMeta";
/// Name of the structure in the element message.
pub const MESSAGE_NAME: &str = "catdog";
/// Name of the structures in [`FIELD_ROIS`].
pub const ROI_NAME: &str = "roi";

/// Name of the parameter that a region of interest gets. The name and the first four fields are
/// those of Intel's DL Streamer (`GVA::Tensor`), whose elements therefore read them.
pub const PARAMETER_NAME: &str = "classification";
/// The label of the accepted class of a box, otherwise the unknown label. Type: string.
pub const PARAMETER_LABEL: &str = "label";
/// Confidence of the accepted class of a box, otherwise of the best one. Type: double, 0..1.
pub const PARAMETER_CONFIDENCE: &str = "confidence";
/// Index of the accepted class of a box; -1 if every class is rejected. Type: int.
pub const PARAMETER_LABEL_ID: &str = "label_id";
/// File name of the model. Type: string.
pub const PARAMETER_MODEL: &str = "model_name";
/// Name of the element that classified the box. Type: string.
pub const PARAMETER_ELEMENT: &str = "element";

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

/// Defines a constant with the name of each field, and the list of all fields, from one table.
macro_rules! fields {
    ($(#[$doc:meta])* $list:ident; $(
        $constant:ident: $name:literal, $kind:literal $(in $unit:literal)?, $carrier:ident, $meaning:literal;
    )*) => {
        $(
            #[doc = concat!($meaning, ".\n\nType: ", $kind $(, ", in ", $unit)?, ".")]
            pub const $constant: &str = $name;
        )*

        $(#[$doc])*
        pub const $list: &[Field] = &[$(
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
    /// The fields of the metadata and of the element message, in their order.
    FIELDS;
    FIELD_LABEL: "label", "string", Both,
        "The label of the accepted class, otherwise the unknown label";
    FIELD_CONFIDENCE: "confidence", "double" in "0..1", Both,
        "Confidence of the accepted class, otherwise of the best one; 0 if there is no result, because no \
         inference has ended yet, the result is older than `result-timeout`, or with `roi=each` the frame \
         has no boxes";
    FIELD_INDEX: "index", "int" in "-1..", Both,
        "Index of the accepted class; -1 if every class is rejected";
    FIELD_LABELS: "labels", "array of string", Both,
        "The labels of the best classes, best first, at most `max-results`";
    FIELD_CONFIDENCES: "confidences", "array of double" in "0..1", Both,
        "The confidences of the best classes, in the same order";
    FIELD_MULTI_LABEL: "multi-label", "boolean", Both,
        "True if the classes of the model do not exclude each other, so that several may be accepted";
    FIELD_ACCEPTED_LABELS: "accepted-labels", "array of string", Both,
        "The labels of all accepted classes among `labels`, best first; only for a multi-label model";
    FIELD_FRESH: "fresh", "boolean", Both,
        "True if the result belongs to this frame (with `roi=each`, also if it has no boxes), false if the \
         result of an earlier frame is held";
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
    FIELD_REGION: "region", "string", Both,
        "Region of the inferred frame, as in the property `region`; absent if the property is not set";
    FIELD_BOX: "box", "string", Both,
        "Where the accepted class is in the inferred frame: x,y,width,height in fractions of the upright frame, \
         as in the property `region`; absent if no class or the background class is accepted, the model does \
         not tell, or with `roi=each`";
    FIELD_ROIS: "rois", "array of structure", Both,
        "The boxes that were classified, with the fields of `roi`, the one with the highest confidence of the \
         detector first; only with `roi=each`";
    FIELD_PTS: "pts", "guint64" in "ns", Message,
        "Presentation timestamp of the frame; absent if it has none";
}

fields! {
    /// The fields of the structures in [`FIELD_ROIS`], in their order.
    ROI_FIELDS;
    ROI_X: "x", "int" in "pixels", Both,
        "Left edge of the box in the stored frame, as the detector gave it";
    ROI_Y: "y", "int" in "pixels", Both, "Upper edge of the box";
    ROI_WIDTH: "width", "int" in "pixels", Both, "Width of the box";
    ROI_HEIGHT: "height", "int" in "pixels", Both, "Height of the box";
    ROI_TYPE: "type", "string", Both, "What the detector found; absent if it does not say";
    ROI_LABEL: "label", "string", Both,
        "The label of the accepted class of the box, otherwise the unknown label";
    ROI_CONFIDENCE: "confidence", "double" in "0..1", Both,
        "Confidence of the accepted class, otherwise of the best one";
    ROI_INDEX: "index", "int" in "-1..", Both,
        "Index of the accepted class; -1 if every class is rejected";
    ROI_LABELS: "labels", "array of string", Both,
        "The labels of the best classes, best first, at most `max-results`";
    ROI_CONFIDENCES: "confidences", "array of double" in "0..1", Both,
        "The confidences of the best classes, in the same order";
    ROI_MULTI_LABEL: "multi-label", "boolean", Both,
        "True if the classes of the model do not exclude each other, so that several may be accepted";
    ROI_ACCEPTED_LABELS: "accepted-labels", "array of string", Both,
        "The labels of all accepted classes among `labels`, best first; only for a multi-label model";
}

/// What is attached to a buffer, or posted: a classification, and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The classification of the frame.
    pub classification: Classification<'a>,
    /// The boxes of the frame; `None` if boxes are not classified.
    pub rois: Option<&'a [Roi]>,
    /// The value of the property `region` for the inferred frame; `None` for the whole frame.
    pub region: Option<&'a str>,
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

    /// Returns the index of the accepted class of `classification`; -1 if every class is rejected.
    pub fn index(&self, classification: &Classification<'_>) -> i32 {
        classification.accepted.map_or(-1, |accepted| accepted.class as i32)
    }

    /// Returns the label to display for `classification`.
    pub fn label(&self, classification: &Classification<'_>) -> &str {
        classification.accepted.map_or(&self.unknown_label, |accepted| self.name(accepted.class))
    }

    /// Returns the name of the class with index `class`.
    fn name(&self, class: usize) -> &str {
        self.labels.get(class).map_or(&self.unknown_label, String::as_str)
    }

    /// Attaches `entry` to `buffer`, whose memory is not changed.
    ///
    /// With `object`, an accepted class is also attached as an object with these pixels; without the
    /// feature `analytics` this has no effect.
    ///
    /// # Errors
    ///
    /// The error of GStreamer if the metadata is not registered, or a relation metadata cannot grow.
    #[cfg_attr(not(feature = "analytics"), allow(unused_variables))]
    pub fn attach(
        &self,
        buffer: &mut gst::BufferRef,
        entry: &Entry<'_>,
        object: Option<PixelBox>,
    ) -> Result<(), glib::BoolError> {
        let mut meta = gst::meta::CustomMeta::add(buffer, META_NAME)?;
        self.fill(meta.mut_structure(), entry);
        if let Some(rois) = entry.rois {
            // The result of the frame is that of a box, so it is attached to the box only.
            roi::add_parameters(buffer, rois, |classification| self.parameter(classification));
            #[cfg(feature = "analytics")]
            self.attach_to_objects(buffer, rois)?;
            return Ok(());
        }
        #[cfg(feature = "analytics")]
        self.attach_analytics(buffer, &entry.classification, object)?;
        Ok(())
    }

    /// Returns the structure of the element message for `entry`: the fields of the metadata, and the
    /// timestamp of the frame.
    pub fn message(&self, entry: &Entry<'_>, pts: Option<gst::ClockTime>) -> gst::Structure {
        let mut structure = gst::Structure::new_empty(MESSAGE_NAME);
        self.fill(&mut structure, entry);
        structure.set_if_some(FIELD_PTS, pts.map(|pts| pts.nseconds()));
        structure
    }

    fn fill(&self, structure: &mut gst::StructureRef, entry: &Entry<'_>) {
        let classification = &entry.classification;
        self.fill_classes(structure, classification);
        structure.set(FIELD_FRESH, classification.fresh);
        structure.set_if_some(FIELD_INFERENCE_PTS, classification.inference_pts.map(nanoseconds));
        structure.set_if_some(FIELD_AGE, classification.age.map(nanoseconds));
        structure.set(FIELD_INFERENCE_TIME, nanoseconds(classification.inference_time));
        structure.set(FIELD_MODEL, &self.model);
        structure.set(FIELD_ELEMENT, &self.element);
        structure.set_if_some(FIELD_REGION, entry.region);
        if let Some(location) = classification.location {
            with_text(location, |text| structure.set(FIELD_BOX, text));
        }
        if let Some(rois) = entry.rois {
            let classified = rois.iter().filter_map(|roi| self.roi(roi));
            structure.set(FIELD_ROIS, gst::Array::new(classified));
        }
    }

    /// Sets the fields that the structures of a frame and of a box have in common.
    fn fill_classes(&self, structure: &mut gst::StructureRef, classification: &Classification<'_>) {
        structure.set(FIELD_LABEL, self.label(classification));
        structure.set(FIELD_CONFIDENCE, f64::from(classification.confidence()));
        structure.set(FIELD_INDEX, self.index(classification));
        structure.set(FIELD_LABELS, self.names(classification.ranked));
        structure.set(FIELD_CONFIDENCES, confidences(classification));
        structure.set(FIELD_MULTI_LABEL, classification.multi_label.is_some());
        if classification.multi_label.is_some() {
            structure.set(FIELD_ACCEPTED_LABELS, self.names(classification.accepted_classes()));
        }
    }

    /// Returns the names of `classes`.
    fn names<'a>(&self, classes: impl IntoIterator<Item = &'a RankedClass>) -> gst::Array {
        gst::Array::new(classes.into_iter().map(|ranked| self.name(ranked.class)))
    }

    /// Returns the structure of `roi`; `None` if it was not classified.
    fn roi(&self, roi: &Roi) -> Option<gst::Structure> {
        let classification = roi.result.as_ref()?.classification();
        let mut structure = gst::Structure::new_empty(ROI_NAME);
        structure.set(ROI_X, roi.pixels.x);
        structure.set(ROI_Y, roi.pixels.y);
        structure.set(ROI_WIDTH, roi.pixels.width);
        structure.set(ROI_HEIGHT, roi.pixels.height);
        structure.set_if_some(ROI_TYPE, roi.kind);
        self.fill_classes(&mut structure, &classification);
        Some(structure)
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
        object: Option<PixelBox>,
    ) -> Result<(), glib::BoolError> {
        use gst_analytics::prelude::*;
        use gst_analytics::{AnalyticsRelationMeta, RelTypes};

        let Some((confidences, quarks)) = self.analytics_classes(classification) else {
            return Ok(());
        };
        if buffer.meta::<AnalyticsRelationMeta>().is_none() {
            AnalyticsRelationMeta::add(buffer);
        }
        let Some(mut meta) = buffer.meta_mut::<AnalyticsRelationMeta>() else { return Ok(()) };
        let classification = meta.add_cls_mtd(&confidences, &quarks)?.id();
        if let (Some(PixelBox { x, y, width, height }), Some(confidence), Some(quark)) =
            (object, confidences.first(), quarks.first())
        {
            let object = meta.add_od_mtd(*quark, x, y, width, height, *confidence)?.id();
            meta.set_relation(RelTypes::RELATE_TO, object, classification)?;
        }
        Ok(())
    }

    /// Returns the parameter of a region of interest with `classification`.
    fn parameter(&self, classification: &Classification<'_>) -> gst::Structure {
        gst::Structure::builder(PARAMETER_NAME)
            .field(PARAMETER_LABEL, self.label(classification))
            .field(PARAMETER_CONFIDENCE, f64::from(classification.confidence()))
            .field(PARAMETER_LABEL_ID, self.index(classification))
            .field(PARAMETER_MODEL, &self.model)
            .field(PARAMETER_ELEMENT, &self.element)
            .build()
    }

    /// Adds the classification of each object detection in `rois` to the buffer's relation metadata.
    #[cfg(feature = "analytics")]
    fn attach_to_objects(
        &self,
        buffer: &mut gst::BufferRef,
        rois: &[Roi],
    ) -> Result<(), glib::BoolError> {
        for roi in rois {
            if let (Some(object), Some(result)) = (roi.object, &roi.result) {
                self.attach_to_object(buffer, &result.classification(), object)?;
            }
        }
        Ok(())
    }

    /// Adds a classification to the buffer's relation metadata, related to the object detection
    /// with the id `object`. A rejected result adds nothing.
    ///
    /// The relation is `RELATE_TO`, in which `objectdetectionoverlay` looks for the class to draw.
    #[cfg(feature = "analytics")]
    fn attach_to_object(
        &self,
        buffer: &mut gst::BufferRef,
        classification: &Classification<'_>,
        object: u32,
    ) -> Result<(), glib::BoolError> {
        use gst_analytics::prelude::*;
        use gst_analytics::{AnalyticsRelationMeta, RelTypes};

        let Some((confidences, quarks)) = self.analytics_classes(classification) else {
            return Ok(());
        };
        let Some(mut meta) = buffer.meta_mut::<AnalyticsRelationMeta>() else { return Ok(()) };
        let classification = meta.add_cls_mtd(&confidences, &quarks)?.id();
        meta.set_relation(RelTypes::RELATE_TO, object, classification)
    }

    /// Returns the confidences and names of the ranked classes, the accepted class first even if
    /// another one is best in this frame, because some readers use the first entry only; `None` if
    /// every class is rejected.
    #[cfg(feature = "analytics")]
    fn analytics_classes(
        &self,
        classification: &Classification<'_>,
    ) -> Option<(Vec<f32>, Vec<glib::Quark>)> {
        let accepted = classification.accepted?;
        let others = classification.ranked.iter().filter(|ranked| ranked.class != accepted.class);
        let ranked = std::iter::once(&accepted).chain(others);
        let classes: (Vec<f32>, Vec<glib::Quark>) = ranked
            .filter_map(|ranked| Some((ranked.confidence, *self.quarks.get(ranked.class)?)))
            .unzip();
        Some(classes).filter(|(confidences, _)| !confidences.is_empty())
    }
}

/// Calls `write` with the text of `region`, which is on the stack, because it is written for every
/// frame.
fn with_text(region: Region, write: impl FnOnce(&str)) {
    // Four numbers of at most six characters, and the commas between them.
    let mut text = io::Cursor::new([0; 4 * 6 + 3]);
    if write!(text, "{region}").is_ok()
        && let Some(Ok(text)) =
            text.get_ref().get(..text.position() as usize).map(std::str::from_utf8)
    {
        write(text);
    }
}

fn confidences(classification: &Classification<'_>) -> gst::Array {
    gst::Array::new(classification.ranked.iter().map(|ranked| f64::from(ranked.confidence)))
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
mod tests;

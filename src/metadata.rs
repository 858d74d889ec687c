//! Decisions as GStreamer carries them: metadata on the buffer, messages on the bus.
//!
//! Every buffer gets a `GstCustomMeta` named [`META_NAME`], which C, Rust and Python read without
//! anything of this project; its fields are the `FIELD_*` constants below. Built with the feature
//! `analytics`, it gets a `GstAnalyticsRelationMeta` with a classification too.

use gst::glib;
use gst::prelude::*;

use crate::pipeline::Outcome;
use crate::stats::nanoseconds;
use crate::text_format::Words;

/// Name of the `GstCustomMeta` and of its structure.
pub const META_NAME: &str = "GstCatdogMeta";
/// Name of the structure in the element message.
pub const MESSAGE_NAME: &str = "catdog";

/// String: the label of the class that is believed, or the unknown label.
pub const FIELD_LABEL: &str = "label";
/// Double, 0..1: confidence of the believed class, else of the best one; 0 where there is no
/// result, before the first inference and after a timeout.
pub const FIELD_CONFIDENCE: &str = "confidence";
/// Int: index of the class that is believed; -1 where none is.
pub const FIELD_INDEX: &str = "index";
/// Array of string: the labels by falling confidence.
pub const FIELD_LABELS: &str = "labels";
/// Array of double: their confidences.
pub const FIELD_CONFIDENCES: &str = "confidences";
/// Boolean: whether this very frame was inferred.
pub const FIELD_FRESH: &str = "fresh";
/// Unsigned 64-bit, ns: presentation time of the inferred frame; absent where it had none.
pub const FIELD_INFERENCE_PTS: &str = "inference-pts";
/// Unsigned 64-bit, ns: how much older than this frame that one is; absent without times.
pub const FIELD_AGE: &str = "age";
/// Unsigned 64-bit, ns: what the inference took.
pub const FIELD_INFERENCE_TIME: &str = "inference-time";
/// String: the model's file name.
pub const FIELD_MODEL: &str = "model";
/// String: the name of the element that put the metadata there.
pub const FIELD_ELEMENT: &str = "element";
/// Unsigned 64-bit, ns: presentation time of the frame; in messages only.
pub const FIELD_PTS: &str = "pts";

/// Makes the metadata known to GStreamer; done once, when the plugin is loaded.
pub fn register() {
    if !gst::meta::CustomMeta::is_registered(META_NAME) {
        // No tags: elements that scale, convert or crop keep metadata that depends on none of it.
        gst::meta::CustomMeta::register_simple(META_NAME);
    }
}

/// What an outcome needs to become metadata.
#[derive(Debug)]
pub struct Names {
    /// The labels of the classes.
    pub labels: Vec<String>,
    #[cfg(feature = "analytics")]
    quarks: Vec<glib::Quark>,
    /// What is said where no class is believed.
    pub unknown_label: String,
    /// The model's file name.
    pub model: String,
    /// The element's name.
    pub element: String,
}

impl Names {
    /// Names for the metadata of one element.
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

    /// The label to show for `outcome`.
    pub fn label(&self, outcome: &Outcome<'_>) -> &str {
        outcome.believed.map_or(&self.unknown_label, |believed| self.class(believed.class))
    }

    fn class(&self, class: usize) -> &str {
        self.labels.get(class).map_or(&self.unknown_label, String::as_str)
    }
}

/// Puts `outcome` on `buffer`, whose memory is not touched. `object`: width and height of the frame,
/// where a believed class is to be an object that fills it, too; without the feature `analytics`
/// there are none.
///
/// # Errors
///
/// Where the metadata was not registered.
#[cfg_attr(not(feature = "analytics"), allow(unused_variables))]
pub fn attach(
    buffer: &mut gst::BufferRef,
    outcome: &Outcome<'_>,
    names: &Names,
    object: Option<(usize, usize)>,
) -> Result<(), glib::BoolError> {
    fill(gst::meta::CustomMeta::add(buffer, META_NAME)?.mut_structure(), outcome, names);
    #[cfg(feature = "analytics")]
    attach_classification(buffer, outcome, names, object)?;
    Ok(())
}

/// The element message for `outcome`, with the same fields and the frame's time.
pub fn message(
    source: &impl IsA<gst::Object>,
    outcome: &Outcome<'_>,
    names: &Names,
    pts: Option<gst::ClockTime>,
) -> gst::Message {
    let mut structure = gst::Structure::new_empty(MESSAGE_NAME);
    fill(&mut structure, outcome, names);
    structure.set_if_some(FIELD_PTS, pts.map(|pts| pts.nseconds()));
    gst::message::Element::builder(structure).src(source).build()
}

fn fill(structure: &mut gst::StructureRef, outcome: &Outcome<'_>, names: &Names) {
    let index = outcome.believed.map_or(-1, |believed| believed.class as i32);
    structure.set(FIELD_LABEL, names.label(outcome));
    structure.set(FIELD_CONFIDENCE, f64::from(outcome.confidence()));
    structure.set(FIELD_INDEX, index);
    let labels = outcome.ranked.iter().map(|scored| names.class(scored.class));
    structure.set(FIELD_LABELS, gst::Array::new(labels));
    let confidences = outcome.ranked.iter().map(|scored| f64::from(scored.confidence));
    structure.set(FIELD_CONFIDENCES, gst::Array::new(confidences));
    structure.set(FIELD_FRESH, outcome.fresh);
    structure.set_if_some(FIELD_INFERENCE_PTS, outcome.inference_pts.map(nanoseconds));
    structure.set_if_some(FIELD_AGE, outcome.age.map(nanoseconds));
    structure.set(FIELD_INFERENCE_TIME, nanoseconds(outcome.inference_time));
    structure.set(FIELD_MODEL, &names.model);
    structure.set(FIELD_ELEMENT, &names.element);
}

/// Adds a classification to the buffer's relation metadata, which is made where there is none. A
/// result that is not believed adds nothing: a reader of analytics metadata takes what is there
/// as found. The `object` is related to its classification.
#[cfg(feature = "analytics")]
fn attach_classification(
    buffer: &mut gst::BufferRef,
    outcome: &Outcome<'_>,
    names: &Names,
    object: Option<(usize, usize)>,
) -> Result<(), glib::BoolError> {
    use gst_analytics::prelude::*;
    use gst_analytics::{AnalyticsRelationMeta, RelTypes};

    let Some(believed) = outcome.believed else { return Ok(()) };
    // The believed one first, whichever is best in this frame: a reader may look no further.
    let others = outcome.ranked.iter().filter(|scored| scored.class != believed.class);
    let named = std::iter::once(&believed).chain(others);
    let named = named.filter(|scored| scored.class < names.quarks.len());
    let (confidences, quarks): (Vec<f32>, Vec<glib::Quark>) =
        named.map(|scored| (scored.confidence, names.quarks[scored.class])).unzip();
    if quarks.is_empty() {
        return Ok(());
    }
    if buffer.meta::<AnalyticsRelationMeta>().is_none() {
        AnalyticsRelationMeta::add(buffer);
    }
    let Some(mut meta) = buffer.meta_mut::<AnalyticsRelationMeta>() else { return Ok(()) };
    let classification = meta.add_cls_mtd(&confidences, &quarks)?.id();
    if let Some((width, height)) = object {
        let (width, height) = (width as i32, height as i32);
        let object = meta.add_od_mtd(quarks[0], 0, 0, width, height, confidences[0])?.id();
        meta.set_relation(RelTypes::RELATE_TO, object, classification)?;
    }
    Ok(())
}

/// What the metadata of one buffer says.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// The label, or the unknown label.
    pub label: &'a str,
    /// 0..1.
    pub confidence: f64,
    /// Of the class that is believed; -1 where none is.
    pub index: i32,
    /// All ranked classes, with their confidences.
    pub results: &'a [(&'a str, f64)],
    /// Whether this very frame was inferred.
    pub fresh: bool,
    /// The model's file name.
    pub model: &'a str,
    /// The name of the element that said it.
    pub element: &'a str,
}

impl Said<'_> {
    /// What a text needs of it.
    pub fn words(&self) -> Words<'_> {
        Words {
            label: self.label,
            confidence: self.confidence,
            known: self.index >= 0,
            results: self.results,
        }
    }
}

/// Gives the metadata that the element called `element`, or any element, put on `buffer` to
/// `reader`; `None` where there is none of it. A buffer may carry the metadata of several elements,
/// also of several of one name, in bins of their own: the last one is that of the nearest.
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

/// What [`find`] finds, read.
pub fn read<T>(
    buffer: &gst::BufferRef,
    element: Option<&str>,
    reader: impl FnOnce(&Said<'_>) -> T,
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
        reader(&Said {
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

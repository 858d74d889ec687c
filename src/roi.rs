//! Regions of interest: the boxes that a detector upstream attached to a buffer, and the
//! classification that each of them gets.
//!
//! A box is a `GstVideoRegionOfInterestMeta` or, with the feature `analytics`, an object detection of
//! a `GstAnalyticsRelationMeta`. Some detectors attach both for one object, so a box that both
//! describe is classified once. A region of interest gets its classification as a parameter, an object
//! detection as a related classification.

use catdog_core::classifier::Classification;
use catdog_core::decision::RankedClass;
use catdog_core::frame::Region;
use gst_video::VideoRegionOfInterestMeta;

/// A rectangle of pixels in the stored frame, as a detector gave it: it may exceed the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelBox {
    /// The left column.
    pub x: i32,
    /// The upper row.
    pub y: i32,
    /// Number of columns.
    pub width: i32,
    /// Number of rows.
    pub height: i32,
}

/// A box of a buffer.
#[derive(Clone, Debug)]
pub struct Roi {
    /// Its pixels.
    pub pixels: PixelBox,
    /// The part of the upright frame that is classified.
    pub region: Region,
    /// What the detector found in it, such as "face".
    pub kind: Option<&'static str>,
    /// The confidence of the detector, 0..1; `None` if it gave none.
    pub confidence: Option<f32>,
    /// The position of its region of interest among those of the buffer.
    region_of_interest: Option<usize>,
    /// The id of its object detection.
    #[cfg(feature = "analytics")]
    pub object: Option<u32>,
    /// The classification; `None` if the box was not classified.
    pub result: Option<RoiResult>,
}

/// The classification of a box.
#[derive(Clone, Debug)]
pub struct RoiResult {
    ranked: Vec<RankedClass>,
    accepted: Option<RankedClass>,
    multi_label: Option<f32>,
}

impl RoiResult {
    /// Copies `classification`, whose classes are borrowed.
    pub fn new(classification: &Classification<'_>) -> Self {
        Self {
            ranked: classification.ranked.to_vec(),
            accepted: classification.accepted,
            multi_label: classification.multi_label,
        }
    }

    /// Returns the classification, without its times.
    pub fn classification(&self) -> Classification<'_> {
        Classification {
            ranked: &self.ranked,
            accepted: self.accepted,
            fresh: true,
            inference_pts: None,
            age: None,
            inference_time: std::time::Duration::ZERO,
            location: None,
            multi_label: self.multi_label,
        }
    }
}

/// Fills `found`, whose boxes are dropped, with the boxes of `buffer`, the one with the highest
/// confidence of the detector first. Boxes without a confidence come last, in the order of the
/// buffer. `region_of` returns the part of the upright frame that shows a box; boxes for which it
/// returns `None` are left out.
pub fn find(
    buffer: &gst::BufferRef,
    region_of: impl Fn(PixelBox) -> Option<Region>,
    found: &mut Vec<Roi>,
) {
    found.clear();
    let metas = buffer.iter_meta::<VideoRegionOfInterestMeta>().enumerate();
    found.extend(metas.filter_map(|(index, meta)| of_region_of_interest(&meta, index, &region_of)));
    #[cfg(feature = "analytics")]
    find_objects(buffer, &region_of, found);
    let rank = |roi: &Roi| roi.confidence.unwrap_or(f32::NEG_INFINITY);
    found.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
}

fn of_region_of_interest(
    meta: &gst::MetaRef<'_, VideoRegionOfInterestMeta>,
    index: usize,
    region_of: impl Fn(PixelBox) -> Option<Region>,
) -> Option<Roi> {
    // C code that computes with signed integers may store a negative position.
    let (x, y, width, height) = meta.rect();
    let pixels = PixelBox {
        x: x as i32,
        y: y as i32,
        width: i32::try_from(width).unwrap_or(i32::MAX),
        height: i32::try_from(height).unwrap_or(i32::MAX),
    };
    // SAFETY: the pointer of a reference to a meta is valid.
    let has_kind = unsafe { (*meta.as_ptr()).roi_type } != 0;
    let confidence = meta.param("detection").and_then(detection_confidence);
    Some(Roi {
        pixels,
        region: region_of(pixels)?,
        kind: has_kind.then(|| meta.roi_type()),
        confidence,
        region_of_interest: Some(index),
        #[cfg(feature = "analytics")]
        object: None,
        result: None,
    })
}

/// Returns the confidence in `detection`, the structure in which DL Streamer and others store it: a
/// double or a float.
fn detection_confidence(detection: &gst::StructureRef) -> Option<f32> {
    let double = detection.get::<f64>("confidence").ok().map(|confidence| confidence as f32);
    let confidence = double.or_else(|| detection.get("confidence").ok());
    confidence.filter(|confidence| confidence.is_finite())
}

/// Adds the object detections of `buffer` to `found`, in which a box with the same pixels is the
/// same object.
#[cfg(feature = "analytics")]
fn find_objects(
    buffer: &gst::BufferRef,
    region_of: impl Fn(PixelBox) -> Option<Region>,
    found: &mut Vec<Roi>,
) {
    use gst_analytics::{AnalyticsMetaRefExt, AnalyticsODMtd, AnalyticsRelationMeta};

    let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return };
    for object in meta.iter::<AnalyticsODMtd>() {
        let Ok(location) = object.location() else { continue };
        let pixels =
            PixelBox { x: location.x, y: location.y, width: location.w, height: location.h };
        let confidence = Some(location.loc_conf_lvl).filter(|confidence| confidence.is_finite());
        if let Some(same) =
            found.iter_mut().find(|roi| roi.pixels == pixels && roi.object.is_none())
        {
            same.object = Some(object.id());
            same.confidence = same.confidence.or(confidence);
            continue;
        }
        let Some(region) = region_of(pixels) else { continue };
        found.push(Roi {
            pixels,
            region,
            kind: object.obj_type().map(|kind| kind.as_str().as_str()),
            confidence,
            region_of_interest: None,
            object: Some(object.id()),
            result: None,
        });
    }
}

/// Adds a parameter to each region of interest of `buffer` that has a classification in `rois`.
/// `parameter` returns it for the classification.
pub fn add_parameters(
    buffer: &mut gst::BufferRef,
    rois: &[Roi],
    parameter: impl Fn(&Classification<'_>) -> gst::Structure,
) {
    for (index, mut meta) in buffer.iter_meta_mut::<VideoRegionOfInterestMeta>().enumerate() {
        let of_meta = rois.iter().find(|roi| roi.region_of_interest == Some(index));
        if let Some(result) = of_meta.and_then(|roi| roi.result.as_ref()) {
            meta.add_param(parameter(&result.classification()));
        }
    }
}

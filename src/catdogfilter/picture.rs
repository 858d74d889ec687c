//! The properties that say which part of the picture is classified, and how it is turned and sized.

use catdog_core::frame::{Orientation, Region};
use catdog_core::property_text::parse_size;
use gst::glib;
use gst_video::VideoOrientationMethod;
use thiserror::Error;

use super::geometry;

/// The picture is the same as without the element.
pub const DEFAULT_DRAW_REGION: bool = false;
/// The picture is the same as without the element.
pub const DEFAULT_DRAW_BOX: bool = false;
/// Phones and photos store how the camera was held.
pub const DEFAULT_ORIENTATION: VideoOrientationMethod = VideoOrientationMethod::Auto;
/// A frame of a street or a meadow rarely has more objects of interest.
pub const DEFAULT_MAX_ROIS: u32 = 8;
/// The largest value of `max-rois`. Each box takes an inference.
const MAX_ROIS: u32 = 64;
/// How far a region in decimal fractions may exceed the frame: the sum of two rounded fractions,
/// such as 0.333 and 0.667, may be a bit more than 1.
const TOLERANCE: f64 = 0.005;

/// Which boxes of a detector upstream are classified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogRoi")]
pub enum RoiMode {
    /// The frame or its region is classified.
    #[default]
    #[enum_value(name = "Classify the frame or its region", nick = "none")]
    None,
    /// Each box is classified, and the frame gets the result of the best box.
    #[enum_value(name = "Classify each box that a detector upstream attached", nick = "each")]
    Each,
}

/// A property of the picture has a value that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PictureError {
    /// The region is not a rectangle inside the frame.
    #[error(
        "region=\"{0}\" is not a rectangle inside the frame; write x, y, width and height as fractions \
         of the frame from 0 to 1, such as \"0.25,0.5,0.5,0.5\""
    )]
    Region(String),
    /// The size is not a width and a height.
    #[error(
        "input-size=\"{0}\" is not a size; write width and height from 1 to 4096, such as 320x240"
    )]
    InputSize(String),
    /// The orientation has no meaning for this element.
    #[error(
        "orientation=custom is not supported; set it to auto or to a fixed orientation, such as 90r"
    )]
    CustomOrientation,
    /// The number of boxes is out of range.
    #[error("max-rois={0} is out of range; set it to 1 to 64")]
    MaxRois(u32),
}

/// The values of the properties, as the user set them.
#[derive(Clone, Copy, Debug)]
pub struct PictureProperties<'a> {
    pub region: Option<&'a str>,
    pub draw_region: bool,
    pub draw_box: bool,
    pub orientation: VideoOrientationMethod,
    pub roi: RoiMode,
    pub max_rois: u32,
}

/// The validated values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The part of the upright frame that is classified.
    pub region: Region,
    /// The property `region`; `None` for the whole frame.
    pub region_text: Option<String>,
    /// The outline of the region is attached to buffers.
    pub draw_region: bool,
    /// The outline of the box of the accepted class is attached to buffers.
    pub draw_box: bool,
    /// `None` if the tags of the stream define it.
    pub orientation: Option<Orientation>,
    pub roi: RoiMode,
    /// The maximum number of boxes of a frame that are classified.
    pub max_rois: usize,
}

impl PictureProperties<'_> {
    /// Returns the validated values, with the value of `current` for each property whose value cannot
    /// be used, and an error for each of these properties.
    pub fn resolve(&self, current: &Picture) -> (Picture, Vec<PictureError>) {
        let Self { draw_region, draw_box, roi, .. } = *self;
        let mut picture = Picture { draw_region, draw_box, roi, ..current.clone() };
        let mut errors = Vec::new();
        match self.region.map(parse_region).unwrap_or(Some(Region::WHOLE)) {
            Some(region) => {
                picture.region = region;
                picture.region_text = self.region.map(str::to_owned);
            }
            None => errors.extend(self.region.map(|text| PictureError::Region(text.to_owned()))),
        }
        match self.orientation {
            VideoOrientationMethod::Custom => errors.push(PictureError::CustomOrientation),
            method => picture.orientation = geometry::orientation(method),
        }
        match self.max_rois {
            1..=MAX_ROIS => picture.max_rois = self.max_rois as usize,
            value => errors.push(PictureError::MaxRois(value)),
        }
        (picture, errors)
    }
}

/// Returns width and height of the value of the property `input-size`, in pixels.
///
/// # Errors
///
/// [`PictureError::InputSize`] if it is not a size, or a side is out of range.
pub fn input_size(text: &str) -> Result<(usize, usize), PictureError> {
    parse_size(text).ok_or_else(|| PictureError::InputSize(text.to_owned()))
}

/// Parses the value of the property `region`: x, y, width and height as fractions of the frame,
/// separated by commas. Returns `None` if it is not a rectangle inside the frame.
fn parse_region(text: &str) -> Option<Region> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let [x, y, width, height] = numbers?[..] else { return None };
    let inside = |start: f64, len: f64| start >= 0.0 && len > 0.0 && start + len <= 1.0 + TOLERANCE;
    if !inside(x, width) || !inside(y, height) {
        return None;
    }
    Region::clamped(x, y, x + width, y + height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: PictureProperties<'static> = PictureProperties {
        region: Some("0,0,0.5,1"),
        draw_region: false,
        draw_box: false,
        orientation: VideoOrientationMethod::_90r,
        roi: RoiMode::Each,
        max_rois: 64,
    };

    #[test]
    fn a_value_that_cannot_be_used_keeps_the_current_one_and_no_other() {
        let (current, errors) = VALID.resolve(&Picture::default());
        assert_eq!(errors, []);
        assert_eq!(current.orientation, Some(Orientation::Rotate90));
        assert_eq!(current.region_text.as_deref(), Some("0,0,0.5,1"));
        for (invalid, start) in [
            (PictureProperties { region: Some("0,0,2,1"), ..VALID }, "region=\"0,0,2,1\" is not"),
            (PictureProperties { max_rois: 0, ..VALID }, "max-rois=0 is out of range"),
            (PictureProperties { max_rois: 65, ..VALID }, "max-rois=65 is out of range"),
            (
                PictureProperties { orientation: VideoOrientationMethod::Custom, ..VALID },
                "orientation=custom is not supported",
            ),
        ] {
            let (picture, errors) =
                PictureProperties { draw_region: true, ..invalid }.resolve(&current);
            let [error] = &errors[..] else { panic!("{errors:?}") };
            assert!(error.to_string().starts_with(start), "{start}");
            assert_eq!(picture, Picture { draw_region: true, ..current.clone() });
        }
    }

    #[test]
    fn without_a_region_the_whole_frame_is_classified() {
        let (current, _) = VALID.resolve(&Picture::default());
        let (whole, errors) = PictureProperties { region: None, ..VALID }.resolve(&current);
        assert_eq!((whole.region, whole.region_text, errors), (Region::WHOLE, None, vec![]));
    }

    #[test]
    fn a_region_is_four_fractions() {
        assert_eq!(parse_region("0.25, 0.5,0.5,0.25"), Region::new(0.25, 0.5, 0.5, 0.25).ok());
        assert_eq!(parse_region("0,0,1,1"), Some(Region::WHOLE));
        for text in [
            "",
            "0,0,1",
            "0,0,1,1,1",
            "a,0,1,1",
            "0,0,0,1",
            "0,0,1,-1",
            "0.5,0,0.6,1",
            "nan,0,1,1",
            "0,0,inf,1",
            "-0.1,0,1,1",
            "10,10,200,100",
        ] {
            assert_eq!(parse_region(text), None, "{text}");
        }
    }

    #[test]
    fn a_region_of_rounded_fractions_ends_at_the_edge() {
        let found = parse_region("0.334,0.667,0.667,0.334").unwrap();
        assert!(found.x() + found.width() <= 1.0 && found.y() + found.height() <= 1.0);
        assert!((found.width() - 0.666).abs() < 1e-9 && (found.height() - 0.333).abs() < 1e-9);
    }

    #[test]
    fn a_text_that_is_not_a_size_is_named() {
        assert_eq!(input_size("320x240"), Ok((320, 240)));
        let error = input_size("320").unwrap_err().to_string();
        assert!(error.starts_with("input-size=\"320\" is not a size"), "{error}");
    }
}

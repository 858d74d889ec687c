//! Frames as JPEG files.

use gst_video::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo, VideoOrientationMethod};
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, imageops};

use crate::picture::RGB_BYTES;

/// The quality of the photos, 1..100. The training sees little of what JPEG adds.
const QUALITY: u8 = 92;
/// How long the conversion of a frame may take.
const CONVERSION: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// How the stored frames differ from upright pictures.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Whether they are mirrored for the window.
    pub is_mirrored: bool,
    /// What makes them upright.
    pub orientation: Orientation,
}

/// Returns the orientation of a picture that `method` makes upright.
pub fn orientation(method: VideoOrientationMethod) -> Orientation {
    match method {
        VideoOrientationMethod::_90r => Orientation::Rotate90,
        VideoOrientationMethod::_180 => Orientation::Rotate180,
        VideoOrientationMethod::_90l => Orientation::Rotate270,
        VideoOrientationMethod::Horiz => Orientation::FlipHorizontal,
        VideoOrientationMethod::Vert => Orientation::FlipVertical,
        VideoOrientationMethod::UlLr => Orientation::Rotate90FlipH,
        VideoOrientationMethod::UrLl => Orientation::Rotate270FlipH,
        _ => Orientation::NoTransforms,
    }
}

/// Returns the frame in `sample` as a JPEG file, upright and as it was before the mirror.
///
/// # Errors
///
/// The message if GStreamer cannot convert the frame.
pub fn encode(sample: &gst::Sample, stored: Stored) -> Result<Vec<u8>, String> {
    let mut pixels = pixels(sample)?;
    if stored.is_mirrored {
        imageops::flip_horizontal_in_place(&mut pixels);
    }
    let mut picture = DynamicImage::ImageRgb8(pixels);
    picture.apply_orientation(stored.orientation);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&picture)
        .map_err(|error| format!("a frame cannot be encoded: {error}"))?;
    Ok(jpeg)
}

/// Returns the frame in `sample` as a JPEG file, as it is.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_jpeg(sample: &gst::Sample) -> Result<Vec<u8>, String> {
    encode(sample, Stored { is_mirrored: false, orientation: Orientation::NoTransforms })
}

/// Returns the frame in `sample` as RGB pixels.
fn pixels(sample: &gst::Sample) -> Result<RgbImage, String> {
    let failed = |reason: &dyn std::fmt::Display| format!("a frame cannot be converted: {reason}");
    let rgb = gst::Caps::builder("video/x-raw").field("format", "RGB").build();
    let converted = gst_video::convert_sample(sample, &rgb, Some(CONVERSION))
        .map_err(|error| failed(&error.message()))?;
    let buffer = converted.buffer().ok_or_else(|| failed(&"no buffer"))?;
    let caps = converted.caps().ok_or_else(|| failed(&"no caps"))?;
    let info = VideoInfo::from_caps(caps).map_err(|error| failed(&error))?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info)
        .map_err(|_| failed(&"the buffer is too small"))?;
    let stride = usize::try_from(frame.plane_stride()[0]).map_err(|error| failed(&error))?;
    let data = frame.plane_data(0).map_err(|error| failed(&error))?;
    let row_bytes = RGB_BYTES * frame.width() as usize;
    let rows = data.chunks(stride.max(1)).take(frame.height() as usize);
    let bytes = rows.flat_map(|row| row.iter().take(row_bytes)).copied().collect();
    RgbImage::from_raw(frame.width(), frame.height(), bytes)
        .ok_or_else(|| failed(&"the buffer is too small"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of 16 x 8 pixels: the left half is red, the right one blue.
    fn sample() -> gst::Sample {
        gst::init().unwrap();
        let info = VideoInfo::builder(gst_video::VideoFormat::Bgrx, 16, 8).build().unwrap();
        let pixel = |index: usize| if index % 16 < 8 { [0, 0, 255, 0] } else { [255, 0, 0, 0] };
        let bytes: Vec<u8> = (0..16 * 8).flat_map(pixel).collect();
        let buffer = gst::Buffer::from_slice(bytes);
        gst::Sample::builder().buffer(&buffer).caps(&info.to_caps().unwrap()).build()
    }

    fn decoded(stored: Stored) -> RgbImage {
        image::load_from_memory(&encode(&sample(), stored).unwrap()).unwrap().into_rgb8()
    }

    fn is_red(picture: &RgbImage, x: u32, y: u32) -> bool {
        let [red, _, blue] = picture.get_pixel(x, y).0;
        red > 200 && blue < 60
    }

    #[test]
    fn a_photo_is_upright_and_not_mirrored() {
        let upright = Stored { is_mirrored: false, orientation: Orientation::NoTransforms };
        let plain = decoded(upright);
        assert_eq!(plain.dimensions(), (16, 8));
        assert!(is_red(&plain, 1, 4) && !is_red(&plain, 14, 4));
        let mirrored = decoded(Stored { is_mirrored: true, ..upright });
        assert!(!is_red(&mirrored, 1, 4) && is_red(&mirrored, 14, 4));
        let right = orientation(VideoOrientationMethod::_90r);
        let turned = decoded(Stored { orientation: right, ..upright });
        assert_eq!(turned.dimensions(), (8, 16));
        assert!(is_red(&turned, 4, 1) && !is_red(&turned, 4, 14));
    }
}

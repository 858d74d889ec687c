//! The outline of the region in the picture.
//!
//! The element only reads pixels, so it attaches the outline as a `GstVideoOverlayComposition`,
//! which `textoverlay` and some sinks draw. The composition is built once for a region and a format;
//! all buffers share it, because a renderer may upload each new composition again. It consists of
//! four thin rectangles, because drawing one rectangle with a transparent inside would cost as much
//! as drawing the whole region.

use catdog_core::frame::{FrameSpec, Region};
use gst::glib;
use gst_video::{
    VideoFormat, VideoFrameFlags, VideoMeta, VideoOverlayComposition, VideoOverlayCompositionMeta,
    VideoOverlayFormatFlags, VideoOverlayRectangle,
};

use super::geometry;

/// The color, as red, green and blue: yellow is distinct from most backgrounds.
const COLOR: [u8; 3] = [255, 216, 0];

/// The shorter side of a frame divided by the width of the line.
const LINE_SHARE: usize = 160;

/// The outline of a region in frames of one format.
#[derive(Debug)]
pub struct Outline {
    composition: VideoOverlayComposition,
    /// The latest composition of upstream, and that composition with the outline.
    merged: Option<(VideoOverlayComposition, VideoOverlayComposition)>,
}

impl Outline {
    /// Builds the outline of `region` in frames of `spec`.
    ///
    /// # Errors
    ///
    /// An error if nothing of the region is in the frame, or that of GStreamer if it cannot allocate
    /// the rectangles.
    pub fn new(spec: &FrameSpec, region: Region) -> Result<Self, glib::BoolError> {
        let mut rectangles = Vec::with_capacity(4);
        let lines = lines(spec, region)
            .ok_or_else(|| glib::bool_error!("nothing of {region:?} is in the frame"))?;
        for (x, y, width, height) in lines {
            let pixels = pixels(width, height)?;
            let flags = VideoOverlayFormatFlags::empty();
            rectangles.push(VideoOverlayRectangle::new_raw(
                &pixels,
                x as i32,
                y as i32,
                width as u32,
                height as u32,
                flags,
            ));
        }
        Ok(Self { composition: VideoOverlayComposition::new(&rectangles)?, merged: None })
    }

    /// Attaches the outline to `buffer`. If an element upstream attached other rectangles, it is
    /// added to them, because elements downstream draw one composition only.
    pub fn attach(&mut self, buffer: &mut gst::BufferRef) {
        let Some(mut meta) = buffer.meta_mut::<VideoOverlayCompositionMeta>() else {
            VideoOverlayCompositionMeta::add(buffer, &self.composition);
            return;
        };
        let upstream = meta.overlay_owned();
        // Upstream cannot change a composition that `merged` refers to.
        let same = self.merged.take().filter(|(of, _)| of.as_ptr() == upstream.as_ptr());
        let (_, merged) = self.merged.insert(same.unwrap_or_else(|| {
            let mut merged = upstream.clone();
            for rectangle in self.composition.iter() {
                merged.make_mut().add_rectangle(&rectangle);
            }
            (upstream, merged)
        }));
        meta.set_overlay(merged);
    }
}

/// Returns the lines around `region`: x, y, width and height of each, in pixels of the stored frame.
/// Positions and sizes are even, so that subsampled chroma is drawn exactly. Returns `None` if nothing
/// of the region is in the frame.
fn lines(spec: &FrameSpec, region: Region) -> Option<[(usize, usize, usize, usize); 4]> {
    let even = |number: usize| number & !1;
    let stored = geometry::stored(region, spec.orientation)?;
    let edge = |fraction: f64, side: usize| even((fraction * side as f64).round() as usize);
    let line = even(spec.width.min(spec.height) / LINE_SHARE).max(2);
    let left = edge(stored.x(), spec.width).min(even(spec.width).saturating_sub(line));
    let top = edge(stored.y(), spec.height).min(even(spec.height).saturating_sub(line));
    let right = edge(stored.x() + stored.width(), spec.width).max(left + line);
    let bottom = edge(stored.y() + stored.height(), spec.height).max(top + line);
    let (width, height) = (right - left, bottom - top);
    Some([
        (left, top, width, line),
        (left, bottom - line, width, line),
        (left, top, line, height),
        (right - line, top, line, height),
    ])
}

/// Returns a buffer of `width` x `height` opaque pixels of [`COLOR`].
fn pixels(width: usize, height: usize) -> Result<gst::Buffer, glib::BoolError> {
    let [red, green, blue] = COLOR;
    // The format that GStreamer blends: 0xAARRGGBB in the byte order of the machine.
    let (format, pixel) = if cfg!(target_endian = "little") {
        (VideoFormat::Bgra, [blue, green, red, 255])
    } else {
        (VideoFormat::Argb, [255, red, green, blue])
    };
    let mut buffer = gst::Buffer::from_slice(pixel.repeat(width * height));
    if let Some(buffer) = buffer.get_mut() {
        VideoMeta::add(buffer, VideoFrameFlags::empty(), format, width as u32, height as u32)?;
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use catdog_core::frame::{Orientation, PixelFormat};

    use super::*;

    #[test]
    fn lines_surround_the_region_from_inside() {
        let spec = FrameSpec::new(PixelFormat::I420, 640, 320);
        let region = Region::new(0.25, 0.5, 0.5, 0.25).unwrap();
        let want = [(160, 160, 320, 2), (160, 238, 320, 2), (160, 160, 2, 80), (478, 160, 2, 80)];
        assert_eq!(lines(&spec, region), Some(want));
        // The right half of the upright frame is the upper half of one that is stored turned.
        let turned = FrameSpec { orientation: Orientation::Rotate90, ..spec };
        let right = Region::new(0.5, 0.0, 0.5, 1.0).unwrap();
        let turned = lines(&turned, right).unwrap();
        assert_eq!(turned[..2], [(0, 0, 640, 2), (0, 158, 640, 2)]);
    }

    #[test]
    fn a_tiny_region_has_lines_inside_the_frame() {
        let spec = FrameSpec::new(PixelFormat::I420, 16, 16);
        let region = Region::new(0.5, 0.5, 0.01, 0.01).unwrap();
        assert_eq!(lines(&spec, region), Some([(8, 8, 2, 2); 4]));
        let corner = Region::new(0.99, 0.99, 0.01, 0.01).unwrap();
        assert_eq!(lines(&spec, corner), Some([(14, 14, 2, 2); 4]));
    }
}

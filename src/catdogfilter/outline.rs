//! The outlines of the region, and of the box of the accepted class, in the picture.
//!
//! The element only reads pixels, so it attaches an outline as a `GstVideoOverlayComposition`, which
//! `textoverlay` and some sinks draw. The composition is built once for its lines; all buffers with
//! the same lines share it, because a renderer may upload each new composition again. It consists of
//! four thin rectangles, because drawing one rectangle with a transparent inside would cost as much
//! as drawing the whole region.

use catdog_core::frame::{FrameSpec, Region};
use gst::glib;
use gst_video::{
    VideoFormat, VideoFrameFlags, VideoMeta, VideoOverlayComposition, VideoOverlayCompositionMeta,
    VideoOverlayFormatFlags, VideoOverlayRectangle,
};

use super::geometry;
use super::picture::Picture;

/// A color, as red, green and blue.
type Color = [u8; 3];

/// Yellow is distinct from most backgrounds.
const REGION_COLOR: Color = [255, 216, 0];
/// Green is, too, and it is distinct from yellow.
const BOX_COLOR: Color = [0, 230, 64];

/// The shorter side of a frame divided by the width of the line.
const LINE_SHARE: usize = 160;

/// Four lines: x, y, width and height of each, in pixels of the stored frame.
type Lines = [(usize, usize, usize, usize); 4];

/// The outlines that are attached to the buffers.
#[derive(Debug, Default)]
pub struct Outlines {
    of_region: Option<Outline>,
    of_box: Option<Outline>,
}

impl Outlines {
    /// Attaches the outlines that `picture` requests to `buffer`, a frame of `spec` whose accepted
    /// class is at `location`.
    ///
    /// # Errors
    ///
    /// The error of GStreamer if it cannot allocate the rectangles.
    pub fn attach(
        &mut self,
        buffer: &mut gst::BufferRef,
        spec: &FrameSpec,
        picture: &Picture,
        location: Option<Region>,
    ) -> Result<(), glib::BoolError> {
        let draws_region = picture.draw_region && picture.region_text.is_some();
        let region = draws_region.then_some(picture.region);
        let location = location.filter(|_| picture.draw_box);
        Outline::update(&mut self.of_region, spec, region, REGION_COLOR)?;
        Outline::update(&mut self.of_box, spec, location, BOX_COLOR)?;
        for outline in [&mut self.of_region, &mut self.of_box].into_iter().flatten() {
            outline.attach(buffer);
        }
        Ok(())
    }
}

/// The outline of a part of a frame.
#[derive(Debug)]
struct Outline {
    lines: Lines,
    composition: VideoOverlayComposition,
    /// The latest composition of upstream, and that composition with the outline.
    merged: Option<(VideoOverlayComposition, VideoOverlayComposition)>,
}

impl Outline {
    /// Makes `outline` that of `region` in frames of `spec`, unless it has the same lines already.
    /// There is none without a region, or if nothing of the region is in the frame.
    ///
    /// # Errors
    ///
    /// The error of GStreamer if it cannot allocate the rectangles.
    fn update(
        outline: &mut Option<Self>,
        spec: &FrameSpec,
        region: Option<Region>,
        color: Color,
    ) -> Result<(), glib::BoolError> {
        let lines = region.and_then(|region| lines(spec, region));
        if outline.as_ref().map(|outline| outline.lines) != lines {
            *outline = lines.map(|lines| Self::new(lines, color)).transpose()?;
        }
        Ok(())
    }

    fn new(lines: Lines, color: Color) -> Result<Self, glib::BoolError> {
        let mut rectangles = Vec::with_capacity(lines.len());
        for (x, y, width, height) in lines {
            let pixels = pixels(width, height, color)?;
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
        Ok(Self { lines, composition: VideoOverlayComposition::new(&rectangles)?, merged: None })
    }

    /// Attaches the outline to `buffer`. If an element upstream attached other rectangles, it is
    /// added to them, because elements downstream draw one composition only.
    fn attach(&mut self, buffer: &mut gst::BufferRef) {
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

/// Returns the lines around `region`. Positions and sizes are even, so that subsampled chroma is drawn
/// exactly. Returns `None` if nothing of the region is in the frame.
fn lines(spec: &FrameSpec, region: Region) -> Option<Lines> {
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

/// Returns a buffer of `width` x `height` opaque pixels of `color`.
fn pixels(
    width: usize,
    height: usize,
    [red, green, blue]: Color,
) -> Result<gst::Buffer, glib::BoolError> {
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

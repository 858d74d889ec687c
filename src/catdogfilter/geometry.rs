//! Rectangles of the stored frame and of the upright one.

use catdog_core::frame::{FrameSpec, Orientation, Region};
use gst_video::VideoOrientationMethod;

use crate::roi::PixelBox;

/// Returns the part of `region` that is inside `limits`.
pub fn intersection(region: Region, limits: Region) -> Option<Region> {
    let right = |region: Region| region.x() + region.width();
    let bottom = |region: Region| region.y() + region.height();
    Region::clamped(
        region.x().max(limits.x()),
        region.y().max(limits.y()),
        right(region).min(right(limits)),
        bottom(region).min(bottom(limits)),
    )
}

/// Returns the part of the upright frame that shows the part `stored` of the stored frame; `None` if
/// nothing of it is left, because of rounding.
pub fn upright(stored: Region, orientation: Orientation) -> Option<Region> {
    let flipped = flip(stored, orientation)?;
    if orientation.transposes() { transpose(flipped) } else { Some(flipped) }
}

/// Returns the part of the stored frame that the part `upright` of the upright frame shows; `None`
/// if nothing of it is left, because of rounding.
pub fn stored(upright: Region, orientation: Orientation) -> Option<Region> {
    let turned = if orientation.transposes() { transpose(upright)? } else { upright };
    flip(turned, orientation)
}

/// Returns the pixels of a stored frame of `spec` that the part `upright` of the upright frame shows,
/// at least one; `None` if nothing of it is left, because of rounding.
pub fn pixels(upright: Region, spec: &FrameSpec) -> Option<PixelBox> {
    let stored = stored(upright, spec.orientation)?;
    let side = |start: f64, len: f64, pixels: usize| {
        let first = ((start * pixels as f64).round() as usize).min(pixels.saturating_sub(1));
        let end = ((start + len) * pixels as f64).round() as usize;
        (first as i32, end.max(first + 1).saturating_sub(first) as i32)
    };
    let (x, width) = side(stored.x(), stored.width(), spec.width);
    let (y, height) = side(stored.y(), stored.height(), spec.height);
    Some(PixelBox { x, y, width, height })
}

fn flip(region: Region, orientation: Orientation) -> Option<Region> {
    let mirror = |start: f64, len: f64| (1.0 - start - len).max(0.0);
    let x = if orientation.reverses_columns() {
        mirror(region.x(), region.width())
    } else {
        region.x()
    };
    let y =
        if orientation.reverses_rows() { mirror(region.y(), region.height()) } else { region.y() };
    Region::clamped(x, y, x + region.width(), y + region.height())
}

fn transpose(region: Region) -> Option<Region> {
    Region::new(region.y(), region.x(), region.height(), region.width()).ok()
}

/// Returns the orientation that `method` defines; `None` for `auto` and `custom`.
pub fn orientation(method: VideoOrientationMethod) -> Option<Orientation> {
    use VideoOrientationMethod as Method;
    match method {
        Method::Identity => Some(Orientation::Identity),
        Method::_90r => Some(Orientation::Rotate90),
        Method::_180 => Some(Orientation::Rotate180),
        Method::_90l => Some(Orientation::Rotate270),
        Method::Horiz => Some(Orientation::FlipHorizontal),
        Method::Vert => Some(Orientation::FlipVertical),
        Method::UlLr => Some(Orientation::Transpose),
        Method::UrLl => Some(Orientation::AntiTranspose),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use catdog_core::frame::PixelFormat;

    use super::*;

    fn region(x: f64, y: f64, width: f64, height: f64) -> Region {
        Region::new(x, y, width, height).unwrap()
    }

    #[track_caller]
    fn assert_close(found: Region, want: Region) {
        let edges = |region: Region| [region.x(), region.y(), region.width(), region.height()];
        let equal =
            edges(found).iter().zip(edges(want)).all(|(found, want)| (found - want).abs() < 1e-9);
        assert!(equal, "{found:?} instead of {want:?}");
    }

    /// The expected rectangles were read from pictures that GStreamer's `videoflip` made.
    #[test]
    fn rectangles_turn_as_videoflip_turns_them() {
        let corner = region(0.0, 0.0, 0.25, 0.5);
        for (method, want) in [
            (VideoOrientationMethod::Identity, region(0.0, 0.0, 0.25, 0.5)),
            (VideoOrientationMethod::_90r, region(0.5, 0.0, 0.5, 0.25)),
            (VideoOrientationMethod::_180, region(0.75, 0.5, 0.25, 0.5)),
            (VideoOrientationMethod::_90l, region(0.0, 0.75, 0.5, 0.25)),
            (VideoOrientationMethod::Horiz, region(0.75, 0.0, 0.25, 0.5)),
            (VideoOrientationMethod::Vert, region(0.0, 0.5, 0.25, 0.5)),
            (VideoOrientationMethod::UlLr, region(0.0, 0.0, 0.5, 0.25)),
            (VideoOrientationMethod::UrLl, region(0.5, 0.75, 0.5, 0.25)),
        ] {
            let orientation = orientation(method).unwrap();
            assert_close(upright(corner, orientation).unwrap(), want);
            assert_close(stored(want, orientation).unwrap(), corner);
        }
        assert_eq!(orientation(VideoOrientationMethod::Auto), None);
        assert_eq!(orientation(VideoOrientationMethod::Custom), None);
    }

    #[test]
    fn a_region_has_the_pixels_of_the_stored_frame() {
        let frame = FrameSpec::new(PixelFormat::I420, 640, 480);
        let found = |upright, orientation| {
            let PixelBox { x, y, width, height } =
                pixels(upright, &FrameSpec { orientation, ..frame.clone() }).unwrap();
            [x, y, width, height]
        };
        let upright = region(0.25, 0.5, 0.125, 0.25);
        assert_eq!(found(upright, Orientation::Identity), [160, 240, 80, 120]);
        assert_eq!(found(upright, Orientation::Rotate180), [400, 120, 80, 120]);
        // Upright, the frame is 480x640: the box is at 120, 320 and has 60x160 pixels there.
        assert_eq!(found(upright, Orientation::Rotate90), [320, 300, 160, 60]);
        assert_eq!(
            found(region(0.9999, 0.0, 0.0001, 1.0), Orientation::Identity),
            [639, 0, 1, 480]
        );
        let third = region(1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0);
        assert_eq!(found(third, Orientation::Identity), [213, 0, 214, 480]);
    }

    #[test]
    fn what_is_outside_the_limits_is_cut_off() {
        let limits = region(0.25, 0.25, 0.5, 0.5);
        let inside = intersection(region(0.0, 0.5, 0.5, 0.5), limits);
        assert_eq!(inside, Some(region(0.25, 0.5, 0.25, 0.25)));
        assert_eq!(intersection(region(0.0, 0.0, 0.25, 1.0), limits), None);
    }
}

//! Rectangles of the stored frame and of the upright one.

use catdog_core::frame::{Orientation, Region};
use gst_video::VideoOrientationMethod;

/// Returns the region with these edges, which may exceed the frame; `None` if nothing of it is
/// inside the frame.
pub fn clamped(left: f64, top: f64, right: f64, bottom: f64) -> Option<Region> {
    let (left, top) = (left.max(0.0), top.max(0.0));
    // For numbers from 0 to 1, x + (1 - x) is not more than 1, whatever the rounding.
    let width = (right - left).min(1.0 - left);
    let height = (bottom - top).min(1.0 - top);
    Region::new(left, top, width, height).ok()
}

/// Returns the part of `region` that is inside `limits`.
pub fn intersection(region: Region, limits: Region) -> Option<Region> {
    let right = |region: Region| region.x() + region.width();
    let bottom = |region: Region| region.y() + region.height();
    clamped(
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

fn flip(region: Region, orientation: Orientation) -> Option<Region> {
    let mirror = |start: f64, len: f64| (1.0 - start - len).max(0.0);
    let x = if orientation.reverses_columns() {
        mirror(region.x(), region.width())
    } else {
        region.x()
    };
    let y =
        if orientation.reverses_rows() { mirror(region.y(), region.height()) } else { region.y() };
    clamped(x, y, x + region.width(), y + region.height())
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
    fn what_is_outside_the_frame_is_cut_off() {
        assert_eq!(clamped(-0.5, 0.5, 0.5, 2.0), Some(region(0.0, 0.5, 0.5, 0.5)));
        assert_eq!(clamped(1.0, 0.0, 2.0, 1.0), None);
        assert_eq!(clamped(0.5, 0.0, 0.5, 1.0), None);
        let limits = region(0.25, 0.25, 0.5, 0.5);
        let inside = intersection(region(0.0, 0.5, 0.5, 0.5), limits);
        assert_eq!(inside, Some(region(0.25, 0.5, 0.25, 0.25)));
        assert_eq!(intersection(region(0.0, 0.0, 0.25, 1.0), limits), None);
    }
}

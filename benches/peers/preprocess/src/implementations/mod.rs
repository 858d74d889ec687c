//! The implementations: each turns a frame into a tensor in the fastest way of its library.

mod catdog;
mod fast_image_resize;
mod gst_video;
pub mod opencv;
mod pic_scale;
mod planar;
pub mod swscale;

use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use catdog_core::preprocess::Kernels;

use crate::frames::Frames;

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The filter of an implementation, which is compared with the same filter of catdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Only a few pixels around each sampling point contribute.
    TwoTap,
    /// All pixels contribute, so the result has no aliasing.
    Antialiased,
}

impl Filter {
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoTap => "two-tap",
            Self::Antialiased => "antialiased",
        }
    }
}

/// A way to turn frames into tensors.
pub trait Implementation {
    /// Preprocesses frame `index` into the tensor of the implementation.
    fn fill(&mut self, index: usize) -> Outcome;

    /// Returns the tensor of the last frame.
    fn tensor(&mut self) -> Outcome<Vec<f32>>;

    /// Returns the duration of each of `frames`.
    fn time(&mut self, frames: &[usize]) -> Outcome<Vec<Duration>> {
        let timed = |index: &usize| {
            let start = Instant::now();
            self.fill(*index)?;
            Ok(start.elapsed())
        };
        frames.iter().map(timed).collect()
    }
}

/// An implementation with its name and filter: one row of the tables.
pub struct Entry {
    pub name: &'static str,
    pub filter: Filter,
    pub implementation: Box<dyn Implementation>,
}

/// Returns all implementations for frames of one format and tensors of one size. The first of each filter is catdog.
pub fn all(
    frames: &Rc<Frames>,
    side: usize,
    python: Option<&opencv::Interpreter>,
) -> Outcome<Vec<Entry>> {
    use Filter::{Antialiased, TwoTap};
    let mut entries = Vec::new();
    let mut add =
        |name, filter, implementation| entries.push(Entry { name, filter, implementation });
    let catdog =
        |filter, kernels| catdog::Catdog::boxed(frames, side, filter == Antialiased, kernels);
    add("catdog, `antialias=false`", TwoTap, catdog(TwoTap, Kernels::best())?);
    add("catdog, `antialias=true`", Antialiased, catdog(Antialiased, Kernels::best())?);
    let baseline = Kernels::baseline();
    add("catdog, `antialias=false`, baseline kernels", TwoTap, catdog(TwoTap, baseline)?);
    add("catdog, `antialias=true`, baseline kernels", Antialiased, catdog(Antialiased, baseline)?);
    for (name, filter) in [
        ("videoconvertscale, `method=bilinear` (its default)", TwoTap),
        ("videoconvertscale, `method=bilinear2`", Antialiased),
    ] {
        add(name, filter, gst_video::GstVideo::boxed(frames, side, filter)?);
    }
    for (name, filter, flags) in [
        ("libswscale, `SWS_FAST_BILINEAR`", TwoTap, swscale::FAST_BILINEAR),
        ("libswscale, `SWS_BILINEAR`", Antialiased, swscale::BILINEAR),
        ("libswscale, `SWS_AREA`", Antialiased, swscale::AREA),
    ] {
        add(name, filter, swscale::Swscale::boxed(frames, side, flags)?);
    }
    if let Some(python) = python {
        let process = python.start(frames, side)?;
        for (name, filter, how) in [
            ("OpenCV, `INTER_LINEAR`", TwoTap, "linear"),
            ("OpenCV, `INTER_AREA`", Antialiased, "area"),
        ] {
            add(name, filter, opencv::OpenCv::boxed(&process, how));
        }
    }
    for (name, filter) in [
        ("fast_image_resize, `Interpolation(Bilinear)`", TwoTap),
        ("fast_image_resize, `Convolution(Bilinear)`", Antialiased),
    ] {
        add(name, filter, fast_image_resize::boxed(frames, side, filter));
    }
    for (name, filter) in
        [("pic-scale, `Bilinear`, `supersampling`", TwoTap), ("pic-scale, `Bilinear`", Antialiased)]
    {
        add(name, filter, pic_scale::boxed(frames, side, filter)?);
    }
    Ok(entries)
}

//! Everyone who makes a tensor of a frame, each in the way that its library does best.

mod fast_image_resize;
mod gst_video;
pub mod opencv;
mod ours;
mod pic_scale;
mod planar;
pub mod swscale;

use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use gstcatdog::preprocess::Kernels;

use crate::frames::Frames;

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What a contender's pixels are the means of, and so which of our filters it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Few pixels around each sampling point, the others are skipped.
    TwoTap,
    /// All pixels, as an antialiasing filter must.
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

/// One row of the tables.
pub trait Contender {
    /// Fills the contender's own tensor from frame `index`.
    fn fill(&mut self, index: usize) -> Outcome;

    /// The tensor as the last frame left it.
    fn tensor(&mut self) -> Outcome<Vec<f32>>;

    /// How long each of `frames` takes.
    fn time(&mut self, frames: &[usize]) -> Outcome<Vec<Duration>> {
        let timed = |index: &usize| {
            let start = Instant::now();
            self.fill(*index)?;
            Ok(start.elapsed())
        };
        frames.iter().map(timed).collect()
    }
}

/// A contender, what it is called, and what it is held against.
pub struct Entry {
    pub name: &'static str,
    pub filter: Filter,
    pub contender: Box<dyn Contender>,
}

/// All of them for frames of one format and tensors of one size; ours, of each filter, first.
pub fn all(
    frames: &Rc<Frames>,
    side: usize,
    python: Option<&opencv::Interpreter>,
) -> Outcome<Vec<Entry>> {
    use Filter::{Antialiased, TwoTap};
    let mut entries = Vec::new();
    let mut add = |name, filter, contender| entries.push(Entry { name, filter, contender });
    let ours = |filter, kernels| ours::Ours::boxed(frames, side, filter == Antialiased, kernels);
    add("catdog, `antialias=false`", TwoTap, ours(TwoTap, Kernels::best())?);
    add("catdog, `antialias=true`", Antialiased, ours(Antialiased, Kernels::best())?);
    let baseline = Kernels::baseline();
    add("catdog, `antialias=false`, baseline kernels", TwoTap, ours(TwoTap, baseline)?);
    add("catdog, `antialias=true`, baseline kernels", Antialiased, ours(Antialiased, baseline)?);
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

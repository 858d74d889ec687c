//! Measures the preprocessing, from the planes of a frame to the input tensor.
//!
//! `stretch` and `stretch_baseline` preprocess one frame again and again, so it is in cache as far as it fits.
//! `cold` preprocesses 64 frames in rotation, more than a cache holds, as a camera delivers them.
//!
//! Run: `cargo bench --bench preprocess`. An argument selects by name, for example
//! `cargo bench --bench preprocess -- 1920x1080`.

#![allow(clippy::expect_used)]

use std::fmt;

use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};
use divan::{Bencher, black_box};

const FORMATS: [PixelFormat; 5] =
    [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2, PixelFormat::Rgb, PixelFormat::Bgrx];
const SIZES: [(usize, usize); 3] = [(640, 480), (1280, 720), (1920, 1080)];
/// 64 frames of this size are larger than a cache of 32 MB in every format.
const COLD_SIZES: [(usize, usize); 1] = [(1920, 1080)];
const TENSORS: [usize; 2] = [150, 224];

fn main() {
    divan::main();
}

/// One line of the output.
struct Case {
    format: PixelFormat,
    size: (usize, usize),
    /// Width and height of the tensor.
    side: usize,
    antialias: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, size: (width, height), side, antialias } = self;
        let filter = if *antialias { "antialiased" } else { "two-tap" };
        write!(f, "{format:?} {width}x{height} to {side}x{side} {filter}")
    }
}

fn cases(sizes: &[(usize, usize)]) -> Vec<Case> {
    let mut cases = Vec::new();
    for format in FORMATS {
        for size in sizes.iter().copied() {
            for side in TENSORS {
                cases.extend([true, false].map(|antialias| Case { format, size, side, antialias }));
            }
        }
    }
    cases
}

/// Measures the fastest kernels of this machine.
#[divan::bench(args = cases(&SIZES))]
fn stretch(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::best(), 1);
}

/// Measures the kernels of the baseline instruction set.
#[divan::bench(args = cases(&SIZES))]
fn stretch_baseline(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::baseline(), 1);
}

/// Measures frames that are not in cache.
#[divan::bench(args = cases(&COLD_SIZES))]
fn cold(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::best(), 64);
}

/// Measures `frames` different frames in rotation.
fn run(bencher: Bencher<'_, '_>, case: &Case, kernels: Kernels, frames: usize) {
    let (width, height) = case.size;
    let spec = FrameSpec::new(case.format, width, height);
    let memory: Vec<Vec<(Vec<u8>, usize)>> =
        (0..frames).map(|index| planes(case, index as u8)).collect();
    let target = TensorTarget {
        width: case.side,
        height: case.side,
        channels: Channels::Rgb,
        order: ChannelOrder::Last,
        element: ElementType::F32,
        values: [ValueMap::Normalized { mean: 127.5, std: 127.5 }; 3],
    };
    let resize = Resize { method: ResizeMethod::Stretch, antialias: case.antialias };
    let mut preprocessor =
        Preprocessor::with_kernels(&spec, &target, resize, kernels).expect("a valid plan");
    let mut tensor = vec![0.0; case.side * case.side * 3];
    let views: Vec<FrameView<'_>> = memory.iter().map(|planes| view(&spec, planes)).collect();
    let mut rotation = views.iter().cycle();
    bencher.bench_local(|| {
        let frame = rotation.next().expect("at least one frame");
        preprocessor.run(black_box(frame), TensorMut::F32(&mut tensor)).expect("a whole frame");
        black_box(&tensor);
    });
}

/// Returns the planes of a frame and their strides. The bytes are written, because untouched zeroed memory is one
/// page that the system maps many times, and that stays in cache.
fn planes(case: &Case, index: u8) -> Vec<(Vec<u8>, usize)> {
    let (width, height) = case.size;
    let plane = |plane| {
        let layout = case.format.plane_layout(plane, width, height);
        let bytes = (0..layout.row_bytes * layout.rows).map(|byte| (byte * 31) as u8 ^ index);
        (bytes.collect(), layout.row_bytes)
    };
    (0..case.format.n_planes()).map(plane).collect()
}

fn view<'a>(spec: &FrameSpec, planes: &'a [(Vec<u8>, usize)]) -> FrameView<'a> {
    let planes: Vec<Plane<'a>> =
        planes.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
    FrameView::new(spec, &planes).expect("whole planes")
}

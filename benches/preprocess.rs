//! How long a frame takes from its planes to the input tensor: `cargo bench --bench preprocess`.
//!
//! One frame over and over, so in cache as far as it fits; `cold` takes 64 different ones in turn, more
//! than any cache holds, as from a camera. An argument filters by name, for example
//! `cargo bench --bench preprocess -- 1920x1080`.

#![allow(clippy::expect_used)]

use std::fmt;

use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use catdog_core::preprocess::{
    Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};
use divan::{Bencher, black_box};

const FORMATS: [PixelFormat; 5] =
    [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2, PixelFormat::Rgb, PixelFormat::Bgrx];
const SIZES: [(usize, usize); 3] = [(640, 480), (1280, 720), (1920, 1080)];
/// Of which 64 frames are more than 32 MB of cache in every format.
const COLD_SIZES: [(usize, usize); 1] = [(1920, 1080)];
const TENSORS: [usize; 2] = [150, 224];

fn main() {
    divan::main();
}

/// One line of the table.
struct Case {
    format: PixelFormat,
    size: (usize, usize),
    /// Columns and rows of the tensor.
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

/// With the kernels that this machine runs fastest.
#[divan::bench(args = cases(&SIZES))]
fn stretch(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::best(), 1);
}

/// With those that any machine of its kind could run.
#[divan::bench(args = cases(&SIZES))]
fn stretch_baseline(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::baseline(), 1);
}

/// With frames that come from memory.
#[divan::bench(args = cases(&COLD_SIZES))]
fn cold(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::best(), 64);
}

/// Times `frames` different frames in turn.
fn run(bencher: Bencher<'_, '_>, case: &Case, kernels: Kernels, frames: usize) {
    let (width, height) = case.size;
    let spec = FrameSpec::new(case.format, width, height);
    let memory: Vec<Vec<(Vec<u8>, usize)>> =
        (0..frames).map(|index| planes(case, index as u8)).collect();
    let target = TensorTarget {
        width: case.side,
        height: case.side,
        element: ElementType::F32,
        values: [ValueMap::Normalized { mean: 127.5, std: 127.5 }; 3],
    };
    let resize = Resize { method: ResizeMethod::Stretch, antialias: case.antialias };
    let mut preprocessor =
        Preprocessor::with_kernels(&spec, &target, resize, kernels).expect("a valid plan");
    let mut tensor = vec![0.0; case.side * case.side * 3];
    let views: Vec<FrameView<'_>> = memory.iter().map(|planes| view(&spec, planes)).collect();
    let mut turn = views.iter().cycle();
    bencher.bench_local(|| {
        let frame = turn.next().expect("a cycle of at least one");
        preprocessor.run(black_box(frame), TensorMut::F32(&mut tensor)).expect("a whole frame");
        black_box(&tensor);
    });
}

/// The planes of a frame and their strides. Written byte by byte: memory that comes zeroed from the
/// system is one page under many addresses, and never out of cache.
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

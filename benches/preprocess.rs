//! How long a frame takes from its planes to the input tensor: `cargo bench --bench preprocess`.
//!
//! The frames stay in cache between iterations as far as they fit. An argument filters by name, for
//! example `cargo bench --bench preprocess -- 1920x1080`.

#![allow(clippy::expect_used)]

use std::fmt;

use divan::{Bencher, black_box};
use gstcatdog::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use gstcatdog::preprocess::{Kernels, Preprocessor, ResizeMethod, TensorTarget, ValueMap};
use gstcatdog::tensor::{ElementType, TensorMut};

const FORMATS: [PixelFormat; 5] =
    [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2, PixelFormat::Rgb, PixelFormat::Bgrx];
const SIZES: [(usize, usize); 3] = [(640, 480), (1280, 720), (1920, 1080)];
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
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, size: (width, height), side } = self;
        write!(f, "{format:?} {width}x{height} to {side}x{side}")
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let sizes = || SIZES.into_iter().flat_map(|size| TENSORS.map(|side| (size, side)));
    FORMATS
        .into_iter()
        .flat_map(move |format| sizes().map(move |(size, side)| Case { format, size, side }))
}

/// With the kernels that this machine runs fastest.
#[divan::bench(args = cases())]
fn stretch(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::best());
}

/// With those that any machine of its kind could run.
#[divan::bench(args = cases())]
fn stretch_baseline(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, Kernels::baseline());
}

fn run(bencher: Bencher<'_, '_>, case: &Case, kernels: Kernels) {
    let (width, height) = case.size;
    let spec = FrameSpec::new(case.format, width, height);
    let layouts =
        (0..case.format.n_planes()).map(|plane| case.format.plane_layout(plane, width, height));
    let memory: Vec<(Vec<u8>, usize)> = layouts
        .map(|layout| {
            let bytes = (0..layout.row_bytes * layout.rows).map(|index| (index * 31) as u8);
            (bytes.collect(), layout.row_bytes)
        })
        .collect();
    let planes: Vec<Plane<'_>> =
        memory.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
    let frame = FrameView::new(&spec, &planes).expect("whole planes");
    let target = TensorTarget {
        width: case.side,
        height: case.side,
        element: ElementType::F32,
        values: [ValueMap::Normalized { mean: 127.5, std: 127.5 }; 3],
    };
    let mut preprocessor =
        Preprocessor::with_kernels(&spec, &target, ResizeMethod::Stretch, kernels)
            .expect("a valid plan");
    let mut tensor = vec![0.0; case.side * case.side * 3];
    bencher.bench_local(|| {
        preprocessor.run(black_box(&frame), TensorMut::F32(&mut tensor)).expect("a whole frame");
        black_box(&tensor);
    });
}

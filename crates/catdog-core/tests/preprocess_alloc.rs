//! A test that the frame loop of the preprocessing allocates nothing. It is a program of its own,
//! because it replaces the global allocator.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use catdog_core::frame::{FrameSpec, FrameView, Orientation, PixelFormat, Plane, Region};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Framing, Preprocessor, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, Tensor, TensorInfo};

thread_local! {
    /// Number of allocations of this thread; other threads of the test harness allocate, too.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: Every method passes its arguments unchanged to `System`. The counter is a thread-local
// without destructor and lazy initialization, so counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: `System` has the same requirements as this method, which the caller meets.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: As above; all memory, so also `memory`, was allocated by `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: As above.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn run_does_not_allocate() {
    let before = allocations();
    let planes: Vec<Vec<u8>> = vec![vec![90; 4 * 161 * 61]; 3];
    assert_eq!(
        allocations() - before,
        4,
        "the counter must count the outer vector and three planes"
    );

    let framings =
        [ResizeMethod::Stretch, ResizeMethod::Crop, ResizeMethod::Letterbox].map(Framing::from);
    let region = Region::new(0.3, 0.5, 0.4, 0.1).unwrap();
    let framings =
        framings.into_iter().flat_map(|framing| [framing, Framing { region, ..framing }]);
    let orientations = [Orientation::Identity, Orientation::Rotate180, Orientation::Rotate90];
    let settings =
        framings.flat_map(|framing| orientations.map(|orientation| (framing, orientation)));
    let settings: Vec<(Framing, Orientation)> = settings.collect();
    for format in PixelFormat::ALL {
        for (framing, orientation) in &settings {
            let spec = FrameSpec { orientation: *orientation, ..FrameSpec::new(format, 161, 61) };
            for (width, height) in [(96, 96), (200, 100), (1, 1)] {
                for target in targets(width, height) {
                    let count = run(&spec, &planes, &target, *framing);
                    assert_eq!(count, 0, "{spec:?} {framing:?} {target:?}");
                }
            }
        }
    }
}

/// Returns a target of each layout, each with another element type.
fn targets(width: usize, height: usize) -> [TensorTarget; 4] {
    let values = [ValueMap::Level; 3];
    [
        (Channels::Rgb, ChannelOrder::Last, ElementType::F32),
        (Channels::Rgb, ChannelOrder::First, ElementType::F16),
        (Channels::Gray, ChannelOrder::Last, ElementType::U8),
        (Channels::Gray, ChannelOrder::First, ElementType::I8),
    ]
    .map(|(channels, order, element)| TensorTarget {
        width,
        height,
        channels,
        order,
        element,
        values,
    })
}

/// Returns the number of allocations of three runs.
fn run(spec: &FrameSpec, planes: &[Vec<u8>], target: &TensorTarget, framing: Framing) -> usize {
    let layouts = (0..spec.format.n_planes())
        .map(|plane| spec.format.plane_layout(plane, spec.width, spec.height));
    let planes: Vec<Plane<'_>> = std::iter::zip(planes, layouts)
        .map(|(data, layout)| Plane { data, stride: layout.row_bytes })
        .collect();
    let shape = vec![target.height, target.width, target.channels.count()];
    let (name, element) = (String::new(), target.element);
    let mut tensor = Tensor::zeroed(&TensorInfo { name, shape, element, quantization: None });
    let mut preprocessor = Preprocessor::new(spec, target, framing).unwrap();
    let before = allocations();
    for _ in 0..3 {
        // The frame loop creates a view of each frame.
        let frame = FrameView::new(spec, &planes).unwrap();
        preprocessor.run(&frame, tensor.elements_mut()).unwrap();
    }
    allocations() - before
}

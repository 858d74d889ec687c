//! A test that the frame loop of the preprocessing allocates nothing. It is a program of its own,
//! because it replaces the global allocator.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Preprocessor, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};

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

    for format in PixelFormat::ALL {
        let spec = FrameSpec::new(format, 161, 61);
        let layouts = (0..format.n_planes()).map(|plane| format.plane_layout(plane, 161, 61));
        let planes: Vec<Plane<'_>> = std::iter::zip(&planes, layouts)
            .map(|(data, layout)| Plane { data, stride: layout.row_bytes })
            .collect();
        for method in [ResizeMethod::Stretch, ResizeMethod::Crop, ResizeMethod::Letterbox] {
            for (width, height) in [(96, 96), (200, 100), (1, 1)] {
                let values = [ValueMap::Level; 3];
                let target = TensorTarget {
                    width,
                    height,
                    channels: Channels::Rgb,
                    order: ChannelOrder::Last,
                    element: ElementType::F32,
                    values,
                };
                let mut preprocessor = Preprocessor::new(&spec, &target, method).unwrap();
                let mut tensor = vec![0.0; width * height * 3];
                let before = allocations();
                for _ in 0..3 {
                    // The frame loop creates a view of each frame.
                    let frame = FrameView::new(&spec, &planes).unwrap();
                    preprocessor.run(&frame, TensorMut::F32(&mut tensor)).unwrap();
                }
                assert_eq!(allocations(), before, "{format:?} {method:?} {width}x{height}");
            }
        }
    }
}

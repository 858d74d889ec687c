//! Whether the frame loop allocates. A test binary of its own, because the allocator is global.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gstcatdog::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use gstcatdog::preprocess::{Preprocessor, ResizeMethod, TensorTarget, ValueMap};
use gstcatdog::tensor::{ElementType, TensorMut};

thread_local! {
    /// Allocations of this thread: the test harness has threads that allocate as they like.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every method passes its arguments on to `System` as they came. The counter is a
// thread-local without destructor or lazy initialisation, so that counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; `memory` is from `System`, because all memory is.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn run_allocates_nothing() {
    let before = allocations();
    let planes: Vec<Vec<u8>> = vec![vec![90; 4 * 161 * 61]; 3];
    assert_eq!(allocations() - before, 4, "the counter counts");

    for format in PixelFormat::ALL {
        let spec = FrameSpec::new(format, 161, 61);
        let layouts = (0..format.n_planes()).map(|plane| format.plane_layout(plane, 161, 61));
        let planes: Vec<Plane<'_>> = std::iter::zip(&planes, layouts)
            .map(|(data, layout)| Plane { data, stride: layout.row_bytes })
            .collect();
        for method in [ResizeMethod::Stretch, ResizeMethod::Crop, ResizeMethod::Letterbox] {
            for (width, height) in [(96, 96), (200, 100), (1, 1)] {
                let values = [ValueMap::Level; 3];
                let target = TensorTarget { width, height, element: ElementType::F32, values };
                let mut preprocessor = Preprocessor::new(&spec, &target, method).unwrap();
                let mut tensor = vec![0.0; width * height * 3];
                let before = allocations();
                for _ in 0..3 {
                    // A frame's view is part of the loop.
                    let frame = FrameView::new(&spec, &planes).unwrap();
                    preprocessor.run(&frame, TensorMut::F32(&mut tensor)).unwrap();
                }
                assert_eq!(allocations(), before, "{format:?} {method:?} {width}x{height}");
            }
        }
    }
}

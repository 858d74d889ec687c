//! The frames that are measured: the same noise in several blocks of memory, in rotation, so that a frame is
//! not in the processor's cache. A camera delivers each frame in other memory, too.

use catdog_core::frame::{FrameError, FrameSpec, FrameView, PixelFormat, Plane};

/// Size of all frames of a rotation in bytes, more than the caches of usual processors.
const ROTATION_BYTES: usize = 64 << 20;
/// Multiplier and increment of a linear congruential generator (Knuth, MMIX).
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const INCREMENT: u64 = 1_442_695_040_888_963_407;

/// A format of frames.
#[derive(Clone, Copy)]
pub struct Format {
    pub pixels: PixelFormat,
    /// The name in caps.
    pub name: &'static str,
}

/// The format of pictures.
pub const RGB: Format = Format { pixels: PixelFormat::Rgb, name: "RGB" };
/// The format of most video decoders.
pub const I420: Format = Format { pixels: PixelFormat::I420, name: "I420" };

/// Frames of one format, each a contiguous block without padding.
pub struct Frames {
    pub spec: FrameSpec,
    memory: Vec<Vec<u8>>,
    next: usize,
}

impl Frames {
    /// Returns frames of `format` and `size`. Without padding, GStreamer lays them out in the same way
    /// if the width is a multiple of 8.
    pub fn new(format: Format, (width, height): (usize, usize)) -> Self {
        let spec = FrameSpec::new(format.pixels, width, height);
        let bytes: usize = plane_sizes(&spec).map(|(size, _)| size).sum();
        let count = ROTATION_BYTES.div_ceil(bytes).max(2);
        Self { spec, memory: vec![noise(bytes); count], next: 0 }
    }

    /// Returns the next frame.
    ///
    /// # Errors
    ///
    /// Never for frames of [`Self::new`].
    pub fn next(&mut self) -> Result<FrameView<'_>, FrameError> {
        let mut rest = &self.memory[self.next][..];
        self.next = (self.next + 1) % self.memory.len();
        let mut planes = Vec::with_capacity(self.spec.format.n_planes());
        for (size, stride) in plane_sizes(&self.spec) {
            let (data, after) = rest.split_at(size);
            planes.push(Plane { data, stride });
            rest = after;
        }
        FrameView::new(&self.spec, &planes)
    }

    /// Returns the memory of each frame.
    pub fn into_memory(self) -> Vec<Vec<u8>> {
        self.memory
    }
}

/// Returns the size in bytes and the stride of each plane.
fn plane_sizes(spec: &FrameSpec) -> impl Iterator<Item = (usize, usize)> {
    let FrameSpec { format, width, height, .. } = *spec;
    (0..format.n_planes()).map(move |plane| {
        let layout = format.plane_layout(plane, width, height);
        (layout.row_bytes * layout.rows, layout.row_bytes)
    })
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state: u64 = 1;
    let mut block = vec![0; bytes];
    for chunk in block.chunks_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        // The upper bits of the generator are the random ones.
        let random = &state.to_le_bytes()[4..];
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
    block
}

//! The frames. All libraries in this process read the same memory; OpenCV, in another process, gets
//! the same bytes in a file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use catdog_core::frame::PixelFormat;

/// Width and height of a frame.
pub const SIZE: (usize, usize) = (1920, 1080);
/// Number of frames, more than a cache holds: 199 MB of I420 or NV12, 265 MB of YUY2.
pub const COUNT: usize = 64;

/// A frame in rows without padding.
#[derive(Clone)]
pub struct Memory(Arc<Vec<u8>>);

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The shape of a plane as an image of interleaved channels.
#[derive(Clone, Copy)]
pub struct Shape {
    pub channels: usize,
    pub width: usize,
    pub height: usize,
}

/// [`COUNT`] different frames of one format.
pub struct Frames {
    pub format: PixelFormat,
    frames: Vec<Memory>,
}

impl Frames {
    /// Creates frames that are smooth and have moderate colors. On smooth frames, filters of different lengths
    /// agree, and a shift by half a pixel has no effect. With moderate colors no converter clips.
    pub fn new(format: PixelFormat) -> Self {
        let frame = |index| Memory(Arc::new(image(format, index as f32 / COUNT as f32)));
        Self { format, frames: (0..COUNT).map(frame).collect() }
    }

    /// Returns the memory of frame `index`.
    pub fn memory(&self, index: usize) -> &Memory {
        &self.frames[index]
    }

    /// Writes all frames into one file.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut file = io::BufWriter::new(std::fs::File::create(file)?);
        self.frames.iter().try_for_each(|frame| file.write_all(&frame.0))?;
        file.flush()
    }

    /// Returns the planes of frame `index` with their strides in bytes.
    pub fn planes(&self, index: usize) -> impl Iterator<Item = (&[u8], usize)> {
        let mut rest = self.frames[index].as_ref();
        (0..self.format.n_planes()).map(move |plane| {
            let layout = self.format.plane_layout(plane, SIZE.0, SIZE.1);
            let (data, after) = rest.split_at(layout.row_bytes * layout.rows);
            rest = after;
            (data, layout.row_bytes)
        })
    }

    /// Returns the shapes of the planes. Packed 4:2:2 is an image of half the width with four channels: two luma
    /// samples, half a sample to the left and to the right of the chroma.
    pub fn shapes(&self) -> Vec<Shape> {
        let (width, height) = SIZE;
        let luma = Shape { channels: 1, width, height };
        let chroma = |channels| Shape { channels, width: width / 2, height: height / 2 };
        match self.format {
            PixelFormat::Yuy2 => vec![Shape { channels: 4, width: width / 2, height }],
            PixelFormat::Nv12 => vec![luma, chroma(2)],
            _ => vec![luma, chroma(1), chroma(1)],
        }
    }
}

/// Returns a frame of luma and chroma waves, shifted by `phase` of their length.
fn image(format: PixelFormat, phase: f32) -> Vec<u8> {
    let (width, height) = SIZE;
    let luma = waves(width, height, [126.0, 70.0, 1.0, 1.0, phase]);
    let (shift_x, shift_y) = format.chroma_shift();
    let (columns, rows) = (width >> shift_x, height >> shift_y);
    let blue = waves(columns, rows, [120.0, 30.0, 0.5, 1.0, phase + 0.3]);
    let red = waves(columns, rows, [135.0, 30.0, 1.0, 0.5, phase + 0.6]);
    let chroma = || blue.iter().zip(&red).map(|(blue, red)| [*blue, *red]);
    match format {
        PixelFormat::Yuy2 => {
            let pairs = luma.as_chunks().0.iter().zip(chroma());
            pairs.flat_map(|([left, right], [blue, red])| [*left, blue, *right, red]).collect()
        }
        PixelFormat::Nv12 => luma.iter().copied().chain(chroma().flatten()).collect(),
        _ => [luma, blue, red].concat(),
    }
}

/// Returns a plane of `mean` plus two waves of half of `amplitude` each: a horizontal one, and the product of a
/// horizontal and a vertical one. `across` and `down` are numbers of cycles.
fn waves(width: usize, height: usize, [mean, amplitude, across, down, phase]: [f32; 5]) -> Vec<u8> {
    let wave = |cycles: f32, len: usize| -> Vec<(f32, f32)> {
        let angle = |index| std::f32::consts::TAU * (cycles * index as f32 / len as f32 + phase);
        (0..len).map(|index| angle(index).sin_cos()).collect()
    };
    let (columns, rows) = (wave(across, width), wave(down, height));
    let level = |(sine, _): &(f32, f32), (_, cosine): &(f32, f32)| {
        (mean + amplitude / 2.0 * (sine + sine * cosine)).round() as u8
    };
    rows.iter().flat_map(|row| columns.iter().map(|column| level(column, row))).collect()
}

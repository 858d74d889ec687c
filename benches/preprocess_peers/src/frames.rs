//! The frames that everyone gets: the same memory for all contenders of this process, a file of the
//! same bytes for the one in another.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use gstcatdog::frame::PixelFormat;

/// Columns and rows of a frame.
pub const SIZE: (usize, usize) = (1920, 1080);
/// So many that no cache holds them: 199 MB of I420 or NV12, 265 MB of YUY2.
pub const COUNT: usize = 64;

/// One frame, in rows without padding.
#[derive(Clone)]
pub struct Memory(Arc<Vec<u8>>);

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A plane, as a picture of so many interleaved channels.
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
    /// Frames that are smooth, so that filters of different lengths agree on them and half a pixel to
    /// the left is no error, and of moderate colours, so that no converter clips.
    pub fn new(format: PixelFormat) -> Self {
        let frame = |index| Memory(Arc::new(picture(format, index as f32 / COUNT as f32)));
        Self { format, frames: (0..COUNT).map(frame).collect() }
    }

    /// The memory of frame `index`.
    pub fn memory(&self, index: usize) -> &Memory {
        &self.frames[index]
    }

    /// Everything in one file.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut file = io::BufWriter::new(std::fs::File::create(file)?);
        self.frames.iter().try_for_each(|frame| file.write_all(&frame.0))?;
        file.flush()
    }

    /// The planes of frame `index`, each with the bytes from one row to the next.
    pub fn planes(&self, index: usize) -> impl Iterator<Item = (&[u8], usize)> {
        let mut rest = self.frames[index].as_ref();
        (0..self.format.n_planes()).map(move |plane| {
            let layout = self.format.plane_layout(plane, SIZE.0, SIZE.1);
            let (data, after) = rest.split_at(layout.row_bytes * layout.rows);
            rest = after;
            (data, layout.row_bytes)
        })
    }

    /// The planes as pictures. Packed 4:2:2 is one of half the width with four channels: two luma
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

/// Waves of luma and chroma, shifted by `phase` of their length.
fn picture(format: PixelFormat, phase: f32) -> Vec<u8> {
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

/// A plane of `mean` plus two waves of half of `amplitude` each: one across, one that goes `down`
/// while it goes across as well.
fn waves(width: usize, height: usize, [mean, amplitude, across, down, phase]: [f32; 5]) -> Vec<u8> {
    let wave = |cycles: f32, len: usize| -> Vec<(f32, f32)> {
        let turn = |index| std::f32::consts::TAU * (cycles * index as f32 / len as f32 + phase);
        (0..len).map(|index| turn(index).sin_cos()).collect()
    };
    let (columns, rows) = (wave(across, width), wave(down, height));
    let level = |(sine, _): &(f32, f32), (_, cosine): &(f32, f32)| {
        (mean + amplitude / 2.0 * (sine + sine * cosine)).round() as u8
    };
    rows.iter().flat_map(|row| columns.iter().map(|column| level(column, row))).collect()
}

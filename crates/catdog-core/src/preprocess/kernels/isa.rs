//! The interface between the code around the loops and the loops of an instruction set.

use crate::frame::Plane;
use crate::preprocess::color::ToRgb;
use crate::preprocess::element_map::{Normalizer, PATTERN};
use crate::preprocess::taps::{HorizontalTaps, RowPair};
use crate::preprocess::target::CHANNELS;

/// The loops that are written for each instruction set. All implementations have bit-identical
/// results.
///
/// A value of an implementing type is the proof that the CPU has the instruction set.
pub(in crate::preprocess) trait Isa: Copy {
    /// Writes the weighted sums of the rows in `taps`, as components, from byte `first` of each row
    /// on.
    ///
    /// Without `SPLIT`, they are written to the first slice of `sums`, and the second one is empty.
    /// With `SPLIT`, they are written alternately to the two slices, which have the same length.
    ///
    /// Prefetches the rows in `upcoming`, which the next output row reads, see
    /// [`prefetch`](super::prefetch::prefetch).
    fn vertical<const SPLIT: bool>(
        self,
        source: Plane<'_>,
        first: usize,
        taps: &[RowPair],
        upcoming: &[u32],
        sums: [&mut [i16]; 2],
    );

    /// Writes the dot product of weights and samples of `line` for each output column. The number
    /// of taps is `N`, or any multiple of [`HorizontalTaps::LONG`] if `N` is 0.
    fn columns<const N: usize>(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]);

    /// Does the same as [`columns`](Self::columns) for columns of two taps.
    fn column_pairs(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]);

    /// Writes the red, green and blue pixel values of each pixel, from rows of the three
    /// components.
    fn combine(self, to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]);

    /// Writes the float elements of the pixel values `levels`.
    fn normalize(
        self,
        normalizer: &Normalizer,
        levels: &[[u8; PATTERN]],
        elements: &mut [[f32; PATTERN]],
    );
}

//! The fixed-point formats of components, weights and coefficients.

/// Components have 7 fractional bits: they are multiples of 1/128. The largest, 255 x 128, fits an
/// i16.
pub(super) const COMPONENT_BITS: u32 = 7;

/// The component of neutral chroma: code 128 in both code ranges.
pub(super) const NEUTRAL: i16 = 128 << COMPONENT_BITS;

/// Vertical weights have 8 fractional bits: 255 times the sum of the weights, 256, fits 16 bits.
pub(super) const VERTICAL_BITS: u32 = 8;

/// The sum of the vertical weights of an output row.
pub(super) const VERTICAL_ONE: u32 = 1 << VERTICAL_BITS;

/// Horizontal weights have 14 fractional bits: 2^14 is the largest power of two that fits an i16.
pub(super) const HORIZONTAL_BITS: u32 = 14;

/// The sum of the horizontal weights of an output column.
pub(super) const HORIZONTAL_ONE: u32 = 1 << HORIZONTAL_BITS;

/// Color coefficients have 13 fractional bits. Those of any accepted matrix fit an i16, and the sum
/// of three products with components, which have 15 bits, fits an i32.
pub(super) const COEFFICIENT_BITS: u32 = 13;

/// The fractional bits of a sum of products of coefficients and components.
pub(super) const LEVEL_SHIFT: u32 = COMPONENT_BITS + COEFFICIENT_BITS;

//! The operations on registers of one width that vertical resampling needs.

/// The operations on the registers of an instruction set. A value of an implementing type is the
/// proof that the CPU has the instruction set.
///
/// A register consists of groups of 16 bytes. The interleaving operations of the CPU work inside
/// each group, so their results are not in memory order.
pub(super) trait Vector: Copy {
    /// A register.
    type Register: Copy;

    /// Number of bytes of a register.
    const BYTES: usize;

    /// Loads `bytes`, which are [`BYTES`](Self::BYTES) bytes.
    fn load(self, bytes: &[u8]) -> Self::Register;

    /// Stores the 16-bit elements of `register` to `to`, from index `start` on.
    fn store(self, to: &mut [i16], start: usize, register: Self::Register);

    /// Returns a register whose 16-bit elements are all `value`.
    fn splat(self, value: i16) -> Self::Register;

    /// Returns `a` XOR `b`.
    fn xor(self, a: Self::Register, b: Self::Register) -> Self::Register;

    /// Adds 16-bit elements, with wrap-around.
    fn add(self, a: Self::Register, b: Self::Register) -> Self::Register;

    /// Shifts unsigned 16-bit sums of weighted bytes right, so that they become components.
    fn to_components(self, sums: Self::Register) -> Self::Register;

    /// Multiplies the unsigned bytes of `weights` with the signed values of `bytes`. Each 16-bit
    /// element of the result is the sum of two adjacent products, with saturation.
    fn multiply_add(self, weights: Self::Register, bytes: Self::Register) -> Self::Register;

    /// Interleaves the bytes of `a` and `b`: first those of the lower half of each group, then
    /// those of the upper halves.
    fn interleave(self, a: Self::Register, b: Self::Register) -> [Self::Register; 2];

    /// Puts the 16-bit elements of two registers, which are in the order of
    /// [`interleave`](Self::interleave), in memory order.
    fn in_order(self, halves: [Self::Register; 2]) -> [Self::Register; 2];

    /// Returns the elements with even index and those with odd index, in memory order, of two
    /// registers in the order of [`interleave`](Self::interleave). The elements have at most 15
    /// bits.
    fn even_odd(self, halves: [Self::Register; 2]) -> [Self::Register; 2];
}

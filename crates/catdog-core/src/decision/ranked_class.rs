//! A class with its confidence, which the steps of a decision pass on.

/// A class and its confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedClass {
    /// Index into the labels.
    pub class: usize,
    /// Confidence, 0..1.
    pub confidence: f32,
}

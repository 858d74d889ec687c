//! Options for models whose input size is open or that have several outputs.

/// Options for models whose input size is open or that have several outputs. The default sets none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelOptions {
    /// Width and height of the input in pixels, for a model whose input has no fixed size.
    pub input_size: Option<(usize, usize)>,
    /// Name or index of the output with the scores, for a model with several outputs. Indices are
    /// those of the file, from 0.
    pub output: Option<String>,
}

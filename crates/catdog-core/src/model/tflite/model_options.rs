//! What the user chooses about a model that leaves a choice.

/// The choices for a model whose file leaves them open. The default chooses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelOptions {
    /// Width and height of the input in pixels, for a model whose input has no fixed size.
    pub input_size: Option<(usize, usize)>,
    /// Name or index of the output with the scores, for a model with several outputs. Indices are
    /// those of the file, from 0.
    pub output: Option<String>,
}

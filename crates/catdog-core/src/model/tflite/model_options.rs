//! Options for what a model leaves open: the size of its input, the order of its channels, and which
//! of several outputs has the scores.

/// Options for what a model leaves open. The default sets none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelOptions {
    /// Width and height of the input in pixels, for a model whose input has no fixed size.
    pub input_size: Option<(usize, usize)>,
    /// Name or index of the output with the scores, for a model with several outputs. Indices are
    /// those of the file, from 0.
    pub output: Option<String>,
    /// Order of the channels that the model expects.
    pub color_order: ColorOrder,
}

/// The order of the color channels of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ColorOrder {
    /// Blue, green, red if the graph subtracts the means of Caffe in that order, otherwise red, green,
    /// blue.
    #[default]
    Auto,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as of OpenCV and Caffe.
    Bgr,
}

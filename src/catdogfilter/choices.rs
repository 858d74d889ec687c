//! The properties of `catdogfilter` whose values are names, and what the names mean.

use catdog_core::model::tflite;
use gst::glib;

/// How a frame is fitted to the input of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogResizeMethod")]
pub enum ResizeMethod {
    /// The whole frame, stretched to the aspect ratio of the input.
    #[default]
    #[enum_value(name = "Stretch the whole frame", nick = "stretch")]
    Stretch,
    /// The center of the frame, with its aspect ratio kept.
    #[enum_value(name = "Crop the center of the frame", nick = "crop")]
    Crop,
    /// The whole frame with its aspect ratio kept, with black borders.
    #[enum_value(name = "Fit the whole frame with black borders", nick = "letterbox")]
    Letterbox,
}

/// The order of the color channels of the model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogColorOrder")]
pub enum ColorOrder {
    /// The order of the graph, if it shows one, otherwise red, green, blue.
    #[default]
    #[enum_value(name = "From the graph of the model, otherwise red, green, blue", nick = "auto")]
    Auto,
    /// Red, green, blue.
    #[enum_value(name = "Red, green, blue", nick = "rgb")]
    Rgb,
    /// Blue, green, red.
    #[enum_value(name = "Blue, green, red", nick = "bgr")]
    Bgr,
}

impl From<ColorOrder> for tflite::ColorOrder {
    fn from(order: ColorOrder) -> Self {
        match order {
            ColorOrder::Auto => Self::Auto,
            ColorOrder::Rgb => Self::Rgb,
            ColorOrder::Bgr => Self::Bgr,
        }
    }
}

/// Whether the model may be rewritten in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogOptimize")]
pub enum OptimizeChoice {
    /// Rewritten if XNNPACK cannot run it as one partition, and the decisions stay the same.
    #[default]
    #[enum_value(name = "Rewrite the model if its decisions stay the same", nick = "auto")]
    Auto,
    /// The model runs as stored.
    #[enum_value(name = "Run the model as stored", nick = "off")]
    Off,
}

/// The library that runs the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogEngine")]
pub enum EngineChoice {
    /// LiteRT if its library is there, otherwise TensorFlow Lite if it is compiled in.
    #[default]
    #[enum_value(name = "LiteRT if it is there, otherwise TensorFlow Lite", nick = "auto")]
    Auto,
    /// LiteRT.
    #[enum_value(name = "LiteRT", nick = "litert")]
    LiteRt,
    /// The classic TensorFlow Lite.
    #[enum_value(
        name = "TensorFlow Lite (needs a build with the feature tflitec)",
        nick = "tflitec"
    )]
    Tflitec,
}

/// The hardware that runs the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogAccelerator")]
pub enum AcceleratorChoice {
    /// The CPU.
    #[default]
    #[enum_value(name = "CPU (XNNPACK)", nick = "cpu")]
    Cpu,
    /// A GPU.
    #[enum_value(name = "GPU (needs LiteRT's GPU accelerator library)", nick = "gpu")]
    Gpu,
    /// An NPU.
    #[enum_value(name = "NPU (needs the vendor's LiteRT dispatch library)", nick = "npu")]
    Npu,
}

/// How scores become confidences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogActivation")]
pub enum ActivationChoice {
    /// No activation if the graph computes probabilities, the exponential if it computes their
    /// logarithms, otherwise sigmoid for one score and softmax for several.
    #[default]
    #[enum_value(
        name = "None if the graph computes probabilities, otherwise sigmoid for one score and softmax \
                for several",
        nick = "auto"
    )]
    Auto,
    /// The scores are confidences.
    #[enum_value(name = "None: the scores are confidences", nick = "none")]
    None,
    /// The logistic function of each score.
    #[enum_value(name = "Logistic function of each score", nick = "sigmoid")]
    Sigmoid,
    /// Softmax over all scores.
    #[enum_value(name = "Softmax over all scores", nick = "softmax")]
    Softmax,
}

/// Whether a textoverlay downstream shows the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogOverlay")]
pub enum OverlayMode {
    /// A textoverlay shows the result if it has no text of its own.
    #[default]
    #[enum_value(name = "Set the text of a textoverlay downstream that has no text", nick = "auto")]
    Auto,
    /// No textoverlay is changed.
    #[enum_value(name = "Do not touch any textoverlay", nick = "none")]
    None,
}

/// Which results are posted on the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogPostMessages")]
pub enum PostMessages {
    /// No result is posted.
    #[enum_value(name = "No messages", nick = "none")]
    None,
    /// A result is posted when the label changes.
    #[default]
    #[enum_value(name = "When the label changes", nick = "change")]
    Change,
    /// The result of every inference is posted.
    #[enum_value(name = "For every inference", nick = "every")]
    Every,
}

/// Whether a frame waits for its own result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogMode")]
pub enum Mode {
    /// Async if upstream is live, otherwise sync.
    #[default]
    #[enum_value(name = "async if the source is live, otherwise sync", nick = "auto")]
    Auto,
    /// Each frame waits for its own result.
    #[enum_value(name = "Each frame waits for its own result", nick = "sync")]
    Sync,
    /// No frame waits; it gets the latest result. With `roi=each`, it waits for a part of the frame
    /// time.
    #[enum_value(
        name = "Frames pass at once with the latest result (with roi=each they wait for a part of the \
                frame time)",
        nick = "async"
    )]
    Async,
}

impl Mode {
    /// Returns whether a frame waits for its own result.
    pub fn waits_for_result(self, upstream_is_live: bool) -> bool {
        match self {
            Self::Sync => true,
            Self::Async => false,
            Self::Auto => !upstream_is_live,
        }
    }
}

/// What the element does if an inference fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogErrorPolicy")]
pub enum ErrorPolicy {
    /// An element error is posted, and the stream stops.
    #[default]
    #[enum_value(name = "Post an error and stop the stream", nick = "error")]
    Error,
    /// One warning is posted, and the stream continues with the latest result.
    #[enum_value(
        name = "Post one warning and continue with the latest result",
        nick = "passthrough"
    )]
    Passthrough,
}

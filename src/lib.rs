//! catdog: LiteRT image classification on every video buffer of a GStreamer pipeline.

pub mod decision;
pub mod engine;
pub mod error;
pub mod frame;
pub mod labels;
pub mod pipeline;
pub mod preprocess;
pub mod stats;
pub mod tensor;

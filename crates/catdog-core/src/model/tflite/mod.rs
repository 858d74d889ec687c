//! Reads, checks and rewrites `.tflite` files before the runtime gets them.
//!
//! [`ModelInfo::parse`] turns the bytes of a file into the description of an image classifier, or
//! into one error that says what is wrong with the model. It refuses graphs on which LiteRT crashes
//! (`verify`). [`optimize()`] rewrites a model that XNNPACK would run in several partitions.
//!
//! The files build on each other: `reader` reads the flatbuffer format, `schema` names the numbers
//! of the two schemas, and all other files use these two.

mod contents;
mod dataflow;
mod entry_point;
mod error;
mod expected_range;
mod graph_activation;
mod graph_options;
mod graph_range;
mod input_view;
mod metadata;
mod model_info;
mod operator_names;
mod optimize;
mod reader;
mod schema;
mod tensor_names;
#[cfg(test)]
mod tests;
mod verify;

pub use contents::{operator_counts, weight_bytes};
pub use error::ModelError;
pub use expected_range::ExpectedRange;
pub use graph_activation::GraphActivation;
pub use graph_range::{Evidence, GraphRange};
pub use metadata::Normalization;
pub use model_info::ModelInfo;
pub use optimize::{Optimized, optimize};

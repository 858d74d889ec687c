//! Reads, checks and rewrites `.tflite` files before the runtime gets them.
//!
//! [`ModelInfo::parse`] turns the bytes of a file into the description of an image classifier, or
//! into one error that says what is wrong with the model. It refuses graphs on which LiteRT crashes
//! (`verify`). [`optimize()`] rewrites a model that XNNPACK would run in several partitions.
//!
//! The files build on each other: `reader` reads the flatbuffer format, `schema` names the numbers
//! of the two schemas, and all other files use these two.

mod activation_search;
mod contents;
mod dataflow;
mod entry_point;
mod error;
mod evidence_output;
mod expected_range;
mod graph_activation;
mod graph_range;
mod image_input;
mod input_view;
mod listing;
mod metadata;
mod model_info;
mod model_options;
mod operator_names;
mod operator_options;
mod optimize;
mod range_convention;
mod reader;
mod schema;
mod scores_output;
mod strip_signatures;
mod tensor_description;
mod tensor_names;
#[cfg(test)]
mod test_model;
#[cfg(test)]
mod tests;
mod verify;
mod xnnpack;

pub use contents::{operator_counts, weight_bytes};
pub use error::ModelError;
pub use evidence_output::EvidenceOutput;
pub use expected_range::ExpectedRange;
pub use graph_activation::GraphActivation;
pub use graph_range::{Evidence, GraphRange};
pub use image_input::{ImageInput, MAX_SIDE};
pub use listing::{ConstantType, ListedSignature, ListedTensor, Listing};
pub use metadata::{LabelsEntry, Normalization, UnusableNormalization};
pub use model_info::ModelInfo;
pub use model_options::{ColorOrder, ModelOptions};
pub use optimize::{Optimized, optimize};
pub use range_convention::RangeConvention;
pub use schema::TensorType;
pub use scores_output::MAX_OUTPUTS;
pub use strip_signatures::strip_signatures;
pub use tensor_description::TensorDescription;
pub use xnnpack::{Partitions, RefusedOperator, xnnpack_partitions};

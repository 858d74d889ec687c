//! Reads, checks and rewrites `.tflite` files before the runtime gets them.
//!
//! [`ModelInfo::parse`] turns the bytes of a file into the description of an image classifier, or
//! into one error that says what is wrong with the model. It refuses graphs on which LiteRT crashes
//! (`verify`). [`optimize()`] rewrites a model that XNNPACK would run in several partitions.
//!
//! The files build on each other: `reader` reads the flatbuffer format, `schema` names the numbers
//! of the two schemas, and all other files use these two.

mod contents;
mod entry_point;
mod error;
mod graph_activation;
mod listing;
mod metadata;
mod model_info;
mod operator_names;
mod optimize;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod verify;
mod xnnpack;

pub use contents::{operator_counts, weight_bytes};
pub use error::ModelError;
pub use graph_activation::GraphActivation;
pub use listing::{ConstantType, ListedSignature, ListedTensor, Listing};
pub use metadata::Normalization;
pub use model_info::ModelInfo;
pub use optimize::{Optimized, optimize};
pub use xnnpack::{Partitions, RefusedOperator, xnnpack_partitions};

//! Models: where the file comes from, what it describes, and the names of the classes.

pub mod labels;
pub mod modelinfo_file;
mod source;
pub mod tflite;

pub use source::{BuiltIn, ModelSource};

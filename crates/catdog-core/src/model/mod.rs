//! Model files: the source of a model, the description that its file contains, and the names of its
//! classes.

pub mod labels;
pub mod modelinfo_file;
mod source;
pub mod tflite;

pub use source::ModelSource;

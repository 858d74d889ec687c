//! Model files: where a model comes from, what its file says about itself, and the names of its classes.

pub mod labels;
pub mod modelinfo;
mod source;
pub mod tflite;

pub use source::ModelSource;

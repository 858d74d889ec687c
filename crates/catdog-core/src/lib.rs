//! catdog-core: a video frame in, a classification out.
//!
//! The path of a frame: [`frame`] (borrowed planes, checked) -> [`preprocess`] (input tensor) ->
//! [`engine`] (output tensor) -> [`decision`] (ranked classes, the accepted one). [`classifier`]
//! combines these steps; [`model`] reads `.tflite` files and labels.
//!
//! This crate does not depend on GStreamer. The plugin `gst-plugin-catdog` and the command `catdog`
//! are built on it.

pub mod classifier;
pub mod decision;
pub mod engine;
pub mod files;
pub mod frame;
pub mod model;
pub mod preprocess;
pub mod property_text;
pub mod stats;
pub mod sync;
pub mod tensor;
#[cfg(feature = "testing")]
pub mod testing;
mod user_cache;

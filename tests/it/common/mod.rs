//! Support for the integration tests: test data, frames of known content, pipelines that run to
//! their end or to their error, and the metadata that arrives.
//!
//! Every wait has a limit. Nothing changes the environment of the process, because tests on other
//! threads may be reading it.

// The process tests use only a part of this module.
#![allow(dead_code, unused_imports)]

mod frames;
mod metadata;
mod pipeline;
mod process;

pub use frames::*;
pub use metadata::*;
pub use pipeline::*;
pub use process::*;

// Test data, skipping and child processes are shared with the tests of the core.
pub use catdog_core::testing::{
    FakeEngine, Random, child, find_outside_data, job, model, noise, outside_data,
    print_uncaptured as say, repository, runtime, skip,
};

/// The model that most tests run: uint8 input of 8x8 pixels, one logit, no labels. Because of its
/// file name, the label is "cat" if the logit is negative and "dog" if it is positive.
pub const MODEL: &str = "cat_dog.tflite";

/// The colors (R, G, B), and the label and confidence that [`MODEL`] gives to a frame of one color,
/// computed with ai_edge_litert 2.3.0.
pub const GREEN: [u8; 3] = [0, 255, 0];
pub const BLUE: [u8; 3] = [0, 0, 255];
pub const RED: [u8; 3] = [255, 0, 0];
pub const GREEN_IS: (&str, f64) = ("cat", 0.7074);
pub const BLUE_IS: (&str, f64) = ("dog", 0.7537);
/// The confidence is below the default threshold of the element.
pub const RED_IS: (&str, f64) = ("unknown", 0.5108);

/// Makes the runtime available, initializes GStreamer and registers the plugin, once per process.
pub fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        runtime();
        gst::init().unwrap();
        gstcatdog::plugin_register_static().unwrap();
    });
}

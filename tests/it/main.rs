//! Integration tests of the elements, in one program: real pipelines with the real runtime, or with
//! a fake engine of known timing.
//!
//! A test that measures its process, or replaces the allocator, is a program of its own:
//! `tests/process_*.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod built_in;
mod common;
mod element;
mod element_running;
mod evidence;
mod exported;
mod heldout;
mod hysteresis;
mod live;
mod live_runtime;
mod metadata;
mod model_change;
mod model_options;
mod not_finite;
mod optimize;
mod orientation;
mod overlay;
mod recording;
mod region;
mod roi;
mod text;

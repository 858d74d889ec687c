//! The preprocessing against pictures that other programs computed, against a slow and simple
//! version of itself, and against properties that hold for any picture.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod frames;
mod golden;
mod oracle;
mod properties;

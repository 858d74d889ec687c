//! Tests of the preprocessing: `golden` compares it with tensors of other programs, `oracle` with a
//! slow and simple implementation, `layouts` compares the layouts of the tensor with each other, and
//! `properties` checks what holds for any picture.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod frames;
mod golden;
mod layouts;
mod oracle;
mod properties;

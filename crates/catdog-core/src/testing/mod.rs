//! Support for the tests of all crates: a fake engine, test data, random numbers, and child
//! processes.

mod child;
mod data;
mod fake_engine;
mod random;

pub use child::{child, job};
pub use data::{
    DATA_VARIABLE, REQUIRE_VARIABLE, SKIP_LOG_VARIABLE, find_outside_data, model, outside_data,
    print_uncaptured, repository, runtime, skip,
};
pub use fake_engine::FakeEngine;
pub use random::{Random, noise};

//! Support for the tests of all crates: an engine without a model, and the places of test data.

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

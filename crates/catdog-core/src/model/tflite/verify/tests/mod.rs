//! Tests of the rules of the verifier. What they accept is compared with the Python LiteRT
//! interpreter (`tests/golden/shapes.json`); what they refuse is built here, one number away from a
//! valid graph.

mod budget;
mod golden;
mod graphs;
mod layers;
mod options;
mod parts;
mod shapes;
mod tensors;
mod types;
mod values;

use super::operators::Rule;
use crate::model::tflite::error::ModelError;
use crate::model::tflite::schema::{BuiltinOperator, BuiltinOptions};
use crate::model::tflite::test_model::{Fields, TestModel};

/// Returns the type of the options of an operator.
pub fn options_of(code: BuiltinOperator) -> BuiltinOptions {
    Rule::of(code).map_or(BuiltinOptions::NONE, |rule| rule.options)
}

/// What the verifier says about a model: "accepted", the reason for which it refuses an operator, or
/// the name of the damaged part.
fn verdict(model: &TestModel) -> String {
    match model.verify() {
        Ok(()) => "accepted".to_owned(),
        Err(ModelError::Operator { reason, .. }) => reason.to_owned(),
        Err(ModelError::Damaged(part)) => part.to_owned(),
        Err(ModelError::Quantization { reason, .. }) => reason.to_owned(),
        Err(ModelError::OperatorType { tensor, element, .. }) => format!("{tensor} is {element}"),
        Err(ModelError::OutputShape { reason, .. }) => reason.to_owned(),
        Err(ModelError::DataDependent { .. }) => "data-dependent".to_owned(),
        Err(ModelError::TooLarge { .. }) => "too large".to_owned(),
        Err(ModelError::TooSlow { .. }) => "too slow".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Verdicts that differ from the expected ones. All cases of a test are checked, and
/// [`finish`](Cases::finish) reports the failures together.
#[derive(Default)]
#[must_use]
struct Cases {
    differences: Vec<String>,
}

impl Cases {
    /// Checks the verdict about `model`.
    fn expect(&mut self, name: &str, model: &TestModel, wanted: &str) {
        let found = verdict(model);
        if found != wanted {
            self.differences.push(format!("{name}: {found}; expected: {wanted}"));
        }
    }

    /// Checks the verdict about a model with one operator, which `build` adds.
    fn case(&mut self, name: &str, wanted: &str, build: impl FnOnce(&mut TestModel)) {
        let mut model = TestModel::new();
        build(&mut model);
        self.expect(name, &model, wanted);
    }

    /// Asserts that there are no failures.
    fn finish(self) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
    }
}

/// Returns no options.
fn none() -> Fields {
    Vec::new()
}

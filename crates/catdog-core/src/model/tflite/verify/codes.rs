//! The operator codes of a model: which operators it uses, and whether catdog runs them.

use super::operators::Rule;
use crate::model::tflite::contents::short;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{BuiltinOperator, model, operator_code};

/// An operator code.
pub enum Code {
    /// An operator of the table.
    Listed(&'static Rule),
    /// Another operator, by its name.
    Unlisted(String),
}

impl Code {
    /// Reads the operator codes of a model.
    pub fn all(root: Table<'_>) -> Result<Vec<Self>, ModelError> {
        root.tables(model::OPERATOR_CODES).into_iter().map(Self::of).collect()
    }

    fn of(code: Table<'_>) -> Result<Self, ModelError> {
        let builtin = BuiltinOperator::of(code);
        let custom_name = code.string(operator_code::CUSTOM_CODE).unwrap_or_default();
        let is_valid = builtin.is_valid()
            && code.i32(operator_code::VERSION) >= 1
            && (builtin != BuiltinOperator::CUSTOM || !custom_name.is_empty());
        require(is_valid, "an operator code")?;
        if builtin == BuiltinOperator::CUSTOM {
            return Ok(Self::Unlisted(short(custom_name)));
        }
        Ok(match Rule::of(builtin) {
            Some(rule) => Self::Listed(rule),
            None => Self::Unlisted(
                builtin.name().map_or(format!("number {}", builtin.code()), str::to_owned),
            ),
        })
    }

    /// Returns the row of the operator.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnsupportedOperator`] if the operator is not in the table.
    pub fn rule(&self) -> Result<&'static Rule, ModelError> {
        match self {
            Self::Listed(rule) => Ok(rule),
            Self::Unlisted(name) => {
                Err(ModelError::UnsupportedOperator { name: name.clone(), reason: reason(name) })
            }
        }
    }
}

/// Returns what an operator outside the table is for, and what to do.
fn reason(name: &str) -> &'static str {
    match name {
        "TFLite_Detection_PostProcess" | "NON_MAX_SUPPRESSION_V4" | "NON_MAX_SUPPRESSION_V5" => {
            "with which a detection model selects its boxes; choose an image classifier"
        }
        "edgetpu-custom-op" => {
            "which only an Edge TPU runs; choose the file from which this one was compiled, \
             without _edgetpu in its name"
        }
        _ if name.starts_with("Flex") => {
            "which needs all of TensorFlow; export the model with built-in operators only \
             (TFLITE_BUILTINS)"
        }
        _ => {
            "which image classifiers do not need and catdog does not run; choose an image \
             classifier, or export it with other built-in operators"
        }
    }
}

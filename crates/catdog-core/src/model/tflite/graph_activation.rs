//! The activation at the end of a graph.

use std::fmt;

use super::reader::Table;
use super::schema::{BuiltinOperator, model, operator, sub_graph};

/// The activation that a graph applies to its scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphActivation {
    /// The graph applies none: the scores are logits or log-probabilities.
    None,
    /// The graph ends in LOGISTIC, which is the sigmoid function.
    Logistic,
    /// The graph ends in SOFTMAX.
    Softmax,
}

impl fmt::Display for GraphActivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Logistic => "logistic",
            Self::Softmax => "softmax",
        })
    }
}

/// Limit for the operators between the activation and the output; exporters write one or two.
const MAX_TRAILING_OPERATORS: usize = 16;

impl GraphActivation {
    /// Finds the activation of the tensor `output` of `graph`. The search goes backward from the
    /// output over operators that change only the type or the shape.
    pub(super) fn find(root: Table<'_>, graph: Table<'_>, output: usize) -> Self {
        let codes = root.tables(model::OPERATOR_CODES);
        let operators = graph.tables(sub_graph::OPERATORS);
        let code = |operator: Table<'_>| {
            let index = operator.u32(operator::OPCODE_INDEX) as usize;
            codes.get(index).map(|code| BuiltinOperator::of(*code))
        };
        let Ok(mut tensor) = i32::try_from(output) else { return Self::None };
        for _ in 0..MAX_TRAILING_OPERATORS {
            let writes_tensor = |o: &&Table<'_>| o.i32_vector(operator::OUTPUTS).contains(&tensor);
            let Some(producer) = operators.iter().find(writes_tensor) else { break };
            match code(*producer) {
                Some(BuiltinOperator::LOGISTIC) => return Self::Logistic,
                Some(BuiltinOperator::SOFTMAX) => return Self::Softmax,
                Some(
                    BuiltinOperator::DEQUANTIZE
                    | BuiltinOperator::QUANTIZE
                    | BuiltinOperator::RESHAPE
                    | BuiltinOperator::SQUEEZE,
                ) => {}
                _ => break,
            }
            let Some(&input) = producer.i32_vector(operator::INPUTS).first() else { break };
            tensor = input;
        }
        Self::None
    }
}

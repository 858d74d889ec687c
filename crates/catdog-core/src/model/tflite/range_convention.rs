//! The range of values that is usual for the inputs of similar models, if nothing defines it.

use super::dataflow::Dataflow;
use super::expected_range::ExpectedRange;
use super::reader::Table;
use super::schema::BuiltinOperator;

/// The kinds of models with a usual range.
///
/// Source: the preprocessing code of 100 public applications with a float classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeConvention {
    /// The graph starts with PAD, CONV_2D and DEPTHWISE_CONV_2D, as the MobileNet that Teachable
    /// Machine trains: -1..1. The network does not scale pixel values itself, because converters
    /// cannot merge a scaling into a convolution across the zeros of a PAD, so it would be visible.
    PaddedMobileNet,
    /// The input is named `input`, as in the slim models of TensorFlow 1: -1..1.
    Slim,
    /// Other networks: 0..1, as in the tutorials of Keras and in Edge Impulse. Of 19 such
    /// classifiers, 14 take 0..1 and 5 take -1..1.
    Other,
}

impl RangeConvention {
    /// Finds the kind of the model whose input is the tensor `input` of `graph`.
    pub(super) fn find(root: Table<'_>, graph: Table<'_>, input: usize) -> Self {
        const START: [BuiltinOperator; 3] =
            [BuiltinOperator::PAD, BuiltinOperator::CONV_2D, BuiltinOperator::DEPTHWISE_CONV_2D];
        let Some(flow) = Dataflow::new(root, graph) else { return Self::Other };
        let mut tensor = input;
        let starts_like_mobilenet = START.iter().all(|code| {
            let mut readers =
                flow.operators.iter().filter(|operator| operator.input(0) == Some(tensor));
            let operator = readers.next().filter(|operator| operator.code == *code);
            let output = operator.and_then(|operator| operator.outputs.first().copied());
            tensor = output.unwrap_or(tensor);
            output.is_some()
        });
        if starts_like_mobilenet {
            Self::PaddedMobileNet
        } else if flow.name(input) == "input" {
            Self::Slim
        } else {
            Self::Other
        }
    }

    /// Returns the usual range.
    pub fn range(self) -> ExpectedRange {
        match self {
            Self::PaddedMobileNet | Self::Slim => ExpectedRange::Centered,
            Self::Other => ExpectedRange::Unit,
        }
    }
}

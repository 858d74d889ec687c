//! The checks of an operator: the number of its inputs and outputs, and their indices.

use super::tensor::Tensor;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{
    ABSENT_TENSOR, BuiltinOperator, TRANSPOSE_CONV_BIAS, layer_inputs, operator,
};

/// An operator of a subgraph, with valid tensor indices.
pub struct Operator<'a> {
    /// The table `Operator`.
    pub table: Table<'a>,
    /// The operation.
    pub code: BuiltinOperator,
    /// Tensor indices of the inputs; `None` for an optional input that is absent.
    pub inputs: Vec<Option<usize>>,
    /// Tensor indices of the outputs.
    pub outputs: Vec<usize>,
}

impl<'a> Operator<'a> {
    /// Reads an operator, and checks that its tensors exist and its inputs are ready.
    pub fn new(
        table: Table<'a>,
        code: BuiltinOperator,
        tensors: &[Tensor],
    ) -> Result<Self, ModelError> {
        let input_indices = table.i32_vector(operator::INPUTS);
        let output_indices = table.i32_vector(operator::OUTPUTS);
        let arity = Arity::of(code);
        if let Some(arity) = &arity {
            let fits = (arity.min..=arity.max).contains(&input_indices.len());
            let what = "the number of an operator's inputs or outputs";
            require(fits && output_indices.len() == 1, what)?;
        }
        let existing = |index: i32| usize::try_from(index).ok().filter(|&i| i < tensors.len());
        let mut inputs = Vec::with_capacity(input_indices.len());
        for (position, &index) in input_indices.iter().enumerate() {
            if index == ABSENT_TENSOR {
                let optional = arity.as_ref().is_none_or(|a| a.optional == Some(position));
                require(optional, "the missing input of an operator")?;
                inputs.push(None);
                continue;
            }
            let index = existing(index).ok_or(ModelError::Damaged("an operator's input"))?;
            require(tensors[index].is_ready, "the order of its operators")?;
            inputs.push(Some(index));
        }
        let outputs: Option<Vec<usize>> = output_indices.into_iter().map(existing).collect();
        let outputs = outputs.ok_or(ModelError::Damaged("an operator's output"))?;
        Ok(Self { table, code, inputs, outputs })
    }

    /// Returns the input at a position; `None` if it is absent.
    pub fn input<'t>(&self, tensors: &'t [Tensor], position: usize) -> Option<&'t Tensor> {
        self.inputs.get(position).copied().flatten().map(|index| &tensors[index])
    }

    /// Returns the first output.
    pub fn output<'t>(&self, tensors: &'t [Tensor]) -> Option<&'t Tensor> {
        self.outputs.first().map(|&index| &tensors[index])
    }

    /// Returns all inputs that are present, and all outputs.
    pub fn tensors<'t>(&self, tensors: &'t [Tensor]) -> impl Iterator<Item = &'t Tensor> {
        let inputs = self.inputs.iter().copied().flatten();
        let indices: Vec<usize> = inputs.chain(self.outputs.iter().copied()).collect();
        indices.into_iter().map(|index| &tensors[index])
    }
}

/// The number of inputs of an operator with one output.
struct Arity {
    min: usize,
    max: usize,
    /// Position of the input that may be absent.
    optional: Option<usize>,
}

impl Arity {
    const fn exactly(inputs: usize) -> Self {
        Self { min: inputs, max: inputs, optional: None }
    }

    /// Returns the arity of an operator; `None` for operators with a variable number of inputs or
    /// outputs, and for those that do not occur in image classifiers. Source: the operators'
    /// reference kernels.
    fn of(code: BuiltinOperator) -> Option<Self> {
        use BuiltinOperator as Op;
        Some(match code {
            Op::CONV_2D | Op::DEPTHWISE_CONV_2D | Op::FULLY_CONNECTED => {
                Self { min: 2, max: 3, optional: Some(layer_inputs::BIAS) }
            }
            Op::TRANSPOSE_CONV => Self { min: 3, max: 4, optional: Some(TRANSPOSE_CONV_BIAS) },
            Op::RESHAPE | Op::SQUEEZE => Self { min: 1, max: 2, optional: None },
            Op::AVERAGE_POOL_2D
            | Op::CAST
            | Op::DEPTH_TO_SPACE
            | Op::DEQUANTIZE
            | Op::HARD_SWISH
            | Op::L2_NORMALIZATION
            | Op::LEAKY_RELU
            | Op::LOGISTIC
            | Op::MAX_POOL_2D
            | Op::NEG
            | Op::QUANTIZE
            | Op::RELU
            | Op::RELU6
            | Op::SOFTMAX
            | Op::SPACE_TO_DEPTH
            | Op::TANH => Self::exactly(1),
            Op::ADD
            | Op::DIV
            | Op::EXPAND_DIMS
            | Op::GATHER
            | Op::MAXIMUM
            | Op::MEAN
            | Op::MINIMUM
            | Op::MUL
            | Op::PAD
            | Op::PRELU
            | Op::REDUCE_MAX
            | Op::RESIZE_BILINEAR
            | Op::RESIZE_NEAREST_NEIGHBOR
            | Op::SQUARED_DIFFERENCE
            | Op::SUB
            | Op::SUM
            | Op::TRANSPOSE => Self::exactly(2),
            Op::PADV2 | Op::SLICE => Self::exactly(3),
            Op::STRIDED_SLICE => Self::exactly(4),
            _ => return None,
        })
    }
}

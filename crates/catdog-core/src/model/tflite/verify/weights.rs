//! The checks of operators with weights: convolutions, fully connected layers, matrix products.

use super::args::Args;
use super::fault::{Fault, ensure};
use super::types::{F32, I8, I16, I32, INDEX, Q8, QUANTIZED, SUB_BYTE, Types};
use crate::model::tflite::schema::{
    BuiltinOperator as Op, CONV_2D_CHANNELS, DEPTHWISE_CONV_2D_CHANNELS, TRANSPOSE_CONV_BIAS,
    TensorType, layer_inputs,
};

/// Element types that occur together in a layer.
struct LayerTypes {
    input: Types,
    weights: Types,
    bias: Types,
    output: Types,
}

const UINT8: Types = Types::of(&[TensorType::UINT8]);

/// The combinations of element types of layers. Sources: the functions `Prepare` and `Eval` of the
/// kernels of CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED and TRANSPOSE_CONV.
#[rustfmt::skip]
const LAYER_TYPES: [LayerTypes; 5] = [
    LayerTypes { input: F32,   weights: F32,                bias: F32,   output: F32 },
    // Hybrid: the weights are quantized, the activations are not.
    LayerTypes { input: F32,   weights: Q8.and(SUB_BYTE),   bias: F32,   output: F32 },
    LayerTypes { input: UINT8, weights: UINT8,              bias: I32,   output: UINT8.and(I16) },
    LayerTypes { input: I8,    weights: I8.and(SUB_BYTE),   bias: I32,   output: QUANTIZED },
    LayerTypes { input: I16,   weights: I8.and(SUB_BYTE),   bias: INDEX, output: I16 },
];

/// Checks the element types, the bias and the quantization of an operator with weights.
pub fn verify_weights(args: Args<'_, '_>) -> Result<(), Fault> {
    match args.operator.code {
        Op::CONV_2D => verify_layer(args, LAYER, CONV_2D_CHANNELS),
        Op::DEPTHWISE_CONV_2D => verify_layer(args, LAYER, DEPTHWISE_CONV_2D_CHANNELS),
        Op::FULLY_CONNECTED => verify_layer(args, LAYER, 0),
        Op::UNIDIRECTIONAL_SEQUENCE_LSTM => verify_lstm(args),
        Op::TRANSPOSE_CONV => verify_layer(args, [2, 1, TRANSPOSE_CONV_BIAS], 0),
        Op::BATCH_MATMUL => {
            let [left, right] = [args.input(0)?.element, args.input(1)?.element];
            let mixed = matches!(left, TensorType::FLOAT32 | TensorType::INT16)
                && right == TensorType::INT8;
            ensure(left == right || mixed, TYPES)
        }
        _ => Ok(()),
    }
}

/// Checks the scales of blockwise quantized weights: the kernels read as many as there are blocks. No
/// other operator than FULLY_CONNECTED reads them, and no other tensor can have them.
pub fn verify_blockwise(args: Args<'_, '_>) -> Result<(), Fault> {
    let Args { operator, tensors } = args;
    let weights = operator.inputs.get(layer_inputs::WEIGHTS).copied().flatten();
    let is_layer = operator.code == Op::FULLY_CONNECTED;
    let mut others =
        operator.inputs.iter().copied().flatten().chain(operator.outputs.iter().copied());
    let is_alone = others.all(|index| tensors[index].blockwise.is_none() || Some(index) == weights);
    let Some((weights, blockwise)) =
        weights.and_then(|index| Some((&tensors[index], tensors[index].blockwise?)))
    else {
        return ensure(is_alone, "it does not take blockwise quantized tensors");
    };
    let is_usual =
        is_layer && is_alone && weights.is_constant && F32.contains(args.input(0)?.element);
    ensure(is_usual, "it does not take blockwise quantized tensors")?;
    let columns = weights.shape.last().map_or(0, |&size| u64::from(size.unsigned_abs()));
    let has_whole_blocks = columns % blockwise.block_size == 0;
    let blocks = weights.elements() / blockwise.block_size;
    let has_one_per_block = |index: usize| {
        let values = &tensors[index];
        values.is_constant && values.elements() == blocks
    };
    let fits = has_whole_blocks
        && tensors[blockwise.scales].element == TensorType::FLOAT16
        && has_one_per_block(blockwise.scales)
        && blockwise.zero_points.is_none_or(has_one_per_block);
    ensure(fits, "its weights do not have one scale per block")
}

/// Positions of the input, the weights and the bias of most layers.
const LAYER: [usize; 3] = [layer_inputs::INPUT, layer_inputs::WEIGHTS, layer_inputs::BIAS];

/// The reason for a refusal of the element types.
const TYPES: &str = "no kernel has this combination of element types";

/// Number of tensors for the results inside a quantized LSTM.
const LSTM_INTERMEDIATES: usize = 5;

/// Checks the element types of an LSTM: float, hybrid, or int8 with a cell state in int16.
fn verify_lstm(args: Args<'_, '_>) -> Result<(), Fault> {
    let element = |position| args.input(position).map(|input| input.element);
    let [input, weights, bias, cell] = [element(0)?, element(1)?, element(12)?, element(19)?];
    let fits = if F32.contains(input) {
        F32.contains(bias) && F32.contains(cell)
    } else {
        I8.contains(weights) && I32.contains(bias) && I16.contains(cell)
    };
    ensure(fits, TYPES)?;
    let intermediates = &args.operator.intermediates;
    let has_scale = || {
        intermediates.last().is_some_and(|&index| args.tensors[index].is_quantized())
            && intermediates.len() == LSTM_INTERMEDIATES
    };
    ensure(F32.contains(input) || has_scale(), "the scale of its hidden state is missing")
}

/// Checks a layer with the given positions of its input, weights and bias, and the dimension of the
/// weights that is the number of output channels.
fn verify_layer(
    args: Args<'_, '_>,
    [input, weights, bias]: [usize; 3],
    channels: usize,
) -> Result<(), Fault> {
    let (input, weights) = (args.input(input)?, args.input(weights)?);
    let bias = args.operator.input(args.tensors, bias);
    let output = args.operator.output(args.tensors);
    let output = output.ok_or(Fault::Invalid("it has a wrong number of outputs"))?;
    let fits = LAYER_TYPES.iter().any(|types| {
        types.input.contains(input.element)
            && types.weights.contains(weights.element)
            && bias.is_none_or(|bias| types.bias.contains(bias.element))
            && types.output.contains(output.element)
    });
    ensure(fits, TYPES)?;
    let channels = weights.shape.get(channels).copied();
    let fits = bias.is_none_or(|bias| Some(bias.elements()) == channels.map(|n| n as u64));
    ensure(fits, "its bias does not have one element per output channel")
}

//! The operators that catdog runs, as a table: those that occur in exported image classifiers. A
//! model with any other operator is refused.
//!
//! The list contains what the exporters of Keras, TensorFlow, TFLite Model Maker, Teachable
//! Machine, AutoML, Edge Impulse, Coral, PyTorch (through LiteRT Torch and through ONNX) write for
//! convolutional networks and for vision transformers, and the LSTM with which some read a picture
//! row by row. Control flow, variables, hash tables,
//! random sampling, other recurrent cells, box selection, audio and text operators are not in it.
//!
//! A row has the options of the operator, and the element types of its inputs and outputs. Sources:
//! the registration (`tflite/core/kernels/register.cc`), the function `Prepare` of each kernel
//! (`tflite/kernels/*.cc`) and the comments in `schema.fbs` of LiteRT. Where a kernel leaves out a
//! check, the row has the types for which its function `Eval` has a case.
//!
//! A new operator needs a row here, a rule in `shape` if none of the others fits, and a model in
//! `tests/models/operator_models.py`, with which the tests show that LiteRT runs it.

use super::shape_rule::ShapeRule::{self, *};
use super::types::*;
use crate::model::tflite::schema::{BuiltinOperator as Op, BuiltinOptions as Opt};

/// An operator that catdog runs.
pub struct Rule {
    /// The operator.
    pub code: Op,
    /// The type of its options; [`BuiltinOptions::NONE`](Opt::NONE) if it has none.
    pub options: Opt,
    /// Its inputs.
    pub inputs: &'static [Slot],
    /// Its outputs.
    pub outputs: &'static [Slot],
    /// How the shapes of the outputs follow from the inputs.
    pub shape: ShapeRule,
}

impl Rule {
    /// Returns the row of an operator; `None` if catdog does not run it.
    pub fn of(code: Op) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.code == code)
    }
}

/// An input or output of an operator.
#[derive(Clone, Copy)]
pub enum Slot {
    /// A tensor with an element type of this set.
    Of(Types),
    /// A tensor with the same element type as the input at this position.
    Like(usize),
    /// A tensor with an element type of this set. It can be absent or missing.
    Optional(Types),
    /// A tensor with an element type of this set, at the end. It can be missing.
    Trailing(Types),
    /// One or more tensors at the end, all with the same element type of this set.
    Many(Types),
    /// One or more tensors at the end with the element type of the input at this position.
    ManyLike(usize),
    /// One or more tensors at the end, each with an element type of this set.
    Each(Types),
}

use Slot::{Each, Like, Many, ManyLike, Of, Optional, Trailing};

/// Types of sums and products.
const SUM: Types = ACTIVATION.and(INDEX).and(HALF);
/// Types of comparisons.
const COMPARED: Types = F32.and(HALF).and(Q8).and(I16).and(INDEX);
/// Types of layer weights.
const WEIGHTS: Types = F32.and(Q8).and(SUB_BYTE);
/// Types of layer biases.
const BIAS: Types = F32.and(INDEX);
/// Types of the operators of rounding and sign.
const FLOATS: Types = F32.and(HALF);
/// Types of the weights of a recurrent cell.
const CELL_WEIGHTS: Types = F32.and(Q8);
/// An optional input that only other variants of the operator have.
const NONE: Slot = Optional(Types::of(&[]));
/// The inputs of an LSTM as Keras exports it: the sequence, four weights of the input, four of the
/// state, no peepholes, four biases, no projection, the states, no layer normalization.
const LSTM: &[Slot] = &[
    Of(F32.and(I8)),
    Of(CELL_WEIGHTS),
    Like(1),
    Like(1),
    Like(1),
    Like(1),
    Like(1),
    Like(1),
    Like(1),
    NONE,
    NONE,
    NONE,
    Of(F32.and(I32)),
    Like(12),
    Like(12),
    Like(12),
    NONE,
    NONE,
    Like(0),
    Of(F32.and(I16)),
    NONE,
    NONE,
    NONE,
    NONE,
];
/// One output of the type of the first input.
const SAME: &[Slot] = &[Like(0)];

const fn row(
    code: Op,
    options: Opt,
    inputs: &'static [Slot],
    outputs: &'static [Slot],
    shape: ShapeRule,
) -> Rule {
    Rule { code, options, inputs, outputs, shape }
}

/// The rows, by kind of operator.
#[rustfmt::skip]
static RULES: &[Rule] = &[
    // Layers. `weights.rs` checks which types occur together.
    row(Op::CONV_2D,            Opt::CONV_2D,            &[Of(ACTIVATION), Of(WEIGHTS), Of(BIAS)], &[Of(ACTIVATION)], Conv),
    row(Op::DEPTHWISE_CONV_2D,  Opt::DEPTHWISE_CONV_2D,  &[Of(ACTIVATION), Of(WEIGHTS), Of(BIAS)],       &[Of(ACTIVATION)], DepthwiseConv),
    row(Op::TRANSPOSE_CONV,     Opt::TRANSPOSE_CONV,     &[Of(I32), Of(WEIGHTS), Of(ACTIVATION), Optional(BIAS)], &[Of(ACTIVATION)], TransposeConv),
    row(Op::FULLY_CONNECTED,    Opt::FULLY_CONNECTED,    &[Of(ACTIVATION), Of(WEIGHTS), Optional(BIAS)], &[Of(ACTIVATION)], FullyConnected),
    row(Op::BATCH_MATMUL,       Opt::BATCH_MAT_MUL,      &[Of(F32.and(I8).and(I16)), Of(F32.and(I8).and(I16))], SAME, MatMul),
    row(Op::UNIDIRECTIONAL_SEQUENCE_LSTM, Opt::UNIDIRECTIONAL_SEQUENCE_LSTM, LSTM, SAME, Lstm),
    // Pooling.
    row(Op::AVERAGE_POOL_2D,    Opt::POOL_2D,            &[Of(ACTIVATION)], SAME, Pool),
    row(Op::MAX_POOL_2D,        Opt::POOL_2D,            &[Of(ACTIVATION)], SAME, Pool),
    row(Op::L2_POOL_2D,         Opt::POOL_2D,            &[Of(F32)],        SAME, Pool),
    // Activations and normalizations.
    row(Op::RELU,               Opt::NONE,               &[Of(ACTIVATION.and(HALF))], SAME, Same),
    row(Op::RELU6,              Opt::NONE,               &[Of(ACTIVATION.and(HALF))], SAME, Same),
    row(Op::RELU_N1_TO_1,       Opt::NONE,               &[Of(F32.and(Q8))],          SAME, Same),
    row(Op::RELU_0_TO_1,        Opt::NONE,               &[Of(F32.and(Q8))],          SAME, Same),
    row(Op::LEAKY_RELU,         Opt::LEAKY_RELU,         &[Of(ACTIVATION)],           SAME, Same),
    row(Op::PRELU,              Opt::NONE,               &[Of(F32.and(Q8)), Like(0)], SAME, Broadcast),
    row(Op::ELU,                Opt::NONE,               &[Of(F32.and(I8))],          SAME, Same),
    row(Op::GELU,               Opt::GELU,               &[Of(FLOATS.and(Q8))],       SAME, Same),
    row(Op::HARD_SWISH,         Opt::HARD_SWISH,         &[Of(F32.and(Q8))],          SAME, Same),
    row(Op::LOGISTIC,           Opt::NONE,               &[Of(ACTIVATION.and(HALF))], SAME, Same),
    row(Op::TANH,               Opt::NONE,               &[Of(ACTIVATION.and(HALF))], SAME, Same),
    row(Op::SOFTMAX,            Opt::SOFTMAX,            &[Of(ACTIVATION)], &[Of(ACTIVATION)], Same),
    row(Op::LOG_SOFTMAX,        Opt::LOG_SOFTMAX,        &[Of(F32.and(Q8))],          SAME, Same),
    row(Op::L2_NORMALIZATION,   Opt::L2_NORM,            &[Of(F32.and(Q8))],          SAME, Same),
    row(Op::LOCAL_RESPONSE_NORMALIZATION, Opt::LOCAL_RESPONSE_NORMALIZATION, &[Of(F32)], SAME, Same),
    // Arithmetic.
    row(Op::ADD,                Opt::ADD,                &[Of(SUM), Like(0)],         SAME, Broadcast),
    row(Op::SUB,                Opt::SUB,                &[Of(SUM), Like(0)],         SAME, Broadcast),
    row(Op::MUL,                Opt::MUL,                &[Of(SUM), Like(0)],         SAME, Broadcast),
    row(Op::DIV,                Opt::DIV,                &[Of(F32.and(Q8).and(I16).and(I32)), Like(0)], SAME, Broadcast),
    row(Op::ADD_N,              Opt::ADD_N,              &[Many(F32.and(I32))],       SAME, AllSame),
    row(Op::FLOOR_DIV,          Opt::FLOOR_DIV,          &[Of(F32.and(I8).and(I16).and(I32)), Like(0)], SAME, Broadcast),
    row(Op::FLOOR_MOD,          Opt::FLOOR_MOD,          &[Of(F32.and(I8).and(I16).and(INDEX)), Like(0)], SAME, Broadcast),
    row(Op::POW,                Opt::POW,                &[Of(F32.and(I32)), Like(0)], SAME, Broadcast),
    row(Op::SQUARED_DIFFERENCE, Opt::SQUARED_DIFFERENCE, &[Of(F32.and(I8).and(I32)), Like(0)], SAME, Broadcast),
    row(Op::MAXIMUM,            Opt::MAXIMUM_MINIMUM,    &[Of(COMPARED), Like(0)],    SAME, Broadcast),
    row(Op::MINIMUM,            Opt::MAXIMUM_MINIMUM,    &[Of(COMPARED), Like(0)],    SAME, Broadcast),
    row(Op::ABS,                Opt::ABS,                &[Of(FLOATS.and(I8).and(I16).and(I32))], SAME, Same),
    row(Op::NEG,                Opt::NEG,                &[Of(FLOATS.and(I8).and(I16).and(INDEX))], SAME, Same),
    row(Op::SQRT,               Opt::NONE,               &[Of(FLOATS)],               SAME, Same),
    row(Op::RSQRT,              Opt::NONE,               &[Of(FLOATS.and(I8).and(I16))], SAME, Same),
    row(Op::SQUARE,             Opt::SQUARE,             &[Of(FLOATS)],               SAME, Same),
    row(Op::EXP,                Opt::EXP,                &[Of(F32.and(I8).and(I16))], SAME, Same),
    row(Op::LOG,                Opt::NONE,               &[Of(FLOATS.and(I8).and(I16))], SAME, Same),
    row(Op::SIN,                Opt::NONE,               &[Of(FLOATS)],               SAME, Same),
    row(Op::COS,                Opt::COS,                &[Of(FLOATS)],               SAME, Same),
    row(Op::FLOOR,              Opt::NONE,               &[Of(FLOATS)],               SAME, Same),
    row(Op::CEIL,               Opt::NONE,               &[Of(F32)],                  SAME, Same),
    row(Op::ROUND,              Opt::NONE,               &[Of(FLOATS)],               SAME, Same),
    row(Op::SIGN,               Opt::SIGN,               &[Of(F32.and(I32))],         SAME, Same),
    row(Op::CUMSUM,             Opt::CUMSUM,             &[Of(F32.and(INDEX)), Of(I32)], SAME, Cumsum),
    // Comparisons and selection.
    row(Op::EQUAL,              Opt::EQUAL,              &[Of(COMPARED.and(BOOL)), Like(0)], &[Of(BOOL)], Broadcast),
    row(Op::NOT_EQUAL,          Opt::NOT_EQUAL,          &[Of(COMPARED.and(BOOL)), Like(0)], &[Of(BOOL)], Broadcast),
    row(Op::LESS,               Opt::LESS,               &[Of(COMPARED), Like(0)],    &[Of(BOOL)], Broadcast),
    row(Op::LESS_EQUAL,         Opt::LESS_EQUAL,         &[Of(COMPARED), Like(0)],    &[Of(BOOL)], Broadcast),
    row(Op::GREATER,            Opt::GREATER,            &[Of(COMPARED), Like(0)],    &[Of(BOOL)], Broadcast),
    row(Op::GREATER_EQUAL,      Opt::GREATER_EQUAL,      &[Of(COMPARED), Like(0)],    &[Of(BOOL)], Broadcast),
    row(Op::LOGICAL_AND,        Opt::LOGICAL_AND,        &[Of(BOOL), Like(0)],        SAME, Broadcast),
    row(Op::LOGICAL_OR,         Opt::LOGICAL_OR,         &[Of(BOOL), Like(0)],        SAME, Broadcast),
    row(Op::LOGICAL_NOT,        Opt::LOGICAL_NOT,        &[Of(BOOL)],                 SAME, Same),
    row(Op::SELECT,             Opt::SELECT,             &[Of(BOOL), Of(DATA), Like(1)], &[Like(1)], Select),
    row(Op::SELECT_V2,          Opt::SELECT_V2,          &[Of(BOOL), Of(DATA), Like(1)], &[Like(1)], Broadcast),
    // Reductions.
    row(Op::MEAN,               Opt::REDUCER,            &[Of(ACTIVATION.and(INDEX)), Of(I32)], SAME, Reduce),
    row(Op::SUM,                Opt::REDUCER,            &[Of(ACTIVATION.and(INDEX)), Of(I32)], SAME, Reduce),
    row(Op::REDUCE_PROD,        Opt::REDUCER,            &[Of(ACTIVATION.and(INDEX)), Of(I32)], SAME, Reduce),
    row(Op::REDUCE_MAX,         Opt::REDUCER,            &[Of(ACTIVATION.and(INDEX)), Of(I32)], SAME, Reduce),
    row(Op::REDUCE_MIN,         Opt::REDUCER,            &[Of(ACTIVATION.and(INDEX)), Of(I32)], SAME, Reduce),
    row(Op::REDUCE_ANY,         Opt::REDUCER,            &[Of(BOOL), Of(I32)],        SAME, Reduce),
    row(Op::REDUCE_ALL,         Opt::REDUCER,            &[Of(BOOL), Of(I32)],        SAME, Reduce),
    row(Op::ARG_MAX,            Opt::ARG_MAX,            &[Of(F32.and(Q8).and(I32).and(BOOL)), Of(INDEX)], &[Of(INDEX)], Arg),
    row(Op::ARG_MIN,            Opt::ARG_MIN,            &[Of(F32.and(Q8).and(I32).and(BOOL)), Of(INDEX)], &[Of(INDEX)], Arg),
    row(Op::TOPK_V2,            Opt::TOP_K_V2,           &[Of(ACTIVATION.and(INDEX)), Of(I32.and(I16))], &[Like(0), Of(I32.and(I16))], TopK),
    // Conversions.
    row(Op::CAST,               Opt::CAST,               &[Of(DATA)], &[Of(DATA)], Same),
    row(Op::QUANTIZE,           Opt::QUANTIZE,           &[Of(ACTIVATION.and(I32))], &[Of(QUANTIZED)], Same),
    row(Op::DEQUANTIZE,         Opt::DEQUANTIZE,         &[Of(QUANTIZED.and(SUB_BYTE).and(HALF))], &[Of(F32)], Same),
    row(Op::FAKE_QUANT,         Opt::FAKE_QUANT,         &[Of(F32)], SAME, Same),
    // Shapes.
    row(Op::RESHAPE,            Opt::RESHAPE,            &[Of(DATA), Trailing(I32)],  SAME, Reshape),
    row(Op::SQUEEZE,            Opt::SQUEEZE,            &[Of(DATA)],                 SAME, Squeeze),
    row(Op::EXPAND_DIMS,        Opt::EXPAND_DIMS,        &[Of(DATA), Of(INDEX)],      SAME, ExpandDims),
    row(Op::TRANSPOSE,          Opt::TRANSPOSE,          &[Of(DATA), Of(I32)],        SAME, Transpose),
    row(Op::SHAPE,              Opt::SHAPE,              &[Of(DATA)],                 &[Of(INDEX)], Shape),
    row(Op::RANK,               Opt::RANK,               &[Of(DATA)],                 &[Of(I32)], Rank),
    row(Op::BROADCAST_ARGS,     Opt::NONE,               &[Of(INDEX), Like(0)],       SAME, BroadcastArgs),
    row(Op::BROADCAST_TO,       Opt::BROADCAST_TO,       &[Of(DATA), Of(INDEX)],      SAME, BroadcastTo),
    row(Op::TILE,               Opt::TILE,               &[Of(DATA), Of(INDEX)],      SAME, Tile),
    row(Op::FILL,               Opt::FILL,               &[Of(INDEX), Of(DATA)],      &[Like(1)], Fill),
    row(Op::ZEROS_LIKE,         Opt::ZEROS_LIKE,         &[Of(F32.and(INDEX))],       SAME, Same),
    row(Op::RANGE,              Opt::RANGE,              &[Of(F32.and(INDEX)), Like(0), Like(0)], SAME, Range),
    row(Op::ONE_HOT,            Opt::ONE_HOT,            &[Of(INDEX), Of(I32), Of(F32.and(QUANTIZED).and(INDEX).and(BOOL)), Like(2)], &[Like(2)], OneHot),
    // Parts.
    row(Op::CONCATENATION,      Opt::CONCATENATION,      &[Many(DATA)],               SAME, Concat),
    row(Op::PACK,               Opt::PACK,               &[Many(ACTIVATION.and(INDEX))], SAME, Pack),
    row(Op::UNPACK,             Opt::UNPACK,             &[Of(ACTIVATION.and(I32).and(BOOL).and(HALF))], &[ManyLike(0)], Unpack),
    row(Op::SPLIT,              Opt::SPLIT,              &[Of(I32), Of(ACTIVATION.and(INDEX))], &[ManyLike(1)], Split),
    row(Op::SPLIT_V,            Opt::SPLIT_V,            &[Of(ACTIVATION.and(INDEX)), Of(INDEX), Of(I32)], &[ManyLike(0)], SplitV),
    row(Op::SLICE,              Opt::SLICE,              &[Of(DATA), Of(INDEX), Like(1)], SAME, Slice),
    row(Op::STRIDED_SLICE,      Opt::STRIDED_SLICE,      &[Of(DATA), Of(I32), Of(I32), Of(I32)], SAME, StridedSlice),
    row(Op::GATHER,             Opt::GATHER,             &[Of(DATA), Of(INDEX.and(I16))], SAME, Gather),
    row(Op::GATHER_ND,          Opt::GATHER_ND,          &[Of(DATA), Of(INDEX.and(I16))], SAME, GatherNd),
    row(Op::REVERSE_V2,         Opt::REVERSE_V2,         &[Of(DATA), Of(I32)],        SAME, Reverse),
    row(Op::DYNAMIC_UPDATE_SLICE, Opt::DYNAMIC_UPDATE_SLICE, &[Of(F32.and(I8).and(INDEX).and(BOOL)), Like(0), Of(INDEX)], SAME, UpdateSlice),
    // Borders and resolution.
    row(Op::PAD,                Opt::PAD,                &[Of(ACTIVATION.and(INDEX).and(HALF)), Of(INDEX)], SAME, Pad),
    row(Op::PADV2,              Opt::PAD_V2,             &[Of(ACTIVATION.and(INDEX).and(HALF)), Of(INDEX), Like(0)], SAME, Pad),
    row(Op::MIRROR_PAD,         Opt::MIRROR_PAD,         &[Of(ACTIVATION.and(INDEX)), Of(INDEX)], SAME, MirrorPad),
    row(Op::RESIZE_BILINEAR,    Opt::RESIZE_BILINEAR,    &[Of(ACTIVATION), Of(I32)],  SAME, Resize),
    row(Op::RESIZE_NEAREST_NEIGHBOR, Opt::RESIZE_NEAREST_NEIGHBOR, &[Of(ACTIVATION), Of(I32)], SAME, Resize),
    row(Op::SPACE_TO_DEPTH,     Opt::SPACE_TO_DEPTH,     &[Of(F32.and(Q8).and(INDEX))], SAME, SpaceToDepth),
    row(Op::DEPTH_TO_SPACE,     Opt::DEPTH_TO_SPACE,     &[Of(F32.and(Q8).and(INDEX))], SAME, DepthToSpace),
    row(Op::SPACE_TO_BATCH_ND,  Opt::SPACE_TO_BATCH_ND,  &[Of(ACTIVATION.and(INDEX)), Of(I32), Of(I32)], SAME, SpaceToBatch),
    row(Op::BATCH_TO_SPACE_ND,  Opt::BATCH_TO_SPACE_ND,  &[Of(ACTIVATION.and(INDEX)), Of(I32), Of(I32)], SAME, BatchToSpace),
    // A subgraph under the name of a framework's operation, as LiteRT Torch writes it.
    row(Op::STABLEHLO_COMPOSITE, Opt::NONE,              &[Each(DATA)],               &[Each(DATA)], Call),
];

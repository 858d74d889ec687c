//! The numbers of the two flatbuffer schemas of a `.tflite` file: field ids of tables, values of
//! enums and members of unions.
//!
//! Sources: `schema.fbs` of TensorFlow Lite, version 3, for the model, and `metadata_schema.fbs` of
//! TFLite Support for the metadata. Modules are named after tables and constants after fields. Only
//! what the other files read is listed. A field id is the position of the field in its table; a
//! union takes two ids, the first for the type of its member.

use super::reader::{I32Field, Table};
use crate::tensor::ElementType;

/// File identifier of `schema.fbs`.
pub const MODEL_IDENTIFIER: &[u8; 4] = b"TFL3";
/// The value of `Model.version` that belongs to [`MODEL_IDENTIFIER`].
pub const MODEL_VERSION: u32 = 3;
/// File identifier of `metadata_schema.fbs`.
pub const METADATA_IDENTIFIER: &[u8; 4] = b"M001";
/// The `Metadata.name` of the buffer that holds a flatbuffer of `metadata_schema.fbs`.
pub const METADATA_NAME: &str = "TFLITE_METADATA";

/// The value in `Operator.inputs` for an optional input that is absent.
pub const ABSENT_TENSOR: i32 = -1;
/// The value in `Tensor.shape_signature` for a dimension that is not fixed.
pub const DYNAMIC_DIMENSION: i32 = -1;
/// The value of `BlockwiseQuantization.zero_points` for a tensor whose zero points are all 0.
pub const ABSENT_ZERO_POINTS: i32 = -1;
/// The smallest valid `Buffer.offset`; smaller values mean that the data is in `Buffer.data`.
pub const MIN_BUFFER_OFFSET: u64 = 2;

/// Table `Model`, the root.
pub mod model {
    pub const VERSION: usize = 0;
    pub const OPERATOR_CODES: usize = 1;
    pub const SUBGRAPHS: usize = 2;
    pub const BUFFERS: usize = 4;
    pub const METADATA: usize = 6;
    pub const SIGNATURE_DEFS: usize = 7;
}

/// Table `SubGraph`.
pub mod sub_graph {
    pub const TENSORS: usize = 0;
    pub const INPUTS: usize = 1;
    pub const OUTPUTS: usize = 2;
    pub const OPERATORS: usize = 3;
    pub const NAME: usize = 4;
}

/// Table `Tensor`.
pub mod tensor {
    pub const SHAPE: usize = 0;
    /// A [`TensorType`](super::TensorType).
    pub const TYPE: usize = 1;
    pub const BUFFER: usize = 2;
    pub const NAME: usize = 3;
    pub const QUANTIZATION: usize = 4;
    pub const IS_VARIABLE: usize = 5;
    pub const SPARSITY: usize = 6;
    pub const SHAPE_SIGNATURE: usize = 7;
    pub const VARIANT_TENSORS: usize = 9;
    pub const EXTERNAL_BUFFER: usize = 10;
}

/// Table `QuantizationParameters`.
pub mod quantization_parameters {
    use super::I32Field;

    pub const MIN: usize = 0;
    pub const MAX: usize = 1;
    pub const SCALE: usize = 2;
    pub const ZERO_POINT: usize = 3;
    /// A member of [`quantization_details`](super::quantization_details).
    pub const DETAILS_TYPE: usize = 4;
    pub const DETAILS: usize = 5;
    pub const QUANTIZED_DIMENSION: I32Field = I32Field { id: 6, default: 0 };
}

/// Table `SparsityParameters`.
pub mod sparsity_parameters {
    pub const TRAVERSAL_ORDER: usize = 0;
    pub const BLOCK_MAP: usize = 1;
    pub const DIM_METADATA: usize = 2;
}

/// Table `DimensionMetadata`.
pub mod dimension_metadata {
    /// A table with a list, [`VALUES`].
    pub const SEGMENTS: usize = 3;
    /// A table with a list, [`VALUES`].
    pub const INDICES: usize = 5;
    /// The list in the tables `Int32Vector`, `Uint16Vector` and `Uint8Vector`.
    pub const VALUES: usize = 0;
}

/// Union `QuantizationDetails`.
pub mod quantization_details {
    pub const NONE: u8 = 0;
    pub const CUSTOM_QUANTIZATION: u8 = 1;
    pub const BLOCKWISE_QUANTIZATION: u8 = 2;
}

/// Table `BlockwiseQuantization`.
pub mod blockwise_quantization {
    use super::I32Field;

    pub const SCALES: I32Field = I32Field { id: 0, default: 0 };
    pub const ZERO_POINTS: I32Field = I32Field { id: 1, default: 0 };
    pub const BLOCK_SIZE: I32Field = I32Field { id: 2, default: 0 };
}

/// Table `OperatorCode`.
pub mod operator_code {
    use super::I32Field;

    pub const DEPRECATED_BUILTIN_CODE: usize = 0;
    pub const CUSTOM_CODE: usize = 1;
    pub const VERSION: I32Field = I32Field { id: 2, default: 1 };
    /// A [`BuiltinOperator`](super::BuiltinOperator).
    pub const BUILTIN_CODE: I32Field = I32Field { id: 3, default: 0 };
}

/// Table `Operator`.
pub mod operator {
    pub const OPCODE_INDEX: usize = 0;
    pub const INPUTS: usize = 1;
    pub const OUTPUTS: usize = 2;
    /// A [`BuiltinOptions`](super::BuiltinOptions).
    pub const BUILTIN_OPTIONS_TYPE: usize = 3;
    pub const BUILTIN_OPTIONS: usize = 4;
    pub const CUSTOM_OPTIONS: usize = 5;
    pub const MUTATING_VARIABLE_INPUTS: usize = 7;
    /// Tensors for the results inside a quantized recurrent cell.
    pub const INTERMEDIATES: usize = 8;
    /// A member of [`builtin_options_2`](super::builtin_options_2).
    pub const BUILTIN_OPTIONS_2_TYPE: usize = 11;
    pub const BUILTIN_OPTIONS_2: usize = 12;
}

/// Table `Buffer`.
pub mod buffer {
    pub const DATA: usize = 0;
    pub const OFFSET: usize = 1;
    pub const SIZE: usize = 2;
}

/// Table `Metadata`.
pub mod metadata {
    pub const NAME: usize = 0;
    pub const BUFFER: usize = 1;
}

/// Table `SignatureDef`.
pub mod signature_def {
    pub const INPUTS: usize = 0;
    pub const OUTPUTS: usize = 1;
    pub const SIGNATURE_KEY: usize = 2;
    pub const SUBGRAPH_INDEX: usize = 4;
}

/// Table `TensorMap`, a named input or output of a `SignatureDef`.
pub mod tensor_map {
    pub const NAME: usize = 0;
    pub const TENSOR_INDEX: usize = 1;
}

/// Positions in the inputs of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED.
///
/// Source: the operator definitions of TensorFlow Lite, as for the next three constants.
pub mod layer_inputs {
    pub const INPUT: usize = 0;
    pub const WEIGHTS: usize = 1;
    pub const BIAS: usize = 2;
}
/// Position of the bias in the inputs of TRANSPOSE_CONV.
pub const TRANSPOSE_CONV_BIAS: usize = 3;
/// The dimension of the weights of CONV_2D that is the number of output channels.
pub const CONV_2D_CHANNELS: usize = 0;
/// The dimension of the weights of DEPTHWISE_CONV_2D that is the number of output channels.
pub const DEPTHWISE_CONV_2D_CHANNELS: usize = 3;

/// Table `ModelMetadata`, the root of the metadata.
pub mod model_metadata {
    pub const SUBGRAPH_METADATA: usize = 3;
}

/// Table `SubGraphMetadata`.
pub mod sub_graph_metadata {
    pub const INPUT_TENSOR_METADATA: usize = 2;
    pub const OUTPUT_TENSOR_METADATA: usize = 3;
}

/// Table `TensorMetadata`.
pub mod tensor_metadata {
    pub const PROCESS_UNITS: usize = 4;
    pub const ASSOCIATED_FILES: usize = 6;
}

/// Table `ProcessUnit`.
pub mod process_unit {
    /// A member of union `ProcessUnitOptions`.
    pub const OPTIONS_TYPE: usize = 0;
    pub const OPTIONS: usize = 1;
}

/// Union `ProcessUnitOptions`.
pub mod process_unit_options {
    pub const NORMALIZATION_OPTIONS: u8 = 1;
}

/// Table `NormalizationOptions`.
pub mod normalization_options {
    pub const MEAN: usize = 0;
    pub const STD: usize = 1;
}

/// Table `AssociatedFile`.
pub mod associated_file {
    pub const NAME: usize = 0;
    /// A value of enum `AssociatedFileType`.
    pub const TYPE: usize = 2;
}

/// Enum `AssociatedFileType`.
pub mod associated_file_type {
    pub const TENSOR_AXIS_LABELS: u8 = 2;
}

/// Enum `TensorType`: the type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorType(u8);

#[allow(missing_docs, reason = "the names are those of the schema")]
impl TensorType {
    pub const FLOAT32: Self = Self(0);
    pub const FLOAT16: Self = Self(1);
    pub const INT32: Self = Self(2);
    pub const UINT8: Self = Self(3);
    pub const INT64: Self = Self(4);
    pub const STRING: Self = Self(5);
    pub const BOOL: Self = Self(6);
    pub const INT16: Self = Self(7);
    pub const INT8: Self = Self(9);
    pub const FLOAT64: Self = Self(10);
    pub const RESOURCE: Self = Self(13);
    pub const VARIANT: Self = Self(14);
    pub const UINT32: Self = Self(15);
    pub const UINT16: Self = Self(16);
    pub const INT4: Self = Self(17);
    pub const BFLOAT16: Self = Self(18);
    pub const INT2: Self = Self(19);

    /// Name and number of bits of each type, by value; 0 bits for elements without a fixed size.
    const TYPES: [(&'static str, u64); 21] = [
        ("float32", 32),
        ("float16", 16),
        ("int32", 32),
        ("uint8", 8),
        ("int64", 64),
        ("string", 0),
        ("bool", 8),
        ("int16", 16),
        ("complex64", 64),
        ("int8", 8),
        ("float64", 64),
        ("complex128", 128),
        ("uint64", 64),
        ("resource", 0),
        ("variant", 0),
        ("uint32", 32),
        ("uint16", 16),
        ("int4", 4),
        ("bfloat16", 16),
        ("int2", 2),
        ("uint4", 4),
    ];

    /// Returns the type of a table `Tensor`.
    pub fn of(tensor: Table<'_>) -> Self {
        Self(tensor.u8(tensor::TYPE))
    }

    /// Returns the value of the enum.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Returns the number of bits of an element, 0 if elements have no fixed size; `None` for an
    /// unknown type.
    pub fn bits(self) -> Option<u64> {
        Self::TYPES.get(usize::from(self.0)).map(|(_, bits)| *bits)
    }

    /// Returns the name of the type for error messages.
    pub fn name(self) -> &'static str {
        Self::TYPES.get(usize::from(self.0)).map_or("of an unknown type", |(name, _)| name)
    }
}

impl From<ElementType> for TensorType {
    fn from(element: ElementType) -> Self {
        match element {
            ElementType::F32 => Self::FLOAT32,
            ElementType::F16 => Self::FLOAT16,
            ElementType::U8 => Self::UINT8,
            ElementType::I8 => Self::INT8,
        }
    }
}

/// Enum `BuiltinOperator`: the operation of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinOperator(i32);

impl BuiltinOperator {
    pub const ADD: Self = Self(0);
    pub const AVERAGE_POOL_2D: Self = Self(1);
    pub const CONCATENATION: Self = Self(2);
    pub const CONV_2D: Self = Self(3);
    pub const DEPTHWISE_CONV_2D: Self = Self(4);
    pub const DEPTH_TO_SPACE: Self = Self(5);
    pub const DEQUANTIZE: Self = Self(6);
    pub const FLOOR: Self = Self(8);
    pub const FULLY_CONNECTED: Self = Self(9);
    pub const L2_NORMALIZATION: Self = Self(11);
    pub const L2_POOL_2D: Self = Self(12);
    pub const LOCAL_RESPONSE_NORMALIZATION: Self = Self(13);
    pub const LOGISTIC: Self = Self(14);
    pub const MAX_POOL_2D: Self = Self(17);
    pub const MUL: Self = Self(18);
    pub const RELU: Self = Self(19);
    pub const RELU_N1_TO_1: Self = Self(20);
    pub const RELU6: Self = Self(21);
    pub const RESHAPE: Self = Self(22);
    pub const RESIZE_BILINEAR: Self = Self(23);
    pub const SOFTMAX: Self = Self(25);
    pub const SPACE_TO_DEPTH: Self = Self(26);
    pub const TANH: Self = Self(28);
    pub const CUSTOM: Self = Self(32);
    pub const PAD: Self = Self(34);
    pub const GATHER: Self = Self(36);
    pub const BATCH_TO_SPACE_ND: Self = Self(37);
    pub const SPACE_TO_BATCH_ND: Self = Self(38);
    pub const TRANSPOSE: Self = Self(39);
    pub const MEAN: Self = Self(40);
    pub const SUB: Self = Self(41);
    pub const DIV: Self = Self(42);
    pub const SQUEEZE: Self = Self(43);
    pub const UNIDIRECTIONAL_SEQUENCE_LSTM: Self = Self(44);
    pub const STRIDED_SLICE: Self = Self(45);
    pub const EXP: Self = Self(47);
    pub const TOPK_V2: Self = Self(48);
    pub const SPLIT: Self = Self(49);
    pub const LOG_SOFTMAX: Self = Self(50);
    pub const CAST: Self = Self(53);
    pub const PRELU: Self = Self(54);
    pub const MAXIMUM: Self = Self(55);
    pub const ARG_MAX: Self = Self(56);
    pub const MINIMUM: Self = Self(57);
    pub const LESS: Self = Self(58);
    pub const NEG: Self = Self(59);
    pub const PADV2: Self = Self(60);
    pub const GREATER: Self = Self(61);
    pub const GREATER_EQUAL: Self = Self(62);
    pub const LESS_EQUAL: Self = Self(63);
    pub const SELECT: Self = Self(64);
    pub const SLICE: Self = Self(65);
    pub const SIN: Self = Self(66);
    pub const TRANSPOSE_CONV: Self = Self(67);
    pub const TILE: Self = Self(69);
    pub const EXPAND_DIMS: Self = Self(70);
    pub const EQUAL: Self = Self(71);
    pub const NOT_EQUAL: Self = Self(72);
    pub const LOG: Self = Self(73);
    pub const SUM: Self = Self(74);
    pub const SQRT: Self = Self(75);
    pub const RSQRT: Self = Self(76);
    pub const SHAPE: Self = Self(77);
    pub const POW: Self = Self(78);
    pub const ARG_MIN: Self = Self(79);
    pub const FAKE_QUANT: Self = Self(80);
    pub const REDUCE_PROD: Self = Self(81);
    pub const REDUCE_MAX: Self = Self(82);
    pub const PACK: Self = Self(83);
    pub const LOGICAL_OR: Self = Self(84);
    pub const ONE_HOT: Self = Self(85);
    pub const LOGICAL_AND: Self = Self(86);
    pub const LOGICAL_NOT: Self = Self(87);
    pub const UNPACK: Self = Self(88);
    pub const REDUCE_MIN: Self = Self(89);
    pub const FLOOR_DIV: Self = Self(90);
    pub const REDUCE_ANY: Self = Self(91);
    pub const SQUARE: Self = Self(92);
    pub const ZEROS_LIKE: Self = Self(93);
    pub const FILL: Self = Self(94);
    pub const FLOOR_MOD: Self = Self(95);
    pub const RANGE: Self = Self(96);
    pub const RESIZE_NEAREST_NEIGHBOR: Self = Self(97);
    pub const LEAKY_RELU: Self = Self(98);
    pub const SQUARED_DIFFERENCE: Self = Self(99);
    pub const MIRROR_PAD: Self = Self(100);
    pub const ABS: Self = Self(101);
    pub const SPLIT_V: Self = Self(102);
    pub const CEIL: Self = Self(104);
    pub const REVERSE_V2: Self = Self(105);
    pub const ADD_N: Self = Self(106);
    pub const GATHER_ND: Self = Self(107);
    pub const COS: Self = Self(108);
    pub const RANK: Self = Self(110);
    pub const ELU: Self = Self(111);
    pub const QUANTIZE: Self = Self(114);
    pub const ROUND: Self = Self(116);
    pub const HARD_SWISH: Self = Self(117);
    pub const SELECT_V2: Self = Self(123);
    pub const BATCH_MATMUL: Self = Self(126);
    pub const CUMSUM: Self = Self(128);
    pub const BROADCAST_TO: Self = Self(130);
    pub const REDUCE_ALL: Self = Self(140);
    pub const BROADCAST_ARGS: Self = Self(145);
    pub const GELU: Self = Self(150);
    pub const DYNAMIC_UPDATE_SLICE: Self = Self(151);
    pub const RELU_0_TO_1: Self = Self(152);
    pub const SIGN: Self = Self(158);
    pub const STABLEHLO_COMPOSITE: Self = Self(206);

    /// Returns the operation of a table `OperatorCode`.
    ///
    /// For old readers, codes up to 127 are also stored in a separate byte. The larger of the two
    /// fields is the code.
    pub fn of(code: Table<'_>) -> Self {
        let deprecated = i32::from(code.u8(operator_code::DEPRECATED_BUILTIN_CODE) as i8);
        Self(code.i32(operator_code::BUILTIN_CODE).max(deprecated))
    }

    /// Returns the value of the enum.
    pub fn code(self) -> i32 {
        self.0
    }

    /// Returns whether the code can be an operator: no version of the schema has negative codes.
    pub fn is_valid(self) -> bool {
        self.0 >= 0
    }
}

/// Union `BuiltinOptions`: the table with the options of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinOptions(u8);

impl BuiltinOptions {
    /// The operator has no options.
    pub const NONE: Self = Self(0);
    pub const CONV_2D: Self = Self(1);
    pub const DEPTHWISE_CONV_2D: Self = Self(2);
    pub const POOL_2D: Self = Self(5);
    pub const FULLY_CONNECTED: Self = Self(8);
    pub const SOFTMAX: Self = Self(9);
    pub const CONCATENATION: Self = Self(10);
    pub const ADD: Self = Self(11);
    pub const L2_NORM: Self = Self(12);
    pub const LOCAL_RESPONSE_NORMALIZATION: Self = Self(13);
    pub const RESIZE_BILINEAR: Self = Self(15);
    pub const RESHAPE: Self = Self(17);
    pub const SPACE_TO_DEPTH: Self = Self(19);
    pub const MUL: Self = Self(21);
    pub const PAD: Self = Self(22);
    pub const GATHER: Self = Self(23);
    pub const BATCH_TO_SPACE_ND: Self = Self(24);
    pub const SPACE_TO_BATCH_ND: Self = Self(25);
    pub const TRANSPOSE: Self = Self(26);
    pub const REDUCER: Self = Self(27);
    pub const SUB: Self = Self(28);
    pub const DIV: Self = Self(29);
    pub const SQUEEZE: Self = Self(30);
    pub const STRIDED_SLICE: Self = Self(32);
    pub const EXP: Self = Self(33);
    pub const TOP_K_V2: Self = Self(34);
    pub const SPLIT: Self = Self(35);
    pub const LOG_SOFTMAX: Self = Self(36);
    pub const CAST: Self = Self(37);
    pub const DEQUANTIZE: Self = Self(38);
    pub const MAXIMUM_MINIMUM: Self = Self(39);
    pub const ARG_MAX: Self = Self(40);
    pub const LESS: Self = Self(41);
    pub const NEG: Self = Self(42);
    pub const PAD_V2: Self = Self(43);
    pub const GREATER: Self = Self(44);
    pub const GREATER_EQUAL: Self = Self(45);
    pub const LESS_EQUAL: Self = Self(46);
    pub const SELECT: Self = Self(47);
    pub const SLICE: Self = Self(48);
    pub const TRANSPOSE_CONV: Self = Self(49);
    pub const TILE: Self = Self(51);
    pub const EXPAND_DIMS: Self = Self(52);
    pub const EQUAL: Self = Self(53);
    pub const NOT_EQUAL: Self = Self(54);
    pub const SHAPE: Self = Self(55);
    pub const POW: Self = Self(56);
    pub const ARG_MIN: Self = Self(57);
    pub const FAKE_QUANT: Self = Self(58);
    pub const PACK: Self = Self(59);
    pub const LOGICAL_OR: Self = Self(60);
    pub const ONE_HOT: Self = Self(61);
    pub const LOGICAL_AND: Self = Self(62);
    pub const LOGICAL_NOT: Self = Self(63);
    pub const UNPACK: Self = Self(64);
    pub const FLOOR_DIV: Self = Self(65);
    pub const SQUARE: Self = Self(66);
    pub const ZEROS_LIKE: Self = Self(67);
    pub const FILL: Self = Self(68);
    pub const UNIDIRECTIONAL_SEQUENCE_LSTM: Self = Self(71);
    pub const FLOOR_MOD: Self = Self(72);
    pub const RANGE: Self = Self(73);
    pub const RESIZE_NEAREST_NEIGHBOR: Self = Self(74);
    pub const LEAKY_RELU: Self = Self(75);
    pub const SQUARED_DIFFERENCE: Self = Self(76);
    pub const MIRROR_PAD: Self = Self(77);
    pub const ABS: Self = Self(78);
    pub const SPLIT_V: Self = Self(79);
    pub const REVERSE_V2: Self = Self(81);
    pub const ADD_N: Self = Self(82);
    pub const GATHER_ND: Self = Self(83);
    pub const COS: Self = Self(84);
    pub const RANK: Self = Self(86);
    pub const QUANTIZE: Self = Self(89);
    pub const HARD_SWISH: Self = Self(91);
    pub const DEPTH_TO_SPACE: Self = Self(94);
    pub const SELECT_V2: Self = Self(98);
    pub const BATCH_MAT_MUL: Self = Self(101);
    pub const CUMSUM: Self = Self(102);
    pub const BROADCAST_TO: Self = Self(104);
    pub const GELU: Self = Self(116);
    pub const DYNAMIC_UPDATE_SLICE: Self = Self(117);
    pub const SIGN: Self = Self(123);

    /// Returns the value of the member.
    #[cfg(test)]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Returns the type of the options of a table `Operator`.
    pub fn of(operator: Table<'_>) -> Self {
        Self(operator.u8(operator::BUILTIN_OPTIONS_TYPE))
    }
}

/// Union `BuiltinOptions2`: the options of operators that are newer than `BuiltinOptions`.
pub mod builtin_options_2 {
    pub const STABLEHLO_COMPOSITE: u8 = 21;
}

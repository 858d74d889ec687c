//! An estimate of which operators XNNPACK runs, from the file alone.
//!
//! XNNPACK is a delegate of LiteRT: it takes the operators that it supports, and the others run in
//! LiteRT's own kernels, which are several times slower for convolutions. Each change between the
//! two ends a partition of the graph, and tensors are copied. LiteRT decides this when it compiles
//! the graph; its C API has no function that returns the result.
//!
//! The table below repeats the delegate's rules about operators, element types and constant
//! parameters. Rules about most options (a softmax with a beta other than 1, pooling strides) and
//! about the sizes of tensors are left out, so the result is an estimate. `tests/it/partitions.rs` compares it with
//! the LiteRT interpreter.
//!
//! Source: `tflite/delegates/xnnpack/xnnpack_delegate.cc` of LiteRT 2.3.

use std::collections::{HashMap, HashSet, VecDeque};

use super::contents::{buffer_bytes, graph_that_runs, name};
use super::operator_options::strided_slice_options;
use super::reader::Table;
use super::schema::{
    BuiltinOperator as Op, TensorType, buffer, layer_inputs, model, operator,
    quantization_parameters, sub_graph, tensor,
};

/// Limit for the inputs, and for the outputs, of all operators together; the largest classifiers have
/// a few thousand.
const MAX_ENDS: usize = 1 << 20;
/// Limit for the entries of [`Partitions::refused`].
const MAX_LISTED: usize = 64;
/// The largest number of dimensions of a tensor of XNNPACK.
const MAX_DIMENSIONS: usize = 6;
/// The largest number of inputs of a CONCATENATION that XNNPACK takes.
const MAX_CONCATENATED: usize = 5;

/// How XNNPACK divides the graph that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// Number of operators.
    pub operators: usize,
    /// Number of operators that XNNPACK runs.
    pub accelerated: usize,
    /// Number of partitions: 1 if XNNPACK runs all operators or none.
    pub partitions: usize,
    /// Number of partitions that XNNPACK runs.
    pub accelerated_partitions: usize,
    /// The operators that XNNPACK does not run, in the order of the graph; at most 64 entries.
    pub refused: Vec<RefusedOperator>,
}

/// Operators that XNNPACK does not run, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedOperator {
    /// Name of the operator.
    pub name: String,
    /// Number of these operators.
    pub count: usize,
    /// Why XNNPACK does not run them, as a clause.
    pub reason: &'static str,
}

/// Estimates how XNNPACK divides the graph of the model `file`. Returns `None` if the file has no
/// graph, or one of an implausible size.
pub fn xnnpack_partitions(file: &[u8]) -> Option<Partitions> {
    let (root, graph) = graph_that_runs(file)?;
    let codes = root.tables(model::OPERATOR_CODES);
    let operators = graph.tables(sub_graph::OPERATORS);
    let count = |id| operators.iter().map(|o| o.i32_vector(id).len()).sum::<usize>();
    if count(operator::INPUTS) > MAX_ENDS || count(operator::OUTPUTS) > MAX_ENDS {
        return None;
    }
    let graph = Graph {
        tensors: graph.tables(sub_graph::TENSORS),
        buffers: root.tables(model::BUFFERS),
        nodes: operators.into_iter().map(|operator| Node::new(operator, &codes)).collect(),
    };
    let reasons = graph.reasons();
    // The operators are grouped by their code, because a name can be long.
    let mut groups: Vec<(u32, &'static str, usize)> = Vec::new();
    for (node, reason) in graph.nodes.iter().zip(&reasons) {
        let Some(reason) = *reason else { continue };
        match groups.iter().position(|group| (group.0, group.1) == (node.code, reason)) {
            Some(known) => groups[known].2 += 1,
            None if groups.len() < MAX_LISTED => groups.push((node.code, reason, 1)),
            None => {}
        }
    }
    let refused = groups.into_iter().map(|(code, reason, count)| {
        let name = codes.get(code as usize).map_or_else(String::new, |code| name(*code));
        RefusedOperator { name, count, reason }
    });
    let refused = refused.collect();
    let [accelerated_partitions, other_partitions] = graph.count_partitions(&reasons);
    Some(Partitions {
        operators: graph.nodes.len(),
        accelerated: reasons.iter().filter(|reason| reason.is_none()).count(),
        partitions: accelerated_partitions + other_partitions,
        accelerated_partitions,
        refused,
    })
}

/// An operator of the graph.
struct Node<'a> {
    table: Table<'a>,
    /// Index of its `OperatorCode`.
    code: u32,
    op: Option<Op>,
    inputs: Vec<i32>,
    outputs: Vec<i32>,
}

impl<'a> Node<'a> {
    fn new(table: Table<'a>, codes: &[Table<'_>]) -> Self {
        let code = table.u32(operator::OPCODE_INDEX);
        Self {
            table,
            code,
            op: codes.get(code as usize).map(|code| Op::of(*code)),
            inputs: table.i32_vector(operator::INPUTS),
            outputs: table.i32_vector(operator::OUTPUTS),
        }
    }
}

/// The subgraph that runs.
struct Graph<'a> {
    tensors: Vec<Table<'a>>,
    buffers: Vec<Table<'a>>,
    nodes: Vec<Node<'a>>,
}

/// Why XNNPACK does not run an operator; `None` if it does.
type Reason = Option<&'static str>;

const UNSUPPORTED: Reason = Some("XNNPACK has no such operator");
const TYPES: Reason = Some("XNNPACK does not have it for these element types");
const NO_BIAS: Reason = Some("XNNPACK needs a bias");
const HYBRID: Reason = Some("XNNPACK does not have it for float activations and int8 weights");
const INPUTS: Reason = Some("XNNPACK takes at most five inputs");
const REQUANTIZE: Reason = Some("XNNPACK does not convert between int8 and uint8");
const STRIDES: Reason = Some("XNNPACK needs strides of 1 and no added or removed dimensions");
const PARAMETERS: Reason = Some("XNNPACK needs shapes and axes that are constant");
const UNPACKED: Reason = Some("it unpacks weights for an operator that XNNPACK does not run");

impl Graph<'_> {
    /// Returns, for each operator, why XNNPACK does not run it.
    fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.nodes.iter().map(|node| self.reason(node)).collect();
        // XNNPACK unpacks constant weights itself, if it runs all operators that read them.
        let mut refused_inputs = HashSet::new();
        for (node, reason) in self.nodes.iter().zip(&reasons) {
            if reason.is_some() {
                refused_inputs.extend(node.inputs.iter().copied());
            }
        }
        for (node, reason) in self.nodes.iter().zip(&mut reasons) {
            let is_read = node.outputs.iter().any(|output| refused_inputs.contains(output));
            if is_read && self.unpacks_weights(node) {
                *reason = UNPACKED;
            }
        }
        reasons
    }

    /// Returns whether the operator turns constant float16 or int8 weights into float32.
    fn unpacks_weights(&self, node: &Node<'_>) -> bool {
        node.op == Some(Op::DEQUANTIZE)
            && self.is_constant(node, 0)
            && matches!(self.input(node, 0), Kind::Float16 | Kind::Int8 { .. })
    }

    /// Returns whether the input at `position` is part of the file.
    fn is_constant(&self, node: &Node<'_>, position: usize) -> bool {
        self.buffer(node, position).is_some_and(|buffer| buffer_bytes(buffer) > 0)
    }

    fn buffer(&self, node: &Node<'_>, position: usize) -> Option<Table<'_>> {
        let tensor = self.tensor(*node.inputs.get(position)?)?;
        self.buffers.get(tensor.u32(tensor::BUFFER) as usize).copied()
    }

    /// Returns whether a STRIDED_SLICE has strides of 1, and keeps all dimensions.
    fn is_simple_slice(&self, node: &Node<'_>) -> bool {
        const STRIDES: usize = 3;
        let options = node.table.table(operator::BUILTIN_OPTIONS);
        let keeps_dimensions = options.is_none_or(|options| {
            [
                strided_slice_options::ELLIPSIS_MASK,
                strided_slice_options::NEW_AXIS_MASK,
                strided_slice_options::SHRINK_AXIS_MASK,
            ]
            .into_iter()
            .all(|mask| options.i32(mask) == 0)
        });
        let strides =
            self.buffer(node, STRIDES).and_then(|buffer| buffer.byte_vector(buffer::DATA));
        let one = 1i32.to_le_bytes();
        let strides = strides.filter(|bytes| bytes.len() <= MAX_DIMENSIONS * one.len());
        keeps_dimensions && strides.is_some_and(|bytes| bytes.chunks(one.len()).all(|s| s == one))
    }

    fn tensor(&self, index: i32) -> Option<Table<'_>> {
        self.tensors.get(usize::try_from(index).ok()?).copied()
    }

    fn input(&self, node: &Node<'_>, position: usize) -> Kind {
        self.kind(node.inputs.get(position))
    }

    fn output(&self, node: &Node<'_>) -> Kind {
        self.kind(node.outputs.first())
    }

    fn kind(&self, index: Option<&i32>) -> Kind {
        let Some(tensor) = index.and_then(|&index| self.tensor(index)) else { return Kind::None };
        let scales = || {
            let parameters = tensor.table(tensor::QUANTIZATION);
            // Read as bytes, a vector has as many bytes as it has elements, and nothing is copied.
            parameters
                .and_then(|parameters| parameters.byte_vector(quantization_parameters::SCALE))
                .map_or(0, <[u8]>::len)
        };
        match TensorType::of(tensor) {
            TensorType::FLOAT32 => Kind::Float32,
            TensorType::FLOAT16 => Kind::Float16,
            TensorType::INT8 => Kind::Int8 { scales: scales() },
            TensorType::UINT8 => Kind::UInt8 { scales: scales() },
            TensorType::INT4 => Kind::Int4,
            _ => Kind::Other,
        }
    }

    /// Returns why XNNPACK does not run `node`, by its operator and its element types.
    fn reason(&self, node: &Node<'_>) -> Reason {
        let Some(op) = node.op else { return UNSUPPORTED };
        let (input, second, output) = (self.input(node, 0), self.input(node, 1), self.output(node));
        let unless = |holds: bool, reason: Reason| if holds { None } else { reason };
        if !parameters(op).iter().all(|&at| at >= node.inputs.len() || self.is_constant(node, at)) {
            return PARAMETERS;
        }
        match op {
            Op::STRIDED_SLICE if !self.is_simple_slice(node) => STRIDES,
            Op::ABS
            | Op::CEIL
            | Op::COS
            | Op::EXP
            | Op::FLOOR
            | Op::GELU
            | Op::HARD_SWISH
            | Op::LOG
            | Op::NEG
            | Op::RELU
            | Op::RELU6
            | Op::RELU_N1_TO_1
            | Op::ROUND
            | Op::RSQRT
            | Op::SIN
            | Op::SQRT
            | Op::SQUARE
            | Op::SOFTMAX
            | Op::AVERAGE_POOL_2D => unless(input.is_float() && output.is_float(), TYPES),
            Op::DIV | Op::MAXIMUM | Op::MINIMUM | Op::PRELU | Op::SQUARED_DIFFERENCE => {
                unless(input.is_float() && second.is_float() && output.is_float(), TYPES)
            }
            Op::ADD | Op::MUL | Op::SUB => unless(
                input.is_activation() && input.same_type(second) && input.same_type(output),
                TYPES,
            ),
            Op::LOGISTIC
            | Op::TANH
            | Op::LEAKY_RELU
            | Op::DEPTH_TO_SPACE
            | Op::SPACE_TO_DEPTH
            | Op::EXPAND_DIMS
            | Op::MAX_POOL_2D
            | Op::MEAN
            | Op::SUM
            | Op::REDUCE_MAX
            | Op::REDUCE_MIN
            | Op::PAD
            | Op::RESHAPE
            | Op::RESIZE_BILINEAR
            | Op::SLICE
            | Op::STRIDED_SLICE
            | Op::TRANSPOSE => unless(input.is_activation() && output.is_activation(), TYPES),
            // The first input is the axis.
            Op::SPLIT => unless(second.is_activation() && output.is_activation(), TYPES),
            Op::ELU => unless(
                input.is_activation() && output.is_activation() && !input.is_unsigned(),
                TYPES,
            ),
            Op::CONCATENATION if node.inputs.len() > MAX_CONCATENATED => INPUTS,
            Op::CONCATENATION => unless(input.is_activation() && output.is_activation(), TYPES),
            Op::BATCH_MATMUL => unless(input.is_float() && output.is_float(), TYPES),
            Op::DEQUANTIZE if self.unpacks_weights(node) => None,
            Op::DEQUANTIZE => unless(input.is_quantized() && output.is_float(), TYPES),
            Op::QUANTIZE if input.is_float() => unless(output.is_activation(), TYPES),
            Op::QUANTIZE if !input.is_quantized() || !output.is_quantized() => TYPES,
            Op::QUANTIZE => unless(input.same_type(output), REQUANTIZE),
            Op::CONV_2D | Op::DEPTHWISE_CONV_2D | Op::FULLY_CONNECTED => self.layer(op, node),
            Op::TRANSPOSE_CONV => {
                unless(self.input(node, 2).is_activation() && output.is_activation(), TYPES)
            }
            _ => UNSUPPORTED,
        }
    }

    /// As [`Self::reason`], for a layer with weights and a bias.
    fn layer(&self, op: Op, node: &Node<'_>) -> Reason {
        let input = self.input(node, layer_inputs::INPUT);
        let weights = self.input(node, layer_inputs::WEIGHTS);
        let (bias, output) = (self.input(node, layer_inputs::BIAS), self.output(node));
        if bias == Kind::None && op != Op::FULLY_CONNECTED {
            return NO_BIAS;
        }
        if !input.is_activation() || !input.same_type(output) {
            return TYPES;
        }
        let hybrid = input.is_float() && matches!(weights, Kind::Int8 { .. } | Kind::Int4);
        match op {
            Op::DEPTHWISE_CONV_2D if hybrid => HYBRID,
            _ if hybrid => None,
            Op::FULLY_CONNECTED if weights == Kind::Int4 && !input.is_unsigned() => None,
            // Weights that are unpacked from float16 are float32 here.
            _ if input.same_type(weights) => None,
            _ => TYPES,
        }
    }

    /// Counts the partitions of XNNPACK and those of LiteRT's own kernels, as LiteRT makes them: it
    /// takes all operators of one side whose inputs are computed, then all of the other side, until
    /// none is left.
    fn count_partitions(&self, reasons: &[Reason]) -> [usize; 2] {
        let mut producers = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            producers.extend(node.outputs.iter().map(|&output| (output, index)));
        }
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        let mut missing = vec![0usize; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for &producer in node.inputs.iter().filter_map(|input| producers.get(input)) {
                consumers[producer].push(index);
                missing[index] += 1;
            }
        }
        // The ready operators of each side: XNNPACK, and LiteRT's own kernels.
        let mut ready = [VecDeque::new(), VecDeque::new()];
        let side = |index: usize| usize::from(reasons[index].is_some());
        let first = (0..self.nodes.len()).find(|&index| missing[index] == 0);
        for index in (0..self.nodes.len()).filter(|&index| missing[index] == 0) {
            ready[side(index)].push_back(index);
        }
        let Some(mut current) = first.map(side) else { return [0; 2] };
        let mut partitions = [0; 2];
        while !ready[current].is_empty() {
            partitions[current] += 1;
            while let Some(done) = ready[current].pop_front() {
                for &consumer in &consumers[done] {
                    missing[consumer] -= 1;
                    if missing[consumer] == 0 {
                        ready[side(consumer)].push_back(consumer);
                    }
                }
            }
            current = 1 - current;
        }
        partitions
    }
}

/// Returns the positions of the inputs of `op` that XNNPACK treats as parameters.
fn parameters(op: Op) -> &'static [usize] {
    match op {
        Op::EXPAND_DIMS
        | Op::MEAN
        | Op::SUM
        | Op::REDUCE_MAX
        | Op::REDUCE_MIN
        | Op::PAD
        | Op::RESHAPE
        | Op::RESIZE_BILINEAR
        | Op::TRANSPOSE => &[1],
        Op::SLICE => &[1, 2],
        Op::STRIDED_SLICE => &[1, 2, 3],
        Op::SPLIT | Op::TRANSPOSE_CONV => &[0],
        _ => &[],
    }
}

/// The element type of a tensor, as far as XNNPACK distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There is no tensor.
    None,
    Float32,
    Float16,
    Int8 {
        /// Number of scales: 1 for activations, one per channel for weights.
        scales: usize,
    },
    UInt8 {
        /// Number of scales.
        scales: usize,
    },
    Int4,
    Other,
}

impl Kind {
    fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float16)
    }

    /// Returns whether the elements are bytes with one scale.
    fn is_quantized(self) -> bool {
        matches!(self, Self::Int8 { scales: 1 } | Self::UInt8 { scales: 1 })
    }

    fn is_unsigned(self) -> bool {
        matches!(self, Self::UInt8 { .. })
    }

    /// Returns whether XNNPACK computes with activations of this type.
    fn is_activation(self) -> bool {
        self.is_float() || self.is_quantized()
    }

    /// Returns whether both have the same element type, whatever their scales.
    fn same_type(self, other: Self) -> bool {
        matches!((self, other), (Self::Int8 { .. }, Self::Int8 { .. }))
            || matches!((self, other), (Self::UInt8 { .. }, Self::UInt8 { .. }))
            || (self.is_float() && other.is_float())
    }
}

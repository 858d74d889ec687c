//! Checks on a graph that the flatbuffer verifier inside LiteRT does not make, and without which
//! a damaged file takes the process down: in 2.3.0 a quantised tensor without zero points, an
//! operator that reads what is made later, a signature that names other tensors than its
//! subgraph, and some forty more end in SIGSEGV, SIGFPE or an abort, in model creation,
//! compilation or the first run.
//!
//! The rules were found by running 150,000 damaged models through the runtime in child processes,
//! bytes flipped and whole fields changed: 521 crashed it or hung, and the rules refuse all of
//! those, but none of the undamaged classifiers tried. They are those of the TFLite schema
//! (`schema.fbs`) and of the operators' reference kernels; operators that image classifiers do not
//! use are checked for their tensor indices only. LiteRT still has the last word on what passes.

use std::collections::HashSet;

use super::ModelError;
use super::reader::Table;
use super::{
    BUFFERS, GRAPH_INPUTS, GRAPH_OPERATORS, GRAPH_OUTPUTS, GRAPH_TENSORS, METADATA, OPERATOR_CODE,
    OPERATOR_CODES, OPERATOR_INPUTS, OPERATOR_OUTPUTS, QUANTIZATION_SCALE, QUANTIZATION_ZERO_POINT,
    SIGNATURE_INPUTS, SIGNATURE_KEY, SIGNATURE_OUTPUTS, SIGNATURE_SUBGRAPH, SIGNATURES,
    TENSOR_BUFFER, TENSOR_QUANTIZATION, TENSOR_SHAPE, TENSOR_SHAPE_SIGNATURE, TENSOR_TYPE,
    builtin_operator,
};

// Field numbers of `schema.fbs` that only the checks need.
const MODEL_VERSION: usize = 0;
const CODE_CUSTOM: usize = 1;
const CODE_VERSION: usize = 2;
const BUFFER_DATA: usize = 0;
const BUFFER_OFFSET: usize = 1;
const BUFFER_SIZE: usize = 2;
const TENSOR_IS_VARIABLE: usize = 5;
const TENSOR_VARIANTS: usize = 9;
const TENSOR_EXTERNAL_BUFFER: usize = 10;
const QUANTIZATION_DETAILS_TYPE: usize = 4;
const QUANTIZATION_DETAILS: usize = 5;
const QUANTIZATION_DIMENSION: usize = 6;
const OPERATOR_OPTIONS_TYPE: usize = 3;
const OPERATOR_OPTIONS: usize = 4;

/// The only version of the schema there is.
const SCHEMA_VERSION: u32 = 3;
/// `QuantizationDetails.BlockwiseQuantization`.
const DETAILS_BLOCKWISE: u8 = 2;
/// LiteRT's tensors have at most eight dimensions (`LITERT_TENSOR_MAX_RANK`).
const MAX_RANK: usize = 8;
/// Most bytes of one tensor, and of all activations together. A damaged shape asks for terabytes; a classifier's largest activation
/// has some megabytes.
const MAX_TENSOR_BYTES: u64 = 1 << 30;
/// Most bytes of a subgraph's input: five times a 4096 x 4096 picture in bytes.
const MAX_INPUT_BYTES: u64 = 256 << 20;
/// Most multiplications of one convolution: seconds of work. The largest in MobileNetV2 has 1.4e7.
const MAX_CONVOLUTION: i128 = 1 << 40;
/// Most scales of all tensors together. Each channel of a weight has one; a file whose tensors all
/// share one long vector would take minutes to read.
const MAX_SCALES: usize = 1 << 24;
/// Most of a stride, dilation or window; images are no larger.
const MAX_STEP: i32 = 4096;

// `TensorType`.
const FLOAT32: u8 = 0;
const FLOAT16: u8 = 1;
const INT32: u8 = 2;
const UINT8: u8 = 3;
const STRING: u8 = 5;
const INT16: u8 = 7;
const INT8: u8 = 9;
const RESOURCE: u8 = 13;
const VARIANT: u8 = 14;
const UINT16: u8 = 16;
const INT4: u8 = 17;
const BFLOAT16: u8 = 18;
const INT2: u8 = 19;

/// Bits of one element by `TensorType`; 0 where elements have no fixed size.
const ELEMENT_BITS: [u64; 21] =
    [32, 16, 32, 8, 64, 0, 8, 16, 64, 8, 64, 128, 64, 0, 0, 32, 16, 4, 16, 2, 4];

// `BuiltinOperator`.
const ADD: i32 = 0;
const AVERAGE_POOL_2D: i32 = 1;
const CONCATENATION: i32 = 2;
const CONV_2D: i32 = 3;
const DEPTHWISE_CONV_2D: i32 = 4;
const DEQUANTIZE: i32 = 6;
const FULLY_CONNECTED: i32 = 9;
const MAX_POOL_2D: i32 = 17;
const MUL: i32 = 18;
const SOFTMAX: i32 = 25;
const CUSTOM: i32 = 32;
const SUB: i32 = 41;
const SPLIT: i32 = 49;
const TRANSPOSE_CONV: i32 = 67;
const PACK: i32 = 83;
const UNPACK: i32 = 88;
const SQUARED_DIFFERENCE: i32 = 99;
const SPLIT_V: i32 = 102;
const QUANTIZE: i32 = 114;

fn damaged<T>(what: &'static str) -> Result<T, ModelError> {
    Err(ModelError::Damaged(what))
}

fn require(holds: bool, what: &'static str) -> Result<(), ModelError> {
    if holds { Ok(()) } else { damaged(what) }
}

/// Refuses what LiteRT would not survive.
pub(super) fn verify(
    file: &[u8],
    model: Table<'_>,
    subgraphs: &[Table<'_>],
) -> Result<(), ModelError> {
    require(model.u32(MODEL_VERSION) == SCHEMA_VERSION, "its schema version")?;
    require(!subgraphs.is_empty(), "its list of subgraphs")?;
    let codes = operator_codes(model)?;
    let buffers = buffer_sizes(file, model)?;
    let graphs: Vec<Graph> = subgraphs
        .iter()
        .map(|graph| Graph::verify(*graph, &codes, &buffers))
        .collect::<Result<_, _>>()?;
    signatures(model, &graphs)?;
    for entry in model.tables(METADATA) {
        let buffer = entry.u32(1) as usize;
        require(entry.string(0).is_some() && buffer < buffers.len(), "a metadata entry")?;
    }
    Ok(())
}

fn operator_codes(model: Table<'_>) -> Result<Vec<i32>, ModelError> {
    let code = |code: Table<'_>| {
        let builtin = builtin_operator(code);
        let named = code.string(CODE_CUSTOM).is_some_and(|name| !name.is_empty());
        let version = code.i32(CODE_VERSION, 1);
        require(builtin >= 0 && version >= 1 && (builtin != CUSTOM || named), "an operator code")?;
        Ok(builtin)
    };
    model.tables(OPERATOR_CODES).into_iter().map(code).collect()
}

/// Bytes of each buffer, which lies in the flatbuffer or, in files of more than 2 GiB, behind it.
fn buffer_sizes(file: &[u8], model: Table<'_>) -> Result<Vec<u64>, ModelError> {
    let size = |buffer: Table<'_>| {
        let (offset, size) = (buffer.u64(BUFFER_OFFSET), buffer.u64(BUFFER_SIZE));
        if offset > 1 {
            let end = offset.checked_add(size).filter(|&end| end <= file.len() as u64);
            require(end.is_some() && !buffer.has(BUFFER_DATA), "a buffer's place")?;
            return Ok(size);
        }
        match buffer.byte_vector(BUFFER_DATA) {
            Some(data) => Ok(data.len() as u64),
            None => require(!buffer.has(BUFFER_DATA), "a buffer's place").map(|()| 0),
        }
    };
    let sizes: Vec<u64> = model.tables(BUFFERS).into_iter().map(size).collect::<Result<_, _>>()?;
    require(!sizes.is_empty(), "its list of buffers")?;
    Ok(sizes)
}

/// LiteRT looks up a signature's tensors by name and expects every one of its subgraph's.
fn signatures(model: Table<'_>, graphs: &[Graph]) -> Result<(), ModelError> {
    let mut keys = HashSet::new();
    for signature in model.tables(SIGNATURES) {
        let graph = graphs.get(signature.u32(SIGNATURE_SUBGRAPH) as usize);
        let graph = graph.ok_or(ModelError::Damaged("a signature's subgraph"))?;
        let key = signature.string(SIGNATURE_KEY).unwrap_or_default();
        require(!key.is_empty() && keys.insert(key), "a signature's key")?;
        let sides = [(SIGNATURE_INPUTS, &graph.inputs), (SIGNATURE_OUTPUTS, &graph.outputs)];
        for (side, tensors) in sides {
            let maps = signature.tables(side);
            let named: HashSet<&str> =
                maps.iter().filter_map(|map| map.string(0)).filter(|n| !n.is_empty()).collect();
            let mut listed: Vec<usize> = maps.iter().map(|map| map.u32(1) as usize).collect();
            let mut wanted = tensors.clone();
            listed.sort_unstable();
            wanted.sort_unstable();
            require(named.len() == maps.len() && listed == wanted, "a signature's tensors")?;
        }
    }
    Ok(())
}

/// What the operators' checks need of a tensor.
struct Tensor {
    shape: Vec<i32>,
    kind: u8,
    /// Its elements are in the file.
    constant: bool,
    /// It may be read before an operator has written it.
    ready: bool,
    scales: Vec<f32>,
    blockwise: bool,
    bytes: u64,
}

impl Tensor {
    fn is_quantized(&self) -> bool {
        !self.scales.is_empty() || self.blockwise
    }

    fn verify(tensor: Table<'_>, buffers: &[u64], tensors: usize) -> Result<Self, ModelError> {
        let shape = tensor.i32_vector(TENSOR_SHAPE);
        let kind = tensor.u8(TENSOR_TYPE);
        let Some(&bits) = ELEMENT_BITS.get(usize::from(kind)) else {
            return damaged("a tensor's type");
        };
        let bytes = tensor_bytes(&shape, bits)?;
        shape_signature(&shape, &tensor.i32_vector(TENSOR_SHAPE_SIGNATURE))?;
        let Some(&stored) = buffers.get(tensor.u32(TENSOR_BUFFER) as usize) else {
            return damaged("a tensor's buffer");
        };
        let plain = tensor.u32(TENSOR_EXTERNAL_BUFFER) == 0 && !tensor.has(TENSOR_VARIANTS);
        require(plain, "a tensor's storage")?;
        let constant = stored > 0;
        require(!constant || stored >= bytes, "the size of a tensor's buffer")?;
        let (scales, blockwise) = match tensor.table(TENSOR_QUANTIZATION) {
            Some(parameters) => quantization(parameters, &shape, kind, constant, tensors)?,
            None => (Vec::new(), false),
        };
        let handle = matches!(kind, STRING | RESOURCE | VARIANT);
        let variable = tensor.u8(TENSOR_IS_VARIABLE) != 0;
        let ready = constant || variable || bytes == 0 || handle;
        Ok(Self { shape, kind, constant, ready, scales, blockwise, bytes })
    }
}

fn tensor_bytes(shape: &[i32], bits: u64) -> Result<u64, ModelError> {
    require(shape.len() <= MAX_RANK, "a tensor's rank")?;
    let mut elements = 1u64;
    for &dimension in shape {
        let dimension = u64::try_from(dimension).map_err(|_| ModelError::Damaged("a dimension"))?;
        elements = elements.checked_mul(dimension).ok_or(ModelError::Damaged("a dimension"))?;
    }
    let bytes = elements.checked_mul(bits).map_or(u64::MAX, |bits| bits.div_ceil(8));
    require(bytes <= MAX_TENSOR_BYTES, "a tensor's size")?;
    Ok(bytes)
}

/// The signature repeats the shape, with -1 for what is open.
fn shape_signature(shape: &[i32], signature: &[i32]) -> Result<(), ModelError> {
    let repeats = signature.len() == shape.len()
        && signature.iter().zip(shape).all(|(open, size)| *open == -1 || open == size);
    require(signature.is_empty() || repeats, "a tensor's shape signature")
}

fn quantization(
    parameters: Table<'_>,
    shape: &[i32],
    kind: u8,
    constant: bool,
    tensors: usize,
) -> Result<(Vec<f32>, bool), ModelError> {
    match parameters.u8(QUANTIZATION_DETAILS_TYPE) {
        0 | 1 => {}
        DETAILS_BLOCKWISE => {
            let details = parameters.table(QUANTIZATION_DETAILS);
            let details = details.ok_or(ModelError::Damaged("a blockwise quantisation"))?;
            let known = |tensor: i32| usize::try_from(tensor).is_ok_and(|index| index < tensors);
            let zero_points = details.i32(1, 0);
            let holds = known(details.i32(0, 0))
                && (zero_points == -1 || known(zero_points))
                && details.i32(2, 0) >= 1;
            require(holds, "a blockwise quantisation")?;
            return Ok((Vec::new(), true));
        }
        _ => return damaged("a tensor's quantisation"),
    }
    let scales = parameters.f32_vector(QUANTIZATION_SCALE);
    if scales.is_empty() {
        return Ok((scales, false));
    }
    let zero_points = parameters.i64_vector(QUANTIZATION_ZERO_POINT);
    // Activations are requantised by ratios of scales, which must be numbers a shift can express;
    // weights may have channels that are all zero.
    let usable = |scale: f32| {
        let sane = scale.is_finite() && scale >= 0.0;
        sane && (constant || (2f32.powi(-40)..=2f32.powi(40)).contains(&scale))
    };
    require(scales.iter().all(|&scale| usable(scale)), "a quantisation's scale")?;
    require(zero_points.len() == scales.len(), "the number of a quantisation's zero points")?;
    if scales.len() > 1 {
        let axis = usize::try_from(parameters.i32(QUANTIZATION_DIMENSION, 0)).ok();
        let channels = axis.and_then(|axis| shape.get(axis)).map(|&size| size as usize);
        require(channels == Some(scales.len()), "the number of a quantisation's scales")?;
    }
    let range = zero_point_range(kind);
    let fits = |zero: &i64| range.as_ref().is_none_or(|range| range.contains(zero));
    require(zero_points.iter().all(fits), "a quantisation's zero point")?;
    Ok((scales, false))
}

/// What a zero point may be: a value of the tensor's own type; of 32-bit tensors (biases), 0.
fn zero_point_range(kind: u8) -> Option<std::ops::RangeInclusive<i64>> {
    match kind {
        UINT8 => Some(0..=255),
        INT8 => Some(-128..=127),
        INT16 => Some(-32768..=32767),
        UINT16 => Some(0..=65535),
        INT4 => Some(-8..=7),
        INT2 => Some(-2..=1),
        INT32 => Some(0..=0),
        _ => None,
    }
}

/// What the signatures' checks need of a subgraph.
struct Graph {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl Graph {
    fn verify(graph: Table<'_>, codes: &[i32], buffers: &[u64]) -> Result<Self, ModelError> {
        let tables = graph.tables(GRAPH_TENSORS);
        let mut tensors: Vec<Tensor> = Vec::with_capacity(tables.len());
        let mut scales = 0;
        for tensor in &tables {
            tensors.push(Tensor::verify(*tensor, buffers, tables.len())?);
            scales += tensors.last().map_or(0, |tensor| tensor.scales.len());
            require(scales <= MAX_SCALES, "the number of its scales")?;
        }
        let inputs = distinct(&graph.i32_vector(GRAPH_INPUTS), tensors.len())?;
        let outputs = distinct(&graph.i32_vector(GRAPH_OUTPUTS), tensors.len())?;
        for &input in &inputs {
            let usable = !tensors[input].constant && tensors[input].bytes <= MAX_INPUT_BYTES;
            require(usable, "a subgraph's input")?;
            tensors[input].ready = true;
        }
        let arena = tensors.iter().filter(|t| !t.constant).map(|t| t.bytes).sum::<u64>();
        require(arena <= MAX_TENSOR_BYTES, "the size of its tensors")?;
        let mut written = vec![false; tensors.len()];
        inputs.iter().for_each(|&input| written[input] = true);
        for operator in graph.tables(GRAPH_OPERATORS) {
            let Some(&code) = codes.get(operator.u32(OPERATOR_CODE) as usize) else {
                return damaged("an operator's code");
            };
            let operator = Operator::new(operator, code, &tensors)?;
            for &output in &operator.outputs {
                let first = !tensors[output].constant && !written[output];
                require(first, "an operator's output")?;
                tensors[output].ready = true;
                written[output] = true;
            }
            operator.verify(&tensors)?;
        }
        let made = outputs.iter().all(|&output| written[output] && !inputs.contains(&output));
        require(made, "a subgraph's output")?;
        Ok(Self { inputs, outputs })
    }
}

/// Tensor indices, each valid and none twice.
fn distinct(indices: &[i32], tensors: usize) -> Result<Vec<usize>, ModelError> {
    let mut distinct = Vec::with_capacity(indices.len());
    for &index in indices {
        match usize::try_from(index) {
            Ok(index) if index < tensors && !distinct.contains(&index) => distinct.push(index),
            _ => return damaged("a subgraph's inputs and outputs"),
        }
    }
    Ok(distinct)
}

struct Operator<'a> {
    code: i32,
    /// `None` where an optional input is left out.
    inputs: Vec<Option<usize>>,
    outputs: Vec<usize>,
    options_type: u8,
    options: Option<Table<'a>>,
}

/// How many inputs an operator takes, and which of them may be left out.
struct Arity {
    least: usize,
    most: usize,
    optional: Option<usize>,
}

/// Operators of one output whose number of inputs is fixed, by code; others are not checked.
fn arity(code: i32) -> Option<Arity> {
    let (least, most, optional) = match code {
        CONV_2D | DEPTHWISE_CONV_2D | FULLY_CONNECTED => (2, 3, Some(2)),
        TRANSPOSE_CONV => (3, 4, Some(3)),
        // Pools, activations, DEQUANTIZE, SPACE_TO_DEPTH, DEPTH_TO_SPACE, CAST, QUANTIZE, ...
        AVERAGE_POOL_2D | MAX_POOL_2D | DEQUANTIZE | SOFTMAX | QUANTIZE => (1, 1, None),
        5 | 11 | 14 | 19 | 21 | 26 | 28 | 53 | 59 | 98 | 117 => (1, 1, None),
        // Arithmetic, reductions, GATHER, PAD, TRANSPOSE, RESIZE_*, ...
        ADD | MUL | SUB | SQUARED_DIFFERENCE => (2, 2, None),
        23 | 34 | 36 | 39 | 40 | 42 | 54 | 55 | 57 | 70 | 74 | 82 | 97 => (2, 2, None),
        // RESHAPE and SQUEEZE
        22 | 43 => (1, 2, None),
        // PADV2, SLICE
        60 | 65 => (3, 3, None),
        // STRIDED_SLICE
        45 => (4, 4, None),
        _ => return None,
    };
    Some(Arity { least, most, optional })
}

impl<'a> Operator<'a> {
    fn new(operator: Table<'a>, code: i32, tensors: &[Tensor]) -> Result<Self, ModelError> {
        let raw_inputs = operator.i32_vector(OPERATOR_INPUTS);
        let raw_outputs = operator.i32_vector(OPERATOR_OUTPUTS);
        let arity = arity(code);
        if let Some(arity) = &arity {
            let fits = (arity.least..=arity.most).contains(&raw_inputs.len());
            require(fits && raw_outputs.len() == 1, "an operator's number of tensors")?;
        }
        let mut inputs = Vec::with_capacity(raw_inputs.len());
        for (position, &index) in raw_inputs.iter().enumerate() {
            if index == -1 {
                let optional = arity.as_ref().is_none_or(|a| a.optional == Some(position));
                require(optional, "an operator's missing input")?;
                inputs.push(None);
                continue;
            }
            let index = usize::try_from(index).ok().filter(|&index| index < tensors.len());
            let index = index.ok_or(ModelError::Damaged("an operator's input"))?;
            require(tensors[index].ready, "the order of its operators")?;
            inputs.push(Some(index));
        }
        let output = |&index: &i32| usize::try_from(index).ok().filter(|&i| i < tensors.len());
        let outputs: Option<Vec<usize>> = raw_outputs.iter().map(output).collect();
        Ok(Self {
            code,
            inputs,
            outputs: outputs.ok_or(ModelError::Damaged("an operator's output"))?,
            options_type: operator.u8(OPERATOR_OPTIONS_TYPE),
            options: operator.table(OPERATOR_OPTIONS),
        })
    }

    fn verify(&self, tensors: &[Tensor]) -> Result<(), ModelError> {
        self.verify_options_type()?;
        self.verify_scales(tensors)?;
        if let Some(options) = self.options {
            self.verify_options(options)?;
        }
        match self.code {
            CONV_2D | DEPTHWISE_CONV_2D => self.verify_convolution(tensors),
            FULLY_CONNECTED => {
                let weights = self.input(tensors, 1).is_some_and(|w| w.shape.len() >= 2);
                require(weights, "the weights of a fully connected layer")
            }
            _ => Ok(()),
        }
    }

    fn input<'t>(&self, tensors: &'t [Tensor], position: usize) -> Option<&'t Tensor> {
        self.inputs.get(position).copied().flatten().map(|index| &tensors[index])
    }

    fn output<'t>(&self, tensors: &'t [Tensor]) -> Option<&'t Tensor> {
        self.outputs.first().map(|&index| &tensors[index])
    }

    fn all<'t>(&self, tensors: &'t [Tensor]) -> impl Iterator<Item = &'t Tensor> {
        let indices: Vec<usize> =
            self.inputs.iter().copied().flatten().chain(self.outputs.iter().copied()).collect();
        indices.into_iter().map(|index| &tensors[index])
    }

    /// Options of another operator would be read as this one's.
    fn verify_options_type(&self) -> Result<(), ModelError> {
        let own = own_options(self.code);
        let right = self.options_type == 0 || own.is_none_or(|own| own == self.options_type);
        let there = self.options_type != 0 && self.options.is_some();
        require(right && (there || !needs_options(self.code)), "an operator's options")
    }

    /// Arithmetic on quantised tensors multiplies and divides by their scales.
    fn verify_scales(&self, tensors: &[Tensor]) -> Result<(), ModelError> {
        let is_float = |kind| matches!(kind, FLOAT32 | FLOAT16 | BFLOAT16);
        let scaled = |needs: &dyn Fn(u8) -> bool| {
            let holds = self.all(tensors).all(|t| !needs(t.kind) || t.is_quantized());
            require(holds, "a quantised tensor without a scale")
        };
        match self.code {
            QUANTIZE | DEQUANTIZE => {
                scaled(&|kind| !is_float(kind))?;
                let blockwise = self.input(tensors, 0).is_some_and(|input| input.blockwise);
                require(!blockwise || self.code == QUANTIZE, "a blockwise tensor's use")
            }
            code if is_arithmetic(code) => {
                scaled(&|kind| matches!(kind, INT8 | UINT8))?;
                self.verify_sum(tensors)
            }
            _ => Ok(()),
        }
    }

    /// A sum brings both inputs to one scale by a shift of at most 30 bits.
    fn verify_sum(&self, tensors: &[Tensor]) -> Result<(), ModelError> {
        let Some(output) = self.output(tensors) else { return Ok(()) };
        let summed = matches!(self.code, ADD | SUB | SQUARED_DIFFERENCE)
            && matches!(output.kind, INT8 | UINT8 | INT16);
        if !summed || self.all(tensors).any(|tensor| tensor.scales.is_empty()) {
            return Ok(());
        }
        let inputs = [0, 1].map(|position| self.input(tensors, position));
        let largest = inputs.iter().flatten().map(|t| f64::from(t.scales[0])).fold(0.0, f64::max);
        let ratio = 2.0 * largest / f64::from(output.scales[0]);
        let most = if output.kind == INT16 { 14 } else { 19 };
        let holds = 2f64.powi(-30) < ratio && ratio < 2f64.powi(most);
        require(holds, "the scales of a sum")
    }

    fn verify_options(&self, options: Table<'_>) -> Result<(), ModelError> {
        let steps = |fields: &[(usize, i32)]| {
            let sane =
                |&(id, default): &(usize, i32)| (1..=MAX_STEP).contains(&options.i32(id, default));
            require(fields.iter().all(sane), "an operator's stride, dilation or window")
        };
        let choice = |id: usize, choices: u8| {
            require(options.u8(id) < choices, "an operator's padding or activation")
        };
        let counts = |count: usize| {
            require(usize::try_from(options.i32(0, 0)) == Ok(count), "an operator's count")
        };
        // `Padding` has 2 values, `ActivationFunctionType` 6.
        match self.code {
            CONV_2D => {
                choice(0, 2)?;
                choice(3, 6)?;
                steps(&[(1, 0), (2, 0), (4, 1), (5, 1)])
            }
            DEPTHWISE_CONV_2D => {
                choice(0, 2)?;
                choice(4, 6)?;
                steps(&[(1, 0), (2, 0), (5, 1), (6, 1)])
            }
            AVERAGE_POOL_2D | MAX_POOL_2D => {
                choice(0, 2)?;
                choice(5, 6)?;
                steps(&[(1, 0), (2, 0), (3, 0), (4, 0)])
            }
            TRANSPOSE_CONV => {
                choice(0, 2)?;
                choice(3, 6)?;
                steps(&[(1, 0), (2, 0)])
            }
            FULLY_CONNECTED => {
                choice(0, 6)?;
                choice(1, 2)
            }
            SOFTMAX => {
                let beta = options.f32(0);
                require(beta.is_finite() && beta > 0.0, "the factor of a softmax")
            }
            SPLIT | SPLIT_V | UNPACK => counts(self.outputs.len()),
            PACK => counts(self.inputs.len()),
            _ => Ok(()),
        }
    }

    fn verify_convolution(&self, tensors: &[Tensor]) -> Result<(), ModelError> {
        let what = "the tensors of a convolution";
        let (Some(input), Some(weights), Some(output)) =
            (self.input(tensors, 0), self.input(tensors, 1), self.output(tensors))
        else {
            return damaged(what);
        };
        let four = [input, weights, output].iter().all(|tensor| tensor.shape.len() == 4);
        require(four && weights.shape.iter().all(|&size| size >= 1), what)?;
        let channels = weights.shape[if self.code == CONV_2D { 0 } else { 3 }];
        let product = |shape: &[i32]| {
            shape.iter().fold(1i128, |product, &size| product.saturating_mul(size.into()))
        };
        let work = product(&output.shape).saturating_mul(product(&weights.shape));
        let work = work / i128::from(channels);
        require(work <= MAX_CONVOLUTION, "the size of a convolution")?;
        match self.input(tensors, 2) {
            Some(bias) => {
                let fits = product(&bias.shape) == i128::from(channels);
                require(fits, "the bias of a convolution")
            }
            // With float activations and integer weights the kernel reads it unasked.
            None => {
                let hybrid = input.kind == FLOAT32 && matches!(weights.kind, INT8 | UINT8 | INT4);
                require(!hybrid, "the bias of a convolution")
            }
        }
    }
}

/// Operators whose kernels compute with the scales of their tensors.
fn is_arithmetic(code: i32) -> bool {
    const CODES: [i32; 21] =
        [0, 1, 3, 4, 9, 11, 14, 17, 18, 19, 20, 21, 25, 28, 40, 41, 42, 54, 59, 67, 74];
    CODES.contains(&code) || matches!(code, 98 | 99 | 117 | 126)
}

/// Operators that are not defined without their options.
fn needs_options(code: i32) -> bool {
    matches!(
        code,
        AVERAGE_POOL_2D | CONCATENATION | CONV_2D | DEPTHWISE_CONV_2D | MAX_POOL_2D | SOFTMAX
    ) || matches!(code, 5 | 12 | 26 | SPLIT | TRANSPOSE_CONV | PACK | UNPACK | 98 | SPLIT_V)
}

/// The `BuiltinOptions` that belong to a `BuiltinOperator`, of those that classifiers use.
fn own_options(code: i32) -> Option<u8> {
    const OWN: [(i32, u8); 59] = [
        (0, 11),
        (1, 5),
        (2, 10),
        (3, 1),
        (4, 2),
        (6, 38),
        (9, 8),
        (11, 12),
        (12, 5),
        (13, 13),
        (17, 5),
        (18, 21),
        (22, 17),
        (23, 15),
        (25, 9),
        (26, 19),
        (34, 22),
        (36, 23),
        (37, 24),
        (38, 25),
        (39, 26),
        (40, 27),
        (41, 28),
        (42, 29),
        (43, 30),
        (45, 32),
        (47, 33),
        (49, 35),
        (50, 36),
        (53, 37),
        (55, 39),
        (56, 40),
        (57, 39),
        (58, 41),
        (59, 42),
        (60, 43),
        (61, 44),
        (62, 45),
        (63, 46),
        (64, 47),
        (65, 48),
        (67, 49),
        (69, 51),
        (70, 52),
        (74, 27),
        (81, 27),
        (82, 27),
        (83, 59),
        (88, 64),
        (89, 27),
        (97, 74),
        (98, 75),
        (99, 76),
        (100, 77),
        (101, 78),
        (102, 79),
        (114, 89),
        (117, 91),
        (126, 101),
    ];
    OWN.iter().find(|(operator, _)| *operator == code).map(|(_, options)| *options)
}

//! Writes small `.tflite` files for the tests of this module: graphs that are one number away from a
//! valid one, without a file for each.

use super::error::ModelError;
use super::model_info::{ModelInfo, verify_file};
use super::reader::I32Field;
use super::schema::{
    BuiltinOperator, BuiltinOptions, MODEL_IDENTIFIER, MODEL_VERSION, TensorType, buffer, model,
    operator, operator_code, quantization_parameters, signature_def, sub_graph, tensor, tensor_map,
};

/// A value in a table.
#[derive(Clone, Debug)]
pub enum Value {
    /// A scalar field, as its little-endian bytes.
    Scalar(Vec<u8>),
    /// A vector of scalars: the number of elements, and their bytes. A string is a vector of bytes.
    Vector(usize, Vec<u8>),
    /// Another table.
    Table(Fields),
    /// A vector of tables.
    Tables(Vec<Fields>),
}

/// The fields of a table: field id and value. A later value replaces an earlier one of the same id.
pub type Fields = Vec<(usize, Value)>;

/// Returns a u8 value, such as an enum or a boolean.
pub fn byte(value: u8) -> Value {
    Value::Scalar(vec![value])
}

/// Returns an i32 value.
pub fn int(value: i32) -> Value {
    Value::Scalar(value.to_le_bytes().to_vec())
}

/// Returns an f32 value.
pub fn float(value: f32) -> Value {
    Value::Scalar(value.to_le_bytes().to_vec())
}

/// Returns a u64 value.
pub fn long(value: u64) -> Value {
    Value::Scalar(value.to_le_bytes().to_vec())
}

/// Returns a vector of i32.
pub fn ints(values: &[i32]) -> Value {
    Value::Vector(values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// Returns a string.
pub fn text(value: &str) -> Value {
    Value::Vector(value.len(), value.as_bytes().to_vec())
}

/// Returns a field with an i32 value.
pub fn option(field: I32Field, value: i32) -> (usize, Value) {
    (field.id, int(value))
}

/// Returns the quantization with the given scales and as many zero points.
pub fn quantization(scales: &[f32], zero_points: &[i64]) -> Fields {
    let scale_bytes = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let zero_bytes = zero_points.iter().flat_map(|zero| zero.to_le_bytes()).collect();
    vec![
        (quantization_parameters::SCALE, Value::Vector(scales.len(), scale_bytes)),
        (quantization_parameters::ZERO_POINT, Value::Vector(zero_points.len(), zero_bytes)),
    ]
}

/// A subgraph under construction.
#[derive(Clone, Default)]
pub struct TestGraph {
    pub tensors: Vec<Fields>,
    pub operators: Vec<Fields>,
    pub inputs: Vec<i32>,
    /// The outputs; if there are none, those of the last operator.
    pub outputs: Vec<i32>,
}

/// A model under construction. Its methods add to the first subgraph.
#[derive(Clone)]
pub struct TestModel {
    pub graphs: Vec<TestGraph>,
    pub buffers: Vec<Fields>,
    pub codes: Vec<Fields>,
    pub signatures: Vec<Fields>,
    /// More fields of the root table.
    pub root: Fields,
}

impl TestModel {
    /// Returns a model without tensors.
    pub fn new() -> Self {
        Self {
            graphs: vec![TestGraph::default()],
            // The first buffer is empty: that of tensors without data.
            buffers: vec![vec![]],
            codes: Vec::new(),
            signatures: Vec::new(),
            root: Vec::new(),
        }
    }

    /// Adds a tensor and returns its index. Its name is `t` and the index.
    pub fn tensor(&mut self, shape: &[i32], element: TensorType) -> i32 {
        let graph = &mut self.graphs[0];
        let name = format!("t{}", graph.tensors.len());
        graph.tensors.push(vec![
            (tensor::SHAPE, ints(shape)),
            (tensor::TYPE, byte(element.code())),
            (tensor::NAME, text(&name)),
        ]);
        graph.tensors.len() as i32 - 1
    }

    /// Sets a field of a tensor.
    pub fn set(&mut self, tensor: i32, id: usize, value: Value) {
        self.graphs[0].tensors[tensor as usize].push((id, value));
    }

    /// Sets scale and zero point of a tensor, and returns its index.
    pub fn quantized(&mut self, index: i32, scale: f32, zero_point: i64) -> i32 {
        let quantization = quantization(&[scale], &[zero_point]);
        self.set(index, tensor::QUANTIZATION, Value::Table(quantization));
        index
    }

    /// Adds a float32 input of the graph.
    pub fn input(&mut self, shape: &[i32]) -> i32 {
        self.input_of(shape, TensorType::FLOAT32)
    }

    /// Adds an input of the graph. One of its dimensions is open in the file, so that the shapes of
    /// the outputs in the file do not count.
    pub fn input_of(&mut self, shape: &[i32], element: TensorType) -> i32 {
        let index = self.tensor(shape, element);
        let open = (1..shape.len()).find(|&dimension| shape[dimension] > 1);
        if let Some(open) = open {
            let mut signature = shape.to_vec();
            signature[open] = -1;
            self.set(index, tensor::SHAPE_SIGNATURE, ints(&signature));
        }
        self.graphs[0].inputs.push(index);
        index
    }

    /// Adds a constant.
    pub fn constant(&mut self, shape: &[i32], element: TensorType, data: Vec<u8>) -> i32 {
        let index = self.tensor(shape, element);
        self.set(index, tensor::BUFFER, int(self.buffers.len() as i32));
        self.buffers.push(vec![(buffer::DATA, Value::Vector(data.len(), data))]);
        index
    }

    /// Adds a constant int32 tensor.
    pub fn int_tensor(&mut self, shape: &[i32], values: &[i32]) -> i32 {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(shape, TensorType::INT32, data)
    }

    /// Adds a constant int32 vector.
    pub fn ints(&mut self, values: &[i32]) -> i32 {
        self.int_tensor(&[values.len() as i32], values)
    }

    /// Adds a constant int32 number.
    pub fn int(&mut self, value: i32) -> i32 {
        self.int_tensor(&[], &[value])
    }

    /// Adds a constant float32 tensor whose elements repeat `values`.
    pub fn floats(&mut self, shape: &[i32], values: &[f32]) -> i32 {
        let count = shape.iter().product::<i32>() as usize;
        let data = values.iter().cycle().take(count).flat_map(|value| value.to_le_bytes());
        self.constant(shape, TensorType::FLOAT32, data.collect())
    }

    /// Adds an operator with one float32 output, and returns the output.
    pub fn op(&mut self, code: BuiltinOperator, inputs: &[i32], options: Fields) -> i32 {
        self.op_of(code, inputs, &[TensorType::FLOAT32], options)
    }

    /// Adds an operator with one float32 output of the given shape, and returns the output.
    pub fn op_as(
        &mut self,
        code: BuiltinOperator,
        inputs: &[i32],
        shape: &[i32],
        options: Fields,
    ) -> i32 {
        let output = self.tensor(shape, TensorType::FLOAT32);
        self.op_into(code, inputs, &[output], options);
        output
    }

    /// Adds an operator with outputs of the given types, and returns the first output.
    pub fn op_of(
        &mut self,
        code: BuiltinOperator,
        inputs: &[i32],
        outputs: &[TensorType],
        options: Fields,
    ) -> i32 {
        let outputs: Vec<i32> = outputs.iter().map(|element| self.tensor(&[1], *element)).collect();
        self.op_into(code, inputs, &outputs, options);
        outputs[0]
    }

    /// Adds an operator with the given output tensors.
    pub fn op_into(
        &mut self,
        code: BuiltinOperator,
        inputs: &[i32],
        outputs: &[i32],
        options: Fields,
    ) {
        let rule = super::verify::options_of(code);
        let mut fields = vec![
            (operator::OPCODE_INDEX, int(self.codes.len() as i32)),
            (operator::INPUTS, ints(inputs)),
            (operator::OUTPUTS, ints(outputs)),
        ];
        if rule != BuiltinOptions::NONE {
            fields.push((operator::BUILTIN_OPTIONS_TYPE, byte(rule.code())));
            fields.push((operator::BUILTIN_OPTIONS, Value::Table(options)));
        }
        self.codes.push(vec![option(operator_code::BUILTIN_CODE, code.code())]);
        self.graphs[0].operators.push(fields);
    }

    /// Adds a signature of the subgraph `graph`; inputs and outputs are (name, tensor).
    pub fn signature(
        &mut self,
        key: &str,
        graph: i32,
        inputs: &[(&str, i32)],
        outputs: &[(&str, i32)],
    ) {
        let map = |(name, tensor): &(&str, i32)| {
            vec![(tensor_map::NAME, text(name)), (tensor_map::TENSOR_INDEX, int(*tensor))]
        };
        self.signatures.push(vec![
            (signature_def::SIGNATURE_KEY, text(key)),
            (signature_def::SUBGRAPH_INDEX, int(graph)),
            (signature_def::INPUTS, Value::Tables(inputs.iter().map(map).collect())),
            (signature_def::OUTPUTS, Value::Tables(outputs.iter().map(map).collect())),
        ]);
    }

    /// Returns the file.
    pub fn file(&self) -> Vec<u8> {
        let graph = |graph: &TestGraph| {
            let last = graph.operators.last().and_then(|last| last.get(2).cloned());
            let outputs = match last {
                Some((_, outputs)) if graph.outputs.is_empty() => outputs,
                _ => ints(&graph.outputs),
            };
            vec![
                (sub_graph::TENSORS, Value::Tables(graph.tensors.clone())),
                (sub_graph::INPUTS, ints(&graph.inputs)),
                (sub_graph::OUTPUTS, outputs),
                (sub_graph::OPERATORS, Value::Tables(graph.operators.clone())),
            ]
        };
        let mut root = vec![
            (model::VERSION, int(MODEL_VERSION as i32)),
            (model::OPERATOR_CODES, Value::Tables(self.codes.clone())),
            (model::SUBGRAPHS, Value::Tables(self.graphs.iter().map(graph).collect())),
            (model::BUFFERS, Value::Tables(self.buffers.clone())),
            (model::SIGNATURE_DEFS, Value::Tables(self.signatures.clone())),
        ];
        root.extend(self.root.clone());
        let mut bytes = vec![0; 4];
        bytes.extend(MODEL_IDENTIFIER);
        let position = write_table(&mut bytes, &root);
        lead(&mut bytes, 0, position);
        bytes
    }

    /// Verifies the file.
    pub fn verify(&self) -> Result<(), ModelError> {
        verify_file(&self.file())
    }

    /// Parses the file.
    pub fn parse(&self) -> Result<ModelInfo, ModelError> {
        ModelInfo::parse(&self.file())
    }
}

/// Makes the reference at `position` lead to `target`.
fn lead(bytes: &mut [u8], position: usize, target: usize) {
    let distance = (target - position) as u32;
    bytes[position..position + 4].copy_from_slice(&distance.to_le_bytes());
}

/// Appends a table: its vtable, its fields in slots of eight bytes, and what they refer to. Returns
/// its position.
fn write_table(bytes: &mut Vec<u8>, fields: &Fields) -> usize {
    let ids = fields.iter().map(|(id, _)| id + 1).max().unwrap_or(0);
    let latest = |id: usize| fields.iter().rfind(|(other, _)| *other == id).map(|(_, value)| value);
    let vtable_bytes = 4 + 2 * ids;
    bytes.resize((bytes.len() + vtable_bytes).next_multiple_of(8) - vtable_bytes, 0);
    bytes.extend((vtable_bytes as u16).to_le_bytes());
    bytes.extend((8 + 8 * ids as u16).to_le_bytes());
    for id in 0..ids {
        let offset = if latest(id).is_some() { 8 + 8 * id as u16 } else { 0 };
        bytes.extend(offset.to_le_bytes());
    }
    let table = bytes.len();
    bytes.extend((vtable_bytes as i32).to_le_bytes());
    bytes.resize(table + 8 + 8 * ids, 0);
    for (id, value) in (0..ids).filter_map(|id| Some((id, latest(id)?))) {
        let slot = table + 8 + 8 * id;
        match value {
            Value::Scalar(data) => bytes[slot..slot + data.len()].copy_from_slice(data),
            Value::Vector(count, data) => {
                // The elements, after the count, are aligned to eight bytes.
                bytes.resize(bytes.len().next_multiple_of(8) + 4, 0);
                let target = bytes.len();
                lead(bytes, slot, target);
                bytes.extend((*count as u32).to_le_bytes());
                bytes.extend(data);
            }
            Value::Table(fields) => {
                let target = write_table(bytes, fields);
                lead(bytes, slot, target);
            }
            Value::Tables(tables) => {
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                let target = bytes.len();
                lead(bytes, slot, target);
                bytes.extend((tables.len() as u32).to_le_bytes());
                bytes.resize(target + 4 + 4 * tables.len(), 0);
                for (index, fields) in tables.iter().enumerate() {
                    let element = write_table(bytes, fields);
                    lead(bytes, target + 4 + 4 * index, element);
                }
            }
        }
    }
    table
}

//! The operators of a subgraph with their tensors and constants, for the analyses that follow
//! values through the graph.
//!
//! The operators of a `.tflite` file are stored in the order in which they run, so an analysis
//! visits each operator once, from the first to the last.

use std::cell::Cell;

use super::reader::Table;
use super::schema::{
    BuiltinOperator, TensorType, buffer, model, operator, quantization_parameters, sub_graph,
    tensor,
};

/// Limit for the inputs and outputs of all operators together: a hundred times those of the largest
/// classifiers. The size of the file does not limit their number, because operators of a malicious
/// file can share one long vector.
const MAX_CONNECTIONS: usize = 1 << 20;
/// Limit for the elements of all constants that one analysis reads. It protects against a file in
/// which many operators read one large constant.
const MAX_CONSTANT_ELEMENTS: usize = 1 << 22;
/// Limit for the operators between the data of a constant and its use. Exporters write one: a
/// DEQUANTIZE of float16 weights.
const MAX_CONSTANT_OPERATORS: usize = 4;

/// A subgraph.
pub struct Dataflow<'a> {
    /// The operators in the order in which they run.
    pub operators: Vec<Operator<'a>>,
    tensors: Vec<Table<'a>>,
    buffers: Vec<Table<'a>>,
    /// For each tensor, the operator that writes it.
    producers: Vec<Option<usize>>,
    /// The number of constant elements that may still be read.
    constant_elements: Cell<usize>,
}

/// An operator of a subgraph. All tensor indices are valid.
pub struct Operator<'a> {
    /// The operation.
    pub code: BuiltinOperator,
    /// The inputs; `None` for an input that is absent.
    pub inputs: Vec<Option<usize>>,
    /// The outputs.
    pub outputs: Vec<usize>,
    /// The options; `None` if the operator has none.
    pub options: Option<Table<'a>>,
}

impl Operator<'_> {
    /// Returns the input at a position; `None` if it is absent.
    pub fn input(&self, position: usize) -> Option<usize> {
        self.inputs.get(position).copied().flatten()
    }
}

/// The elements of a constant tensor as real numbers, which means dequantized.
pub struct Constant {
    /// The elements in row-major order.
    pub values: Vec<f64>,
    /// The dimensions; none for a scalar.
    pub shape: Vec<usize>,
}

impl Constant {
    /// Returns the value of all elements; `None` if they differ or there are none.
    pub fn uniform(&self) -> Option<f64> {
        let first = *self.values.first()?;
        self.values.iter().all(|value| *value == first).then_some(first)
    }
}

impl<'a> Dataflow<'a> {
    /// Reads a subgraph of the model with the root table `root`. Returns `None` if a tensor index
    /// is invalid, or the graph is far larger than that of a classifier.
    pub fn new(root: Table<'a>, graph: Table<'a>) -> Option<Self> {
        let codes = root.tables(model::OPERATOR_CODES).into_iter().map(BuiltinOperator::of);
        let codes: Vec<BuiltinOperator> = codes.collect();
        let tensors = graph.tables(sub_graph::TENSORS);
        let existing = |index: i32| usize::try_from(index).ok().filter(|&i| i < tensors.len());
        let mut producers = vec![None; tensors.len()];
        let mut operators = Vec::new();
        let mut connections = 0;
        for (number, table) in graph.tables(sub_graph::OPERATORS).into_iter().enumerate() {
            let code = *codes.get(table.u32(operator::OPCODE_INDEX) as usize)?;
            let inputs: Vec<Option<usize>> =
                table.i32_vector(operator::INPUTS).into_iter().map(existing).collect();
            let outputs = table.i32_vector(operator::OUTPUTS).into_iter().map(existing);
            let outputs: Vec<usize> = outputs.collect::<Option<_>>()?;
            connections += inputs.len() + outputs.len();
            if connections > MAX_CONNECTIONS {
                return None;
            }
            outputs.iter().for_each(|&output| producers[output] = Some(number));
            let options = table.table(operator::BUILTIN_OPTIONS);
            operators.push(Operator { code, inputs, outputs, options });
        }
        let buffers = root.tables(model::BUFFERS);
        let constant_elements = Cell::new(MAX_CONSTANT_ELEMENTS);
        Some(Self { operators, tensors, buffers, producers, constant_elements })
    }

    /// Returns the number of tensors.
    pub fn tensors(&self) -> usize {
        self.tensors.len()
    }

    /// Returns the name of a tensor, which can be empty.
    pub fn name(&self, tensor: usize) -> &'a str {
        self.tensors.get(tensor).and_then(|table| table.string(tensor::NAME)).unwrap_or("")
    }

    /// Returns the type of the elements of a tensor.
    pub fn element(&self, tensor: usize) -> Option<TensorType> {
        self.tensors.get(tensor).map(|table| TensorType::of(*table))
    }

    /// Returns the dimensions of a tensor. A dynamic dimension is 1, which is the batch size that
    /// catdog sets.
    pub fn shape(&self, tensor: usize) -> Vec<usize> {
        let shape = self.tensors.get(tensor).map(|table| table.i32_vector(tensor::SHAPE));
        let sizes = shape.unwrap_or_default().into_iter();
        sizes.map(|size| usize::try_from(size).unwrap_or(1).max(1)).collect()
    }

    /// Returns the number of elements of a tensor.
    pub fn elements(&self, tensor: usize) -> usize {
        self.shape(tensor).into_iter().fold(1, usize::saturating_mul)
    }

    /// Returns scale and zero point of a tensor with per-tensor quantization.
    pub fn quantization(&self, tensor: usize) -> Option<(f64, f64)> {
        let parameters = self.tensors.get(tensor)?.table(tensor::QUANTIZATION)?;
        if parameters.list_len(quantization_parameters::SCALE, size_of::<f32>()) != Some(1) {
            return None;
        }
        let &[scale] = &parameters.f32_vector(quantization_parameters::SCALE)[..] else {
            return None;
        };
        let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
        let zero_point = zero_points.first().copied().unwrap_or(0);
        (scale.is_finite() && scale > 0.0).then_some((scale.into(), zero_point as f64))
    }

    /// Returns the elements of a tensor that is constant: its data is in the file, or is
    /// computed from such a tensor by operators that change only its type or its shape. `None` for
    /// other tensors, for types without real numbers and if the constants read so far are too many.
    pub fn constant(&self, tensor: usize) -> Option<Constant> {
        let shape = self.shape(tensor);
        let mut source = tensor;
        for _ in 0..=MAX_CONSTANT_OPERATORS {
            let Some(producer) = self.producers.get(source).copied().flatten() else {
                let values = self.stored(source)?;
                let fits = values.len() == shape.iter().copied().fold(1, usize::saturating_mul);
                return fits.then_some(Constant { values, shape });
            };
            let producer = self.operators.get(producer)?;
            match producer.code {
                BuiltinOperator::CAST
                | BuiltinOperator::DEQUANTIZE
                | BuiltinOperator::EXPAND_DIMS
                | BuiltinOperator::QUANTIZE
                | BuiltinOperator::RESHAPE
                | BuiltinOperator::SQUEEZE => source = producer.input(0)?,
                _ => return None,
            }
        }
        None
    }

    /// Returns the elements of a tensor whose data is in the file.
    fn stored(&self, tensor: usize) -> Option<Vec<f64>> {
        let table = *self.tensors.get(tensor)?;
        let data = self.buffers.get(table.u32(tensor::BUFFER) as usize)?;
        let data = data.byte_vector(buffer::DATA).filter(|data| !data.is_empty())?;
        let shape = self.shape(tensor);
        let count = shape.iter().copied().fold(1, usize::saturating_mul);
        self.constant_elements.set(self.constant_elements.get().checked_sub(count)?);
        let element = TensorType::of(table);
        let bytes = usize::try_from(element.bits()? / 8).ok()?;
        let data = data.get(..count.checked_mul(bytes)?)?;
        let values = decode(data, element)?;
        dequantize(values, &shape, table)
    }
}

/// Converts stored elements to numbers. `None` for types that hold no single real number.
fn decode(data: &[u8], element: TensorType) -> Option<Vec<f64>> {
    Some(match element {
        TensorType::FLOAT32 => scalars(data, |bytes| f32::from_le_bytes(bytes).into()),
        TensorType::FLOAT16 => scalars(data, |bytes| float16(u16::from_le_bytes(bytes))),
        TensorType::INT8 => scalars(data, |bytes| i8::from_le_bytes(bytes).into()),
        TensorType::UINT8 => scalars(data, |bytes| u8::from_le_bytes(bytes).into()),
        TensorType::INT16 => scalars(data, |bytes| i16::from_le_bytes(bytes).into()),
        TensorType::INT32 => scalars(data, |bytes| i32::from_le_bytes(bytes).into()),
        TensorType::INT64 => scalars(data, |bytes| i64::from_le_bytes(bytes) as f64),
        _ => return None,
    })
}

fn scalars<const N: usize>(data: &[u8], convert: fn([u8; N]) -> f64) -> Vec<f64> {
    data.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(convert).collect()
}

/// Converts a number of IEEE 754 binary16: 1 bit sign, 5 bits exponent, 10 bits fraction.
fn float16(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// Converts stored values to the real numbers that they represent: `scale * (stored - zero point)`.
/// Returns the values themselves if the tensor has no scale, and `None` if the number of scales
/// does not fit its shape.
///
/// Source: the TensorFlow Lite 8-bit quantization specification.
fn dequantize(values: Vec<f64>, shape: &[usize], tensor: Table<'_>) -> Option<Vec<f64>> {
    let Some(parameters) = tensor.table(tensor::QUANTIZATION) else { return Some(values) };
    // A tensor has no more scales than elements. They are counted before they are copied, because
    // many constants can share a long list.
    let count = |id, size| parameters.list_len(id, size).unwrap_or(0);
    let scales = count(quantization_parameters::SCALE, size_of::<f32>());
    let zero_points = count(quantization_parameters::ZERO_POINT, size_of::<i64>());
    if scales.max(zero_points) > values.len().max(1) {
        return None;
    }
    let scales = parameters.f32_vector(quantization_parameters::SCALE);
    let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
    let dimension = parameters.i32(quantization_parameters::QUANTIZED_DIMENSION);
    let dimension = usize::try_from(dimension).ok()?;
    // The number of consecutive elements with the same scale.
    let run = match scales.len() {
        0 => return Some(values),
        1 => values.len().max(1),
        channels if shape.get(dimension) == Some(&channels) => {
            shape[dimension + 1..].iter().product::<usize>().max(1)
        }
        _ => return None,
    };
    let real = |(index, stored): (usize, f64)| {
        let channel = index / run % scales.len();
        let zero_point = zero_points.get(channel).or(zero_points.first()).copied().unwrap_or(0);
        f64::from(scales[channel]) * (stored - zero_point as f64)
    };
    Some(values.into_iter().enumerate().map(real).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float16_is_converted() {
        // Bit patterns of NumPy: np.float16(x).view(np.uint16).
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xbc00, -1.0),
            (0x1c04, 0.003921508789062),
            (0x0001, 5.960464477539063e-08),
            (0x7bff, 65504.0),
        ] {
            assert!((float16(bits) - value).abs() < 1e-12, "{bits:#x}");
        }
        assert!(float16(0x7c00).is_infinite() && float16(0x7e00).is_nan());
    }

    #[test]
    fn integers_are_converted_with_their_sign() {
        assert_eq!(decode(&[0xff], TensorType::INT8), Some(vec![-1.0]));
        assert_eq!(decode(&[0xff], TensorType::UINT8), Some(vec![255.0]));
        assert_eq!(decode(&[0xfe, 0xff, 0xff, 0xff], TensorType::INT32), Some(vec![-2.0]));
        assert_eq!(decode(&[0], TensorType::STRING), None);
    }
}

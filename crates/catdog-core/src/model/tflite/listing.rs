//! The parts of a model file that a person wants to see, also if catdog refuses the model.
//!
//! [`ModelInfo`](super::ModelInfo) describes an image classifier that can run. A [`Listing`] repeats
//! what the file says, without a check: every signature, the shapes with their open dimensions,
//! element types that catdog does not support, and the constants by type.

use std::collections::BTreeMap;

use super::contents::{buffer_bytes, short};
use super::entry_point::{EntryPoint, Port};
use super::reader::{Flatbuffer, Table};
use super::schema::{
    MODEL_IDENTIFIER, TensorType, model, quantization_parameters, signature_def, sub_graph, tensor,
    tensor_map,
};
use super::verify::verify_limits;
use crate::tensor::Quantization;

/// Limit for the signatures, inputs and outputs that are listed. Models have a few; the tables of a
/// damaged file can repeat thousands of times.
const MAX_LISTED: usize = 64;

/// The parts of a model file. Names are cut at 200 characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The signatures in the order of the file, at most 64.
    pub signatures: Vec<ListedSignature>,
    /// Number of subgraphs.
    pub subgraphs: usize,
    /// The inputs of the signature that runs, or of the first subgraph; at most 64.
    pub inputs: Vec<ListedTensor>,
    /// The outputs of the signature that runs, or of the first subgraph; at most 64.
    pub outputs: Vec<ListedTensor>,
    /// The constants that the subgraph that runs reads, by element type, the largest first.
    pub constants: Vec<ConstantType>,
}

/// A signature of a model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSignature {
    /// The key; empty if the file has none.
    pub key: String,
    /// Names of the inputs.
    pub inputs: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
    /// Whether catdog runs this signature.
    pub runs: bool,
}

/// An input or output, as the file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedTensor {
    /// Name in the signature, or in the graph if the model has no signatures.
    pub name: String,
    /// Dimensions; -1 for an open one.
    pub shape: Vec<i32>,
    /// Name of the element type in TensorFlow.
    pub element: &'static str,
    /// The first scale and zero point, if there are any.
    pub quantization: Option<Quantization>,
}

/// The constants of one element type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstantType {
    /// Name of the element type in TensorFlow.
    pub element: &'static str,
    /// Number of tensors; tensors that share their data count once.
    pub tensors: usize,
    /// Number of elements; 0 if elements have no fixed size.
    pub elements: u64,
    /// Size in bytes.
    pub bytes: u64,
}

impl Listing {
    /// Reads the parts of `file`. Returns `None` if it is not a flatbuffer with the identifier of
    /// `.tflite` files. Parts that are damaged are empty; all are empty if the file has more or larger
    /// parts than a model.
    pub fn read(file: &[u8]) -> Option<Self> {
        let root = Flatbuffer::root(file, MODEL_IDENTIFIER)?;
        if verify_limits(root).is_err() {
            return Some(Self::default());
        }
        let subgraphs = root.tables(model::SUBGRAPHS);
        let mut listing = Self { subgraphs: subgraphs.len(), ..Self::default() };
        let entry = EntryPoint::choose(root, &subgraphs).ok();
        listing.signatures = signatures(root, entry.as_ref());
        if let Some(entry) = entry {
            let tensors = entry.graph.tables(sub_graph::TENSORS);
            let list = |ports: &[Port]| {
                ports.iter().take(MAX_LISTED).map(|port| listed_tensor(&tensors, port)).collect()
            };
            listing.inputs = list(&entry.inputs);
            listing.outputs = list(&entry.outputs);
            listing.constants = constants(root, &tensors);
        }
        Some(listing)
    }
}

/// Lists the signatures and marks the one that runs.
fn signatures(root: Table<'_>, entry: Option<&EntryPoint<'_>>) -> Vec<ListedSignature> {
    let names = |signature: Table<'_>, id| {
        let maps = signature.tables(id).into_iter().take(MAX_LISTED);
        maps.map(|map| short(map.string(tensor_map::NAME).unwrap_or_default())).collect()
    };
    let tables = root.tables(model::SIGNATURE_DEFS).into_iter().take(MAX_LISTED);
    let mut signatures: Vec<ListedSignature> = tables
        .map(|signature| ListedSignature {
            key: short(signature.string(signature_def::SIGNATURE_KEY).unwrap_or_default()),
            inputs: names(signature, signature_def::INPUTS),
            outputs: names(signature, signature_def::OUTPUTS),
            runs: false,
        })
        .collect();
    // Two signatures can have the same key; the first one runs.
    let key = entry.and_then(|entry| entry.key.as_deref()).map(short);
    let running = signatures.iter_mut().find(|signature| Some(&signature.key) == key.as_ref());
    if let Some(signature) = running {
        signature.runs = true;
    }
    signatures
}

/// Describes the tensor of `port`. A tensor that does not exist has the type "missing".
fn listed_tensor(tensors: &[Table<'_>], port: &Port) -> ListedTensor {
    let Some(tensor) = tensors.get(port.tensor) else {
        let name = short(port.name.as_deref().unwrap_or_default());
        return ListedTensor { name, shape: Vec::new(), element: "missing", quantization: None };
    };
    let name = port.name.as_deref().or(tensor.string(tensor::NAME)).unwrap_or_default();
    let (shape, open) =
        (tensor.i32_vector(tensor::SHAPE), tensor.i32_vector(tensor::SHAPE_SIGNATURE));
    ListedTensor {
        name: short(name),
        // The shape has 1 where the signature of the shape has -1.
        shape: if open.len() == shape.len() { open } else { shape },
        element: TensorType::of(*tensor).name(),
        quantization: first_quantization(*tensor),
    }
}

/// Returns the first scale of a tensor with its zero point.
fn first_quantization(tensor: Table<'_>) -> Option<Quantization> {
    let parameters = tensor.table(tensor::QUANTIZATION)?;
    let scale = *parameters.f32_vector(quantization_parameters::SCALE).first()?;
    let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
    let zero_point = i32::try_from(zero_points.first().copied().unwrap_or(0)).ok()?;
    Some(Quantization { scale, zero_point })
}

/// Sums up the constants of a subgraph with the tensors `tensors`.
fn constants(root: Table<'_>, tensors: &[Table<'_>]) -> Vec<ConstantType> {
    let buffers = root.tables(model::BUFFERS);
    let mut types = BTreeMap::new();
    for tensor in tensors {
        types.entry(tensor.u32(tensor::BUFFER)).or_insert(TensorType::of(*tensor));
    }
    let mut found: Vec<ConstantType> = Vec::new();
    for (index, element_type) in types {
        let bytes = buffers.get(index as usize).map_or(0, |buffer| buffer_bytes(*buffer));
        if bytes == 0 {
            continue;
        }
        let element = element_type.name();
        let elements = match element_type.bits() {
            None | Some(0) => 0,
            Some(bits) => bytes.saturating_mul(8) / bits,
        };
        match found.iter_mut().find(|constant| constant.element == element) {
            Some(constant) => {
                constant.tensors += 1;
                constant.elements = constant.elements.saturating_add(elements);
                constant.bytes = constant.bytes.saturating_add(bytes);
            }
            None => found.push(ConstantType { element, tensors: 1, elements, bytes }),
        }
    }
    found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.element.cmp(b.element)));
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn listing(name: &str) -> Listing {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models");
        Listing::read(&fs::read(folder.join(name)).unwrap()).unwrap()
    }

    #[test]
    fn every_signature_is_listed_and_one_runs() {
        let signatures = listing("signature_two.tflite").signatures;
        let running: Vec<&str> =
            signatures.iter().filter(|s| s.runs).map(|s| s.key.as_str()).collect();
        assert_eq!((signatures.len(), running), (2, vec!["serving_default"]));
    }

    #[test]
    fn open_dimensions_are_listed_as_in_the_file() {
        let listing = listing("dynamic_batch.tflite");
        assert_eq!(listing.inputs[0].shape, [-1, 8, 8, 3]);
    }

    #[test]
    fn the_tensors_of_a_refused_model_are_listed() {
        assert_eq!(listing("bad/four_outputs_detection.tflite").outputs.len(), 4);
    }

    #[test]
    fn constants_are_summed_up_by_type() {
        // A 3x3 convolution with four outputs and a dense layer from 64 to 3, float weights and
        // biases, and the shape of the RESHAPE.
        let floats = 4 * 27 + 4 + 3 * 64 + 3;
        let float =
            ConstantType { element: "float32", tensors: 4, elements: floats, bytes: 4 * floats };
        let shape = ConstantType { element: "int32", tensors: 1, elements: 2, bytes: 8 };
        assert_eq!(listing("float_logits.tflite").constants, [float, shape]);
    }
}

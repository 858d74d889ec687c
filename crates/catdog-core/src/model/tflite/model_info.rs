//! The description of an image classifier, read from its file: input, output, activation, labels
//! and normalization.
//!
//! LiteRT could report most of this, but only after it has accepted the file. This module reads the
//! file first, so that one error says what is wrong with the model; LiteRT returns a status code
//! only.

use std::collections::HashSet;

use super::activation_search;
use super::entry_point::{EntryPoint, Port};
use super::error::ModelError;
use super::evidence_output::EvidenceOutput;
use super::graph_activation::GraphActivation;
use super::graph_range::GraphRange;
use super::image_input::ImageInput;
use super::metadata::{LabelsEntry, Metadata, Normalization, UnusableNormalization};
use super::model_options::ModelOptions;
use super::range_convention::RangeConvention;
use super::reader::{Flatbuffer, Table};
use super::schema::{BuiltinOperator, MODEL_IDENTIFIER, model, operator, sub_graph, tensor};
use super::scores_output::{self, MAX_OUTPUTS};
use super::tensor_description::TensorDescription;
use super::verify::{InputShape, verify, verify_limits};
use crate::tensor::TensorInfo;

/// The description of an image classifier, from its file.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Key of the signature to run; `None` if no signature is used.
    pub signature: Option<String>,
    /// Index of the subgraph to run.
    pub subgraph: usize,
    /// The file has signatures that do not fit its subgraphs, so they are ignored.
    pub ignores_signatures: bool,
    /// The input.
    pub input: ImageInput,
    /// All outputs, in the order of the runtime.
    pub outputs: Vec<TensorDescription>,
    /// Index in `outputs` of the output with the scores.
    pub output_index: usize,
    /// The scores of one picture, of shape `[1, scores]`.
    pub output: TensorInfo,
    /// The output that tells where the classes are in the picture; `None` if there is none.
    pub evidence: Option<EvidenceOutput>,
    /// The activation at the end of the graph.
    pub activation: GraphActivation,
    /// The range of values that a float input expects, if the graph tells it.
    pub input_range: Option<GraphRange>,
    /// The range that is usual for such models.
    pub range_convention: RangeConvention,
    /// The labels file in the metadata of the file, or the reason why it cannot be read. Unreadable
    /// labels are no error of the model, because other sources can define them.
    pub labels: Option<Result<LabelsEntry, ModelError>>,
    /// The normalization in the metadata of the file; `Err` if its values cannot be used.
    pub normalization: Option<Result<Normalization, UnusableNormalization>>,
}

impl ModelInfo {
    /// Reads and checks the model `file`, which leaves no choice.
    ///
    /// # Errors
    ///
    /// As [`parse_with`](Self::parse_with).
    pub fn parse(file: &[u8]) -> Result<Self, ModelError> {
        Self::parse_with(file, &ModelOptions::default())
    }

    /// Reads and checks the model `file`. `options` are the choices for a model that leaves some.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the file is not a `.tflite` file, is damaged, contains a graph on which
    /// LiteRT crashes, or is not an image classifier with one picture as its input and a row of
    /// scores.
    pub fn parse_with(file: &[u8], options: &ModelOptions) -> Result<Self, ModelError> {
        refuse_other_formats(file)?;
        let (root, subgraphs) = root(file)?;
        let entry = EntryPoint::choose(root, &subgraphs)?;
        // A sound model that is no image classifier is described as what it is, so the graph is
        // verified afterwards.
        let described = match Self::describe(file, root, &entry, options) {
            // A truncated file looks like one without inputs.
            Err(error @ (ModelError::Inputs(0) | ModelError::Outputs(0))) => {
                return verify(file, root, &subgraphs, None).and(Err(error));
            }
            described => described?,
        };
        let is_open = described.input.is_open;
        let shape =
            described.input.runtime_shape.iter().map(|&d| i32::try_from(d).unwrap_or(i32::MAX));
        let input = InputShape { subgraph: entry.subgraph, shape: shape.collect() };
        verify(file, root, &subgraphs, Some(&input).filter(|_| is_open))?;
        Ok(described)
    }

    fn describe(
        file: &[u8],
        root: Table<'_>,
        entry: &EntryPoint<'_>,
        options: &ModelOptions,
    ) -> Result<Self, ModelError> {
        let tensors = entry.graph.tables(sub_graph::TENSORS);
        let [input_port] = &entry.inputs[..] else {
            return Err(ModelError::Inputs(entry.inputs.len()));
        };
        let input = TensorDescription::read(&tensors, input_port)?;
        let reshaped = reshape_of(root, entry.graph, &tensors, input_port.tensor);
        let mut input = ImageInput::new(&input, reshaped.as_deref(), options)?;
        let input_range = GraphRange::find(root, entry.graph, input_port.tensor);
        let expects_bgr = input_range.as_ref().is_some_and(|found| found.expects_bgr);
        input.order_colors(options.color_order, expects_bgr)?;
        if entry.outputs.len() > MAX_OUTPUTS {
            return Err(ModelError::TooManyOutputs {
                count: entry.outputs.len(),
                limit: MAX_OUTPUTS,
            });
        }
        let outputs = entry.outputs.iter().map(|port| TensorDescription::read(&tensors, port));
        let outputs: Vec<_> = outputs.collect::<Result<_, _>>()?;
        refuse_equal_names(&entry.outputs, &tensors, &outputs)?;
        let batch = input.batch();
        let output_tensors = entry.outputs.iter().map(|output| output.tensor);
        let activations = activation_search::find(root, entry.graph, output_tensors, batch);
        let (output_index, output) =
            scores_output::choose(&outputs, batch, options.output.as_deref(), |index| {
                activations[index] != GraphActivation::None
            })?;
        let evidence = EvidenceOutput::find(&outputs, output_index, output.len(), batch);
        let metadata = Metadata::read(file, root, entry.subgraph, output_index);
        Ok(Self {
            signature: entry.key.clone(),
            subgraph: entry.subgraph,
            ignores_signatures: entry.ignores_signatures,
            input,
            outputs,
            output_index,
            output,
            evidence,
            activation: activations[output_index],
            input_range,
            range_convention: RangeConvention::find(root, entry.graph, input_port.tensor),
            labels: metadata.labels,
            normalization: metadata.normalization,
        })
    }
}

/// Checks the graph of the model `file`, which need not be an image classifier.
///
/// # Errors
///
/// [`ModelError`] if the file is damaged or contains a graph on which LiteRT crashes.
pub(super) fn verify_file(file: &[u8]) -> Result<(), ModelError> {
    let (root, subgraphs) = root(file)?;
    verify(file, root, &subgraphs, None)
}

/// Returns the root table of the model `file` and its subgraphs. The number and the size of its
/// parts are within the limits.
fn root(file: &[u8]) -> Result<(Table<'_>, Vec<Table<'_>>), ModelError> {
    let root = Flatbuffer::root(file, MODEL_IDENTIFIER);
    let root = root.ok_or(ModelError::Damaged("its root table"))?;
    verify_limits(root)?;
    Ok((root, root.tables(model::SUBGRAPHS)))
}

/// Refuses files that are not flatbuffers of `schema.fbs`. The error names the format if it is
/// another known model format.
fn refuse_other_formats(file: &[u8]) -> Result<(), ModelError> {
    if file.is_empty() {
        return Err(ModelError::Empty);
    }
    if file.starts_with(b"LITERTLM") {
        return Err(ModelError::OtherFormat("a LiteRT-LM bundle (a language model)"));
    }
    if file.starts_with(b"PK\x03\x04") {
        return Err(ModelError::OtherFormat("a ZIP archive, such as a MediaPipe .task bundle"));
    }
    if file.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Err(ModelError::OtherFormat("an HDF5 file, such as a Keras .h5 model"));
    }
    if !Flatbuffer::has_identifier(file, MODEL_IDENTIFIER) {
        return Err(ModelError::NotTflite);
    }
    Ok(())
}

/// Refuses outputs of the same name: LiteRT finds outputs by name, and aborts the process if it does
/// not find as many as the graph has.
fn refuse_equal_names(
    ports: &[Port],
    tensors: &[Table<'_>],
    outputs: &[TensorDescription],
) -> Result<(), ModelError> {
    // The names in the descriptions are cut. Those of a signature contain no NUL.
    let mut names = HashSet::new();
    let repeated = ports.iter().zip(outputs).find(|(port, _)| {
        let stored = || tensors.get(port.tensor)?.c_string(tensor::NAME);
        let name = port.name.as_deref().map(str::as_bytes).or_else(stored);
        !names.insert(name.unwrap_or_default())
    });
    match repeated {
        Some((_, output)) => Err(ModelError::EqualNames { name: output.name.clone() }),
        None => Ok(()),
    }
}

/// Returns the shape that a RESHAPE gives to the tensor `input`; `None` if no RESHAPE reads it
/// directly or after a QUANTIZE or DEQUANTIZE.
fn reshape_of(
    root: Table<'_>,
    graph: Table<'_>,
    tensors: &[Table<'_>],
    input: usize,
) -> Option<Vec<i32>> {
    let codes = root.tables(model::OPERATOR_CODES);
    let mut current = i32::try_from(input).ok()?;
    for operator in graph.tables(sub_graph::OPERATORS) {
        if operator.i32_vector(operator::INPUTS).first() != Some(&current) {
            continue;
        }
        let output = *operator.i32_vector(operator::OUTPUTS).first()?;
        let code = codes.get(operator.u32(operator::OPCODE_INDEX) as usize)?;
        match BuiltinOperator::of(*code) {
            BuiltinOperator::QUANTIZE | BuiltinOperator::DEQUANTIZE => current = output,
            BuiltinOperator::RESHAPE => {
                let output = tensors.get(usize::try_from(output).ok()?)?;
                return Some(output.i32_vector(tensor::SHAPE));
            }
            _ => return None,
        }
    }
    None
}

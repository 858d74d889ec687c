//! The checks of a subgraph: its tensors, its inputs and outputs, and its operators in the order in
//! which they run.

use super::args::Args;
use super::budget::Budget;
use super::codes::Code;
use super::fault::{Fault, ensure};
use super::operator::Operator;
use super::options::{verify_options, verify_options_type};
use super::scales::verify_scales;
use super::shape::infer;
use super::shape_rule::ShapeRule;
use super::tensor::Tensor;
use super::values::fold;
use super::weights::verify_weights;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::operator_options::stablehlo_composite_options;
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{
    BuiltinOperator, TensorType, builtin_options_2, operator, sub_graph,
};

/// Limit for a subgraph's input, in bytes: five times an image of 4096 x 4096 pixels in uint8.
const MAX_INPUT_BYTES: u64 = 256 << 20;
/// Limit for the number of scales of all tensors together. Each channel of a weight tensor has a
/// scale. Without the limit, a file whose tensors all share one long vector would take minutes to
/// read.
const MAX_SCALES: usize = 1 << 24;
/// Limit for the number of operators and tensors of all subgraphs together, in which a called
/// subgraph counts for each call. The largest classifiers have a few thousand.
const MAX_PARTS: usize = 1 << 17;

/// A verified subgraph.
pub struct Graph {
    /// Tensor indices of the inputs.
    pub inputs: Vec<usize>,
    /// Shapes and element types of the outputs.
    pub results: Vec<(Vec<i32>, TensorType)>,
}

/// Verifies the subgraphs of a model.
pub struct GraphVerifier<'a> {
    /// The tables `SubGraph`.
    pub graphs: &'a [Table<'a>],
    /// The operator codes.
    pub codes: Vec<Code>,
    /// The contents of the buffers.
    pub buffers: Vec<&'a [u8]>,
    /// The memory and the time that are left.
    pub budget: Budget,
    /// For each subgraph whether its operators are being verified, to find cycles of calls.
    is_running: Vec<bool>,
    /// For each subgraph whether it was verified.
    is_verified: Vec<bool>,
    /// Memory for the activations of the subgraphs that call this one, in bytes.
    calling_bytes: u64,
    /// Number of operators and tensors so far.
    parts: usize,
}

/// A subgraph while its operators are verified.
struct State<'a> {
    tensors: Vec<Tensor<'a>>,
    /// For each tensor whether it is an input of the subgraph or written by an operator.
    is_written: Vec<bool>,
    /// For each tensor the number of the last operator that reads it; outputs are read at the end.
    last_use: Vec<usize>,
    /// Memory for the activations that are in use, in bytes.
    live_bytes: u64,
}

impl<'a> GraphVerifier<'a> {
    /// Returns a verifier for the subgraphs `graphs`.
    pub fn new(
        graphs: &'a [Table<'a>],
        codes: Vec<Code>,
        buffers: Vec<&'a [u8]>,
        budget: Budget,
    ) -> Self {
        let flags = vec![false; graphs.len()];
        Self {
            graphs,
            codes,
            buffers,
            budget,
            is_running: flags.clone(),
            is_verified: flags,
            calling_bytes: 0,
            parts: 0,
        }
    }

    /// Returns whether the subgraph `index` was verified, for example because another calls it.
    pub fn is_verified(&self, index: usize) -> bool {
        self.is_verified[index]
    }

    /// Checks the subgraph `index`, whose inputs have the shapes `input_shapes`; `None` for those
    /// in the file.
    pub fn verify(
        &mut self,
        index: usize,
        input_shapes: Option<&[Vec<i32>]>,
    ) -> Result<Graph, ModelError> {
        let graph = self.graphs[index];
        let operators = graph.tables(sub_graph::OPERATORS);
        let mut tensors = self.tensors(graph)?;
        self.parts += operators.len() + tensors.len();
        require(self.parts <= MAX_PARTS, "the number of its operators")?;
        let inputs = distinct(&graph.i32_vector(sub_graph::INPUTS), tensors.len())?;
        let outputs = distinct(&graph.i32_vector(sub_graph::OUTPUTS), tensors.len())?;
        prepare_inputs(&mut tensors, &inputs, input_shapes)?;
        let operators = self.operators(&operators, tensors.len())?;
        let mut state = State::new(tensors, &operators, &inputs, &outputs);
        self.is_running[index] = true;
        for (number, operator) in operators.iter().enumerate() {
            self.verify_operator(operator, number, &mut state)?;
        }
        self.is_running[index] = false;
        self.is_verified[index] = true;
        let computed =
            outputs.iter().all(|&output| state.is_written[output] && !inputs.contains(&output));
        require(computed, "a subgraph's output")?;
        let is_called = self.is_running.contains(&true);
        if !is_called {
            state.verify_output_sizes(&inputs, &outputs)?;
        }
        let result = |&output: &usize| {
            let tensor = &state.tensors[output];
            (tensor.shape.clone(), tensor.element)
        };
        let results = outputs.iter().map(result).collect();
        Ok(Graph { inputs, results })
    }

    /// Checks the tensors of a subgraph.
    fn tensors(&self, graph: Table<'a>) -> Result<Vec<Tensor<'a>>, ModelError> {
        let tables = graph.tables(sub_graph::TENSORS);
        let mut tensors: Vec<Tensor<'_>> = Vec::with_capacity(tables.len());
        let mut scales = 0;
        for table in &tables {
            let tensor = Tensor::verify(*table, &self.buffers, tables.len())?;
            scales += tensor.scales.len();
            require(scales <= MAX_SCALES, "the total number of its scales")?;
            tensors.push(tensor);
        }
        Ok(tensors)
    }

    /// Reads the operators of a subgraph.
    fn operators(
        &self,
        tables: &[Table<'a>],
        tensors: usize,
    ) -> Result<Vec<Operator<'a>>, ModelError> {
        let read = |table: &Table<'a>| {
            let code = self.codes.get(table.u32(operator::OPCODE_INDEX) as usize);
            let code = code.ok_or(ModelError::Damaged("an operator's code"))?;
            Operator::new(*table, code.rule()?, tensors)
        };
        tables.iter().map(read).collect()
    }

    /// Checks an operator. It may read constant tensors, inputs of the subgraph, and outputs of
    /// earlier operators. Each tensor is written once.
    fn verify_operator(
        &mut self,
        operator: &Operator<'a>,
        number: usize,
        state: &mut State<'a>,
    ) -> Result<(), ModelError> {
        let name = operator.code.name().unwrap_or_default();
        let result = operator.output(&state.tensors).map_or("", |output| output.name);
        let fault = |fault: Fault| fault.error(name, result);
        operator.verify_arity().map_err(fault)?;
        let mut inputs = operator.inputs.iter().flatten();
        require(inputs.all(|&input| state.tensors[input].is_ready), "the order of its operators")?;
        operator.verify_types(&state.tensors).map_err(|index| ModelError::OperatorType {
            operator: name,
            tensor: state.tensors[index].name.to_owned(),
            element: state.tensors[index].element.name(),
        })?;
        state.write(operator)?;
        verify_options_type(operator)?;
        verify_options(operator)?;
        verify_scales(operator, &state.tensors)?;
        let shapes = if operator.rule.shape == ShapeRule::Call {
            self.call(operator, state, name, result)?
        } else {
            let args = Args { operator, tensors: &state.tensors };
            verify_weights(args).map_err(fault)?;
            infer(args).map_err(fault)?
        };
        state.verify_unpacked_weights(operator, &shapes).map_err(fault)?;
        for (&output, shape) in operator.outputs.iter().zip(shapes) {
            state.tensors[output].shape = shape;
        }
        state.refuse_empty_results(operator).map_err(fault)?;
        let args = Args { operator, tensors: &state.tensors };
        let values = fold(args);
        for (&output, values) in operator.outputs.iter().zip(values) {
            state.tensors[output].values = values;
        }
        let results = state.bytes_of(&operator.outputs);
        state.live_bytes = state.live_bytes.saturating_add(results);
        let bytes = state.live_bytes.saturating_add(self.calling_bytes);
        self.budget.keep(Args { operator, tensors: &state.tensors }).map_err(fault)?;
        self.budget.hold(bytes).map_err(fault)?;
        self.budget.spend(Args { operator, tensors: &state.tensors }).map_err(fault)?;
        state.release(operator, number);
        Ok(())
    }

    /// Checks the subgraph that an operator calls, and returns the shapes of its outputs.
    fn call(
        &mut self,
        operator: &Operator<'a>,
        state: &State<'a>,
        name: &'static str,
        result: &str,
    ) -> Result<Vec<Vec<i32>>, ModelError> {
        let invalid = |reason| Fault::Invalid(reason).error(name, result);
        let is_expected = operator.table.u8(operator::BUILTIN_OPTIONS_2_TYPE)
            == builtin_options_2::STABLEHLO_COMPOSITE;
        let options = operator.table.table(operator::BUILTIN_OPTIONS_2);
        let options = options.filter(|_| is_expected).ok_or(invalid("it has no options"))?;
        let index = options.i32(stablehlo_composite_options::DECOMPOSITION_SUBGRAPH_INDEX);
        let index = usize::try_from(index).ok().filter(|&index| index < self.graphs.len());
        let index = index.ok_or(invalid("it calls a subgraph that does not exist"))?;
        if self.is_running[index] {
            return Err(invalid("it calls a subgraph that is running"));
        }
        let inputs = operator.inputs.iter().flatten().map(|&input| &state.tensors[input]);
        let shapes: Vec<Vec<i32>> = inputs.clone().map(|input| input.shape.clone()).collect();
        let outside = self.calling_bytes;
        self.calling_bytes = outside.saturating_add(state.live_bytes);
        let graph = self.verify(index, Some(&shapes))?;
        self.calling_bytes = outside;
        let tables = self.graphs[index].tables(sub_graph::TENSORS);
        let elements = graph.inputs.iter().map(|&input| TensorType::of(tables[input]));
        let outputs = operator.outputs.iter().map(|&output| state.tensors[output].element);
        let fits = inputs.map(|input| input.element).eq(elements)
            && outputs.eq(graph.results.iter().map(|(_, element)| *element));
        if !fits {
            return Err(invalid("its inputs or outputs are not those of the subgraph"));
        }
        Ok(graph.results.into_iter().map(|(shape, _)| shape).collect())
    }
}

impl<'a> State<'a> {
    fn new(
        tensors: Vec<Tensor<'a>>,
        operators: &[Operator<'a>],
        inputs: &[usize],
        outputs: &[usize],
    ) -> Self {
        let mut last_use = vec![0; tensors.len()];
        for (number, operator) in operators.iter().enumerate() {
            operator.inputs.iter().flatten().for_each(|&input| last_use[input] = number);
        }
        outputs.iter().for_each(|&output| last_use[output] = usize::MAX);
        let mut is_written = vec![false; tensors.len()];
        inputs.iter().for_each(|&input| is_written[input] = true);
        let mut state = Self { tensors, is_written, last_use, live_bytes: 0 };
        state.live_bytes = state.bytes_of(inputs);
        state
    }

    fn bytes_of(&self, indices: &[usize]) -> u64 {
        indices.iter().fold(0, |sum: u64, &index| sum.saturating_add(self.tensors[index].memory()))
    }

    /// Marks the outputs of an operator as written.
    fn write(&mut self, operator: &Operator<'_>) -> Result<(), ModelError> {
        for &output in &operator.outputs {
            let writable = !self.tensors[output].is_constant && !self.is_written[output];
            require(writable, "an operator's output")?;
            self.tensors[output].is_ready = true;
            self.is_written[output] = true;
        }
        Ok(())
    }

    /// Checks that the outputs fit into buffers of the size in the file. If the size of an input is
    /// open, that of the outputs can depend on it, and the engine asks the runtime.
    fn verify_output_sizes(&self, inputs: &[usize], outputs: &[usize]) -> Result<(), ModelError> {
        if inputs.iter().any(|&input| self.tensors[input].has_open_size()) {
            return Ok(());
        }
        let larger = outputs.iter().map(|&output| &self.tensors[output]);
        match larger.into_iter().find(|output| output.exceeds_file()) {
            Some(output) => Err(ModelError::OutputShape {
                shape: output.shape.clone(),
                reason: "the file gives it a smaller one",
            }),
            None => Ok(()),
        }
    }

    /// Checks the shape in the file of a dequantized constant: XNNPACK unpacks such weights when it
    /// reads the file, with that shape.
    fn verify_unpacked_weights(
        &self,
        operator: &Operator<'_>,
        shapes: &[Vec<i32>],
    ) -> Result<(), Fault> {
        let is_constant = operator.input(&self.tensors, 0).is_some_and(|input| input.is_constant);
        let is_unpacked = operator.code == BuiltinOperator::DEQUANTIZE && is_constant;
        let stored = operator.output(&self.tensors).map(|output| &output.shape);
        let fits = !is_unpacked || stored == shapes.first();
        ensure(fits, "its result does not have the shape of its input")
    }

    /// Refuses activations without elements: kernels divide by their dimensions. Vectors of sizes
    /// can be empty.
    fn refuse_empty_results(&self, operator: &Operator<'_>) -> Result<(), Fault> {
        let is_empty = |&output: &usize| {
            let tensor = &self.tensors[output];
            let is_vector = matches!(tensor.element, TensorType::INT32 | TensorType::INT64)
                && tensor.shape.len() == 1;
            tensor.elements() == 0 && !is_vector
        };
        let empty = operator.outputs.iter().any(is_empty);
        ensure(!empty, "its result has no elements")
    }

    /// Counts the tensors that operator `number` reads last as free. The outputs that no operator
    /// reads are free as well.
    fn release(&mut self, operator: &Operator<'_>, number: usize) {
        let mut free: Vec<usize> = operator.inputs.iter().copied().flatten().collect();
        free.sort_unstable();
        free.dedup();
        free.retain(|&input| self.is_written[input] && self.last_use[input] == number);
        free.extend(operator.outputs.iter().filter(|&&output| self.last_use[output] < number));
        self.live_bytes = self.live_bytes.saturating_sub(self.bytes_of(&free));
    }
}

/// Sets the shapes of the inputs of a subgraph, and marks them as readable.
fn prepare_inputs(
    tensors: &mut [Tensor<'_>],
    inputs: &[usize],
    shapes: Option<&[Vec<i32>]>,
) -> Result<(), ModelError> {
    let fits = shapes.is_none_or(|shapes| shapes.len() == inputs.len());
    require(fits, "the number of a subgraph's inputs")?;
    for (position, &input) in inputs.iter().enumerate() {
        let tensor = &mut tensors[input];
        match shapes {
            Some(shapes) => tensor.shape.clone_from(&shapes[position]),
            None => tensor.fix_dimensions(),
        }
        let usable = !tensor.is_constant && tensor.bytes() <= MAX_INPUT_BYTES;
        require(usable && tensor.elements() >= 1, "a subgraph's input")?;
        tensor.is_ready = true;
    }
    Ok(())
}

/// Returns the tensor indices of the inputs or outputs, if each is valid and occurs once.
fn distinct(indices: &[i32], tensors: usize) -> Result<Vec<usize>, ModelError> {
    let mut distinct = Vec::with_capacity(indices.len());
    for &index in indices {
        let index = usize::try_from(index).ok();
        let index = index.filter(|index| *index < tensors && !distinct.contains(index));
        distinct.push(index.ok_or(ModelError::Damaged("a subgraph's inputs or outputs"))?);
    }
    Ok(distinct)
}

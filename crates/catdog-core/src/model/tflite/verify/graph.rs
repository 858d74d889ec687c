//! The checks of a subgraph: its tensors, its inputs and outputs, and its operators in the order in
//! which they run.

use super::args::Args;
use super::budget::Budget;
use super::codes::Code;
use super::fault::{Fault, ensure};
use super::limits::{MAX_CONNECTIONS, MAX_PARTS};
use super::operator::Operator;
use super::options::{verify_options, verify_options_type};
use super::scales::verify_scales;
use super::shape::infer;
use super::shape_rule::ShapeRule;
use super::tensor::Tensor;
use super::values::{fold, verify_remainder};
use super::weights::{verify_blockwise, verify_weights};
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::operator_options::stablehlo_composite_options;
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{
    BuiltinOperator, TensorType, builtin_options_2, operator, sub_graph,
};

/// Limit for a subgraph's input, in bytes: five times an image of 4096 x 4096 pixels in uint8.
const MAX_INPUT_BYTES: u64 = 256 << 20;
/// Limit for the number of scales of all tensors together, in which a called subgraph counts for
/// each call. Each channel of a weight tensor has a scale.
const MAX_SCALES: usize = 1 << 24;

/// Limit for the depth of calls. Exporters call functions of a framework, which call no others. Each
/// level takes a part of the stack, here and in LiteRT.
const MAX_CALL_DEPTH: usize = 16;

/// Names of calls for which LiteRT runs its own kernel in place of the subgraph. The first one does not
/// check its inputs and options; the others are those of later versions than 2.3.0.
const OWN_KERNELS: [&str; 4] = [
    "odml.scaled_dot_product_attention",
    "odml.causal_conv_with_state_1d",
    "odml.recurrent_linear_attention",
    "odml.selective_state_space",
];

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
    /// Number of subgraphs whose operators are being verified: each is called by the one before.
    depth: usize,
    /// Memory for the activations of the subgraphs that wait for the one that they call, in bytes.
    caller_bytes: u64,
    /// Number of operators and tensors so far.
    parts: usize,
    /// Number of inputs and outputs of operators so far.
    connections: usize,
    /// Number of scales so far.
    scales: usize,
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
            depth: 0,
            caller_bytes: 0,
            parts: 0,
            connections: 0,
            scales: 0,
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
        self.parts += operators.len() + graph.tables(sub_graph::TENSORS).len();
        require(self.parts <= MAX_PARTS, "the number of its operators")?;
        let mut tensors = self.tensors(graph)?;
        let inputs = distinct(&graph.i32_vector(sub_graph::INPUTS), tensors.len())?;
        let outputs = distinct(&graph.i32_vector(sub_graph::OUTPUTS), tensors.len())?;
        prepare_inputs(&mut tensors, &inputs, input_shapes)?;
        let operators = self.operators(&operators, tensors.len())?;
        let mut state = State::new(tensors, &operators, &inputs, &outputs);
        self.is_running[index] = true;
        self.depth += 1;
        for (number, operator) in operators.iter().enumerate() {
            self.verify_operator(operator, number, &mut state)
                .map_err(|refusal| refusal.error(operator, &state.tensors))?;
        }
        self.depth -= 1;
        self.is_running[index] = false;
        self.is_verified[index] = true;
        let computed =
            outputs.iter().all(|&output| state.is_written[output] && !inputs.contains(&output));
        require(computed, "a subgraph's output")?;
        let is_called = self.depth > 0;
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
    fn tensors(&mut self, graph: Table<'a>) -> Result<Vec<Tensor<'a>>, ModelError> {
        let tables = graph.tables(sub_graph::TENSORS);
        let mut tensors: Vec<Tensor<'_>> = Vec::with_capacity(tables.len());
        for table in &tables {
            let tensor = Tensor::verify(*table, &self.buffers, tables.len())?;
            self.scales += tensor.scales.len();
            require(self.scales <= MAX_SCALES, "the total number of its scales")?;
            tensors.push(tensor);
        }
        Ok(tensors)
    }

    /// Reads the operators of a subgraph.
    fn operators(
        &mut self,
        tables: &[Table<'a>],
        tensors: usize,
    ) -> Result<Vec<Operator<'a>>, ModelError> {
        let read = |table: &Table<'a>| {
            let code = self.codes.get(table.u32(operator::OPCODE_INDEX) as usize);
            let code = code.ok_or(ModelError::Damaged("an operator's code"))?;
            let operator = Operator::new(*table, code.rule()?, tensors)?;
            self.connections += operator.inputs.len() + operator.outputs.len();
            let is_usual = self.connections <= MAX_CONNECTIONS;
            require(is_usual, "the number of its inputs and outputs")?;
            Ok(operator)
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
    ) -> Result<(), Refusal> {
        operator.verify_arity()?;
        let mut inputs = operator.inputs.iter().flatten();
        require(inputs.all(|&input| state.tensors[input].is_ready), "the order of its operators")?;
        operator.verify_types(&state.tensors).map_err(|index| ModelError::OperatorType {
            operator: operator.name(),
            tensor: state.tensors[index].name(),
            element: state.tensors[index].element.name(),
        })?;
        state.refuse_empty_inputs(operator)?;
        state.write(operator)?;
        verify_options_type(operator)?;
        verify_options(operator)?;
        verify_scales(operator, &state.tensors)?;
        let shapes = if operator.rule.shape == ShapeRule::Call {
            self.call(operator, number, state)?
        } else {
            let args = Args { operator, tensors: &state.tensors };
            verify_weights(args)?;
            verify_blockwise(args)?;
            verify_remainder(args)?;
            infer(args)?
        };
        state.verify_unpacked_weights(operator, &shapes)?;
        for (&output, shape) in operator.outputs.iter().zip(shapes) {
            state.tensors[output].shape = shape;
        }
        state.refuse_empty_results(operator)?;
        let args = Args { operator, tensors: &state.tensors };
        let values = fold(args);
        for (&output, values) in operator.outputs.iter().zip(values) {
            state.tensors[output].values = values;
        }
        let results = state.bytes_of(&operator.outputs);
        state.live_bytes = state.live_bytes.saturating_add(results);
        let args = Args { operator, tensors: &state.tensors };
        self.budget.keep(args)?;
        self.budget.hold(state.live_bytes.saturating_add(self.caller_bytes))?;
        self.budget.spend(args)?;
        state.release(operator, number);
        Ok(())
    }

    /// Checks the subgraph that an operator calls, and returns the shapes of its outputs.
    fn call(
        &mut self,
        operator: &Operator<'a>,
        number: usize,
        state: &State<'a>,
    ) -> Result<Vec<Vec<i32>>, Refusal> {
        let is_expected = operator.table.u8(operator::BUILTIN_OPTIONS_2_TYPE)
            == builtin_options_2::STABLEHLO_COMPOSITE;
        let options = operator.table.table(operator::BUILTIN_OPTIONS_2);
        let options = options.filter(|_| is_expected);
        let options = options.ok_or(Fault::Invalid("it has no options"))?;
        let name = options.c_string(stablehlo_composite_options::NAME);
        let is_own = OWN_KERNELS.iter().any(|own| Some(own.as_bytes()) == name);
        ensure(!is_own, "LiteRT runs a kernel of language models in place of its subgraph")?;
        let index = options.i32(stablehlo_composite_options::DECOMPOSITION_SUBGRAPH_INDEX);
        let index = usize::try_from(index).ok().filter(|&index| index < self.graphs.len());
        let index = index.ok_or(Fault::Invalid("it calls a subgraph that does not exist"))?;
        ensure(!self.is_running[index], "it calls a subgraph that is running")?;
        ensure(self.depth <= MAX_CALL_DEPTH, "calls are nested in it too deeply")?;
        let inputs = operator.inputs.iter().flatten().map(|&input| &state.tensors[input]);
        let shapes: Vec<Vec<i32>> = inputs.clone().map(|input| input.shape.clone()).collect();
        // While the subgraph runs, the tensors of this one stay in memory.
        let outer_bytes = self.caller_bytes;
        self.caller_bytes = outer_bytes.saturating_add(state.bytes_during(operator, number));
        let graph = self.verify(index, Some(&shapes))?;
        self.caller_bytes = outer_bytes;
        let tables = self.graphs[index].tables(sub_graph::TENSORS);
        let elements = graph.inputs.iter().map(|&input| TensorType::of(tables[input]));
        let outputs = operator.outputs.iter().map(|&output| state.tensors[output].element);
        let fits = inputs.map(|input| input.element).eq(elements)
            && outputs.eq(graph.results.iter().map(|(_, element)| *element));
        ensure(fits, "its inputs or outputs are not those of the subgraph")?;
        Ok(graph.results.into_iter().map(|(shape, _)| shape).collect())
    }
}

/// Why an operator is refused.
enum Refusal {
    /// The fault of the operator, whose name is not known yet.
    Fault(Fault),
    /// The error.
    Model(ModelError),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Refusal {
    /// Returns the error for `operator`. `tensors` are those of its subgraph.
    fn error(self, operator: &Operator<'_>, tensors: &[Tensor<'_>]) -> ModelError {
        match self {
            Self::Fault(fault) => {
                let result = operator.output(tensors).map_or_else(String::new, Tensor::name);
                fault.error(operator.name(), result)
            }
            Self::Model(error) => error,
        }
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
        // LiteRT keeps variables in memory, whether an operator reads them or not.
        let is_variable = |&index: &usize| tensors[index].is_variable && !is_written[index];
        let resident: Vec<usize> =
            (0..tensors.len()).filter(is_variable).chain(inputs.iter().copied()).collect();
        let mut state = Self { tensors, is_written, last_use, live_bytes: 0 };
        state.live_bytes = state.bytes_of(&resident);
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

    /// Refuses inputs without elements: kernels divide by their dimensions. Vectors of sizes can be
    /// empty.
    fn refuse_empty_inputs(&self, operator: &Operator<'_>) -> Result<(), Fault> {
        let mut inputs = operator.inputs.iter().flatten();
        let has_empty = inputs.any(|&input| self.tensors[input].is_empty_activation());
        ensure(!has_empty, "an input has no elements")
    }

    /// Refuses results without elements, as inputs.
    fn refuse_empty_results(&self, operator: &Operator<'_>) -> Result<(), Fault> {
        let mut outputs = operator.outputs.iter();
        let has_empty = outputs.any(|&output| self.tensors[output].is_empty_activation());
        ensure(!has_empty, "its result has no elements")
    }

    /// Returns the memory that is in use while operator `number` calls a subgraph, in bytes. The
    /// inputs that it reads last are those of the subgraph, which counts them.
    fn bytes_during(&self, operator: &Operator<'_>, number: usize) -> u64 {
        self.live_bytes.saturating_sub(self.bytes_of(&self.last_inputs(operator, number)))
    }

    /// Returns the inputs of operator `number` that no later operator reads.
    fn last_inputs(&self, operator: &Operator<'_>, number: usize) -> Vec<usize> {
        let mut inputs: Vec<usize> = operator.inputs.iter().copied().flatten().collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs.retain(|&input| self.is_written[input] && self.last_use[input] == number);
        inputs
    }

    /// Counts the tensors that operator `number` reads last as free. The outputs that no operator
    /// reads are free as well.
    fn release(&mut self, operator: &Operator<'_>, number: usize) {
        let mut free = self.last_inputs(operator, number);
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

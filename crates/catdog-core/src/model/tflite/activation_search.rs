//! The activation at the end of a graph.
//!
//! The search follows values forward. It computes for each tensor whether its elements are
//! probabilities, and what it knows about them, from what it knows about the inputs of the operator
//! that writes the tensor. The output of the graph is then one of these tensors. Operators that
//! keep probabilities, such as a slice or the average of several runs, can follow the activation.

use super::dataflow::{Constant, Dataflow, Operator};
use super::graph_activation::{
    CHANGED, Function, GraphActivation, MIXED, Meaning, Scores, TOLERANCE, added, scaled,
};
use super::operator_options::{
    activation_function_type, activation_options, concatenation_options, conv_2d_options,
    depthwise_conv_2d_options, fully_connected_options, pool_2d_options,
};
use super::reader::Table;
use super::schema::BuiltinOperator;

/// Finds the activation of each of the tensors `outputs` of `graph`, which have the scores of `batch`
/// pictures.
pub fn find(
    root: Table<'_>,
    graph: Table<'_>,
    outputs: impl Iterator<Item = usize>,
    batch: usize,
) -> Vec<GraphActivation> {
    let Some(flow) = Dataflow::new(root, graph) else {
        return outputs.map(|_| GraphActivation::None).collect();
    };
    let mut search = Search::new(&flow);
    for operator in &flow.operators {
        search.visit(operator);
    }
    let activation = |output: usize| match search.meanings.get(output) {
        Some(Meaning::Scores(scores)) => scores.scaled_sum(1.0 / batch as f64).activation(),
        Some(Meaning::Complement(_)) => GraphActivation::Logistic,
        Some(Meaning::Unclear(clause)) => GraphActivation::Unclear(clause),
        Some(Meaning::Exponentials | Meaning::Other) | None => GraphActivation::None,
    };
    outputs.map(activation).collect()
}

/// Limit for a constant that is added to probabilities to avoid a logarithm or a quotient of 0: 0.001,
/// which float32 and float16 round up.
const MAX_EPSILON: f64 = 1.001e-3;

/// The limits that operators clamp the elements of a tensor to. With both, it is a ramp.
#[derive(Clone, Copy, Default)]
struct Bounds {
    /// No element is negative.
    is_positive: bool,
    /// No element is larger.
    max: Option<f64>,
}

/// The state of the search: what is known about each tensor.
struct Search<'a> {
    flow: &'a Dataflow<'a>,
    meanings: Vec<Meaning>,
    bounds: Vec<Bounds>,
    /// For each tensor that is a sum of all elements of another tensor, the index of the latter.
    sum_of: Vec<Option<usize>>,
}

impl<'a> Search<'a> {
    fn new(flow: &'a Dataflow<'a>) -> Self {
        let tensors = flow.tensors();
        Self {
            flow,
            meanings: vec![Meaning::Other; tensors],
            bounds: vec![Bounds::default(); tensors],
            sum_of: vec![None; tensors],
        }
    }

    /// Computes what is known about the outputs of an operator.
    fn visit(&mut self, operator: &Operator<'_>) {
        use BuiltinOperator as Op;
        let Some(&output) = operator.outputs.first() else { return };
        let meaning = match operator.code {
            Op::LOGISTIC => Meaning::Scores(self.made_by(Function::Logistic, output)),
            Op::SOFTMAX => Meaning::Scores(self.made_by(Function::Softmax, output)),
            Op::LOG_SOFTMAX => Meaning::Scores(self.made_by(Function::LogSoftmax, output)),
            Op::EXP => self.exponential(operator, output),
            Op::LOG => self.logarithm(operator),
            Op::RELU | Op::RELU6 | Op::RELU_0_TO_1 | Op::RELU_N1_TO_1 => {
                self.clamped(operator, output)
            }
            Op::MUL => self.product(operator),
            Op::DIV => self.quotient(operator, output),
            Op::ADD => self.sum(operator),
            Op::SUB => self.difference(operator),
            Op::MAXIMUM | Op::MINIMUM => self.extremum(operator),
            Op::SUM => self.total(operator, output),
            Op::MEAN | Op::AVERAGE_POOL_2D => self.average(operator, output),
            Op::CONCATENATION | Op::PACK => self.concatenation(operator, output),
            // A converter merges the shift of a hard sigmoid into the bias of the layer before, and
            // the clamp into its fused activation.
            Op::CONV_2D | Op::DEPTHWISE_CONV_2D | Op::FULLY_CONNECTED => Meaning::Other,
            Op::TOPK_V2 => match self.input(operator, 0) {
                Meaning::Other => Meaning::Other,
                _ => Meaning::Unclear(CHANGED),
            },
            _ => return self.rearrange(operator),
        };
        let meaning = self.after_fused_activation(operator, meaning, output);
        let meaning = self.after_bounds(operator, meaning, output);
        self.set(output, meaning);
    }

    fn set(&mut self, tensor: usize, meaning: Meaning) {
        if let Some(known) = self.meanings.get_mut(tensor) {
            *known = meaning;
        }
    }

    fn input(&self, operator: &Operator<'_>, position: usize) -> Meaning {
        let tensor = operator.input(position);
        tensor.and_then(|tensor| self.meanings.get(tensor).copied()).unwrap_or(Meaning::Other)
    }

    /// Returns a constant input.
    fn constant(&self, operator: &Operator<'_>, position: usize) -> Option<Constant> {
        self.flow.constant(operator.input(position)?)
    }

    /// Describes the output of an activation.
    fn made_by(&self, function: Function, output: usize) -> Scores {
        // SOFTMAX normalizes over the last dimension.
        let classes = self.flow.shape(output).last().copied().unwrap_or(1);
        let distributions = self.flow.elements(output) as f64 / classes as f64;
        let sum = (function == Function::Softmax).then_some(distributions);
        let max = if function == Function::LogSoftmax { 0.0 } else { 1.0 };
        Scores { function, max, sum, origin: output }
    }

    fn exponential(&self, operator: &Operator<'_>, output: usize) -> Meaning {
        match self.input(operator, 0) {
            Meaning::Scores(Scores { function: Function::LogSoftmax, .. }) => {
                Meaning::Scores(Scores { sum: None, ..self.made_by(Function::Softmax, output) })
            }
            Meaning::Scores(_) | Meaning::Unclear(_) => Meaning::Unclear(CHANGED),
            _ => Meaning::Exponentials,
        }
    }

    fn logarithm(&self, operator: &Operator<'_>) -> Meaning {
        match self.input(operator, 0) {
            Meaning::Scores(scores) if scores.activation() == GraphActivation::Softmax => {
                Meaning::Scores(Scores { function: Function::LogSoftmax, max: 0.0, ..scores })
            }
            Meaning::Scores(_) | Meaning::Unclear(_) => Meaning::Unclear(CHANGED),
            _ => Meaning::Other,
        }
    }

    /// A clamp does not change probabilities, and a clamp of other values to 0..6 or 0..1 is the
    /// last but one or the last step of a hard sigmoid.
    fn clamped(&self, operator: &Operator<'_>, output: usize) -> Meaning {
        let hard = |max| {
            let scores = self.made_by(Function::HardLogistic, output);
            Meaning::Scores(Scores { max, ..scores })
        };
        match self.input(operator, 0) {
            Meaning::Scores(Scores { function: Function::LogSoftmax, .. }) => {
                Meaning::Unclear(CHANGED)
            }
            Meaning::Other if operator.code == BuiltinOperator::RELU6 => hard(6.0),
            Meaning::Other if operator.code == BuiltinOperator::RELU_0_TO_1 => hard(1.0),
            Meaning::Exponentials if operator.code != BuiltinOperator::RELU => Meaning::Other,
            meaning => meaning,
        }
    }

    /// Describes the output of a clamp to 0 and to a maximum, in any order: RELU or MAXIMUM by 0, and
    /// MINIMUM. These two are a ramp, as a hard sigmoid has it.
    fn after_bounds(
        &mut self,
        operator: &Operator<'_>,
        meaning: Meaning,
        output: usize,
    ) -> Meaning {
        use BuiltinOperator as Op;
        if meaning != Meaning::Other {
            return meaning;
        }
        let constant = |position| self.constant(operator, position)?.uniform();
        let limit = || constant(1).map(|limit| (0, limit)).or(constant(0).map(|limit| (1, limit)));
        let of_input = |position| {
            let input = operator.input(position);
            input.and_then(|input| self.bounds.get(input).copied()).unwrap_or_default()
        };
        let mut bounds = match operator.code {
            Op::RELU => Bounds { is_positive: true, ..of_input(0) },
            Op::MAXIMUM => match limit() {
                Some((input, 0.0)) => Bounds { is_positive: true, ..of_input(input) },
                _ => Bounds::default(),
            },
            Op::MINIMUM => match limit() {
                Some((input, max)) if max > 0.0 && max.is_finite() => {
                    Bounds { max: Some(max), ..of_input(input) }
                }
                _ => Bounds::default(),
            },
            _ => Bounds::default(),
        };
        bounds.is_positive |= fused_activation(operator) == activation_function_type::RELU;
        if let Some(known) = self.bounds.get_mut(output) {
            *known = bounds;
        }
        match bounds {
            Bounds { is_positive: true, max: Some(max) } => {
                Meaning::Scores(Scores { max, ..self.made_by(Function::HardLogistic, output) })
            }
            _ => meaning,
        }
    }

    /// The fused activation of an operator, as far as it matters for probabilities.
    fn after_fused_activation(
        &self,
        operator: &Operator<'_>,
        meaning: Meaning,
        output: usize,
    ) -> Meaning {
        match (fused_activation(operator), meaning) {
            (activation_function_type::NONE, _)
            | (activation_function_type::RELU, Meaning::Scores(_) | Meaning::Complement(_)) => {
                meaning
            }
            (activation_function_type::RELU6, Meaning::Scores(scores)) if scores.max <= 6.0 => {
                meaning
            }
            (activation_function_type::RELU6, Meaning::Other) => {
                Meaning::Scores(Scores { max: 6.0, ..self.made_by(Function::HardLogistic, output) })
            }
            (activation_function_type::RELU_N1_TO_1, Meaning::Scores(scores))
                if scores.max <= 1.0 + TOLERANCE =>
            {
                meaning
            }
            (_, Meaning::Other | Meaning::Exponentials) => Meaning::Other,
            _ => Meaning::Unclear(CHANGED),
        }
    }

    /// Multiplies scores by a constant.
    fn product(&self, operator: &Operator<'_>) -> Meaning {
        let (left, right) = (self.input(operator, 0), self.input(operator, 1));
        let (scores, position) = match (left, right) {
            (Meaning::Other, Meaning::Other) => return Meaning::Other,
            (scores, Meaning::Other) => (scores, 1),
            (Meaning::Other, scores) => (scores, 0),
            (left, right) if left.is_ramp() || right.is_ramp() => return Meaning::Other,
            _ => return Meaning::Unclear(CHANGED),
        };
        match (scores, self.constant(operator, position)) {
            // A product with computed values is a gate, which uses LOGISTIC in the middle of
            // networks.
            (_, None) => Meaning::Other,
            (Meaning::Scores(scores), Some(factor)) => scaled(scores, factor.uniform()),
            (Meaning::Complement(_), Some(factor)) if factor.uniform() == Some(1.0) => scores,
            (Meaning::Exponentials | Meaning::Unclear(_), Some(_)) => scores,
            _ => Meaning::Unclear(CHANGED),
        }
    }

    /// Divides scores by a constant, or positive values by their sum, which makes a distribution.
    fn quotient(&self, operator: &Operator<'_>, output: usize) -> Meaning {
        let divisor = operator.input(1).and_then(|tensor| *self.sum_of.get(tensor)?);
        let numerator = self.input(operator, 0);
        let is_positive = matches!(numerator, Meaning::Exponentials | Meaning::Scores(_));
        if divisor.is_some() && divisor == operator.input(0) && is_positive {
            // There is one sum for each distribution.
            let sums = operator.input(1).map(|sums| self.flow.elements(sums) as f64);
            return Meaning::Scores(Scores {
                sum: sums,
                ..self.made_by(Function::Softmax, output)
            });
        }
        match (numerator, self.constant(operator, 1)) {
            (Meaning::Scores(scores), Some(divisor)) => {
                scaled(scores, divisor.uniform().map(|divisor| 1.0 / divisor))
            }
            (Meaning::Exponentials | Meaning::Unclear(_), Some(_)) => numerator,
            (Meaning::Complement(_), Some(_)) => Meaning::Unclear(CHANGED),
            _ => Meaning::Other,
        }
    }

    /// Adds scores of several runs, or a constant near 0.
    fn sum(&mut self, operator: &Operator<'_>) -> Meaning {
        match (self.input(operator, 0), self.input(operator, 1)) {
            (Meaning::Other, Meaning::Other) => {
                self.pass_sum_on(operator);
                Meaning::Other
            }
            (meaning, Meaning::Other) => self.shifted(meaning, self.constant(operator, 1)),
            (Meaning::Other, meaning) => self.shifted(meaning, self.constant(operator, 0)),
            (left, right) if left.is_ramp() || right.is_ramp() => Meaning::Other,
            (Meaning::Scores(a), Meaning::Scores(b)) => added(a, b),
            _ => Meaning::Unclear(CHANGED),
        }
    }

    /// A sum of positive values can get a constant that avoids a division by 0.
    fn pass_sum_on(&mut self, operator: &Operator<'_>) {
        let sum = operator.input(0).and_then(|tensor| *self.sum_of.get(tensor)?);
        if let (Some(sum), Some(&output)) = (sum, operator.outputs.first())
            && is_epsilon(self.constant(operator, 1).as_ref())
        {
            self.sum_of[output] = Some(sum);
        }
    }

    fn shifted(&self, meaning: Meaning, constant: Option<Constant>) -> Meaning {
        match (meaning, constant) {
            (_, None) => Meaning::Other,
            (Meaning::Exponentials | Meaning::Unclear(_), Some(_)) => meaning,
            (Meaning::Scores(_) | Meaning::Complement(_), ref constant)
                if is_epsilon(constant.as_ref()) =>
            {
                meaning
            }
            // A ramp is not complete before it is divided by its height.
            (Meaning::Scores(Scores { function: Function::HardLogistic, .. }), _) => Meaning::Other,
            _ => Meaning::Unclear(CHANGED),
        }
    }

    fn difference(&self, operator: &Operator<'_>) -> Meaning {
        match (self.input(operator, 0), self.input(operator, 1)) {
            (Meaning::Other, Meaning::Other) => Meaning::Other,
            (Meaning::Other, Meaning::Scores(scores)) => {
                let Some(constant) = self.constant(operator, 0) else { return Meaning::Other };
                let is_complement = constant.uniform() == Some(1.0)
                    && scores.activation() == GraphActivation::Logistic;
                if is_complement {
                    Meaning::Complement(scores.origin)
                } else {
                    Meaning::Unclear(CHANGED)
                }
            }
            (meaning, Meaning::Other) => self.shifted(meaning, self.constant(operator, 1)),
            (Meaning::Other, _) => Meaning::Other,
            (left, right) if left.is_ramp() || right.is_ramp() => Meaning::Other,
            _ => Meaning::Unclear(CHANGED),
        }
    }

    /// A clamp by a constant, or the larger or smaller of two scores.
    fn extremum(&self, operator: &Operator<'_>) -> Meaning {
        let one_of = |a: Meaning, b: Meaning| match (a, b) {
            (Meaning::Scores(a), Meaning::Scores(b)) if a.function == b.function => {
                Meaning::Scores(Scores { max: a.max.max(b.max), sum: None, ..a })
            }
            (Meaning::Other, Meaning::Other) => Meaning::Other,
            (a, b) if a.is_ramp() || b.is_ramp() => Meaning::Other,
            _ => Meaning::Unclear(CHANGED),
        };
        let (left, right) = (self.input(operator, 0), self.input(operator, 1));
        if left != Meaning::Other && self.constant(operator, 1).is_some() {
            return left;
        }
        if right != Meaning::Other && self.constant(operator, 0).is_some() {
            return right;
        }
        one_of(left, right)
    }

    /// Adds the elements along some dimensions: the branches of an average, or the classes of a
    /// group.
    fn total(&mut self, operator: &Operator<'_>, output: usize) -> Meaning {
        let Some(input) = operator.input(0) else { return Meaning::Other };
        self.sum_of[output] = Some(input);
        match self.input(operator, 0) {
            Meaning::Scores(Scores { function: Function::LogSoftmax, .. }) => {
                Meaning::Unclear(CHANGED)
            }
            Meaning::Scores(scores) => {
                let added = self.flow.elements(input) as f64 / self.flow.elements(output) as f64;
                let max = scores.sum.unwrap_or(f64::INFINITY).min(scores.max * added);
                Meaning::Scores(Scores { max, ..scores })
            }
            Meaning::Exponentials => Meaning::Other,
            meaning => meaning,
        }
    }

    fn average(&self, operator: &Operator<'_>, output: usize) -> Meaning {
        let Some(input) = operator.input(0) else { return Meaning::Other };
        match self.input(operator, 0) {
            Meaning::Scores(Scores { function: Function::LogSoftmax, .. }) => {
                Meaning::Unclear(CHANGED)
            }
            Meaning::Scores(scores) => {
                let averaged = self.flow.elements(output) as f64 / self.flow.elements(input) as f64;
                Meaning::Scores(Scores { sum: scores.sum.map(|sum| sum * averaged), ..scores })
            }
            Meaning::Exponentials => Meaning::Other,
            meaning => meaning,
        }
    }

    /// Joins scores with each other, or with constants for classes that never win.
    fn concatenation(&self, operator: &Operator<'_>, output: usize) -> Meaning {
        let inputs = (0..operator.inputs.len()).map(|position| self.input(operator, position));
        let inputs: Vec<Meaning> = inputs.collect();
        if let [Meaning::Complement(origin), Meaning::Scores(scores)]
        | [Meaning::Scores(scores), Meaning::Complement(origin)] = inputs[..]
            && scores.origin == origin
        {
            // The two probabilities of one event.
            let sum = Some(self.flow.elements(output) as f64 / 2.0);
            return Meaning::Scores(Scores { function: Function::Softmax, sum, ..scores });
        }
        let mut joined: Option<Scores> = None;
        let mut constants = 0.0;
        for (position, meaning) in inputs.into_iter().enumerate() {
            match (meaning, &mut joined) {
                (Meaning::Scores(scores), None) => joined = Some(scores),
                (Meaning::Scores(scores), Some(all)) if all.function == scores.function => {
                    all.max = all.max.max(scores.max);
                    all.sum = all.sum.zip(scores.sum).map(|(a, b)| a + b);
                }
                (Meaning::Other, _) => match self.constant(operator, position) {
                    Some(constant) => constants += constant.values.iter().sum::<f64>(),
                    None => return Meaning::Other,
                },
                (Meaning::Scores(_), Some(_)) => return Meaning::Unclear(MIXED),
                _ => return Meaning::Unclear(CHANGED),
            }
        }
        joined.map_or(Meaning::Other, |scores| {
            Meaning::Scores(Scores { sum: scores.sum.map(|sum| sum + constants), ..scores })
        })
    }

    /// Passes what is known on through an operator that only moves, selects, repeats or converts
    /// elements. The outputs of other operators stay unknown.
    fn rearrange(&mut self, operator: &Operator<'_>) {
        use BuiltinOperator as Op;
        let position = match operator.code {
            // The first input is the dimension.
            Op::SPLIT => 1,
            Op::BROADCAST_TO
            | Op::CAST
            | Op::DEQUANTIZE
            | Op::EXPAND_DIMS
            | Op::GATHER
            | Op::GATHER_ND
            | Op::PAD
            | Op::QUANTIZE
            | Op::REDUCE_MAX
            | Op::RESHAPE
            | Op::REVERSE_V2
            | Op::SLICE
            | Op::SPLIT_V
            | Op::SQUEEZE
            | Op::STRIDED_SLICE
            | Op::TILE
            | Op::TRANSPOSE
            | Op::UNPACK => 0,
            _ => return,
        };
        let Some(input) = operator.input(position) else { return };
        let meaning = self.input(operator, position);
        let elements = self.flow.elements(input);
        for &output in &operator.outputs {
            let meaning = match meaning {
                Meaning::Scores(scores) => {
                    let is_whole = elements == self.flow.elements(output);
                    let keeps_sum = is_whole || operator.code == Op::PAD;
                    Meaning::Scores(Scores { sum: scores.sum.filter(|_| keeps_sum), ..scores })
                }
                meaning => meaning,
            };
            self.set(output, meaning);
            self.bounds[output] = self.bounds.get(input).copied().unwrap_or_default();
            self.sum_of[output] = self.sum_of.get(input).copied().flatten();
        }
    }
}

/// Returns the fused activation of an operator, a value of enum `ActivationFunctionType`.
fn fused_activation(operator: &Operator<'_>) -> u8 {
    use BuiltinOperator as Op;
    let field = match operator.code {
        Op::ADD | Op::SUB | Op::MUL | Op::DIV => activation_options::FUSED_ACTIVATION_FUNCTION,
        Op::AVERAGE_POOL_2D => pool_2d_options::FUSED_ACTIVATION_FUNCTION,
        Op::CONCATENATION => concatenation_options::FUSED_ACTIVATION_FUNCTION,
        Op::CONV_2D => conv_2d_options::FUSED_ACTIVATION_FUNCTION,
        Op::DEPTHWISE_CONV_2D => depthwise_conv_2d_options::FUSED_ACTIVATION_FUNCTION,
        Op::FULLY_CONNECTED => fully_connected_options::FUSED_ACTIVATION_FUNCTION,
        _ => return activation_function_type::NONE,
    };
    operator.options.map_or(activation_function_type::NONE, |options| options.u8(field))
}

/// Returns whether all elements of a constant are near 0.
fn is_epsilon(constant: Option<&Constant>) -> bool {
    constant.is_some_and(|c| c.values.iter().all(|value| value.abs() <= MAX_EPSILON))
}

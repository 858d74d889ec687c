//! The activation at the end of a graph: what each operator after it does to probabilities.

use crate::model::tflite::GraphActivation::{self, LogSoftmax, Logistic, SeveralSoftmax, Softmax};
use crate::model::tflite::operator_options::{
    activation_function_type, activation_options, concatenation_options, pool_2d_options,
    reducer_options, softmax_options,
};
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType};
use crate::model::tflite::test_model::{Fields, TestModel, byte, float, option};

const NONE: GraphActivation = GraphActivation::None;
const SCALED: GraphActivation = GraphActivation::Unclear("probabilities multiplied by a constant");
const MIXED: GraphActivation = GraphActivation::Unclear("a mixture of softmax and logistic");
const CHANGED: GraphActivation =
    GraphActivation::Unclear("probabilities that another operator changes");

/// A graph with three logits, whose methods add operators.
struct Net {
    model: TestModel,
    logits: i32,
}

impl Net {
    fn new() -> Self {
        let mut model = TestModel::new();
        let image = model.input(&[1, 8, 8, 3]);
        let axes = model.ints(&[1, 2]);
        let logits = model.op_as(Op::MEAN, &[image, axes], &[1, 3], vec![]);
        Self { model, logits }
    }

    /// Adds an operator whose output has three elements.
    fn op(&mut self, code: Op, inputs: &[i32]) -> i32 {
        self.model.op_as(code, inputs, &[1, 3], vec![])
    }

    /// Adds an operator with a fused activation.
    fn fused(&mut self, code: Op, inputs: &[i32], function: u8) -> i32 {
        let options = vec![(activation_options::FUSED_ACTIVATION_FUNCTION, byte(function))];
        self.model.op_as(code, inputs, &[1, 3], options)
    }

    fn softmax(&mut self, input: i32) -> i32 {
        self.softmax_as(input, &[1, 3])
    }

    fn softmax_as(&mut self, input: i32, shape: &[i32]) -> i32 {
        let options = vec![(softmax_options::BETA, float(1.0))];
        self.model.op_as(Op::SOFTMAX, &[input], shape, options)
    }

    fn logistic(&mut self) -> i32 {
        self.op(Op::LOGISTIC, &[self.logits])
    }

    fn number(&mut self, value: f32) -> i32 {
        self.model.floats(&[], &[value])
    }

    fn row(&mut self, values: [f32; 3]) -> i32 {
        self.model.floats(&[3], &values)
    }

    /// Adds the sum of the three elements of a tensor.
    fn sum(&mut self, input: i32) -> i32 {
        let axis = self.model.ints(&[1]);
        let options = vec![(reducer_options::KEEP_DIMS, byte(1))];
        self.model.op_as(Op::SUM, &[input, axis], &[1, 1], options)
    }

    fn concatenation(&mut self, inputs: &[i32], classes: i32, function: u8) -> i32 {
        use concatenation_options::*;
        let options = vec![option(AXIS, 1), (FUSED_ACTIVATION_FUNCTION, byte(function))];
        self.model.op_as(Op::CONCATENATION, inputs, &[1, classes], options)
    }
}

/// The name of a case, the function that adds its operators, and the activation.
type Case = (&'static str, fn(&mut Net), GraphActivation);

#[track_caller]
fn assert_found(cases: &[Case]) {
    let mut differences = Vec::new();
    for (name, build, wanted) in cases {
        let mut net = Net::new();
        build(&mut net);
        let found = match net.model.parse() {
            Ok(info) => info.activation,
            Err(error) => {
                differences.push(format!("{name}: {error}"));
                continue;
            }
        };
        if found != *wanted {
            differences.push(format!("{name}: {found:?}, expected {wanted:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn exponents_and_logarithms() {
    assert_found(&[
        ("logits", |_| (), NONE),
        (
            "exp",
            |n| {
                n.op(Op::EXP, &[n.logits]);
            },
            NONE,
        ),
        (
            "log",
            |n| {
                n.op(Op::LOG, &[n.logits]);
            },
            NONE,
        ),
        (
            "exp of log-softmax",
            |n| {
                let log = n.op(Op::LOG_SOFTMAX, &[n.logits]);
                n.op(Op::EXP, &[log]);
            },
            Softmax,
        ),
        (
            "exp of softmax",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::EXP, &[p]);
            },
            CHANGED,
        ),
        (
            "log of softmax",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::LOG, &[p]);
            },
            LogSoftmax,
        ),
        (
            "log of logistic",
            |n| {
                let p = n.logistic();
                n.op(Op::LOG, &[p]);
            },
            CHANGED,
        ),
        (
            "an operator that is not followed",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::TANH, &[p]);
            },
            NONE,
        ),
    ]);
}

#[test]
fn clamps() {
    use activation_function_type::{RELU, RELU_N1_TO_1, RELU6};
    /// The value of TANH.
    const TANH: u8 = 4;
    assert_found(&[
        (
            "relu",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::RELU, &[p]);
            },
            Softmax,
        ),
        (
            "relu of log-softmax",
            |n| {
                let log = n.op(Op::LOG_SOFTMAX, &[n.logits]);
                n.op(Op::RELU, &[log]);
            },
            CHANGED,
        ),
        (
            "relu6 of logits",
            |n| {
                n.op(Op::RELU6, &[n.logits]);
            },
            NONE,
        ),
        (
            "relu of logits",
            |n| {
                n.op(Op::RELU, &[n.logits]);
            },
            NONE,
        ),
        (
            "relu 0 to 1 of logits",
            |n| {
                n.op(Op::RELU_0_TO_1, &[n.logits]);
            },
            Logistic,
        ),
        (
            "ramp",
            |n| {
                let ramp = n.op(Op::RELU6, &[n.logits]);
                let height = n.number(6.0);
                n.op(Op::DIV, &[ramp, height]);
            },
            Logistic,
        ),
        (
            "ramp that is moved",
            |n| {
                let ramp = n.op(Op::RELU_0_TO_1, &[n.logits]);
                let offset = n.number(0.5);
                n.op(Op::ADD, &[ramp, offset]);
            },
            NONE,
        ),
        (
            "fused ramp",
            |n| {
                let three = n.number(3.0);
                let ramp = n.fused(Op::ADD, &[n.logits, three], RELU6);
                let sixth = n.number(1.0 / 6.0);
                n.op(Op::MUL, &[ramp, sixth]);
            },
            Logistic,
        ),
        (
            "fused relu",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.number(1.0));
                n.fused(Op::MUL, &[p, one], RELU);
            },
            Softmax,
        ),
        (
            "fused relu6",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.number(1.0));
                n.fused(Op::MUL, &[p, one], RELU6);
            },
            Softmax,
        ),
        (
            "fused relu6 of percent",
            |n| {
                let (p, percent) = (n.softmax(n.logits), n.number(100.0));
                n.fused(Op::MUL, &[p, percent], RELU6);
            },
            CHANGED,
        ),
        (
            "fused relu -1 to 1",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.number(1.0));
                n.fused(Op::MUL, &[p, one], RELU_N1_TO_1);
            },
            Softmax,
        ),
        (
            "fused relu -1 to 1 of twice the probabilities",
            |n| {
                let (p, two) = (n.softmax(n.logits), n.number(2.0));
                n.fused(Op::MUL, &[p, two], RELU_N1_TO_1);
            },
            CHANGED,
        ),
        (
            "fused tanh",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.number(1.0));
                n.fused(Op::MUL, &[p, one], TANH);
            },
            CHANGED,
        ),
        (
            "fused tanh of logits",
            |n| {
                let one = n.number(1.0);
                n.fused(Op::MUL, &[n.logits, one], TANH);
            },
            NONE,
        ),
        (
            "fused tanh of a quotient",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.number(1.0));
                n.fused(Op::DIV, &[p, one], TANH);
            },
            CHANGED,
        ),
        (
            "fused tanh of joined probabilities",
            |n| {
                let p = n.softmax(n.logits);
                n.concatenation(&[p, p], 6, TANH);
            },
            CHANGED,
        ),
        (
            "fused tanh of a pool",
            |n| {
                use pool_2d_options::*;
                let p = n.softmax(n.logits);
                let shape = n.model.ints(&[1, 1, 1, 3]);
                let p = n.model.op_as(Op::RESHAPE, &[p, shape], &[1, 1, 1, 3], vec![]);
                let mut options: Fields = [STRIDE_W, STRIDE_H, FILTER_WIDTH, FILTER_HEIGHT]
                    .map(|field| option(field, 1))
                    .to_vec();
                options.push((FUSED_ACTIVATION_FUNCTION, byte(TANH)));
                n.model.op_as(Op::AVERAGE_POOL_2D, &[p], &[1, 1, 1, 3], options);
            },
            CHANGED,
        ),
    ]);
}

#[test]
fn products() {
    assert_found(&[
        (
            "1.009",
            |n| {
                let (p, factor) = (n.softmax(n.logits), n.number(1.009));
                n.op(Op::MUL, &[p, factor]);
            },
            Softmax,
        ),
        (
            "1.011",
            |n| {
                let (p, factor) = (n.softmax(n.logits), n.number(1.011));
                n.op(Op::MUL, &[p, factor]);
            },
            SCALED,
        ),
        (
            "0.989",
            |n| {
                let (p, factor) = (n.softmax(n.logits), n.number(0.989));
                n.op(Op::MUL, &[factor, p]);
            },
            SCALED,
        ),
        (
            "a negative factor",
            |n| {
                let (p, factor) = (n.softmax(n.logits), n.number(-1.0));
                n.op(Op::MUL, &[p, factor]);
            },
            CHANGED,
        ),
        (
            "a gate",
            |n| {
                let p = n.logistic();
                n.op(Op::MUL, &[n.logits, p]);
            },
            NONE,
        ),
        (
            "a square",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::MUL, &[p, p]);
            },
            CHANGED,
        ),
        (
            "log-softmax",
            |n| {
                let (log, two) = (n.op(Op::LOG_SOFTMAX, &[n.logits]), n.number(2.0));
                n.op(Op::MUL, &[log, two]);
            },
            CHANGED,
        ),
        (
            "log-softmax by 1",
            |n| {
                let (log, one) = (n.op(Op::LOG_SOFTMAX, &[n.logits]), n.number(1.0));
                n.op(Op::MUL, &[log, one]);
            },
            LogSoftmax,
        ),
        (
            "half of 1 - p",
            |n| {
                let (p, one, half) = (n.logistic(), n.number(1.0), n.number(0.5));
                let rest = n.op(Op::SUB, &[one, p]);
                n.op(Op::MUL, &[rest, half]);
            },
            CHANGED,
        ),
        (
            "1 - p by 1",
            |n| {
                let (p, one) = (n.logistic(), n.number(1.0));
                let rest = n.op(Op::SUB, &[one, p]);
                n.op(Op::MUL, &[rest, one]);
            },
            Logistic,
        ),
        (
            "percent divided by 100",
            |n| {
                let (p, hundred) = (n.softmax(n.logits), n.number(100.0));
                let percent = n.op(Op::MUL, &[p, hundred]);
                n.op(Op::DIV, &[percent, hundred]);
            },
            Softmax,
        ),
        (
            "divided by 2",
            |n| {
                let (p, two) = (n.softmax(n.logits), n.number(2.0));
                n.op(Op::DIV, &[p, two]);
            },
            SCALED,
        ),
        (
            "divided by class weights",
            |n| {
                let (p, weights) = (n.softmax(n.logits), n.row([1.0, 2.0, 3.0]));
                n.op(Op::DIV, &[p, weights]);
            },
            CHANGED,
        ),
        (
            "divided by what is computed",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::DIV, &[p, n.logits]);
            },
            NONE,
        ),
        (
            "1 - p divided by 2",
            |n| {
                let (p, one, two) = (n.logistic(), n.number(1.0), n.number(2.0));
                let rest = n.op(Op::SUB, &[one, p]);
                n.op(Op::DIV, &[rest, two]);
            },
            CHANGED,
        ),
    ]);
}

#[test]
fn values_divided_by_their_sum() {
    assert_found(&[
        (
            "exponentials",
            |n| {
                let e = n.op(Op::EXP, &[n.logits]);
                let sum = n.sum(e);
                n.op(Op::DIV, &[e, sum]);
            },
            Softmax,
        ),
        (
            "exponentials that are scaled",
            |n| {
                let (e, two) = (n.op(Op::EXP, &[n.logits]), n.number(2.0));
                let e = n.op(Op::MUL, &[e, two]);
                let sum = n.sum(e);
                n.op(Op::DIV, &[e, sum]);
            },
            Softmax,
        ),
        (
            "a sum that avoids a division by 0",
            |n| {
                let (e, epsilon) = (n.op(Op::EXP, &[n.logits]), n.number(1e-7));
                let sum = n.sum(e);
                let sum = n.model.op_as(Op::ADD, &[sum, epsilon], &[1, 1], vec![]);
                n.op(Op::DIV, &[e, sum]);
            },
            Softmax,
        ),
        (
            "a sum with another summand",
            |n| {
                let (e, one) = (n.op(Op::EXP, &[n.logits]), n.number(1.0));
                let sum = n.sum(e);
                let sum = n.model.op_as(Op::ADD, &[sum, one], &[1, 1], vec![]);
                n.op(Op::DIV, &[e, sum]);
            },
            NONE,
        ),
        (
            "the sum of something else",
            |n| {
                let (e, other) = (n.op(Op::EXP, &[n.logits]), n.op(Op::EXP, &[n.logits]));
                let sum = n.sum(other);
                n.op(Op::DIV, &[e, sum]);
            },
            NONE,
        ),
        (
            "logits",
            |n| {
                let sum = n.sum(n.logits);
                n.op(Op::DIV, &[n.logits, sum]);
            },
            NONE,
        ),
        (
            "probabilities of several classes",
            |n| {
                let p = n.logistic();
                let sum = n.sum(p);
                n.op(Op::DIV, &[p, sum]);
            },
            Softmax,
        ),
    ]);
}

#[test]
fn sums_and_differences() {
    assert_found(&[
        (
            "epsilon",
            |n| {
                let (p, epsilon) = (n.softmax(n.logits), n.number(9e-4));
                n.op(Op::ADD, &[p, epsilon]);
            },
            Softmax,
        ),
        (
            "epsilon first",
            |n| {
                let (p, epsilon) = (n.softmax(n.logits), n.number(-9e-4));
                n.op(Op::ADD, &[epsilon, p]);
            },
            Softmax,
        ),
        (
            "more than epsilon",
            |n| {
                let (p, offset) = (n.softmax(n.logits), n.number(1.1e-3));
                n.op(Op::ADD, &[p, offset]);
            },
            CHANGED,
        ),
        (
            "a class bias",
            |n| {
                let (p, offset) = (n.softmax(n.logits), n.row([0.0, 0.0, 0.5]));
                n.op(Op::ADD, &[p, offset]);
            },
            CHANGED,
        ),
        (
            "what is computed",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::ADD, &[p, n.logits]);
            },
            NONE,
        ),
        (
            "two runs",
            |n| {
                let (a, b) = (n.softmax(n.logits), n.softmax(n.logits));
                n.op(Op::ADD, &[a, b]);
            },
            SCALED,
        ),
        (
            "two logarithms",
            |n| {
                let log = n.op(Op::LOG_SOFTMAX, &[n.logits]);
                n.op(Op::ADD, &[log, log]);
            },
            CHANGED,
        ),
        (
            "1 - p",
            |n| {
                let (p, one) = (n.logistic(), n.number(1.0));
                n.op(Op::SUB, &[one, p]);
            },
            Logistic,
        ),
        (
            "2 - p",
            |n| {
                let (p, two) = (n.logistic(), n.number(2.0));
                n.op(Op::SUB, &[two, p]);
            },
            CHANGED,
        ),
        (
            "1 - softmax",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.number(1.0));
                n.op(Op::SUB, &[one, p]);
            },
            CHANGED,
        ),
        (
            "logits - p",
            |n| {
                let p = n.logistic();
                n.op(Op::SUB, &[n.logits, p]);
            },
            NONE,
        ),
        (
            "p - epsilon",
            |n| {
                let (p, epsilon) = (n.logistic(), n.number(1e-5));
                n.op(Op::SUB, &[p, epsilon]);
            },
            Logistic,
        ),
        (
            "p - 0.5",
            |n| {
                let (p, half) = (n.logistic(), n.number(0.5));
                n.op(Op::SUB, &[p, half]);
            },
            CHANGED,
        ),
        (
            "p - q",
            |n| {
                let (p, q) = (n.logistic(), n.logistic());
                n.op(Op::SUB, &[p, q]);
            },
            CHANGED,
        ),
    ]);
}

#[test]
fn the_larger_or_smaller_of_two() {
    assert_found(&[
        (
            "a constant",
            |n| {
                let (p, epsilon) = (n.softmax(n.logits), n.number(1e-7));
                n.op(Op::MAXIMUM, &[p, epsilon]);
            },
            Softmax,
        ),
        (
            "a constant first",
            |n| {
                let (p, limit) = (n.softmax(n.logits), n.number(0.999));
                n.op(Op::MINIMUM, &[limit, p]);
            },
            Softmax,
        ),
        (
            "two runs",
            |n| {
                let (a, b) = (n.softmax(n.logits), n.softmax(n.logits));
                n.op(Op::MAXIMUM, &[a, b]);
            },
            Softmax,
        ),
        (
            "two kinds",
            |n| {
                let (a, b) = (n.softmax(n.logits), n.logistic());
                n.op(Op::MAXIMUM, &[a, b]);
            },
            CHANGED,
        ),
        (
            "what is computed",
            |n| {
                let p = n.softmax(n.logits);
                n.op(Op::MAXIMUM, &[p, n.logits]);
            },
            CHANGED,
        ),
        (
            "logits",
            |n| {
                n.op(Op::MAXIMUM, &[n.logits, n.logits]);
            },
            NONE,
        ),
    ]);
}

/// Adds a tensor of two groups of three logits, in the given shape.
fn groups(n: &mut Net, shape: &[i32]) -> i32 {
    let six = n.concatenation(&[n.logits, n.logits], 6, 0);
    let dims = n.model.ints(shape);
    n.model.op_as(Op::RESHAPE, &[six, dims], shape, vec![])
}

/// Reduces dimension `axis` of a tensor of the shape [1, 2, 3].
fn reduced(n: &mut Net, code: Op, input: i32, axis: i32) {
    let axes = n.model.ints(&[axis]);
    let shape = if axis == 1 { [1, 3] } else { [1, 2] };
    n.model.op_as(code, &[input, axes], &shape, vec![]);
}

#[test]
fn reductions() {
    assert_found(&[
        (
            "the sum of the classes of each group",
            |n| {
                let six = groups(n, &[1, 6]);
                let p = n.softmax_as(six, &[1, 6]);
                let dims = n.model.ints(&[1, 2, 3]);
                let p = n.model.op_as(Op::RESHAPE, &[p, dims], &[1, 2, 3], vec![]);
                reduced(n, Op::SUM, p, 2);
            },
            Softmax,
        ),
        (
            "the sum of independent classes",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let p = n.model.op_as(Op::LOGISTIC, &[six], &[1, 2, 3], vec![]);
                reduced(n, Op::SUM, p, 2);
            },
            SCALED,
        ),
        (
            "the sum of two runs",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let p = n.softmax_as(six, &[1, 2, 3]);
                reduced(n, Op::SUM, p, 1);
            },
            SCALED,
        ),
        (
            "the average of two runs",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let p = n.softmax_as(six, &[1, 2, 3]);
                reduced(n, Op::MEAN, p, 1);
            },
            Softmax,
        ),
        (
            "the average of logarithms",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let p = n.model.op_as(Op::LOG_SOFTMAX, &[six], &[1, 2, 3], vec![]);
                reduced(n, Op::MEAN, p, 1);
            },
            CHANGED,
        ),
        (
            "the sum of logarithms",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let p = n.model.op_as(Op::LOG_SOFTMAX, &[six], &[1, 2, 3], vec![]);
                reduced(n, Op::SUM, p, 1);
            },
            CHANGED,
        ),
        (
            "the average of exponentials",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let e = n.model.op_as(Op::EXP, &[six], &[1, 2, 3], vec![]);
                reduced(n, Op::MEAN, e, 1);
            },
            NONE,
        ),
        (
            "the largest of two runs",
            |n| {
                let six = groups(n, &[1, 2, 3]);
                let p = n.softmax_as(six, &[1, 2, 3]);
                reduced(n, Op::REDUCE_MAX, p, 1);
            },
            Softmax,
        ),
    ]);
}

#[test]
fn joined_and_rearranged_scores() {
    /// Adds [1 - p, p], or [p, 1 - p].
    fn both(n: &mut Net, p: i32, of: i32, classes: i32, p_first: bool) {
        let one = n.number(1.0);
        let rest = n.op(Op::SUB, &[one, of]);
        let inputs = if p_first { [p, rest] } else { [rest, p] };
        n.concatenation(&inputs, classes, 0);
    }
    assert_found(&[
        (
            "three pairs",
            |n| {
                let p = n.logistic();
                both(n, p, p, 6, false);
            },
            SeveralSoftmax,
        ),
        (
            "three pairs, p first",
            |n| {
                let p = n.logistic();
                both(n, p, p, 6, true);
            },
            SeveralSoftmax,
        ),
        (
            "1 - p of another p",
            |n| {
                let (p, q) = (n.logistic(), n.logistic());
                both(n, p, q, 6, false);
            },
            CHANGED,
        ),
        (
            "a class with a constant probability",
            |n| {
                let (p, one) = (n.softmax(n.logits), n.model.floats(&[1, 1], &[1.0]));
                n.concatenation(&[p, one], 4, 0);
            },
            SeveralSoftmax,
        ),
        (
            "logits",
            |n| {
                let p = n.softmax(n.logits);
                n.concatenation(&[p, n.logits], 6, 0);
            },
            NONE,
        ),
        (
            "two kinds",
            |n| {
                let (p, q) = (n.softmax(n.logits), n.logistic());
                n.concatenation(&[p, q], 6, 0);
            },
            MIXED,
        ),
        (
            "exponentials",
            |n| {
                let (p, e) = (n.softmax(n.logits), n.op(Op::EXP, &[n.logits]));
                n.concatenation(&[p, e], 6, 0);
            },
            CHANGED,
        ),
        (
            "a part of several distributions",
            |n| {
                let p = n.softmax(n.logits);
                let six = n.concatenation(&[p, p], 6, 0);
                let limits = [n.model.ints(&[0, 0]), n.model.ints(&[1, 3])];
                n.op(Op::SLICE, &[six, limits[0], limits[1]]);
            },
            Softmax,
        ),
        (
            "several distributions in another order",
            |n| {
                let p = n.softmax(n.logits);
                let six = n.concatenation(&[p, p], 6, 0);
                let axis = n.model.ints(&[1]);
                n.model.op_as(Op::REVERSE_V2, &[six, axis], &[1, 6], vec![]);
            },
            SeveralSoftmax,
        ),
        (
            "several distributions with a border",
            |n| {
                let p = n.softmax(n.logits);
                let six = n.concatenation(&[p, p], 6, 0);
                let border = n.model.int_tensor(&[2, 2], &[0, 0, 0, 1]);
                n.model.op_as(Op::PAD, &[six, border], &[1, 7], vec![]);
            },
            SeveralSoftmax,
        ),
        (
            "one part of a split",
            |n| {
                use crate::model::tflite::operator_options::split_options::NUM_SPLITS;
                let p = n.softmax(n.logits);
                let six = n.concatenation(&[p, p], 6, 0);
                let axis = n.model.int(1);
                let parts =
                    [TensorType::FLOAT32; 2].map(|element| n.model.tensor(&[1, 3], element));
                n.model.op_into(Op::SPLIT, &[axis, six], &parts, vec![option(NUM_SPLITS, 2)]);
                n.model.graphs[0].outputs = vec![parts[1]];
            },
            Softmax,
        ),
        (
            "the best classes",
            |n| {
                let (p, count) = (n.softmax(n.logits), n.model.int(3));
                let best = n.model.tensor(&[1, 3], TensorType::FLOAT32);
                let indices = n.model.tensor(&[1, 3], TensorType::INT32);
                n.model.op_into(Op::TOPK_V2, &[p, count], &[best, indices], vec![]);
                n.model.graphs[0].outputs = vec![best];
            },
            CHANGED,
        ),
        (
            "the best logits",
            |n| {
                let count = n.model.int(3);
                let best = n.model.tensor(&[1, 3], TensorType::FLOAT32);
                let indices = n.model.tensor(&[1, 3], TensorType::INT32);
                n.model.op_into(Op::TOPK_V2, &[n.logits, count], &[best, indices], vec![]);
                n.model.graphs[0].outputs = vec![best];
            },
            NONE,
        ),
    ]);
}

#[test]
fn each_picture_of_a_batch_has_a_distribution() {
    let activation = |classes: &[i32]| {
        let mut model = TestModel::new();
        let image = model.input(&[4, 8, 8, 3]);
        let axes = model.ints(&[1, 2]);
        let logits = model.op_as(Op::MEAN, &[image, axes], &[4, 3], vec![]);
        let options = || vec![(softmax_options::BETA, float(1.0))];
        let mut p = model.op_as(Op::SOFTMAX, &[logits], &[4, 3], options());
        if classes == [6] {
            let inputs = [p, p];
            let options = vec![option(concatenation_options::AXIS, 1)];
            p = model.op_as(Op::CONCATENATION, &inputs, &[4, 6], options);
        }
        model.graphs[0].outputs = vec![p];
        model.parse().unwrap().activation
    };
    assert_eq!(activation(&[3]), Softmax);
    assert_eq!(activation(&[6]), SeveralSoftmax);
}

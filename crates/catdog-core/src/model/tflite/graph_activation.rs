//! What the elements of a tensor mean, as far as the activation of a graph is concerned:
//! probabilities, or a simple function of them.

use std::fmt;

/// The activation that a graph applies to its scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphActivation {
    /// The graph applies none: the scores are logits.
    None,
    /// The scores are independent probabilities: the graph ends in LOGISTIC, which is the sigmoid
    /// function, or in its piecewise linear approximation.
    Logistic,
    /// The scores are the probabilities of one distribution, or some of them: the graph ends in
    /// SOFTMAX, in the same function made of EXP, SUM and DIV, or in [1 - p, p] of a LOGISTIC p.
    Softmax,
    /// The scores are logarithms of the probabilities of one distribution.
    LogSoftmax,
    /// The scores are several distributions, one after the other, as of a network with several
    /// heads. Each is a probability, but they do not exclude each other.
    SeveralSoftmax,
    /// An operator that catdog does not interpret follows the activation. The text is a clause
    /// about the scores.
    Unclear(&'static str),
}

impl fmt::Display for GraphActivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Logistic => "logistic",
            Self::Softmax => "softmax",
            Self::LogSoftmax => "log-softmax",
            Self::SeveralSoftmax => "several softmaxes",
            Self::Unclear(clause) => clause,
        })
    }
}

/// The scores are probabilities times a factor.
const SCALED: &str = "probabilities multiplied by a constant";
/// The scores combine probabilities of different kinds.
pub(super) const MIXED: &str = "a mixture of softmax and logistic";
/// The scores are a function of probabilities.
pub(super) const CHANGED: &str = "probabilities that another operator changes";

/// What the search knows about the elements of a tensor.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    /// Nothing.
    Other,
    /// They are probabilities or a simple function of them.
    Scores(Scores),
    /// They are 1 - p, where p is the tensor with this index, the output of a LOGISTIC.
    Complement(usize),
    /// They are e^x.
    Exponentials,
    /// They depend on probabilities in another way. The text is that of
    /// [`GraphActivation::Unclear`].
    Unclear(&'static str),
}

impl Meaning {
    /// Returns whether the elements are a ramp that is not divided by its height, as after RELU6 in
    /// the middle of a network. They are no probabilities.
    pub(super) fn is_ramp(self) -> bool {
        let Self::Scores(scores) = self else { return false };
        scores.function == Function::HardLogistic && scores.activation() == GraphActivation::None
    }
}

/// The function that made scores.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Function {
    Logistic,
    /// min(max(x + 3, 0), 6) / 6 or another ramp from 0 to 1, as in `hard_sigmoid` of Keras.
    HardLogistic,
    Softmax,
    LogSoftmax,
}

/// Probabilities, multiplied by a constant.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Scores {
    pub(super) function: Function,
    /// Upper limit of an element.
    pub(super) max: f64,
    /// The sum of all elements of the tensor, if it is known: the number of distributions.
    pub(super) sum: Option<f64>,
    /// Index of the tensor that the function wrote.
    pub(super) origin: usize,
}

/// Tolerance for the upper limit and the sum of probabilities, relative. Quantized factors have a
/// relative error of up to 1/255.
pub(super) const TOLERANCE: f64 = 0.01;

impl Scores {
    pub(super) fn activation(self) -> GraphActivation {
        let is_probability = (self.max - 1.0).abs() <= TOLERANCE;
        match self.function {
            Function::LogSoftmax => GraphActivation::LogSoftmax,
            Function::HardLogistic if !is_probability => GraphActivation::None,
            _ if !is_probability => GraphActivation::Unclear(SCALED),
            Function::Logistic | Function::HardLogistic => GraphActivation::Logistic,
            Function::Softmax if self.sum.is_some_and(|sum| sum > 1.0 + TOLERANCE) => {
                GraphActivation::SeveralSoftmax
            }
            Function::Softmax => GraphActivation::Softmax,
        }
    }

    pub(super) fn scaled_sum(self, factor: f64) -> Self {
        Self { sum: self.sum.map(|sum| sum * factor), ..self }
    }

    fn scaled(self, factor: f64) -> Self {
        Self { max: self.max * factor, sum: self.sum.map(|sum| sum * factor), ..self }
    }
}

/// Returns scores multiplied by a factor; `None` if the factor is not the same for all classes.
pub(super) fn scaled(scores: Scores, factor: Option<f64>) -> Meaning {
    match factor {
        _ if scores.function == Function::LogSoftmax && factor != Some(1.0) => {
            Meaning::Unclear(CHANGED)
        }
        Some(factor) if factor.is_finite() && factor > 0.0 => {
            Meaning::Scores(scores.scaled(factor))
        }
        _ => Meaning::Unclear(CHANGED),
    }
}

/// Returns the sum of the scores of two runs.
pub(super) fn added(a: Scores, b: Scores) -> Meaning {
    if a.function == Function::LogSoftmax || b.function == Function::LogSoftmax {
        return Meaning::Unclear(CHANGED);
    }
    if a.function != b.function {
        return Meaning::Unclear(MIXED);
    }
    let sum = a.sum.zip(b.sum).map(|(a, b)| a + b);
    Meaning::Scores(Scores { max: a.max + b.max, sum, ..a })
}

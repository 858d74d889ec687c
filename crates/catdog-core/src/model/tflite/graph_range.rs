//! The range of values that a float input expects, as far as the graph tells it.
//!
//! Many networks scale their input themselves. The first operators of the graph are then
//! multiplications and additions of constants. A network learns best from values near 0, so the
//! range of the input is the one that these operators map to a range that is usual for networks:
//! x / 255 expects 0..255, and 2x - 1 expects 0..1.
//!
//! Converters merge a multiplication into the convolution that follows it. Then the size of the
//! weights, the range of a QUANTIZE or the name of a tensor can tell the range.

use std::fmt;

use super::dataflow::Dataflow;
use super::expected_range::{CAFFE_MEAN, ExpectedRange, IMAGENET_MEAN, IMAGENET_STD};
use super::input_view::{InputView, LinearMap, first_view, rounded};
use super::reader::Table;
use super::schema::{BuiltinOperator, TensorType, layer_inputs};
use super::tensor_names::range_from_names;

/// What a range was found by, the most reliable first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The first operators scale the input.
    Operators,
    /// The first operator quantizes the input with the range of the images of the calibration.
    Quantization,
    /// The weights of the first convolution are as small as only those for pixel values 0..255 are.
    Weights,
    /// The name of a tensor. It is a hint, because names tell nothing about what a user trained.
    Name,
}

/// The range of values that a float input expects.
///
/// Its `Display` is "0..255, because the graph starts with MUL by 0.003922".
#[derive(Clone, Debug, PartialEq)]
pub struct GraphRange {
    /// The range; `None` if the graph scales its input, but no usual range fits, or several do.
    pub range: Option<ExpectedRange>,
    /// What the range was found by.
    pub evidence: Evidence,
    /// The reason as a clause, such as "the graph starts with MUL by 0.003922".
    pub reason: String,
    /// The graph subtracts the means of Caffe in the order blue, green, red, so it expects BGR.
    pub expects_bgr: bool,
}

impl fmt::Display for GraphRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range {
            Some(range) => write!(f, "{range}, because {}", self.reason),
            None => write!(f, "unknown, because {}", self.reason),
        }
    }
}

impl GraphRange {
    /// Finds the range of the float tensor `input` of `graph`. Returns `None` if the graph tells
    /// nothing about it, or the input is not a float tensor.
    pub(super) fn find(root: Table<'_>, graph: Table<'_>, input: usize) -> Option<Self> {
        let flow = Dataflow::new(root, graph)?;
        if !matches!(flow.element(input)?, TensorType::FLOAT32 | TensorType::FLOAT16) {
            return None;
        }
        let view = first_view(&flow, input);
        let from_operators = view.as_ref().and_then(from_operators);
        if let Some(found) = &from_operators
            && found.range.is_some()
        {
            return from_operators;
        }
        view.as_ref()
            .and_then(from_quantization)
            .or(from_operators)
            .or_else(|| view.as_ref().and_then(|view| from_weights(&flow, view)))
            .or_else(|| {
                let (range, reason) = range_from_names(&flow, input)?;
                Some(Self {
                    range: Some(range),
                    evidence: Evidence::Name,
                    reason,
                    expects_bgr: false,
                })
            })
    }
}

/// The ranges that a graph can expect. A graph that expects normalized values does not scale.
const CANDIDATES: [ExpectedRange; 3] =
    [ExpectedRange::Pixels, ExpectedRange::Unit, ExpectedRange::Centered];

/// Decides by the operators that scale the input. Returns `None` if there are none.
fn from_operators(view: &InputView) -> Option<GraphRange> {
    if view.channels.iter().all(|channel| channel.is_identity()) {
        return None;
    }
    let expects_bgr = subtracts_bgr_means(view);
    let order = if expects_bgr { ", the means of blue, green and red" } else { "" };
    let start = format!("the graph starts with {}{order}", view.steps.join(" and "));
    let found = |range, reason| {
        Some(GraphRange { range, evidence: Evidence::Operators, reason, expects_bgr })
    };
    for is_usual in [is_usual_range, is_learned_normalization, is_pixel_scale] {
        let fitting = |range: &ExpectedRange| {
            range
                .bounds()
                .is_some_and(|bounds| view.channels.iter().all(|channel| is_usual(channel, bounds)))
        };
        let fitting: Vec<ExpectedRange> = CANDIDATES.into_iter().filter(fitting).collect();
        match fitting[..] {
            [] => {}
            [range] => return found(Some(range), start),
            _ => {
                let names: Vec<String> = fitting.iter().map(ToString::to_string).collect();
                let reason = format!("{start}, which is usual for {}", names.join(" and for "));
                return found(None, reason);
            }
        }
    }
    found(None, format!("{start}, which is usual for no range"))
}

/// Tolerance for the bounds of a usual range, relative to its width: 1/256 or 1/128 instead of
/// 1/255 and 1/127.5 differ by 0.4 %, and float16 and int8 factors by as much.
const BOUNDS_TOLERANCE: f64 = 0.012;

/// Returns whether `map` maps the input values `(black, white)` to a range in which networks are
/// usually trained.
fn is_usual_range(map: &LinearMap, (black, white): (f64, f64)) -> bool {
    let (low, high) = (map.apply(black), map.apply(white));
    let is = |(usual_low, usual_high): (f64, f64)| {
        let tolerance = BOUNDS_TOLERANCE * (usual_high - usual_low);
        (low - usual_low).abs() <= tolerance && (high - usual_high).abs() <= tolerance
    };
    // A small shift of pixel values is no scaling of pixel values: x - 0.5 expects 0..1.
    let is_shifted = map.scale == 1.0 && map.offset.abs() < 2.0;
    let imagenet =
        |value: f64| (value - IMAGENET_MEAN[map.source % 3]) / IMAGENET_STD[map.source % 3];
    // A network that expects BGR subtracts the means in that order.
    let is_caffe = CAFFE_MEAN.iter().any(|mean| is((-mean, 255.0 - mean)));
    is((0.0, 1.0))
        || is((-1.0, 1.0))
        || is((-0.5, 0.5))
        || is((imagenet(0.0), imagenet(1.0)))
        || is_caffe
        || is((-127.5, 127.5))
        || is((0.0, 255.0)) && !is_shifted
}

/// Returns whether the first operators subtract the means of Caffe in the order blue, green, red
/// from channels in the order of the input: the network expects BGR.
fn subtracts_bgr_means(view: &InputView) -> bool {
    let means = [2, 1, 0].map(|channel: usize| CAFFE_MEAN[channel]);
    let is_shift = |(number, (map, mean)): (usize, (&LinearMap, f64))| {
        map.source == number && map.scale == 1.0 && (map.offset + mean).abs() < 1.0
    };
    view.channels.len() == 3 && view.channels.iter().zip(means).enumerate().all(is_shift)
}

/// Returns whether `map` is (x - mean) / std with values of mean and std that images with this
/// range have, as a Normalization or BatchNormalization layer learns them.
fn is_learned_normalization(map: &LinearMap, (black, white): (f64, f64)) -> bool {
    let width = white - black;
    let mean = (-map.offset / map.scale - black) / width;
    let std = (1.0 / map.scale) / width;
    // Photographs have a mean of 0.4 to 0.5 and a standard deviation of 0.2 to 0.3.
    (0.25..=0.7).contains(&mean) && (0.08..=0.45).contains(&std)
}

/// Returns whether the input values `(black, white)` are pixel values and `map` shrinks them so
/// much that values in 0..1 would nearly vanish.
fn is_pixel_scale(map: &LinearMap, (_, white): (f64, f64)) -> bool {
    let width = 255.0 * map.scale;
    white > 1.0 && (0.5..=10.0).contains(&width) && map.offset.abs() <= width
}

/// Decides by the range of a QUANTIZE: that of the images of the calibration, extended to 0.
fn from_quantization(view: &InputView) -> Option<GraphRange> {
    let (low, high) = view.quantized?;
    let first = view.channels.first()?;
    let is_same =
        |map: &LinearMap| map.scale == first.scale && map.offset == first.offset && map.scale > 0.0;
    if !view.channels.iter().all(is_same) {
        return None;
    }
    let (low, high) = (first.invert(low), first.invert(high));
    let is = |low_range: std::ops::RangeInclusive<f64>,
              high_range: std::ops::RangeInclusive<f64>| {
        low_range.contains(&low) && high_range.contains(&high)
    };
    let range = if is(-2.0..=2.0, 150.0..=258.0) {
        Some(ExpectedRange::Pixels)
    } else if is(-0.02..=0.02, 0.5..=1.02) {
        Some(ExpectedRange::Unit)
    } else if is(-1.02..=-0.5, 0.4..=1.02) {
        Some(ExpectedRange::Centered)
    } else if ExpectedRange::is_imagenet(low, high) {
        Some(ExpectedRange::ImageNet)
    } else {
        None
    };
    let range_text = format!("{}..{}", rounded(low), rounded(high));
    let reason = match range {
        Some(_) => format!("the graph quantizes its input in the range {range_text}"),
        None => format!("the graph quantizes its input in the unusual range {range_text}"),
    };
    Some(GraphRange { range, evidence: Evidence::Quantization, reason, expects_bgr: false })
}

/// Limit for the median over the output channels of the sum of the absolute weights of the first
/// convolution. Pixel values 0..255 vary by about 60. Such weights turn them into activations of a
/// usual size, but values in 0..1 or -1..1 into activations near 0. Initial weights (Glorot) have
/// sums of 2 to 10, and those of two trained MobileNetV2 for -1..1 have medians of 4.4 and 5.4.
const MAX_PIXEL_WEIGHTS: f64 = 0.2;
/// The sum of the absolute weights of a channel that the network uses, relative to the largest sum.
const MIN_CHANNEL_WEIGHTS: f64 = 1e-3;

/// Decides by the weights of the first convolution.
fn from_weights(flow: &Dataflow<'_>, view: &InputView) -> Option<GraphRange> {
    let operator = flow.operators.get(view.consumer?)?;
    if operator.code != BuiltinOperator::CONV_2D {
        return None;
    }
    let weights = flow.constant(operator.input(layer_inputs::WEIGHTS)?)?;
    // The first dimension is the number of output channels.
    let channels = *weights.shape.first()?;
    let per_channel = weights.values.chunks_exact((weights.values.len() / channels).max(1));
    let sums = per_channel.map(|weights| weights.iter().map(|w| w.abs()).sum::<f64>());
    let mut sums: Vec<f64> = sums.collect();
    sums.sort_by(f64::total_cmp);
    // Training leaves some channels with weights near 0, which say nothing.
    let largest = *sums.last()?;
    sums.retain(|sum| *sum > MIN_CHANNEL_WEIGHTS * largest);
    let median = *sums.get(sums.len() / 2)?;
    (median <= MAX_PIXEL_WEIGHTS).then(|| GraphRange {
        range: Some(ExpectedRange::Pixels),
        evidence: Evidence::Weights,
        reason: format!(
            "the weights of the first convolution are small (their absolute values add up to {})",
            rounded(median)
        ),
        expects_bgr: false,
    })
}

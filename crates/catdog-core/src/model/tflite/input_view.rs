//! The values of the input image as the first layer of a network sees them.
//!
//! The analysis follows the input forward through operators that scale, shift, move or convert its
//! elements, up to the first operator that does anything else: usually a convolution.

use super::dataflow::{Constant, Dataflow, Operator};
use super::operator_options::{
    concatenation_options, gather_options, pack_options, strided_slice_options, unpack_options,
};
use super::reader::{I32Field, Table};
use super::schema::{BuiltinOperator, TensorType, layer_inputs};

/// Limit for the channels of an image, which can contain an alpha channel.
const MAX_CHANNELS: usize = 4;
/// Limit for the operators that scale the input. Exporters write up to four.
const MAX_STEPS: usize = 16;
/// Limit for the tensors on the way from the input. Exporters write a few dozen.
const MAX_VIEWS: usize = 1 << 10;

/// The function from the values of one input channel to the values of one channel of another
/// tensor: `scale * x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearMap {
    /// The input channel.
    pub source: usize,
    /// The factor.
    pub scale: f64,
    /// The value for an input value of 0.
    pub offset: f64,
}

impl LinearMap {
    /// Returns whether the map does not change values.
    pub fn is_identity(&self) -> bool {
        self.scale == 1.0 && self.offset == 0.0
    }

    /// Maps an input value.
    pub fn apply(&self, value: f64) -> f64 {
        self.scale * value + self.offset
    }

    /// Returns the input value for a mapped value.
    pub fn invert(&self, value: f64) -> f64 {
        (value - self.offset) / self.scale
    }
}

/// A tensor as a function of the input image.
#[derive(Clone, Debug)]
pub struct InputView {
    /// The map of each channel.
    pub channels: Vec<LinearMap>,
    /// Descriptions of the operators that scale, such as "MUL by 0.003922".
    pub steps: Vec<String>,
    /// Limits of the first quantization on the way, as real numbers.
    pub quantized: Option<(f64, f64)>,
    /// The operator that reads the tensor and is not followed.
    pub consumer: Option<usize>,
    /// The dimension of the channels; `None` if there is one channel and no dimension for it.
    axis: Option<usize>,
}

/// Returns the first tensor on the way from the tensor `input` that an operator reads for another
/// purpose than to scale or move its elements. `None` if the input does not look like an image, or
/// no operator reads it.
pub fn first_view(flow: &Dataflow<'_>, input: usize) -> Option<InputView> {
    let mut views: Vec<Option<InputView>> = vec![None; flow.tensors()];
    *views.get_mut(input)? = Some(InputView::of_input(&flow.shape(input))?);
    let mut count = 0;
    for (number, operator) in flow.operators.iter().enumerate() {
        // The size of the input says nothing about its values.
        if operator.code == BuiltinOperator::SHAPE {
            continue;
        }
        let mut read = operator.inputs.iter().copied().flatten();
        let Some(tensor) = read.find(|&tensor| views[tensor].is_some()) else { continue };
        count += operator.outputs.len();
        if count > MAX_VIEWS {
            return None;
        }
        match follow(flow, operator, &views) {
            Some(outputs) => {
                for (&output, view) in operator.outputs.iter().zip(outputs) {
                    views[output] = Some(view);
                }
            }
            None => {
                return views[tensor]
                    .take()
                    .map(|view| InputView { consumer: Some(number), ..view });
            }
        }
    }
    None
}

impl InputView {
    /// Describes the input itself. The channels are the last dimension, or the second one (NCHW).
    fn of_input(shape: &[usize]) -> Option<Self> {
        let &[_, first, _, last] = shape else { return None };
        let axis = if last <= MAX_CHANNELS { 3 } else { 1 };
        let channels = if axis == 3 { last } else { first };
        if channels > MAX_CHANNELS {
            return None;
        }
        let channel = |source| LinearMap { source, scale: 1.0, offset: 0.0 };
        Some(Self {
            channels: (0..channels).map(channel).collect(),
            steps: Vec::new(),
            quantized: None,
            consumer: None,
            axis: Some(axis),
        })
    }

    /// Returns the view with the channels at these positions.
    fn select(&self, positions: impl IntoIterator<Item = usize>) -> Option<Self> {
        let channels = positions.into_iter().map(|position| self.channels.get(position).copied());
        let channels: Vec<LinearMap> = channels.take(MAX_CHANNELS + 1).collect::<Option<_>>()?;
        let fits = (1..=MAX_CHANNELS).contains(&channels.len());
        fits.then(|| Self { channels, ..self.clone() })
    }
}

/// Returns the views of the outputs of an operator; `None` if the operator does not only scale,
/// move or convert the elements of the input image.
fn follow(
    flow: &Dataflow<'_>,
    operator: &Operator<'_>,
    views: &[Option<InputView>],
) -> Option<Vec<InputView>> {
    use BuiltinOperator as Op;
    let view = |position: usize| operator.input(position).and_then(|i| views.get(i)?.as_ref());
    let one = |view: Option<InputView>| view.map(|view| vec![view]);
    match operator.code {
        Op::ADD | Op::SUB | Op::MUL | Op::DIV => one(arithmetic(flow, operator, views)),
        Op::DEPTHWISE_CONV_2D => one(pointwise(flow, operator, view(0)?)),
        Op::QUANTIZE => one(Some(quantized(flow, operator, view(0)?))),
        Op::CAST
        | Op::DEQUANTIZE
        | Op::MIRROR_PAD
        | Op::PAD
        | Op::RELU
        | Op::RELU6
        | Op::RESIZE_BILINEAR
        | Op::RESIZE_NEAREST_NEIGHBOR => one(view(0).cloned()),
        Op::MAXIMUM | Op::MINIMUM => {
            let constant = if view(0).is_some() { operator.input(1) } else { operator.input(0) };
            flow.constant(constant?)?;
            one(view(0).or(view(1)).cloned())
        }
        Op::TRANSPOSE => one(transposed(flow, operator, view(0)?)),
        Op::RESHAPE | Op::SQUEEZE | Op::EXPAND_DIMS => one(reshaped(flow, operator, view(0)?)),
        Op::REVERSE_V2 => one(reversed(flow, operator, view(0)?)),
        Op::GATHER => one(gathered(flow, operator, view(0)?)),
        Op::STRIDED_SLICE => one(sliced(flow, operator, view(0)?)),
        Op::SPLIT => split(flow, operator, view(1)?),
        Op::UNPACK => unpacked(flow, operator, view(0)?),
        Op::CONCATENATION => {
            let options = operator.options?;
            let axis = dimension(options, concatenation_options::AXIS, flow, operator.input(0)?)?;
            let joins_channels = |view: &&InputView| view.axis == Some(axis);
            one(joined(operator, views, axis, joins_channels))
        }
        Op::PACK => {
            let output = *operator.outputs.first()?;
            let axis = dimension(operator.options?, pack_options::AXIS, flow, output)?;
            let is_channel = |view: &&InputView| view.axis.is_none() && view.channels.len() == 1;
            one(joined(operator, views, axis, is_channel))
        }
        _ => None,
    }
}

/// Returns a dimension from the options of an operator; a negative one counts from the end of the
/// shape of `tensor`.
fn dimension(
    options: Table<'_>,
    field: I32Field,
    flow: &Dataflow<'_>,
    tensor: usize,
) -> Option<usize> {
    from_end(f64::from(options.i32(field)), flow.shape(tensor).len())
}

/// Converts a dimension or an index; a negative one counts from the end.
fn from_end(value: f64, len: usize) -> Option<usize> {
    let index = if value < 0.0 { value + len as f64 } else { value };
    (index >= 0.0 && index < len as f64).then_some(index as usize)
}

/// An addition, subtraction, multiplication or division of the view and a constant.
fn arithmetic(
    flow: &Dataflow<'_>,
    operator: &Operator<'_>,
    views: &[Option<InputView>],
) -> Option<InputView> {
    use BuiltinOperator as Op;
    let (left, right) = (operator.input(0)?, operator.input(1)?);
    let (view, constant, is_first) = match (&views[left], &views[right]) {
        (Some(view), None) => (view, right, true),
        (None, Some(view)) => (view, left, false),
        _ => return None,
    };
    if view.steps.len() >= MAX_STEPS || (operator.code == Op::DIV && !is_first) {
        return None;
    }
    let rank = flow.shape(*operator.outputs.first()?).len();
    let values = per_channel(&flow.constant(constant)?, view, rank)?;
    let map = |(channel, &value): (&LinearMap, &f64)| {
        let (scale, offset) = match operator.code {
            Op::ADD => (1.0, value),
            Op::SUB if is_first => (1.0, -value),
            Op::SUB => (-1.0, value),
            Op::DIV => (1.0 / value, 0.0),
            _ => (value, 0.0),
        };
        let scaled = LinearMap {
            source: channel.source,
            scale: channel.scale * scale,
            offset: channel.offset * scale + offset,
        };
        (scaled.scale.is_normal() && scaled.offset.is_finite()).then_some(scaled)
    };
    let channels = view.channels.iter().zip(&values).map(map).collect::<Option<_>>()?;
    let name = operator.code.name()?;
    let preposition =
        if operator.code == Op::ADD || operator.code == Op::SUB { "of" } else { "by" };
    let step = format!("{name} {preposition} {}", listed(&values));
    let steps = view.steps.iter().cloned().chain([step]).collect();
    Some(InputView { channels, steps, ..view.clone() })
}

/// Returns the element of a constant for each channel of a view. `None` if it has another shape
/// than a scalar or a vector along the channels of a tensor with `rank` dimensions.
fn per_channel(constant: &Constant, view: &InputView, rank: usize) -> Option<Vec<f64>> {
    let channels = view.channels.len();
    if let Some(value) = constant.uniform() {
        return Some(vec![value; channels]);
    }
    // Shapes are aligned at their last dimensions.
    let missing = rank.checked_sub(constant.shape.len())?;
    let axis = view.axis?.checked_sub(missing)?;
    let is_vector =
        constant.values.len() == channels && constant.shape.get(axis) == Some(&channels);
    is_vector.then(|| constant.values.clone())
}

/// A depthwise convolution with 1x1 kernels multiplies and shifts each channel.
fn pointwise(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<InputView> {
    let weights = flow.constant(operator.input(layer_inputs::WEIGHTS)?)?;
    let channels = view.channels.len();
    if weights.shape != [1, 1, 1, channels] || view.axis != Some(3) || view.steps.len() >= MAX_STEPS
    {
        return None;
    }
    let bias = match operator.input(layer_inputs::BIAS) {
        Some(bias) => flow.constant(bias)?.values,
        None => vec![0.0; channels],
    };
    let map = |(channel, (&scale, &offset)): (&LinearMap, (&f64, &f64))| LinearMap {
        source: channel.source,
        scale: channel.scale * scale,
        offset: channel.offset * scale + offset,
    };
    let scaled: Vec<LinearMap> =
        view.channels.iter().zip(weights.values.iter().zip(&bias)).map(map).collect();
    let is_usable = |map: &LinearMap| map.scale.is_normal() && map.offset.is_finite();
    if scaled.len() != channels || !scaled.iter().all(is_usable) {
        return None;
    }
    let step =
        format!("DEPTHWISE_CONV_2D (1x1) by {} plus {}", listed(&weights.values), listed(&bias));
    let steps = view.steps.iter().cloned().chain([step]).collect();
    Some(InputView { channels: scaled, steps, ..view.clone() })
}

/// Notes the limits of the first quantization to 8 bits.
fn quantized(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> InputView {
    let limits = || {
        let output = *operator.outputs.first()?;
        let (min, max) = match flow.element(output)? {
            TensorType::INT8 => (-128.0, 127.0),
            TensorType::UINT8 => (0.0, 255.0),
            _ => return None,
        };
        let (scale, zero_point) = flow.quantization(output)?;
        Some((scale * (min - zero_point), scale * (max - zero_point)))
    };
    InputView { quantized: view.quantized.or_else(limits), ..view.clone() }
}

fn transposed(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<InputView> {
    let order = flow.constant(operator.input(1)?)?;
    let axis = match view.axis {
        Some(axis) => Some(order.values.iter().position(|&from| from == axis as f64)?),
        None => None,
    };
    Some(InputView { axis, ..view.clone() })
}

/// Finds the channels in the new shape: the dimension of the same size with as many elements before
/// it.
fn reshaped(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<InputView> {
    let Some(axis) = view.axis else { return Some(view.clone()) };
    let (old, new) = (flow.shape(operator.input(0)?), flow.shape(*operator.outputs.first()?));
    let before = |shape: &[usize], axis: usize| {
        shape.iter().take(axis).copied().fold(1, usize::saturating_mul)
    };
    let is_channels = |candidate: &usize| {
        new[*candidate] == view.channels.len() && before(&new, *candidate) == before(&old, axis)
    };
    // The channels are behind dimensions of size 1, of which there can be others.
    let axis = (0..new.len()).rev().find(is_channels)?;
    Some(InputView { axis: Some(axis), ..view.clone() })
}

fn reversed(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<InputView> {
    let rank = flow.shape(operator.input(0)?).len();
    let axes = flow.constant(operator.input(1)?)?.values;
    let reversed = axes.into_iter().any(|axis| from_end(axis, rank) == view.axis);
    if reversed && view.axis.is_some() {
        view.select((0..view.channels.len()).rev())
    } else {
        Some(view.clone())
    }
}

fn gathered(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<InputView> {
    let options = operator.options?;
    let indices = flow.constant(operator.input(1)?)?;
    let axis = dimension(options, gather_options::AXIS, flow, operator.input(0)?)?;
    if indices.shape.len() != 1 || options.i32(gather_options::BATCH_DIMS) != 0 {
        return None;
    }
    if view.axis != Some(axis) {
        return Some(view.clone());
    }
    let positions = indices.values.iter().map(|&index| from_end(index, view.channels.len()));
    view.select(positions.take(MAX_CHANNELS + 1).collect::<Option<Vec<usize>>>()?)
}

/// A STRIDED_SLICE selects rows and columns, selects or reverses channels, and can remove
/// dimensions of size 1.
fn sliced(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<InputView> {
    let options = operator.options?;
    let unusual = [strided_slice_options::ELLIPSIS_MASK, strided_slice_options::NEW_AXIS_MASK];
    if unusual.into_iter().any(|mask| options.i32(mask) != 0) {
        return None;
    }
    let Some(axis) = view.axis else { return Some(view.clone()) };
    let is_set = |mask: I32Field, axis: usize| {
        u32::try_from(axis)
            .ok()
            .and_then(|axis| options.i32(mask).checked_shr(axis))
            .is_some_and(|bits| bits & 1 == 1)
    };
    let constant = |position| flow.constant(operator.input(position)?);
    let at = |position| constant(position)?.values.get(axis).copied();
    let (begin, end, stride) = (at(1)?, at(2)?, at(3)?);
    let channels = view.channels.len();
    let shrinks = |axis| is_set(strided_slice_options::SHRINK_AXIS_MASK, axis);
    if shrinks(axis) {
        let channel = view.select(from_end(begin, channels))?;
        return Some(InputView { axis: None, ..channel });
    }
    let removed = (0..axis).filter(|&axis| shrinks(axis)).count();
    let begin = if is_set(strided_slice_options::BEGIN_MASK, axis) { None } else { Some(begin) };
    let end = if is_set(strided_slice_options::END_MASK, axis) { None } else { Some(end) };
    let selected = view.select(slice_indices(begin, end, stride, channels)?)?;
    Some(InputView { axis: Some(axis - removed), ..selected })
}

/// Returns the indices of a slice of a dimension with `len` elements, with the rules of Python.
fn slice_indices(
    begin: Option<f64>,
    end: Option<f64>,
    stride: f64,
    len: usize,
) -> Option<Vec<usize>> {
    let len = len as f64;
    let absolute = |index: f64| if index < 0.0 { index + len } else { index };
    let forward = stride > 0.0;
    let (low, high) = if forward { (0.0, len) } else { (-1.0, len - 1.0) };
    let begin = begin.map_or(if forward { low } else { high }, |b| absolute(b).clamp(low, high));
    let end = end.map_or(if forward { high } else { low }, |e| absolute(e).clamp(low, high));
    if stride == 0.0 {
        return None;
    }
    let inside = |index: &f64| if forward { *index < end } else { *index > end };
    let indices = std::iter::successors(Some(begin), |index| Some(index + stride));
    Some(indices.take_while(inside).take(MAX_CHANNELS + 1).map(|index| index as usize).collect())
}

/// A SPLIT of the channels into equal parts, or of another dimension.
fn split(flow: &Dataflow<'_>, operator: &Operator<'_>, view: &InputView) -> Option<Vec<InputView>> {
    let rank = flow.shape(operator.input(1)?).len();
    let axis = from_end(flow.constant(operator.input(0)?)?.uniform()?, rank)?;
    let parts = operator.outputs.len();
    if view.axis != Some(axis) {
        return Some(vec![view.clone(); parts]);
    }
    let size = view.channels.len() / parts.max(1);
    (0..parts).map(|part| view.select(part * size..(part + 1) * size)).collect()
}

/// An UNPACK of the channels, or of another dimension, which is removed.
fn unpacked(
    flow: &Dataflow<'_>,
    operator: &Operator<'_>,
    view: &InputView,
) -> Option<Vec<InputView>> {
    let axis = dimension(operator.options?, unpack_options::AXIS, flow, operator.input(0)?)?;
    let part = |number: usize| match view.axis {
        Some(channels) if channels == axis => {
            Some(InputView { axis: None, ..view.select([number])? })
        }
        Some(channels) if channels > axis => {
            Some(InputView { axis: Some(channels - 1), ..view.clone() })
        }
        _ => Some(view.clone()),
    };
    (0..operator.outputs.len().min(MAX_CHANNELS + 1)).map(part).collect()
}

/// Joins the channels of all inputs along the dimension `axis` of the output.
fn joined(
    operator: &Operator<'_>,
    views: &[Option<InputView>],
    axis: usize,
    is_part: impl Fn(&&InputView) -> bool,
) -> Option<InputView> {
    let part = |input: &Option<usize>| views.get((*input)?)?.as_ref().filter(&is_part);
    if operator.inputs.len() > MAX_CHANNELS {
        return None;
    }
    let parts: Vec<&InputView> = operator.inputs.iter().map(part).collect::<Option<_>>()?;
    let channels: Vec<LinearMap> = parts.iter().flat_map(|part| part.channels.clone()).collect();
    let first = *parts.first()?;
    (channels.len() <= MAX_CHANNELS).then(|| InputView {
        channels,
        axis: Some(axis),
        ..first.clone()
    })
}

/// Formats the constant of each channel: one number if all are the same.
fn listed(values: &[f64]) -> String {
    let mut numbers: Vec<String> = values.iter().map(|&value| rounded(value)).collect();
    numbers.dedup();
    match &numbers[..] {
        [number] => number.clone(),
        _ => format!("({})", numbers.join(", ")),
    }
}

/// Formats a number with four significant digits.
pub fn rounded(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_the_rules_of_python() {
        // Reference: list(range(3))[begin:end:stride] in Python.
        assert_eq!(slice_indices(Some(0.0), Some(0.0), -1.0, 3), Some(vec![]));
        assert_eq!(slice_indices(None, None, -1.0, 3), Some(vec![2, 1, 0]));
        assert_eq!(slice_indices(Some(1.0), Some(3.0), 1.0, 3), Some(vec![1, 2]));
        assert_eq!(slice_indices(Some(-1.0), None, 1.0, 3), Some(vec![2]));
        assert_eq!(slice_indices(None, Some(-1.0), 2.0, 3), Some(vec![0]));
        assert_eq!(slice_indices(Some(0.0), Some(3.0), 0.0, 3), None);
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        for (value, text) in [
            (1.0 / 255.0, "0.003922"),
            (127.5, "127.5"),
            (-1.0, "-1"),
            (0.485, "0.485"),
            (103.939, "103.9"),
            (1e6, "1000000"),
            (0.0, "0"),
        ] {
            assert_eq!(rounded(value), text);
        }
    }
}

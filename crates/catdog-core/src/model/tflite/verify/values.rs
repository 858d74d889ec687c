//! The values of small results that do not depend on the picture: the shapes, sizes and limits that
//! exporters compute inside the graph, from SHAPE to RESHAPE or RESIZE.
//!
//! Numbers are f64, which holds every i32 and f32. A result that its element type cannot hold is
//! not followed further: it is treated as unknown, and so is the result of an operator without a
//! rule here.

use super::args::{Args, broadcast, product};
use super::fault::{Fault, ensure};
use super::part_shapes::strides;
use super::tensor::{MAX_VALUES, Tensor};
use crate::model::tflite::operator_options::{concatenation_options, pack_options};
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType};

/// The largest integer whose neighbors f64 can tell apart.
const MAX_EXACT: f64 = (1u64 << 53) as f64;

/// Refuses a remainder of integers that may be that of the smallest integer and -1: the processor
/// cannot compute it and ends the process (SIGFPE).
pub fn verify_remainder(args: Args<'_, '_>) -> Result<(), Fault> {
    let smallest = match (args.operator.code, args.input(0)?.element) {
        (Op::FLOOR_MOD, TensorType::INT32) => f64::from(i32::MIN),
        (Op::FLOOR_MOD, TensorType::INT64) => i64::MIN as f64,
        _ => return Ok(()),
    };
    let never_is = |position, value: f64| {
        values(args, position).is_some_and(|values| values.iter().all(|other| *other != value))
    };
    let is_safe = never_is(0, smallest) || never_is(1, -1.0);
    ensure(is_safe, "it may divide the smallest integer by -1")
}

/// Returns the values of each output; `None` for an output whose values are not known. The outputs
/// must have their computed shapes.
pub fn fold(args: Args<'_, '_>) -> Vec<Option<Vec<f64>>> {
    let outputs = args.operator.outputs.iter().map(|&output| &args.tensors[output]);
    let small = outputs.clone().all(|output| output.elements() <= MAX_VALUES as u64);
    let results = if small { results(args).unwrap_or_default() } else { Vec::new() };
    let mut results = results.into_iter();
    outputs.map(|output| results.next().and_then(|values| representable(values, output))).collect()
}

/// Returns `values` as the elements of `output`; `None` if its type does not hold them exactly, or
/// their number is another.
fn representable(values: Vec<f64>, output: &Tensor<'_>) -> Option<Vec<f64>> {
    let is_integer = |value: &f64, limit: f64| value.fract() == 0.0 && value.abs() < limit;
    let holds = match output.element {
        TensorType::INT32 => values.iter().all(|value| is_integer(value, f64::from(i32::MAX))),
        TensorType::INT64 => values.iter().all(|value| is_integer(value, MAX_EXACT)),
        TensorType::FLOAT32 => values.iter().all(|value| value.is_finite()),
        TensorType::BOOL => true,
        _ => false,
    };
    if !holds || values.len() as u64 != output.elements() {
        return None;
    }
    let is_float = output.element == TensorType::FLOAT32;
    let round = |value: f64| if is_float { f64::from(value as f32) } else { value };
    Some(values.into_iter().map(round).collect())
}

/// Computes the operator.
fn results(args: Args<'_, '_>) -> Option<Vec<Vec<f64>>> {
    let code = args.operator.code;
    let one = |values| Some(vec![values]);
    match code {
        Op::SHAPE => one(args.dims(0).ok()?.into_iter().map(|size| size as f64).collect()),
        Op::RANK => one(vec![args.dims(0).ok()?.len() as f64]),
        Op::RESHAPE | Op::SQUEEZE | Op::EXPAND_DIMS => one(values(args, 0)?.to_vec()),
        Op::CAST => one(cast(args)?),
        Op::CONCATENATION | Op::PACK => one(join(args)?),
        Op::SPLIT => parts(args, 1),
        Op::SPLIT_V | Op::UNPACK => parts(args, 0),
        Op::SLICE => one(slice(args)?),
        Op::STRIDED_SLICE => one(strided_slice(args)?),
        Op::GATHER => one(gather(args)?),
        Op::FILL => one(vec![*values(args, 1)?.first()?; output_elements(args)?]),
        Op::RANGE => {
            let (start, step) = (values(args, 0)?.first()?, values(args, 2)?.first()?);
            one((0..output_elements(args)?).map(|index| start + step * index as f64).collect())
        }
        Op::BROADCAST_ARGS => {
            let dims = broadcast(&args.values(0).ok()?, &args.values(1).ok()?).ok()?;
            one(dims.into_iter().map(|size| size as f64).collect())
        }
        Op::REDUCE_PROD | Op::SUM | Op::REDUCE_MAX | Op::REDUCE_MIN => one(reduce(args)?),
        Op::SELECT | Op::SELECT_V2 => one(elementwise::<3>(args, |[condition, a, b]| {
            Some(if condition != 0.0 { a } else { b })
        })?),
        _ => match unary(code) {
            Some(function) => one(elementwise::<1>(args, |[a]| Some(function(a)))?),
            None => one(elementwise::<2>(args, |[a, b]| binary(args, a, b))?),
        },
    }
}

fn output_elements(args: Args<'_, '_>) -> Option<usize> {
    usize::try_from(args.operator.output(args.tensors)?.elements()).ok()
}

/// Returns the values of an input, if they are known.
fn values<'t>(args: Args<'t, '_>, position: usize) -> Option<&'t [f64]> {
    args.input(position).ok()?.values.as_deref()
}

/// Returns the function of an operator with one input.
fn unary(code: Op) -> Option<fn(f64) -> f64> {
    Some(match code {
        Op::ABS => f64::abs,
        Op::NEG => |value| -value,
        Op::FLOOR => f64::floor,
        Op::CEIL => f64::ceil,
        Op::ROUND => f64::round_ties_even,
        Op::SQRT => f64::sqrt,
        Op::SQUARE => |value| value * value,
        Op::LOGICAL_NOT => |value| f64::from(value == 0.0),
        _ => return None,
    })
}

/// Computes an operator with two inputs; `None` if it has no rule.
fn binary(args: Args<'_, '_>, a: f64, b: f64) -> Option<f64> {
    let is_float = args.input(0).ok()?.element == TensorType::FLOAT32;
    Some(match args.operator.code {
        Op::ADD => a + b,
        Op::SUB => a - b,
        Op::MUL => a * b,
        Op::DIV if is_float => a / b,
        Op::DIV => (a / b).trunc(),
        Op::FLOOR_DIV => (a / b).floor(),
        Op::FLOOR_MOD => a - b * (a / b).floor(),
        Op::MAXIMUM => a.max(b),
        Op::MINIMUM => a.min(b),
        Op::EQUAL => f64::from(a == b),
        Op::NOT_EQUAL => f64::from(a != b),
        Op::LESS => f64::from(a < b),
        Op::LESS_EQUAL => f64::from(a <= b),
        Op::GREATER => f64::from(a > b),
        Op::GREATER_EQUAL => f64::from(a >= b),
        Op::LOGICAL_AND => f64::from(a != 0.0 && b != 0.0),
        Op::LOGICAL_OR => f64::from(a != 0.0 || b != 0.0),
        _ => return None,
    })
}

/// Computes an operator element by element. Inputs with one element are broadcast.
fn elementwise<const N: usize>(
    args: Args<'_, '_>,
    function: impl Fn([f64; N]) -> Option<f64>,
) -> Option<Vec<f64>> {
    if args.operator.inputs.len() != N {
        return None;
    }
    let count = output_elements(args)?;
    let mut inputs: [&[f64]; N] = [&[]; N];
    for (position, input) in inputs.iter_mut().enumerate() {
        *input = values(args, position).filter(|v| v.len() == count || v.len() == 1)?;
    }
    let at =
        |index: usize| inputs.map(|input| if input.len() == 1 { input[0] } else { input[index] });
    (0..count).map(|index| function(at(index))).collect()
}

/// Computes a CAST. Fractions are cut off when the result is an integer.
fn cast(args: Args<'_, '_>) -> Option<Vec<f64>> {
    let convert = match args.operator.output(args.tensors)?.element {
        TensorType::BOOL => |value: f64| f64::from(value != 0.0),
        TensorType::FLOAT32 => |value: f64| value,
        _ => f64::trunc,
    };
    Some(values(args, 0)?.iter().map(|&value| convert(value)).collect())
}

/// Joins vectors or numbers in one vector.
fn join(args: Args<'_, '_>) -> Option<Vec<f64>> {
    let operator = args.operator;
    let is_pack = operator.code == Op::PACK;
    let axis = if is_pack { pack_options::AXIS } else { concatenation_options::AXIS };
    let rank = if is_pack { 0 } else { 1 };
    let is_flat = (0..operator.inputs.len()).all(|i| args.dims(i).is_ok_and(|d| d.len() == rank));
    if !is_flat || !matches!(operator.integer(axis), -1 | 0) {
        return None;
    }
    let inputs = (0..operator.inputs.len()).map(|position| values(args, position));
    Some(inputs.collect::<Option<Vec<_>>>()?.concat())
}

/// Splits a vector.
fn parts(args: Args<'_, '_>, position: usize) -> Option<Vec<Vec<f64>>> {
    if args.dims(position).ok()?.len() != 1 {
        return None;
    }
    let mut rest = values(args, position)?;
    let part = |&output: &usize| {
        let count = usize::try_from(args.tensors[output].elements()).ok()?;
        let (part, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(part.to_vec())
    };
    args.operator.outputs.iter().map(part).collect()
}

/// Computes a SLICE of a vector.
fn slice(args: Args<'_, '_>) -> Option<Vec<f64>> {
    let (input, begin) = (values(args, 0)?, args.values(1).ok()?);
    let &[begin] = &begin[..] else { return None };
    let begin = usize::try_from(begin).ok()?;
    let end = begin.checked_add(output_elements(args)?)?;
    input.get(begin..end).map(<[f64]>::to_vec)
}

/// Computes a STRIDED_SLICE of a vector.
fn strided_slice(args: Args<'_, '_>) -> Option<Vec<f64>> {
    let input = values(args, 0)?;
    if args.dims(0).ok()?.len() != 1 {
        return None;
    }
    let strides = strides(args).ok()?;
    let mut kept = strides.into_iter().filter(|stride| !stride.is_new);
    let stride = kept.next()?;
    let index = |step: i64| usize::try_from(stride.start + step * stride.step).ok();
    (0..stride.count).map(|step| input.get(index(step)?).copied()).collect()
}

/// Computes a GATHER of a vector.
fn gather(args: Args<'_, '_>) -> Option<Vec<f64>> {
    let (input, indices) = (values(args, 0)?, args.values(1).ok()?);
    if args.dims(0).ok()?.len() != 1 {
        return None;
    }
    let element = |index: i64| usize::try_from(index).ok().and_then(|i| input.get(i).copied());
    indices.into_iter().map(element).collect()
}

/// Reduces a vector to one number.
fn reduce(args: Args<'_, '_>) -> Option<Vec<f64>> {
    let input = values(args, 0)?.iter().copied();
    if product(&args.dims(1).ok()?) != 1 || args.dims(0).ok()?.len() != 1 {
        return None;
    }
    let result = match args.operator.code {
        Op::REDUCE_PROD => input.product(),
        Op::SUM => input.sum(),
        Op::REDUCE_MAX => input.fold(f64::NEG_INFINITY, f64::max),
        _ => input.fold(f64::INFINITY, f64::min),
    };
    Some(vec![result])
}

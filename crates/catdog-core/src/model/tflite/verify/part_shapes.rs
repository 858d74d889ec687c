//! The shapes of operators that select, join or repeat parts of their inputs.

use super::args::{Args, Dims, axis, product};
use super::fault::{Fault, ensure};
use crate::model::tflite::operator_options::{
    concatenation_options, gather_options, mirror_pad_options, one_hot_options, pack_options,
    strided_slice_options, unpack_options,
};
use crate::model::tflite::schema::TensorType;

/// Limit for the steps of a RANGE; more elements than any tensor can have.
const MAX_RANGE: f64 = (1u64 << 31) as f64;

/// Returns the shape of a CONCATENATION.
pub fn concat(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let inputs = args.all_dims()?;
    let mut dims = inputs[0].clone();
    let axis = args.axis_option(concatenation_options::AXIS, dims.len())?;
    dims[axis] = 0;
    for input in &inputs {
        let fits = input.len() == dims.len()
            && (0..dims.len()).all(|index| index == axis || input[index] == dims[index]);
        ensure(fits, "the shapes of its inputs do not fit each other")?;
        dims[axis] = dims[axis].saturating_add(input[axis]);
    }
    Ok(dims)
}

/// Returns the shape of a PACK.
pub fn pack(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let inputs = args.all_dims()?;
    let mut dims = inputs[0].clone();
    let fits = inputs.iter().all(|input| *input == dims);
    ensure(fits, "the shapes of its inputs do not fit each other")?;
    dims.insert(args.axis_option(pack_options::AXIS, dims.len() + 1)?, inputs.len() as i64);
    Ok(dims)
}

/// Returns the shapes of the outputs of an UNPACK.
pub fn unpack(args: Args<'_, '_>) -> Result<Vec<Dims>, Fault> {
    let mut dims = args.dims(0)?;
    let axis = args.axis_option(unpack_options::AXIS, dims.len())?;
    let outputs = args.operator.outputs.len();
    ensure(dims.remove(axis) == outputs as i64, "it has a wrong number of outputs")?;
    Ok(vec![dims; outputs])
}

/// Returns the shapes of the outputs of a SPLIT.
pub fn split(args: Args<'_, '_>) -> Result<Vec<Dims>, Fault> {
    let mut dims = args.dims(1)?;
    let axis = axis(args.value(0)?, dims.len())?;
    let outputs = args.operator.outputs.len();
    let fits = dims[axis] % outputs as i64 == 0;
    ensure(fits, "the dimension cannot be split into equal parts")?;
    dims[axis] /= outputs as i64;
    Ok(vec![dims; outputs])
}

/// Returns the shapes of the outputs of a SPLIT_V. One of the sizes can be -1, the rest.
pub fn split_v(args: Args<'_, '_>) -> Result<Vec<Dims>, Fault> {
    let dims = args.dims(0)?;
    let axis = axis(args.value(2)?, dims.len())?;
    let mut sizes = args.values(1)?;
    let known = sizes.iter().filter(|size| **size != -1);
    let known = known.fold(0, |sum: i64, &size| sum.saturating_add(size));
    if let Some(rest) = sizes.iter_mut().find(|size| **size == -1) {
        *rest = dims[axis].saturating_sub(known);
    }
    let total = sizes.iter().fold(0, |sum: i64, &size| sum.saturating_add(size));
    let fits = sizes.len() == args.operator.outputs.len()
        && sizes.iter().all(|&size| size >= 0)
        && total == dims[axis];
    ensure(fits, "the sizes of its parts are invalid")?;
    let part = |size: i64| {
        let mut dims = dims.clone();
        dims[axis] = size;
        dims
    };
    Ok(sizes.into_iter().map(part).collect())
}

/// Returns the shape of a SLICE. A size of -1 means the rest of the dimension.
pub fn slice(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, begin, size) = (args.dims(0)?, args.values(1)?, args.values(2)?);
    ensure(begin.len() == dims.len() && size.len() == dims.len(), "its limits are invalid")?;
    let part = |index: usize| {
        let rest = dims[index].saturating_sub(begin[index]);
        let size = if size[index] == -1 { rest } else { size[index] };
        let fits = begin[index] >= 0 && (0..=rest).contains(&size);
        ensure(fits, "its limits are outside its input").map(|()| size)
    };
    (0..dims.len()).map(part).collect()
}

/// One dimension of a STRIDED_SLICE.
pub struct Stride {
    /// The first index; the only one if `is_single`.
    pub start: i64,
    /// The step from one index to the next.
    pub step: i64,
    /// The number of indices.
    pub count: i64,
    /// The dimension is not in the result.
    pub is_single: bool,
    /// The dimension is not in the input.
    pub is_new: bool,
}

/// Returns the dimensions of a STRIDED_SLICE, those of the input and new ones.
pub fn strides(args: Args<'_, '_>) -> Result<Vec<Stride>, Fault> {
    use strided_slice_options::*;
    let dims = args.dims(0)?;
    let (begin, end, step) = (args.values(1)?, args.values(2)?, args.values(3)?);
    let fits = begin.len() == end.len() && begin.len() == step.len() && begin.len() < 32;
    ensure(fits && args.operator.byte(OFFSET) == 0, "its limits are invalid")?;
    let has = |field, index: usize| args.operator.integer(field) >> index & 1 != 0;
    let is_new = |index: &usize| has(NEW_AXIS_MASK, *index) && !has(ELLIPSIS_MASK, *index);
    let ellipses = (0..begin.len()).filter(|&index| has(ELLIPSIS_MASK, index)).count();
    ensure(ellipses <= 1, "it has several ellipses")?;
    let new = (0..begin.len()).filter(is_new).count();
    let named = begin.len() - new - ellipses;
    ensure(named <= dims.len(), "its limits have more dimensions than its input")?;
    let whole =
        |size: i64| Stride { start: 0, step: 1, count: size, is_single: false, is_new: false };
    let mut strides = Vec::new();
    let mut rest = dims.iter().copied();
    for index in 0..begin.len() {
        if has(ELLIPSIS_MASK, index) {
            strides.extend(rest.by_ref().take(dims.len() - named).map(whole));
        } else if is_new(&index) {
            strides.push(Stride { is_new: true, ..whole(1) });
        } else if let Some(size) = rest.next() {
            let limits = (
                (!has(BEGIN_MASK, index)).then_some(begin[index]),
                (!has(END_MASK, index)).then_some(end[index]),
            );
            strides.push(stride(size, limits, step[index], has(SHRINK_AXIS_MASK, index))?);
        }
    }
    strides.extend(rest.map(whole));
    Ok(strides)
}

/// Returns a dimension of `size` elements between two limits; `None` is no limit.
fn stride(
    size: i64,
    (begin, end): (Option<i64>, Option<i64>),
    step: i64,
    is_single: bool,
) -> Result<Stride, Fault> {
    ensure(step != 0 && step.abs() < i64::from(i32::MAX), "its step is invalid")?;
    // With a negative step, the position before the first element is a valid limit.
    let (lowest, highest) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let position = |index: i64| if index < 0 { index.saturating_add(size) } else { index };
    let clamped = |index: i64| position(index).clamp(lowest, highest);
    let start = begin.map_or(if step > 0 { lowest } else { highest }, clamped);
    if is_single {
        let start = begin.map_or(start, position);
        let is_inside = step > 0 && (0..size).contains(&start);
        ensure(is_inside, "its limits are outside its input")?;
        return Ok(Stride { start, step, count: 1, is_single, is_new: false });
    }
    let end = end.map_or(if step > 0 { highest } else { lowest }, clamped);
    let distance = if step > 0 { end - start } else { start - end };
    let count = if distance <= 0 { 0 } else { (distance + step.abs() - 1) / step.abs() };
    Ok(Stride { start, step, count, is_single, is_new: false })
}

/// Returns the shape of a STRIDED_SLICE.
pub fn strided_slice(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let kept = strides(args)?.into_iter().filter(|stride| !stride.is_single);
    Ok(kept.map(|stride| stride.count).collect())
}

/// Returns the shape of a GATHER.
pub fn gather(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, indices) = (args.dims(0)?, args.dims(1)?);
    let axis = args.axis_option(gather_options::AXIS, dims.len())?;
    let batch = args.operator.integer(gather_options::BATCH_DIMS);
    let batch = if batch < 0 { batch + indices.len() as i64 } else { batch };
    let batch = usize::try_from(batch).ok().filter(|&batch| batch <= axis.min(indices.len()));
    let batch = batch.ok_or(Fault::Invalid("its number of batch dimensions is invalid"))?;
    let fits = dims[..batch] == indices[..batch];
    ensure(fits, "the shapes of its inputs do not fit each other")?;
    if let Ok(values) = args.values(1) {
        let are_inside = values.iter().all(|index| (0..dims[axis]).contains(index));
        ensure(are_inside, "its indices are outside its input")?;
    }
    Ok([&dims[..axis], &indices[batch..], &dims[axis + 1..]].concat())
}

/// Returns the shape of a GATHER_ND.
pub fn gather_nd(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, indices) = (args.dims(0)?, args.dims(1)?);
    let (depth, leading) =
        indices.split_last().ok_or(Fault::Invalid("its indices do not have a dimension"))?;
    let depth = usize::try_from(*depth).ok().filter(|depth| (1..=dims.len()).contains(depth));
    let depth = depth.ok_or(Fault::Invalid("its indices do not fit its input"))?;
    Ok([leading, &dims[depth..]].concat())
}

/// Reads the borders of a PAD, PADV2 or MIRROR_PAD: two for each dimension.
fn borders(args: Args<'_, '_>, rank: usize) -> Result<Vec<[i64; 2]>, Fault> {
    let sizes = args.values(1)?;
    let fits = args.dims(1)? == [rank as i64, 2] && sizes.iter().all(|&size| size >= 0);
    ensure(fits, "the sizes of its borders are invalid")?;
    let (borders, _) = sizes.as_chunks::<2>();
    Ok(borders.to_vec())
}

/// Returns the shape of a PAD or PADV2.
pub fn pad(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let dims = args.dims(0)?;
    let borders = borders(args, dims.len())?;
    let padded = |(size, border): (&i64, &[i64; 2])| {
        size.saturating_add(border[0]).saturating_add(border[1])
    };
    Ok(dims.iter().zip(&borders).map(padded).collect())
}

/// Returns the shape of a MIRROR_PAD, whose borders are not larger than the input.
pub fn mirror_pad(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let dims = args.dims(0)?;
    let mode = args.operator.byte(mirror_pad_options::MODE);
    ensure(mode <= mirror_pad_options::SYMMETRIC, "its mode is unknown")?;
    // REFLECT does not repeat the outermost element.
    let excluded = i64::from(mode != mirror_pad_options::SYMMETRIC);
    let borders = borders(args, dims.len())?;
    let fits = dims
        .iter()
        .zip(&borders)
        .all(|(size, border)| *border.iter().max().unwrap_or(&0) <= size - excluded);
    ensure(fits, "its borders are larger than its input")?;
    pad(args)
}

/// Returns the shape of a TILE.
pub fn tile(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, copies) = (args.dims(0)?, args.values(1)?);
    let fits = copies.len() == dims.len() && copies.iter().all(|&copies| copies >= 1);
    ensure(fits, "its numbers of copies are invalid")?;
    Ok(dims.iter().zip(&copies).map(|(size, copies)| size.saturating_mul(*copies)).collect())
}

/// Returns the shape of a RANGE.
pub fn range(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let value = |position| match args.input(position)?.values.as_deref() {
        Some([value]) => Ok(*value),
        Some(_) => Err(Fault::Invalid("an input that must be one number has another size")),
        None => Err(Fault::DataDependent),
    };
    let (start, limit, step) = (value(0)?, value(1)?, value(2)?);
    // The kernel computes the distance with the type of the limits.
    let is_float = args.input(0)?.element == TensorType::FLOAT32;
    let distance_fits = is_float || (limit - start).abs() < MAX_RANGE;
    let count = ((limit - start) / step).ceil();
    let fits = distance_fits && (0.0..MAX_RANGE).contains(&count);
    ensure(fits, "its limits or its step are invalid")?;
    Ok(vec![count as i64])
}

/// Returns the shape of a ONE_HOT.
pub fn one_hot(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let mut dims = args.dims(0)?;
    let axis = args.axis_option(one_hot_options::AXIS, dims.len() + 1)?;
    let are_numbers = product(&args.dims(2)?) == 1 && product(&args.dims(3)?) == 1;
    ensure(are_numbers, "an input that must be one number has another size")?;
    dims.insert(axis, args.value(1)?);
    Ok(dims)
}

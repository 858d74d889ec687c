//! The shapes that an operator computes. The shapes in the file are not used for results, because
//! LiteRT does not use them: they can differ from what it computes.

use super::args::{Args, Dims, axis, broadcast, product, to_shape};
use super::fault::{Fault, ensure};
use super::layer_shapes as layer;
use super::part_shapes as part;
use super::shape_rule::ShapeRule as Rule;
use super::tensor::MAX_RANK;
use crate::model::tflite::operator_options::{
    index_options, reducer_options, reshape_options, squeeze_options,
};

/// Returns the shape of each output. The outputs of a subgraph ([`Rule::Call`]) have none.
pub fn infer(args: Args<'_, '_>) -> Result<Vec<Vec<i32>>, Fault> {
    let outputs = match args.operator.rule.shape {
        Rule::Split => part::split(args)?,
        Rule::SplitV => part::split_v(args)?,
        Rule::Unpack => part::unpack(args)?,
        Rule::TopK => vec![top_k(args)?; 2],
        Rule::Call => Vec::new(),
        _ => vec![infer_one(args)?],
    };
    let in_range = outputs.iter().all(|dims| dims.len() <= MAX_RANK);
    ensure(in_range, "its result has too many dimensions")?;
    outputs.iter().map(|dims| to_shape(dims)).collect()
}

/// Returns the shape of the only output.
fn infer_one(args: Args<'_, '_>) -> Result<Dims, Fault> {
    match args.operator.rule.shape {
        Rule::AllSame => all_same(args),
        Rule::Broadcast => {
            let inputs = args.all_dims()?;
            inputs.iter().try_fold(Vec::new(), |dims, input| broadcast(&dims, input))
        }
        Rule::Select => select(args),
        Rule::Conv => layer::conv(args),
        Rule::DepthwiseConv => layer::depthwise_conv(args),
        Rule::TransposeConv => layer::transpose_conv(args),
        Rule::FullyConnected => layer::fully_connected(args),
        Rule::MatMul => layer::mat_mul(args),
        Rule::Lstm => layer::lstm(args),
        Rule::Pool => layer::pool(args),
        Rule::Cumsum => {
            let dims = args.dims(0)?;
            axis(args.value(1)?, dims.len()).map(|_| dims)
        }
        Rule::Reduce => reduce(args),
        Rule::Arg => arg(args),
        Rule::Reshape => reshape(args),
        Rule::Squeeze => squeeze(args),
        Rule::ExpandDims => expand_dims(args),
        Rule::Transpose => layer::transpose(args),
        Rule::Shape => {
            let rank = args.dims(0)?.len() as i64;
            ensure_output_type(args).map(|()| vec![rank])
        }
        Rule::Rank => Ok(Vec::new()),
        Rule::BroadcastArgs => {
            // The kernel ends the process if the shapes do not fit each other.
            let dims = broadcast(&args.values(0)?, &args.values(1)?)?;
            Ok(vec![dims.len() as i64])
        }
        Rule::BroadcastTo => broadcast_to(args),
        Rule::Tile => part::tile(args),
        Rule::Fill => args.values(0),
        Rule::Range => part::range(args),
        Rule::OneHot => part::one_hot(args),
        Rule::Concat => part::concat(args),
        Rule::Pack => part::pack(args),
        Rule::Slice => part::slice(args),
        Rule::StridedSlice => part::strided_slice(args),
        Rule::Gather => part::gather(args),
        Rule::GatherNd => part::gather_nd(args),
        Rule::Reverse => reverse(args),
        Rule::UpdateSlice => update_slice(args),
        Rule::Pad => part::pad(args),
        Rule::MirrorPad => part::mirror_pad(args),
        Rule::Resize => layer::resize(args),
        Rule::SpaceToDepth => layer::space_to_depth(args),
        Rule::DepthToSpace => layer::depth_to_space(args),
        Rule::SpaceToBatch => layer::space_to_batch(args),
        Rule::BatchToSpace => layer::batch_to_space(args),
        _ => args.dims(0),
    }
}

/// Checks that the result has the type in the options: the kernels give it that type, whatever the
/// file says.
fn ensure_output_type(args: Args<'_, '_>) -> Result<(), Fault> {
    let element = args.operator.output(args.tensors).map(|output| output.element.code());
    let chosen = args.operator.byte(index_options::OUTPUT_TYPE);
    ensure(element == Some(chosen), "its result does not have the type in its options")
}

/// Returns the shape of inputs that all have the same.
fn all_same(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let inputs = args.all_dims()?;
    let same = inputs.iter().all(|input| *input == inputs[0]);
    ensure(same, "the shapes of its inputs do not fit each other")?;
    Ok(inputs[0].clone())
}

/// Returns the shape of a SELECT. Its condition has the shape of the result, or one element, or one
/// element for each index of the first dimension.
fn select(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (condition, dims) = (args.dims(0)?, args.dims(1)?);
    let fits = dims == args.dims(2)?
        && (condition == dims
            || product(&condition) == 1
            || condition.len() == 1 && condition.first() == dims.first());
    ensure(fits, "the shapes of its inputs do not fit each other")?;
    Ok(dims)
}

/// Returns the shape of an ARG_MAX or ARG_MIN.
fn arg(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let mut dims = args.dims(0)?;
    dims.remove(axis(args.value(1)?, dims.len())?);
    ensure_output_type(args).map(|()| dims)
}

/// Returns the shape of an EXPAND_DIMS.
fn expand_dims(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let mut dims = args.dims(0)?;
    dims.insert(axis(args.value(1)?, dims.len() + 1)?, 1);
    Ok(dims)
}

/// Returns the shape of a BROADCAST_TO.
fn broadcast_to(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let dims = args.values(1)?;
    let broadcast = broadcast(&args.dims(0)?, &dims)?;
    ensure(broadcast == dims, "its input does not fit its new shape").map(|()| dims)
}

/// Returns the shape of a REVERSE_V2.
fn reverse(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, axes) = (args.dims(0)?, args.values(1)?);
    // The kernel reads the first one.
    ensure(!axes.is_empty(), "its list of dimensions is empty")?;
    for index in axes {
        axis(index, dims.len())?;
    }
    Ok(dims)
}

/// Returns the shape of a reduction.
fn reduce(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let dims = args.dims(0)?;
    let mut reduced = vec![false; dims.len()];
    for index in args.values(1)? {
        reduced[axis(index, dims.len())?] = true;
    }
    let keeps = args.operator.byte(reducer_options::KEEP_DIMS) != 0;
    let sizes = dims.iter().zip(reduced).filter(|(_, reduced)| keeps || !reduced);
    Ok(sizes.map(|(size, reduced)| if reduced { 1 } else { *size }).collect())
}

/// Returns the shape of both outputs of a TOPK_V2.
fn top_k(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (mut dims, count) = (args.dims(0)?, args.value(1)?);
    let last = dims.last_mut().filter(|last| (1..=**last).contains(&count));
    *last.ok_or(Fault::Invalid("it selects more elements than its input has"))? = count;
    Ok(dims)
}

/// Returns the shape of a RESHAPE. It comes from the second input if that is a vector, else from
/// the options. One dimension can be -1, the rest.
fn reshape(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let has_vector = args.operator.inputs.len() == 2 && args.dims(1)?.len() == 1;
    let mut dims = if has_vector {
        args.values(1)?
    } else {
        match args.operator.integers(reshape_options::NEW_SHAPE) {
            // Old converters write a scalar like this.
            shape if shape == [0] => Vec::new(),
            shape => shape,
        }
    };
    let elements = product(&args.dims(0)?);
    let others = product(&dims.iter().copied().filter(|&size| size != -1).collect::<Dims>());
    if let Some(rest) = dims.iter_mut().find(|size| **size == -1) {
        ensure(others >= 1 && elements % others == 0, "its input does not fit its new shape")?;
        *rest = elements / others;
    }
    let fits = dims.iter().all(|&size| size >= 0) && product(&dims) == elements;
    ensure(fits, "its input does not fit its new shape")?;
    Ok(dims)
}

/// Returns the shape of a SQUEEZE. Without a list of dimensions, it removes all of size 1.
fn squeeze(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let dims = args.dims(0)?;
    let listed = args.operator.integers(squeeze_options::SQUEEZE_DIMS);
    let mut removed: Vec<bool> = dims.iter().map(|&size| listed.is_empty() && size == 1).collect();
    for index in listed {
        let index = axis(index, dims.len())?;
        ensure(dims[index] == 1, "it removes a dimension whose size is not 1")?;
        removed[index] = true;
    }
    let kept = dims.iter().zip(removed).filter(|(_, removed)| !removed);
    Ok(kept.map(|(size, _)| *size).collect())
}

/// Returns the shape of a DYNAMIC_UPDATE_SLICE.
fn update_slice(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, update) = (args.dims(0)?, args.dims(1)?);
    let fits = update.len() == dims.len()
        && update.iter().zip(&dims).all(|(part, whole)| part <= whole)
        && args.dims(2)? == [dims.len() as i64];
    ensure(fits, "the shapes of its inputs do not fit each other")?;
    Ok(dims)
}

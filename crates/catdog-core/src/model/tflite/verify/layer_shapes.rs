//! The shapes of layers: convolutions, matrix products, pooling, and changes of the resolution.

use super::args::{Args, Dims, axis, broadcast, product};
use super::fault::{Fault, ensure};
use crate::model::tflite::operator_options::{
    ACTIVATION_FUNCTION_TYPES, PADDING_SAME, batch_mat_mul_options, block_options, conv_2d_options,
    depthwise_conv_2d_options, fully_connected_options, pool_2d_options, sequence_lstm_options,
    transpose_conv_options,
};
use crate::model::tflite::reader::I32Field;
use crate::model::tflite::schema::layer_inputs::{INPUT, WEIGHTS};

/// Position of the weights in the inputs of TRANSPOSE_CONV.
const TRANSPOSE_CONV_WEIGHTS: usize = 1;
/// Position of the input in the inputs of TRANSPOSE_CONV.
const TRANSPOSE_CONV_INPUT: usize = 2;

/// The options of a window that moves over height and width.
struct Window {
    padding: usize,
    stride: [I32Field; 2],
    dilation: Option<[I32Field; 2]>,
}

impl Window {
    /// Returns the number of positions of a window of the given size in an image of the given size.
    fn positions(
        &self,
        args: Args<'_, '_>,
        image: [i64; 2],
        window: [i64; 2],
    ) -> Result<[i64; 2], Fault> {
        let is_same = args.operator.byte(self.padding) == PADDING_SAME;
        let mut positions = [0; 2];
        for side in 0..2 {
            let stride = args.operator.integer(self.stride[side]);
            let dilation = self.dilation.map_or(1, |fields| args.operator.integer(fields[side]));
            ensure(stride >= 1 && dilation >= 1, "a stride or dilation is not positive")?;
            let reach = (window[side] - 1) * dilation + 1;
            let span = if is_same { image[side] } else { image[side] - reach + 1 };
            ensure(window[side] >= 1 && span >= 1, "its window is larger than its input")?;
            positions[side] = (span + stride - 1) / stride;
        }
        Ok(positions)
    }
}

/// Returns the shape of a CONV_2D.
pub fn conv(args: Args<'_, '_>) -> Result<Dims, Fault> {
    use conv_2d_options::*;
    let [batch, height, width, channels] = args.dims_4d(INPUT)?;
    let [outputs, rows, columns, inputs] = args.dims_4d(WEIGHTS)?;
    let is_grouped = inputs >= 1
        && channels >= 1
        && channels % inputs == 0
        && outputs % (channels / inputs) == 0;
    ensure(is_grouped, "the channels of its input and of its weights do not fit")?;
    let window = Window {
        padding: PADDING,
        stride: [STRIDE_H, STRIDE_W],
        dilation: Some([DILATION_H_FACTOR, DILATION_W_FACTOR]),
    };
    let [height, width] = window.positions(args, [height, width], [rows, columns])?;
    Ok(vec![batch, height, width, outputs])
}

/// Returns the shape of a DEPTHWISE_CONV_2D.
pub fn depthwise_conv(args: Args<'_, '_>) -> Result<Dims, Fault> {
    use depthwise_conv_2d_options::*;
    let [batch, height, width, channels] = args.dims_4d(INPUT)?;
    let [one, rows, columns, outputs] = args.dims_4d(WEIGHTS)?;
    let fits = one == 1 && channels >= 1 && outputs % channels == 0;
    ensure(fits, "the channels of its input and of its weights do not fit")?;
    let window = Window {
        padding: PADDING,
        stride: [STRIDE_H, STRIDE_W],
        dilation: Some([DILATION_H_FACTOR, DILATION_W_FACTOR]),
    };
    let [height, width] = window.positions(args, [height, width], [rows, columns])?;
    Ok(vec![batch, height, width, outputs])
}

/// Returns the shape of a pooling operator.
pub fn pool(args: Args<'_, '_>) -> Result<Dims, Fault> {
    use pool_2d_options::*;
    let [batch, height, width, channels] = args.dims_4d(INPUT)?;
    let [rows, columns] = [FILTER_HEIGHT, FILTER_WIDTH].map(|field| args.operator.integer(field));
    let window = Window { padding: PADDING, stride: [STRIDE_H, STRIDE_W], dilation: None };
    let [height, width] = window.positions(args, [height, width], [rows, columns])?;
    Ok(vec![batch, height, width, channels])
}

/// Returns the shape of a TRANSPOSE_CONV.
pub fn transpose_conv(args: Args<'_, '_>) -> Result<Dims, Fault> {
    use transpose_conv_options::*;
    let [outputs, rows, columns, inputs] = args.dims_4d(TRANSPOSE_CONV_WEIGHTS)?;
    let [batch, input_height, input_width, channels] = args.dims_4d(TRANSPOSE_CONV_INPUT)?;
    let &[first, height, width, last] = &args.values(0)?[..] else {
        return Err(Fault::Invalid("the shape of its result does not have four dimensions"));
    };
    let fits = first == batch && last == outputs && inputs == channels;
    ensure(fits, "the shapes of its inputs do not fit each other")?;
    // A convolution of the result gives the input. The kernel computes the size of its temporary
    // memory from the input, and reads as much as the result needs.
    let window = Window { padding: PADDING, stride: [STRIDE_H, STRIDE_W], dilation: None };
    let positions = window.positions(args, [height, width], [rows, columns])?;
    let fits = positions == [input_height, input_width];
    ensure(fits, "the shape of its result does not fit its input and its strides")?;
    Ok(vec![first, height, width, last])
}

/// Returns the shape of a FULLY_CONNECTED.
pub fn fully_connected(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (input, weights) = (args.dims(INPUT)?, args.dims(WEIGHTS)?);
    let &[units, depth] = &weights[..] else {
        return Err(Fault::Invalid("its weights do not have two dimensions"));
    };
    let elements = product(&input);
    ensure(depth >= 1 && elements % depth == 0, "its input does not fit its weights")?;
    if args.operator.byte(fully_connected_options::KEEP_NUM_DIMS) == 0 {
        return Ok(vec![elements / depth, units]);
    }
    let mut dims = input;
    let last = dims.last_mut().filter(|last| **last == depth);
    *last.ok_or(Fault::Invalid("its input does not fit its weights"))? = units;
    Ok(dims)
}

/// Returns the shape of a UNIDIRECTIONAL_SEQUENCE_LSTM. The weights of the four gates have the same
/// shape, and there is no projection, so the state has as many elements as the cell.
pub fn lstm(args: Args<'_, '_>) -> Result<Dims, Fault> {
    use sequence_lstm_options::*;
    let unfit = Fault::Invalid("the shapes of its inputs do not fit each other");
    let &[first, second, depth] = &args.dims(0)?[..] else { return Err(unfit) };
    let cells = *args.dims(1)?.first().ok_or(unfit)?;
    let batch = if args.operator.byte(TIME_MAJOR) == 0 { first } else { second };
    let has = |positions: std::ops::RangeInclusive<usize>, dims: &[i64]| {
        positions.into_iter().all(|position| args.dims(position).is_ok_and(|d| d == dims))
    };
    let fits = has(1..=4, &[cells, depth])
        && has(5..=8, &[cells, cells])
        && has(12..=15, &[cells])
        && has(18..=19, &[batch, cells])
        && cells >= 1;
    if !fits {
        return Err(unfit);
    }
    let is_known = args.operator.byte(FUSED_ACTIVATION_FUNCTION) < ACTIVATION_FUNCTION_TYPES
        && args.operator.byte(DIAGONAL_RECURRENT_TENSORS) == 0;
    ensure(is_known, "its options are unknown")?;
    Ok(vec![first, second, cells])
}

/// Returns the shape of a BATCH_MATMUL.
pub fn mat_mul(args: Args<'_, '_>) -> Result<Dims, Fault> {
    /// The kernel computes with at most this many dimensions.
    const MAX_DIMS: usize = 5;
    let (left, right) = (args.dims(0)?, args.dims(1)?);
    let in_range = |dims: &Dims| (2..=MAX_DIMS).contains(&dims.len());
    ensure(in_range(&left) && in_range(&right), "its inputs do not have two to five dimensions")?;
    let matrix = |dims: &[i64], transposed: usize| {
        let (rows, columns) = (dims[dims.len() - 2], dims[dims.len() - 1]);
        let is_transposed = args.operator.byte(transposed) != 0;
        if is_transposed { (columns, rows) } else { (rows, columns) }
    };
    let (rows, inner) = matrix(&left, batch_mat_mul_options::ADJ_X);
    let (inner_right, columns) = matrix(&right, batch_mat_mul_options::ADJ_Y);
    ensure(inner == inner_right, "the sizes of its matrices do not fit each other")?;
    let mut dims = broadcast(&left[..left.len() - 2], &right[..right.len() - 2])?;
    dims.extend([rows, columns]);
    Ok(dims)
}

/// Returns the shape of a RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR.
pub fn resize(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let [batch, _, _, channels] = args.dims_4d(0)?;
    match args.values(1)?[..] {
        [height, width] if height >= 1 && width >= 1 => Ok(vec![batch, height, width, channels]),
        _ => Err(Fault::Invalid("its new size is not a height and a width")),
    }
}

/// Returns the shape of a SPACE_TO_DEPTH.
pub fn space_to_depth(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let [batch, height, width, channels] = args.dims_4d(0)?;
    let block = args.operator.integer(block_options::BLOCK_SIZE);
    let fits = block >= 1 && height % block == 0 && width % block == 0;
    ensure(fits, "its block size does not fit its input")?;
    let channels = channels.saturating_mul(block.saturating_mul(block));
    Ok(vec![batch, height / block, width / block, channels])
}

/// Returns the shape of a DEPTH_TO_SPACE.
pub fn depth_to_space(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let [batch, height, width, channels] = args.dims_4d(0)?;
    let block = args.operator.integer(block_options::BLOCK_SIZE);
    let area = block.saturating_mul(block);
    ensure(block >= 1 && channels % area == 0, "its block size does not fit its input")?;
    let scaled = |size: i64| size.saturating_mul(block);
    Ok(vec![batch, scaled(height), scaled(width), channels / area])
}

/// Reads the block sizes and borders of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: for each spatial
/// dimension a block size, and the sum of the two borders.
fn blocks(args: Args<'_, '_>, dims: &[i64]) -> Result<Vec<(i64, i64)>, Fault> {
    let (blocks, borders) = (args.values(1)?, args.values(2)?);
    let fits = (3..=4).contains(&dims.len())
        && blocks.len() == dims.len() - 2
        && args.dims(1)?.len() == 1
        && args.dims(2)? == [blocks.len() as i64, 2]
        && blocks.iter().all(|&block| block >= 1)
        && borders.iter().all(|&border| border >= 0);
    ensure(fits, "its block sizes or borders are invalid")?;
    let (borders, _) = borders.as_chunks::<2>();
    Ok(blocks.into_iter().zip(borders.iter().map(|[a, b]| a.saturating_add(*b))).collect())
}

/// Returns the shape of a SPACE_TO_BATCH_ND.
pub fn space_to_batch(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let mut dims = args.dims(0)?;
    for (index, (block, border)) in blocks(args, &dims)?.into_iter().enumerate() {
        let padded = dims[index + 1].saturating_add(border);
        ensure(padded % block == 0, "its block sizes do not fit its input")?;
        dims[index + 1] = padded / block;
        dims[0] = dims[0].saturating_mul(block);
    }
    Ok(dims)
}

/// Returns the shape of a BATCH_TO_SPACE_ND.
pub fn batch_to_space(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let mut dims = args.dims(0)?;
    for (index, (block, border)) in blocks(args, &dims)?.into_iter().enumerate() {
        let size = dims[index + 1].saturating_mul(block) - border;
        ensure(size >= 1 && dims[0] % block == 0, "its block sizes do not fit its input")?;
        dims[index + 1] = size;
        dims[0] /= block;
    }
    Ok(dims)
}

/// Returns the shape of a TRANSPOSE.
pub fn transpose(args: Args<'_, '_>) -> Result<Dims, Fault> {
    let (dims, order) = (args.dims(0)?, args.values(1)?);
    let order: Vec<usize> =
        order.iter().map(|&index| axis(index, dims.len())).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    ensure(sorted.into_iter().eq(0..dims.len()), "its order of the dimensions is invalid")?;
    Ok(order.into_iter().map(|index| dims[index]).collect())
}

//! How the shapes of an operator's outputs follow from its inputs.

/// The rule for the shapes of an operator's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeRule {
    /// The shape of the first input.
    Same,
    /// The shape of the inputs, which is the same for all.
    AllSame,
    /// The shape to which all inputs are broadcast.
    Broadcast,
    /// The shape of the second and third input; the condition can have one element per row.
    Select,
    /// A convolution.
    Conv,
    /// A depthwise convolution.
    DepthwiseConv,
    /// A transposed convolution, whose first input is the shape of its output.
    TransposeConv,
    /// A matrix product with the weights.
    FullyConnected,
    /// A product of two batches of matrices.
    MatMul,
    /// A recurrent cell over a sequence.
    Lstm,
    /// A window that moves over height and width.
    Pool,
    /// A running sum along one dimension.
    Cumsum,
    /// A reduction over some dimensions.
    Reduce,
    /// The index of the largest or smallest element along one dimension.
    Arg,
    /// The largest elements of the last dimension, and their indices.
    TopK,
    /// The shape that the second input or the options contain.
    Reshape,
    /// Without some dimensions of size 1.
    Squeeze,
    /// With one more dimension of size 1.
    ExpandDims,
    /// A permutation of the dimensions.
    Transpose,
    /// The number of dimensions.
    Shape,
    /// A single number.
    Rank,
    /// The shape to which two shapes are broadcast.
    BroadcastArgs,
    /// The shape that the second input contains.
    BroadcastTo,
    /// Copies along each dimension.
    Tile,
    /// The shape that the first input contains.
    Fill,
    /// The numbers between two limits.
    Range,
    /// One more dimension, of the size that the second input contains.
    OneHot,
    /// The inputs along one dimension.
    Concat,
    /// The inputs along a new dimension.
    Pack,
    /// One output for each index of a dimension.
    Unpack,
    /// Equal parts of a dimension.
    Split,
    /// Parts of a dimension, of the sizes that the second input contains.
    SplitV,
    /// A part that starts at the second input and has the size of the third.
    Slice,
    /// A part between two limits, with a step.
    StridedSlice,
    /// The elements at indices along one dimension.
    Gather,
    /// The elements at indices along several dimensions.
    GatherNd,
    /// The first input, in reverse along some dimensions.
    Reverse,
    /// The first input, of which a part is replaced.
    UpdateSlice,
    /// A border of the sizes that the second input contains.
    Pad,
    /// A mirrored border.
    MirrorPad,
    /// Another height and width, which the second input contains.
    Resize,
    /// Blocks of pixels become channels.
    SpaceToDepth,
    /// Channels become blocks of pixels.
    DepthToSpace,
    /// Blocks of pixels become images of the batch.
    SpaceToBatch,
    /// Images of the batch become blocks of pixels.
    BatchToSpace,
    /// The outputs of a subgraph.
    Call,
}

//! Refuses malformed graphs. LiteRT 2.3.0 verifies that a file is a valid flatbuffer, but not that
//! the graph in it can be computed, and a graph that cannot be computed can end the process.
//!
//! For example, LiteRT crashes (SIGSEGV, SIGFPE or an abort) or hangs in model creation,
//! compilation or the first run if
//!
//! - a quantized tensor has scales, but no zero points;
//! - a QUANTIZE has a scale of 0, or a zero point outside the range of its type;
//! - a quantized ADD has an input or output without a scale, or with several;
//! - an operator reads a tensor before another operator writes it;
//! - an operator writes its own input;
//! - an input that is not optional, such as the weights, is absent;
//! - a SPLIT has no options, or its options have another number of outputs;
//! - the tensors need terabytes of memory, or a convolution needs hours;
//! - a depthwise convolution has no bias, whatever its types;
//! - a weight tensor is described as sparse, and its description is wrong;
//! - a call has a name for which LiteRT runs a kernel of its own, and other inputs than this kernel;
//! - the metadata order operators that do not exist;
//! - blockwise quantized weights have fewer scales than blocks;
//! - a BROADCAST_ARGS gets shapes that do not fit each other;
//! - a FLOOR_MOD divides the smallest integer by -1;
//! - a kernel gets an element type that its `Prepare` does not refuse, such as uint8 in FAKE_QUANT;
//! - a subgraph calls itself.
//!
//! LiteRT runs the graph, but computes other scores than the network, if
//!
//! - a fused activation is not in the schema;
//! - a dilation is larger than any image;
//! - a subgraph has no operators;
//! - an output of a subgraph is one of its inputs or a weight tensor.
//!
//! For most other malformed graphs LiteRT returns an error code. They are refused here as well,
//! because the error can name the malformed part: indices out of range, unknown types, negative
//! dimensions, strides of 0, options of another operator, data shorter than its tensor.
//!
//! An operator passes if it is in the table `operators`, with its number of inputs and outputs and
//! their element types, and if the shapes of its outputs follow from its inputs (`shape`). The
//! shapes in the file do not count for results, because LiteRT computes its own. Small values that
//! do not depend on the picture are computed as well (`values`), since exporters compute shapes in
//! the graph. From the computed shapes follow the memory and the time that a model needs, which the
//! file and its input must explain (`budget`). LiteRT can still refuse a model that passes.

mod args;
mod budget;
mod codes;
mod control_dependencies;
mod fault;
mod graph;
mod layer_shapes;
mod limits;
mod model;
mod operator;
mod operators;
mod options;
mod part_shapes;
mod quantization;
mod scales;
mod shape;
mod shape_rule;
mod tensor;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod weights;

pub use limits::verify_limits;
pub use model::{InputShape, verify};
#[cfg(test)]
pub use tests::options_of;

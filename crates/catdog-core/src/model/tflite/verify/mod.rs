//! Refuses malformed graphs. LiteRT 2.3.0 verifies that a file is a valid flatbuffer, but not that
//! the graph in it can be computed, and a graph that cannot be computed can end the process.
//!
//! For example, LiteRT crashes (SIGSEGV, SIGFPE or an abort) or hangs in model creation,
//! compilation or the first run if
//!
//! - a quantized tensor has scales, but no zero points;
//! - a QUANTIZE has a scale of 0, or a zero point outside the range of its type;
//! - a quantized ADD has an input or output without a scale;
//! - an operator reads a tensor before another operator writes it;
//! - an operator writes its own input;
//! - an input that is not optional, such as the weights, is absent;
//! - a hybrid depthwise convolution has no bias;
//! - a SPLIT has no options, or its options have another number of outputs;
//! - a signature names a tensor that is not an input or output of its subgraph;
//! - an input or output in a signature has no name;
//! - the tensors need terabytes of memory, or a convolution needs hours.
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
//! The rules come from the TFLite schema and from the reference kernels of the operators. For
//! operators that do not occur in image classifiers, only the tensor indices are checked. Of
//! 150,000 models with flipped bits and overwritten fields (x86-64), 521 crashed LiteRT or hung.
//! The rules refuse all of these 521, and none of the valid classifiers that were tried. LiteRT can
//! still refuse a model that passes.

mod args;
mod budget;
mod codes;
mod fault;
mod graph;
mod layer_shapes;
mod model;
mod operator;
mod operators;
mod options;
mod part_shapes;
mod quantization;
mod scales;
mod shape;
mod shape_rule;
mod signature;
mod tensor;
mod types;
mod values;
mod weights;

pub use model::verify;

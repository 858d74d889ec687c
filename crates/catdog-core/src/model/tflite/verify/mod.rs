//! Refuses malformed graphs on which LiteRT 2.3.0 ends the process, hangs, or computes something else
//! than the network. LiteRT only verifies that the file is a valid flatbuffer, and the kernels trust
//! what they read.
//!
//! LiteRT ends the process (SIGSEGV, SIGFPE or an abort) or hangs in model creation, compilation or the
//! first run if
//!
//! - a quantized tensor has no zero points, or fewer than scales;
//! - a QUANTIZE has a scale of 0, or a zero point outside the range of the type;
//! - a quantized ADD has a tensor without a scale;
//! - an operator reads a tensor that no operator before it has written, or writes its own input;
//! - the weights of a convolution or fully connected layer are absent;
//! - a hybrid depthwise convolution has no bias;
//! - a SPLIT has no options, or another number of outputs than its options say;
//! - a signature names other tensors than the inputs and outputs of its subgraph, or has an unnamed one;
//! - a shape asks for terabytes, or a convolution for hours.
//!
//! LiteRT runs the graph, but does not compute the network, if
//!
//! - a fused activation is unknown, or a dilation is larger than an image;
//! - there are no operators;
//! - an output of a subgraph is an input or a weight.
//!
//! For other malformed graphs LiteRT returns an error. They are refused here as well, because this error
//! says what is wrong and LiteRT's does not: indices out of range, unknown types, strides of 0,
//! negative dimensions, options of another operator, data shorter than its tensor.
//!
//! The rules come from the TFLite schema and from the reference kernels of the operators. Operators that
//! do not occur in image classifiers are only checked for their tensor indices. In a test with 150,000
//! models with flipped bits and overwritten fields (x86-64), 521 crashed LiteRT or hung. These rules
//! refuse all of the 521, and none of the valid classifiers that were tried. What passes can still be
//! refused by LiteRT.

mod convolution;
mod graph;
mod model;
mod operator;
mod options;
mod quantization;
mod scales;
mod signature;
mod tensor;

pub use model::verify;

#!/usr/bin/env python3
"""Writes the small models that the tests load: good ones here, damaged and unsuitable ones in bad/.

A fresh clone has to be able to test the engine against the real runtime without any outside data, so every
model is built here, weight by weight, from a linear congruential generator: no framework, no download, and the
same bytes on every machine. The networks are not trained. What makes them useful is that their outputs depend on
every channel and on the position of a pixel, so that a swapped channel order, a transposed picture or a wrong
quantisation shows in the result.

    pip install ai-edge-litert==2.3.0 numpy
    python3 tests/models/make_models.py            writes every file
    python3 tests/models/make_models.py --check    fails if a file differs from what would be written

The flatbuffers follow the TFLite schema (schema.fbs, version 3, file identifier TFL3) through the object API of
`ai_edge_litert.schema_py_generated`; the metadata follows metadata_schema.fbs of tflite-support (identifier M001);
ZIP structures follow PKWARE's APPNOTE 6.3, the deflate block RFC 1951, section 3.2.6.
"""

import argparse
import pathlib
import struct
import sys
import zlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl

HERE = pathlib.Path(__file__).resolve().parent
LABELS = ("heron", "otter", "newt")

Op = tfl.BuiltinOperator
Kind = tfl.TensorType
DTYPES = {
    np.dtype(np.float32): Kind.FLOAT32,
    np.dtype(np.int8): Kind.INT8,
    np.dtype(np.uint8): Kind.UINT8,
    np.dtype(np.int32): Kind.INT32,
    np.dtype(np.int64): Kind.INT64,
}


# Weights


class Lcg:
    """state <- state * 1664525 + 1013904223 (mod 2^32); a sample is the top byte (Numerical Recipes, 7.1)."""

    def __init__(self, seed):
        self.state = seed

    def bytes(self, count):
        out = np.empty(count, np.uint8)
        for i in range(count):
            self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i] = self.state >> 24
        return out

    def int8(self, shape):
        """Symmetric weights, -127..127: the schema's int8 weights never use -128."""
        count = int(np.prod(shape))
        return np.maximum(self.bytes(count).astype(np.int16) - 128, -127).astype(np.int8).reshape(shape)

    def float(self, shape, amplitude):
        """Multiples of amplitude / 128 (a power of two apart from the amplitude), so exact in float32."""
        return (self.int8(shape).astype(np.float32) / np.float32(128)) * np.float32(amplitude)

    def int32(self, shape, amplitude):
        return (self.int8(shape).astype(np.int32) * amplitude) // 128


# Flatbuffer


class Buffer(tfl.BufferT):
    """A BufferT that honours the schema's `force_align: 16`, which the generated Python does not."""

    def Pack(self, builder):
        data = None
        if self.data is not None:
            raw = bytes(self.data)
            builder.StartVector(1, len(raw), 16)
            builder.head = builder.head - len(raw)
            builder.Bytes[builder.head : builder.head + len(raw)] = raw
            data = builder.EndVector()
        tfl.BufferStart(builder)
        if data is not None:
            tfl.BufferAddData(builder, data)
        return tfl.BufferEnd(builder)


def quantization(scale, zero_point, axis=0):
    q = tfl.QuantizationParametersT()
    q.scale = [float(s) for s in np.atleast_1d(np.asarray(scale, np.float32))]
    q.zeroPoint = [int(z) for z in np.atleast_1d(zero_point)]
    q.quantizedDimension = axis
    return q


class Graph:
    """One subgraph of a model under construction."""

    def __init__(self, model, name):
        self.model = model
        self.t = tfl.SubGraphT()
        self.t.name = name
        self.t.tensors, self.t.operators, self.t.inputs, self.t.outputs = [], [], [], []
        model.t.subgraphs.append(self.t)

    def tensor(self, name, shape, kind=Kind.FLOAT32, q=None, signature=None, buffer=0):
        t = tfl.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), kind, buffer
        t.quantization, t.shapeSignature = q, signature
        t.hasRank = True
        self.t.tensors.append(t)
        return len(self.t.tensors) - 1

    def const(self, name, values, q=None):
        values = np.ascontiguousarray(values)
        return self.tensor(name, values.shape, DTYPES[values.dtype], q, buffer=self.model.buffer(values.tobytes()))

    def input(self, name, shape, kind=Kind.FLOAT32, q=None, signature=None):
        index = self.tensor(name, shape, kind, q, signature)
        self.t.inputs.append(index)
        return index

    def op(self, code, inputs, outputs, options=None, version=1, custom=None):
        o = tfl.OperatorT()
        o.opcodeIndex = self.model.opcode(code, version, custom)
        o.inputs, o.outputs = list(inputs), list(outputs)
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            o.builtinOptionsType = getattr(tfl.BuiltinOptions, name)
            o.builtinOptions = options
        self.t.operators.append(o)
        return outputs[0]

    # The operators used here. Shapes are written out by the caller: what is in the file is what one reads.

    def conv(self, x, w, b, y, stride=1, relu6=True, version=1):
        opt = tfl.Conv2DOptionsT()
        opt.padding, opt.strideW, opt.strideH = tfl.Padding.SAME, stride, stride
        opt.dilationWFactor = opt.dilationHFactor = 1
        opt.fusedActivationFunction = activation(relu6)
        return self.op(Op.CONV_2D, [x, w, b], [y], opt, version)

    def depthwise(self, x, w, b, y, stride=1, relu6=True, version=1):
        opt = tfl.DepthwiseConv2DOptionsT()
        opt.padding, opt.strideW, opt.strideH, opt.depthMultiplier = tfl.Padding.SAME, stride, stride, 1
        opt.dilationWFactor = opt.dilationHFactor = 1
        opt.fusedActivationFunction = activation(relu6)
        return self.op(Op.DEPTHWISE_CONV_2D, [x, w, b], [y], opt, version)

    def dense(self, x, w, b, y, version=1):
        return self.op(Op.FULLY_CONNECTED, [x, w, b], [y], tfl.FullyConnectedOptionsT(), version)

    def reshape(self, x, y, shape):
        opt = tfl.ReshapeOptionsT()
        opt.newShape = list(shape)
        return self.op(Op.RESHAPE, [x, self.const("shape", np.array(shape, np.int32))], [y], opt)

    def mean(self, x, y, version=1):
        opt = tfl.ReducerOptionsT()
        opt.keepDims = False
        return self.op(Op.MEAN, [x, self.const("axes", np.array([1, 2], np.int32))], [y], opt, version)

    def pool(self, x, y, size, version=1):
        opt = tfl.Pool2DOptionsT()
        opt.padding = tfl.Padding.VALID
        opt.strideW = opt.strideH = opt.filterWidth = opt.filterHeight = size
        return self.op(Op.AVERAGE_POOL_2D, [x], [y], opt, version)

    def softmax(self, x, y, version=1):
        opt = tfl.SoftmaxOptionsT()
        opt.beta = 1.0
        return self.op(Op.SOFTMAX, [x], [y], opt, version)


def activation(relu6):
    return tfl.ActivationFunctionType.RELU6 if relu6 else tfl.ActivationFunctionType.NONE


class Model:
    def __init__(self, description):
        self.t = tfl.ModelT()
        self.t.version, self.t.description = 3, description
        self.t.subgraphs, self.t.operatorCodes, self.t.buffers = [], [], [Buffer()]
        self.codes = {}

    def graph(self, name="main"):
        return Graph(self, name)

    def buffer(self, raw):
        for i, known in enumerate(self.t.buffers):
            if known.data is not None and bytes(known.data) == raw:
                return i
        b = Buffer()
        b.data = raw
        self.t.buffers.append(b)
        return len(self.t.buffers) - 1

    def opcode(self, code, version, custom=None):
        key = (code, version, custom)
        if key not in self.codes:
            c = tfl.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version, c.customCode = code, min(code, 127), version, custom
            self.codes[key] = len(self.t.operatorCodes)
            self.t.operatorCodes.append(c)
        return self.codes[key]

    def signature(self, key, graph_index, inputs, outputs):
        s = tfl.SignatureDefT()
        s.signatureKey, s.subgraphIndex = key, graph_index
        s.inputs, s.outputs = [named(n, i) for n, i in inputs], [named(n, i) for n, i in outputs]
        self.t.signatureDefs = (self.t.signatureDefs or []) + [s]

    def metadata(self, name, raw):
        m = tfl.MetadataT()
        m.name, m.buffer = name, self.buffer(raw)
        self.t.metadata = (self.t.metadata or []) + [m]

    def pack(self):
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.t.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def named(name, tensor):
    m = tfl.TensorMapT()
    m.name, m.tensorIndex = name, tensor
    return m


# Good models


def float_net(seed, classes, last=None, shape=(1, 8, 8, 3), metadata=None):
    """conv 3x3 stride 2, relu6 -> flatten -> dense -> (SOFTMAX | LOGISTIC | nothing); input -1..1."""
    _, height, width, _ = shape
    rows, columns = height // 2, width // 2
    flat = rows * columns * 4
    rng = Lcg(seed)
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", shape)
    w = g.const("conv/w", rng.float((4, 3, 3, 3), 0.5))
    b = g.const("conv/b", rng.float((4,), 0.5) + np.float32(0.5))
    y = g.conv(x, w, b, g.tensor("conv", (1, rows, columns, 4)), stride=2)
    y = g.reshape(y, g.tensor("flat", (1, flat)), (1, flat))
    w = g.const("dense/w", rng.float((classes, flat), 0.5))
    b = g.const("dense/b", rng.float((classes,), 0.25))
    y = g.dense(y, w, b, g.tensor("logits", (1, classes)))
    if last == "softmax":
        y = g.softmax(y, g.tensor("probabilities", (1, classes)))
    elif last == "logistic":
        y = g.op(Op.LOGISTIC, [y], [g.tensor("probability", (1, classes))])
    g.t.outputs = [y]
    if metadata is not None:
        model.metadata("TFLITE_METADATA", metadata)
    return model


def uint8_quant():
    """uint8 throughout, one scale per tensor: conv stride 2, relu6 -> average pool -> dense, 4 raw logits."""
    rng = Lcg(5)
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.UINT8, quantization(1 / 128, 128))
    w = g.const("conv/w", rng.bytes(4 * 27).reshape(4, 3, 3, 3), quantization(1 / 128, 128))
    b = g.const("conv/b", rng.int32((4,), 8192) + 8192, quantization(1 / 128 / 128, 0))
    q6 = quantization(6 / 255, 0)
    y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 4), Kind.UINT8, q6), stride=2)
    y = g.pool(y, g.tensor("pool", (1, 2, 2, 4), Kind.UINT8, q6), 2)
    w = g.const("dense/w", rng.bytes(4 * 16).reshape(4, 16), quantization(1 / 128, 128))
    b = g.const("dense/b", rng.int32((4,), 2048), quantization(np.float32(6 / 255) / np.float32(128), 0))
    y = g.reshape(y, g.tensor("flat", (1, 16), Kind.UINT8, q6), (1, 16))
    g.t.outputs = [g.dense(y, w, b, g.tensor("logits", (1, 4), Kind.UINT8, quantization(1 / 16, 120)))]
    return model


def int8_body(g, x, classes, rng, softmax, in_scale=1 / 128):
    """int8 conv (scale per channel) -> depthwise (per channel) -> mean -> dense (-> SOFTMAX, 1/256, -128)."""
    scales = np.array([2, 3, 4, 5], np.float32) / np.float32(512)
    q6 = quantization(6 / 255, -128)
    w = g.const("conv/w", rng.int8((4, 3, 3, 3)), quantization(scales, [0] * 4, 0))
    b = g.const("conv/b", rng.int32((4,), 8192) + 8192, quantization(scales * np.float32(in_scale), [0] * 4, 0))
    y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 4), Kind.INT8, q6), stride=2, version=3)
    act = np.float32(6 / 255)
    w = g.const("dw/w", rng.int8((1, 3, 3, 4)), quantization(scales, [0] * 4, 3))
    b = g.const("dw/b", rng.int32((4,), 4096) + 4096, quantization(scales * act, [0] * 4, 0))
    y = g.depthwise(y, w, b, g.tensor("dw", (1, 4, 4, 4), Kind.INT8, q6), version=3)
    y = g.mean(y, g.tensor("mean", (1, 4), Kind.INT8, q6), version=2)
    w = g.const("dense/w", rng.int8((classes, 4)), quantization(1 / 64, 0))
    b = g.const("dense/b", rng.int32((classes,), 2048), quantization(act / np.float32(64), 0))
    y = g.dense(y, w, b, g.tensor("logits", (1, classes), Kind.INT8, quantization(1 / 8, 0)), version=4)
    if softmax:
        y = g.softmax(y, g.tensor("probabilities", (1, classes), Kind.INT8, quantization(1 / 256, -128)), version=2)
    return y


def int8_quant(seed=103, classes=5, metadata=None):
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))
    g.t.outputs = [int8_body(g, x, classes, Lcg(seed), softmax=True)]
    if metadata is not None:
        model.metadata("TFLITE_METADATA", metadata)
    return model


def int8_in_float_out():
    """int8 input, DEQUANTIZE last: 3 float logits."""
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))
    y = int8_body(g, x, 3, Lcg(7), softmax=False)
    g.t.outputs = [g.op(Op.DEQUANTIZE, [y], [g.tensor("output", (1, 3))], tfl.DequantizeOptionsT(), 2)]
    return model


def float_edges_int8_inside():
    """float edges, QUANTIZE first, DEQUANTIZE last after a SOFTMAX, which hides that these are probabilities."""
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    x = g.op(Op.QUANTIZE, [x], [g.tensor("image_q", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))],
             tfl.QuantizeOptionsT())
    y = int8_body(g, x, 3, Lcg(8), softmax=True)
    g.t.outputs = [g.op(Op.DEQUANTIZE, [y], [g.tensor("output", (1, 3))], tfl.DequantizeOptionsT(), 2)]
    return model


def uint8_edges_int8_inside():
    """uint8 input and output around an int8 network, by two QUANTIZE as converters write it; 3 probabilities."""
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.UINT8, quantization(1 / 128, 128))
    x = g.op(Op.QUANTIZE, [x], [g.tensor("image_q", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))],
             tfl.QuantizeOptionsT(), 2)
    y = int8_body(g, x, 3, Lcg(9), softmax=True)
    out = g.tensor("output", (1, 3), Kind.UINT8, quantization(1 / 256, 0))
    g.t.outputs = [g.op(Op.QUANTIZE, [y], [out], tfl.QuantizeOptionsT(), 2)]
    return model


def hybrid_dynamic_range(float_depthwise=False):
    """Dynamic range: float activations, int8 weights on conv, depthwise conv and dense; 2 raw logits.

    With `float_depthwise` the depthwise weights are the floats that the int8 ones stand for."""
    rng = Lcg(10)
    scales = np.arange(4, 12, dtype=np.float32) / np.float32(1024)
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    w = g.const("conv/w", rng.int8((8, 3, 3, 3)), quantization(scales, [0] * 8, 0))
    b = g.const("conv/b", rng.float((8,), 0.5) + np.float32(0.5))
    y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 8)), stride=2, version=5)
    w = rng.int8((1, 3, 3, 8))
    if float_depthwise:
        w = g.const("dw/w", w.astype(np.float32) * scales)
    else:
        w = g.const("dw/w", w, quantization(scales, [0] * 8, 3))
    b = g.const("dw/b", rng.float((8,), 0.5) + np.float32(0.5))
    y = g.depthwise(y, w, b, g.tensor("dw", (1, 4, 4, 8)), version=6)
    y = g.mean(y, g.tensor("mean", (1, 8)))
    w = g.const("dense/w", rng.int8((2, 8)), quantization(1 / 64, 0))
    b = g.const("dense/b", rng.float((2,), 0.25))
    g.t.outputs = [g.dense(y, w, b, g.tensor("logits", (1, 2)), version=3)]
    return model


def int16_activations():
    """16x8: float edges, int16 activations, int8 weights, int64 biases; 3 float logits."""
    rng = Lcg(11)
    scales = np.array([2, 3, 4, 5], np.float32) / np.float32(512)
    act_in, act6 = np.float32(1 / 32768), np.float32(6 / 32767)

    def bias(name, count, amplitude, scale):
        values = rng.int32((count,), amplitude).astype(np.int64) + amplitude
        return g.const(name, values, quantization(scale, [0] * np.size(scale), 0))

    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    x = g.op(Op.QUANTIZE, [x], [g.tensor("image_q", (1, 8, 8, 3), Kind.INT16, quantization(act_in, 0))],
             tfl.QuantizeOptionsT())
    w = g.const("conv/w", rng.int8((4, 3, 3, 3)), quantization(scales, [0] * 4, 0))
    b = bias("conv/b", 4, 1 << 20, scales * act_in)
    y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 4), Kind.INT16, quantization(act6, 0)), stride=2, version=4)
    w = g.const("dw/w", rng.int8((1, 3, 3, 4)), quantization(scales, [0] * 4, 3))
    b = bias("dw/b", 4, 1 << 18, scales * act6)
    y = g.depthwise(y, w, b, g.tensor("dw", (1, 4, 4, 4), Kind.INT16, quantization(act6, 0)), version=5)
    y = g.mean(y, g.tensor("mean", (1, 4), Kind.INT16, quantization(act6, 0)), version=3)
    w = g.const("dense/w", rng.int8((3, 4)), quantization(1 / 64, 0))
    b = bias("dense/b", 3, 1 << 16, act6 / np.float32(64))
    y = g.dense(y, w, b, g.tensor("logits", (1, 3), Kind.INT16, quantization(1 / 1024, 0)), version=7)
    g.t.outputs = [g.op(Op.DEQUANTIZE, [y], [g.tensor("output", (1, 3))], tfl.DequantizeOptionsT(), 3)]
    return model


def dynamic_batch():
    """uint8 pixels, batch -1: CAST, * 2/255, - 1, conv, depthwise, mean, dense: one logit, as serving_default."""
    rng = Lcg(11)
    model = Model("catdog test model")
    g = model.graph()

    def flowing(name, shape):
        return g.tensor(name, (1, *shape), signature=[-1, *shape])

    x = g.input("serving_default_image:0", (1, 8, 8, 3), Kind.UINT8, signature=[-1, 8, 8, 3])
    y = g.op(Op.CAST, [x], [flowing("cast", (8, 8, 3))], cast(Kind.UINT8, Kind.FLOAT32))
    scale, one = g.const("scale", np.array([2 / 255], np.float32)), g.const("one", np.array([1], np.float32))
    y = g.op(Op.MUL, [y, scale], [flowing("mul", (8, 8, 3))], tfl.MulOptionsT())
    y = g.op(Op.SUB, [y, one], [flowing("sub", (8, 8, 3))], tfl.SubOptionsT())
    w = g.const("conv/w", rng.float((4, 3, 3, 3), 0.5))
    b = g.const("conv/b", rng.float((4,), 0.5) + np.float32(0.5))
    y = g.conv(y, w, b, flowing("conv", (4, 4, 4)), stride=2)
    w = g.const("dw/w", rng.float((1, 3, 3, 4), 0.75))
    b = g.const("dw/b", rng.float((4,), 0.5) + np.float32(0.5))
    y = g.depthwise(y, w, b, flowing("dw", (4, 4, 4)))
    y = g.mean(y, flowing("mean", (4,)))
    w, b = g.const("dense/w", rng.float((1, 4), 2.0)), g.const("dense/b", rng.float((1,), 0.25))
    y = g.dense(y, w, b, flowing("StatefulPartitionedCall:0", (1,)))
    g.t.outputs = [y]
    model.signature("serving_default", 0, [("image", x)], [("output_0", y)])
    return model


def cast(src, dst):
    opt = tfl.CastOptionsT()
    opt.inDataType, opt.outDataType = src, dst
    return opt


def signature_two():
    """Two signatures on two subgraphs: `features` comes first, `serving_default`, the second, is the classifier."""
    model = Model("catdog test model")

    def trunk(g, name):
        rng = Lcg(12)
        x = g.input(name, (1, 8, 8, 3))
        w = g.const("conv/w", rng.float((4, 3, 3, 3), 0.5))
        b = g.const("conv/b", rng.float((4,), 0.5) + np.float32(0.5))
        y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 4)), stride=2)
        return x, g.mean(y, g.tensor("mean", (1, 4)))

    g = model.graph("features")
    x, y = trunk(g, "features_image:0")
    g.t.outputs = [y]
    model.signature("features", 0, [("image", x)], [("embedding", y)])

    g = model.graph("main")
    x, y = trunk(g, "serving_default_image:0")
    rng = Lcg(13)
    w, b = g.const("dense/w", rng.float((3, 4), 4.0)), g.const("dense/b", rng.float((3,), 0.25))
    y = g.dense(y, w, b, g.tensor("logits", (1, 3)))
    y = g.softmax(y, g.tensor("StatefulPartitionedCall:0", (1, 3)))
    g.t.outputs = [y]
    model.signature("serving_default", 1, [("image", x)], [("probabilities", y)])
    return model


def large_1001():
    """int8 mean -> dense, 1001 raw logits: as many classes as ImageNet with a background class."""
    rng = Lcg(14)
    model = Model("catdog test model")
    g = model.graph()
    q = quantization(1 / 128, 0)
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, q)
    y = g.mean(x, g.tensor("mean", (1, 3), Kind.INT8, q), version=2)
    w = g.const("dense/w", rng.int8((1001, 3)), quantization(1 / 64, 0))
    b = g.const("dense/b", rng.int32((1001,), 16384), quantization(1 / 64 / 128, 0))
    g.t.outputs = [g.dense(y, w, b, g.tensor("logits", (1, 1001), Kind.INT8, quantization(1 / 32, -3)), version=4)]
    return model


# Metadata and the files behind it


def table(builder, slots, fields):
    """One flatbuffer table; `fields` maps a slot number to ("offset" | "i8" | "u8" | "u32", value)."""
    builder.StartObject(slots)
    for slot, (kind, value) in sorted(fields.items()):
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        elif kind == "u32":
            builder.PrependUint32Slot(slot, value, 0)
        elif kind == "i8":
            builder.PrependInt8Slot(slot, value, 0)
        else:
            builder.PrependUint8Slot(slot, value, 0)
    return builder.EndObject()


def offsets(builder, items):
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


def floats(builder, values):
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def tflite_metadata(mean, std, label_file="labels.txt"):
    """ModelMetadata: an RGB image normalised by (x - mean) / std, and an output whose labels are in `label_file`."""
    b = flatbuffers.Builder(512)
    normalization = table(b, 2, {0: ("offset", floats(b, mean)), 1: ("offset", floats(b, std))})
    unit = table(b, 2, {0: ("u8", 1), 1: ("offset", normalization)})  # ProcessUnitOptions.NormalizationOptions
    units = offsets(b, [unit])
    size = table(b, 2, {0: ("u32", 8), 1: ("u32", 8)})
    image = table(b, 2, {0: ("i8", 1), 1: ("offset", size)})  # ColorSpaceType.RGB
    content = table(b, 3, {0: ("u8", 2), 1: ("offset", image)})  # ContentProperties.ImageProperties
    name = b.CreateString("image")
    source = table(b, 7, {0: ("offset", name), 3: ("offset", content), 4: ("offset", units)})

    feature = table(b, 0, {})
    content = table(b, 3, {0: ("u8", 1), 1: ("offset", feature)})  # ContentProperties.FeatureProperties
    file_name, about = b.CreateString(label_file), b.CreateString("Classes, one per line.")
    labels = table(b, 5, {0: ("offset", file_name), 1: ("offset", about), 2: ("i8", 2)})  # TENSOR_AXIS_LABELS
    files = offsets(b, [labels])
    name = b.CreateString("probability")
    sink = table(b, 7, {0: ("offset", name), 3: ("offset", content), 6: ("offset", files)})

    sources, sinks = offsets(b, [source]), offsets(b, [sink])
    subgraphs = offsets(b, [table(b, 12, {2: ("offset", sources), 3: ("offset", sinks)})])
    name, version, parser = b.CreateString("catdog test model"), b.CreateString("1"), b.CreateString("1.0.0")
    root = table(b, 8, {0: ("offset", name), 2: ("offset", version), 3: ("offset", subgraphs), 7: ("offset", parser)})
    b.Finish(root, file_identifier=b"M001")
    return bytes(b.Output())


def deflate_fixed(raw):
    """One final block with the fixed Huffman code, literals only: the same bytes whatever zlib is installed."""
    bits = [1, 1, 0]  # BFINAL, BTYPE = 01, least significant bit first
    for symbol in [*raw, 256]:
        if symbol < 144:
            code, length = 0x30 + symbol, 8
        elif symbol < 256:
            code, length = 0x190 + symbol - 144, 9
        else:
            code, length = symbol - 256, 7
        bits += [code >> i & 1 for i in reversed(range(length))]
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bit << i for i, bit in enumerate(bits[k : k + 8])) for k in range(0, len(bits), 8))


def with_zip(model, name, raw, deflated, absolute):
    """`model` followed by a ZIP archive of one entry.

    Offsets in the archive count from the start of the file (`absolute`, what Python's zipfile writes when it appends)
    or from the start of the archive (`cat model archive.zip`); readers meet both.
    """
    base = len(model) if absolute else 0
    body, method = (deflate_fixed(raw), 8) if deflated else (raw, 0)
    encoded = name.encode()
    date = 1 << 5 | 1  # 1980-01-01, the earliest
    common = struct.pack("<HHHHHIII", 20, 0, method, 0, date, zlib.crc32(raw), len(body), len(raw))
    local = b"PK\x03\x04" + common + struct.pack("<HH", len(encoded), 0) + encoded + body
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common
    central += struct.pack("<HHHHHII", len(encoded), 0, 0, 0, 0, 0o600 << 16, base) + encoded
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), base + len(local), 0)
    return model + local + central + end


def labelled(model, deflated):
    raw = ("\n".join(LABELS) + "\n").encode()
    return with_zip(model.pack(), "labels.txt", raw, deflated, absolute=not deflated)


# Models that no classifier element can use


def single_op(shape, kind, outputs, code=Op.SUM, inputs=1):
    """One reduction over every axis but the first, just enough to be a graph of the wanted outline."""
    model = Model("catdog test model")
    g = model.graph()
    xs = [g.input(f"image{i}", shape, kind) for i in range(inputs)]
    axes = g.const("axes", np.arange(1, len(shape), dtype=np.int32))
    opt = tfl.ReducerOptionsT()
    y = g.op(code, [xs[0], axes], [g.tensor("sum", shape[:1], kind)], opt)
    if inputs == 2:
        z = g.op(code, [xs[1], axes], [g.tensor("sum1", shape[:1], kind)], opt)
        y = g.op(Op.ADD, [y, z], [g.tensor("both", shape[:1], kind)], tfl.AddOptionsT())
    for i, out in enumerate(outputs):
        flat = g.op(Op.RESHAPE, [y, g.const("one", np.array([1] * len(out), np.int32))],
                    [g.tensor(f"cell{i}", [1] * len(out), kind)], reshape_options([1] * len(out)))
        tiles = g.const(f"tiles{i}", np.array(out, np.int32))
        g.t.outputs.append(g.op(Op.TILE, [flat, tiles], [g.tensor(f"output{i}", out, kind)], tfl.TileOptionsT()))
    if not outputs:
        g.t.outputs = [y]
    return model


def reshape_options(shape):
    opt = tfl.ReshapeOptionsT()
    opt.newShape = list(shape)
    return opt


def segmentation():
    rng = Lcg(21)
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    w, b = g.const("mask/w", rng.float((2, 3, 3, 3), 0.5)), g.const("mask/b", rng.float((2,), 0.5))
    g.t.outputs = [g.conv(x, w, b, g.tensor("mask", (1, 8, 8, 2)), relu6=False)]
    return model


def unknown_custom_op():
    model = Model("catdog test model")
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    g.t.outputs = [g.op(Op.CUSTOM, [x], [g.tensor("logits", (1, 3))], custom="CatdogNoSuchOperator")]
    return model


# Models that are sound as flatbuffers and wrong as graphs
#
# libLiteRt 2.3.0 (x86-64) refuses most of them by itself, some only when it allocates tensors. Handed over unchecked
# these end the process with SIGSEGV or SIGABRT: add_scale_missing, hybrid_depthwise_without_bias, op_weights_absent,
# op_writes_its_input, quantize_scale_zero, quantize_zero_point_out_of_range, signature_names_a_weight,
# signature_output_unnamed, split_count_wrong, split_options_missing, zero_point_absent. These run and answer with
# something else than the network's result: activation_unknown, dilation_huge, no_operators, output_is_input,
# output_is_weight. depth_multiplier_zero, intermediate_shape_wrong and sparsity_garbage run and answer as the sound
# model does, the damaged field is not read there.


def damaged(change, make=lambda: float_net(1, 3, "softmax")):
    model = make()
    change(model.t, model.t.subgraphs[0])
    return model.pack()


def op_of(model, graph, code):
    return next(o for o in graph.operators if model.operatorCodes[o.opcodeIndex].builtinCode == code)


def tensor_of(graph, name):
    return next(t for t in graph.tensors if t.name == name)


def set_field(path, value):
    """A change: `path` is a function from (model, graph) to the (object, attribute) to overwrite."""

    def change(model, graph):
        target, field = path(model, graph)
        setattr(target, field, value)

    return change


def op_input(index, value, code=Op.CONV_2D):
    def change(model, graph):
        op_of(model, graph, code).inputs[index] = value

    return change


def option(code, field, value):
    return set_field(lambda m, g: (op_of(m, g, code).builtinOptions, field), value)


def tensor(name, field, value):
    return set_field(lambda m, g: (tensor_of(g, name), field), value)


def short_buffer(model, graph):
    b = model.buffers[tensor_of(graph, "conv/w").buffer]
    b.data = b.data[:64]


def no_buffer(model, graph):
    tensor_of(graph, "conv/w").buffer = 0


def swapped_ops(model, graph):
    graph.operators[0], graph.operators[2] = graph.operators[2], graph.operators[0]


def self_loop(model, graph):
    conv = graph.operators[0]
    conv.inputs[0] = conv.outputs[0]


def output_is_weight(model, graph):
    graph.operators[0].outputs[0] = graph.operators[0].inputs[1]


def quant_field(name, field, value):
    return set_field(lambda m, g: (tensor_of(g, name).quantization, field), value)


def sparse_garbage(model, graph):
    s = tfl.SparsityParametersT()
    s.traversalOrder, s.blockMap, s.dimMetadata = [9, 9, 9, 9], [7], []
    tensor_of(graph, "dense/w").sparsity = s


def add_net():
    """int8 image + itself -> mean: the smallest graph with an ADD, whose kernel trusts the scales."""
    model = Model("catdog test model")
    g = model.graph()
    q = quantization(1 / 128, 0)
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, q)
    y = g.mean(x, g.tensor("mean", (1, 3), Kind.INT8, q), version=2)
    g.t.outputs = [g.op(Op.ADD, [y, y], [g.tensor("sum", (1, 3), Kind.INT8, q)], tfl.AddOptionsT(), 2)]
    return model


def split_net():
    """mean -> SPLIT in three -> concatenation of the parts."""
    model = Model("catdog test model")
    g = model.graph()
    y = g.mean(g.input("image", (1, 8, 8, 3)), g.tensor("mean", (1, 3)))
    parts = [g.tensor(f"part{i}", (1, 1)) for i in range(3)]
    opt = tfl.SplitOptionsT()
    opt.numSplits = 3
    g.op(Op.SPLIT, [g.const("axis", np.array(1, np.int32)), y], parts, opt)
    opt = tfl.ConcatenationOptionsT()
    opt.axis = 1
    g.t.outputs = [g.op(Op.CONCATENATION, parts[::-1], [g.tensor("logits", (1, 3))], opt)]
    return model


def without_bias(code):
    def change(model, graph):
        op = op_of(model, graph, code)
        op.inputs = op.inputs[:2]

    return change


def bad_signature(model, graph):
    model.signatureDefs[0].inputs[0].tensorIndex = 1000


def bad_signature_graph(model, graph):
    model.signatureDefs[0].subgraphIndex = 9


def graph_damage():
    q8 = lambda: int8_quant()  # noqa: E731
    cases = {
        "op_input_out_of_range": (op_input(1, 1000), None),
        "op_input_negative": (op_input(1, -7), None),
        "op_weights_absent": (op_input(1, -1), None),
        "op_input_missing": (lambda m, g: setattr(g.operators[0], "inputs", []), None),
        "op_output_missing": (lambda m, g: setattr(g.operators[0], "outputs", []), None),
        "op_output_out_of_range": (lambda m, g: setattr(g.operators[0], "outputs", [1000]), None),
        "op_output_is_weight": (output_is_weight, None),
        "op_order_reversed": (swapped_ops, None),
        "op_feeds_itself": (self_loop, None),
        "opcode_out_of_range": (lambda m, g: setattr(g.operators[0], "opcodeIndex", 1000), None),
        "opcode_version_future": (lambda m, g: setattr(m.operatorCodes[0], "version", 99), None),
        "options_missing": (lambda m, g: (setattr(g.operators[0], "builtinOptions", None),
                                          setattr(g.operators[0], "builtinOptionsType", 0)), None),
        "options_of_another_op": (lambda m, g: setattr(m.operatorCodes[0], "builtinCode", Op.DEPTHWISE_CONV_2D) or
                                  setattr(m.operatorCodes[0], "deprecatedBuiltinCode", Op.DEPTHWISE_CONV_2D), None),
        "buffer_out_of_range": (tensor("conv/w", "buffer", 1000), None),
        "buffer_too_small": (short_buffer, None),
        "weights_without_data": (no_buffer, None),
        "output_out_of_range": (lambda m, g: setattr(g, "outputs", [1000]), None),
        "output_is_input": (lambda m, g: setattr(g, "outputs", list(g.inputs)), None),
        "output_is_weight": (lambda m, g: setattr(g, "outputs", [1]), None),
        "no_outputs": (lambda m, g: setattr(g, "outputs", []), None),
        "no_operators": (lambda m, g: setattr(g, "operators", []), None),
        "dimension_negative": (tensor("image", "shape", [1, -8, 8, 3]), None),
        "dimension_zero": (tensor("image", "shape", [1, 0, 8, 3]), None),
        "dimension_huge": (tensor("image", "shape", [1, 40000, 40000, 3]), None),
        "dimension_overflow": (tensor("image", "shape", [65536, 65536, 65536, 65536]), None),
        "weight_dimension_zero": (tensor("conv/w", "shape", [0, 3, 3, 3]), None),
        "weight_rank_9": (tensor("conv/w", "shape", [4, 3, 3, 3, 1, 1, 1, 1, 1]), None),
        "bias_wrong_length": (tensor("conv/b", "shape", [2]), None),
        "intermediate_shape_wrong": (tensor("conv", "shape", [1, 2, 2, 4]), None),
        "type_mismatch": (tensor("conv/w", "type", Kind.INT64), None),
        "type_unknown": (tensor("conv/w", "type", 99), None),
        "stride_zero": (option(Op.CONV_2D, "strideW", 0), None),
        "stride_negative": (option(Op.CONV_2D, "strideH", -2), None),
        "dilation_zero": (option(Op.CONV_2D, "dilationWFactor", 0), None),
        "dilation_huge": (option(Op.CONV_2D, "dilationHFactor", 0x7FFFFFFF), None),
        "padding_unknown": (option(Op.CONV_2D, "padding", 7), None),
        "activation_unknown": (option(Op.CONV_2D, "fusedActivationFunction", 77), None),
        "reshape_wrong_size": (lambda m, g: (setattr(g.operators[1].builtinOptions, "newShape", [1, 63]),
                                             setattr(m.buffers[tensor_of(g, "shape").buffer], "data",
                                                     np.array([1, 63], np.int32).tobytes())), None),
        "sparsity_garbage": (sparse_garbage, None),
        "depth_multiplier_zero": (option(Op.DEPTHWISE_CONV_2D, "depthMultiplier", 0), q8),
        "depthwise_stride_zero": (option(Op.DEPTHWISE_CONV_2D, "strideH", 0), q8),
        "pool_stride_zero": (option(Op.AVERAGE_POOL_2D, "strideW", 0), uint8_quant),
        "pool_filter_zero": (option(Op.AVERAGE_POOL_2D, "filterHeight", 0), uint8_quant),
        "mean_axis_out_of_range": (lambda m, g: setattr(m.buffers[tensor_of(g, "axes").buffer], "data",
                                                        np.array([1, 77], np.int32).tobytes()), q8),
        "scales_too_few": (quant_field("conv/w", "scale", [0.01, 0.01]), q8),
        "scales_too_many": (lambda m, g: (quant_field("conv/w", "scale", [0.01] * 9)(m, g),
                                          quant_field("conv/w", "zeroPoint", [0] * 9)(m, g)), q8),
        "scales_few_zero_points_few": (lambda m, g: (quant_field("conv/w", "scale", [0.01] * 2)(m, g),
                                                     quant_field("conv/w", "zeroPoint", [0] * 2)(m, g)), q8),
        "depthwise_scales_few": (lambda m, g: (quant_field("dw/w", "scale", [0.01] * 2)(m, g),
                                               quant_field("dw/w", "zeroPoint", [0] * 2)(m, g)), q8),
        "scale_axis_out_of_range": (quant_field("conv/w", "quantizedDimension", 9), q8),
        "scale_zero": (quant_field("image", "scale", [0.0]), q8),
        "scale_nan": (quant_field("conv", "scale", [float("nan")]), q8),
        "scale_negative": (quant_field("conv", "scale", [-0.1]), q8),
        "scale_infinite": (quant_field("image", "scale", [float("inf")]), q8),
        "zero_point_out_of_range": (quant_field("image", "zeroPoint", [5000]), q8),
        "zero_point_int64": (quant_field("conv", "zeroPoint", [1 << 40]), q8),
        "scale_missing": (lambda m, g: setattr(tensor_of(g, "conv"), "quantization", None), q8),
        "zero_point_absent": (quant_field("conv", "zeroPoint", None), q8),
        "quantize_scale_zero": (quant_field("image_q", "scale", [0.0]), uint8_edges_int8_inside),
        "quantize_zero_point_out_of_range": (quant_field("image_q", "zeroPoint", [16384]), uint8_edges_int8_inside),
        "add_scale_missing": (lambda m, g: setattr(tensor_of(g, "mean"), "quantization", None), add_net),
        "add_scale_huge": (quant_field("mean", "scale", [1e30]), add_net),
        "split_count_wrong": (option(Op.SPLIT, "numSplits", 1000), split_net),
        "split_options_missing": (lambda m, g: (setattr(op_of(m, g, Op.SPLIT), "builtinOptions", None),
                                                setattr(op_of(m, g, Op.SPLIT), "builtinOptionsType", 0)), split_net),
        "hybrid_conv_without_bias": (without_bias(Op.CONV_2D), hybrid_dynamic_range),
        "hybrid_depthwise_without_bias": (without_bias(Op.DEPTHWISE_CONV_2D), hybrid_dynamic_range),
        "op_writes_its_input": (lambda m, g: setattr(g.operators[3], "outputs", g.operators[3].inputs[:1]),
                                lambda: float_net(3, 1, "logistic")),
        "signature_names_a_weight": (lambda m, g: setattr(m.signatureDefs[0].inputs[0], "tensorIndex", 2),
                                     dynamic_batch),
        "signature_output_unnamed": (lambda m, g: setattr(m.signatureDefs[0].outputs[0], "name", None), dynamic_batch),
        "signature_tensor_out_of_range": (bad_signature, dynamic_batch),
        "signature_graph_out_of_range": (bad_signature_graph, dynamic_batch),
    }
    plain = lambda: float_net(1, 3, "softmax")  # noqa: E731
    return {f"graph_{name}.tflite": damaged(change, make or plain) for name, (change, make) in cases.items()}


# The set


def good():
    pixels = tflite_metadata([127.5], [127.5])
    return {
        "float_softmax.tflite": float_net(1, 3, "softmax").pack(),
        "float_logits.tflite": float_net(2, 3).pack(),
        "float_logistic_1.tflite": float_net(3, 1, "logistic").pack(),
        "float_logit_1.tflite": float_net(4, 1).pack(),
        "uint8_quant.tflite": uint8_quant().pack(),
        "int8_quant.tflite": int8_quant().pack(),
        "int8_in_float_out.tflite": int8_in_float_out().pack(),
        "float_edges_int8_inside.tflite": float_edges_int8_inside().pack(),
        "uint8_edges_int8_inside.tflite": uint8_edges_int8_inside().pack(),
        "hybrid_dynamic_range.tflite": hybrid_dynamic_range().pack(),
        "hybrid_float_depthwise.tflite": hybrid_dynamic_range(float_depthwise=True).pack(),
        "int16_activations.tflite": int16_activations().pack(),
        "dynamic_batch.tflite": dynamic_batch().pack(),
        "signature_two.tflite": signature_two().pack(),
        "metadata_labels.tflite": labelled(float_net(15, 3, "softmax", metadata=pixels), deflated=False),
        "metadata_labels_deflated.tflite": labelled(int8_quant(16, 3, metadata=pixels), deflated=True),
        "non_square.tflite": float_net(17, 3, "softmax", shape=(1, 6, 10, 3)).pack(),
        "large_1001.tflite": large_1001().pack(),
    }


def bad():
    softmax = float_net(1, 3, "softmax").pack()
    no_subgraph = Model("catdog test model")
    files = {
        "two_inputs.tflite": single_op((1, 8, 8, 3), Kind.FLOAT32, [(1, 3)], inputs=2).pack(),
        "four_outputs_detection.tflite": single_op(
            (1, 8, 8, 3), Kind.FLOAT32, [(1, 10, 4), (1, 10), (1, 10), (1,)]).pack(),
        "rank_2.tflite": single_op((1, 192), Kind.FLOAT32, [(1, 3)]).pack(),
        "gray_input.tflite": single_op((1, 8, 8, 1), Kind.FLOAT32, [(1, 3)]).pack(),
        "nchw.tflite": single_op((1, 3, 8, 8), Kind.FLOAT32, [(1, 3)]).pack(),
        "batch_4.tflite": single_op((4, 8, 8, 3), Kind.FLOAT32, []).pack(),
        "int32_input.tflite": single_op((1, 8, 8, 3), Kind.INT32, [(1, 3)]).pack(),
        "output_rank_4.tflite": segmentation().pack(),
        "unknown_custom_op.tflite": unknown_custom_op().pack(),
        "no_subgraph.tflite": no_subgraph.pack(),
        "empty.tflite": b"",
        "truncated.tflite": softmax[: len(softmax) * 6 // 10],
        "text.tflite": b"This is a text file, not a model.\n" * 8,
        "llm_bundle.litertlm": b"LITERTLM" + struct.pack("<III", 1, 4, 0) + bytes(64),
        "bundle.task": with_zip(b"", "model.tflite", b"placeholder", deflated=False, absolute=True),
    }
    return files | graph_damage()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    files = good() | {f"bad/{name}": raw for name, raw in bad().items()}
    stale = []
    for name, raw in files.items():
        path = HERE / name
        if check:
            if not path.exists() or path.read_bytes() != raw:
                stale.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(raw)
    known = {HERE / name for name in files}
    suffixes = (".tflite", ".task", ".litertlm")
    stale += [str(p.relative_to(HERE)) for p in HERE.rglob("*") if p.suffix in suffixes and p not in known]
    if stale:
        sys.exit("differs from make_models.py: " + ", ".join(sorted(stale)))
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")


if __name__ == "__main__":
    main()

"""Builds small TFLite models, tensor by tensor and operator by operator.

The flatbuffers follow the TFLite schema (schema.fbs, version 3, file identifier TFL3) through the object API of
`ai_edge_litert.schema_py_generated`. The weights come from a linear congruential generator, so that the bytes of a
model are the same on every machine.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl

Op = tfl.BuiltinOperator
Kind = tfl.TensorType
DTYPES = {
    np.dtype(np.float32): Kind.FLOAT32,
    np.dtype(np.int8): Kind.INT8,
    np.dtype(np.uint8): Kind.UINT8,
    np.dtype(np.int32): Kind.INT32,
    np.dtype(np.int64): Kind.INT64,
}
DESCRIPTION = "catdog test model"

Shape = Sequence[int]


class Lcg:
    """A linear congruential generator: state = state * 1664525 + 1013904223 (mod 2^32).

    A sample is the top byte of the state (Numerical Recipes, 7.1).
    """

    def __init__(self, seed: int) -> None:
        self.state = seed

    def uint8(self, count: int) -> np.ndarray:
        """Returns `count` samples."""
        out = np.empty(count, np.uint8)
        for i in range(count):
            self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i] = self.state >> 24
        return out

    def int8(self, shape: Shape) -> np.ndarray:
        """Returns symmetric weights in -127..127. The schema excludes -128 for int8 weights."""
        count = int(np.prod(shape))
        return np.maximum(self.uint8(count).astype(np.int16) - 128, -127).astype(np.int8).reshape(shape)

    def float32(self, shape: Shape, amplitude: float) -> np.ndarray:
        """Returns multiples of amplitude / 128, which are exact in float32 if the amplitude is."""
        return (self.int8(shape).astype(np.float32) / np.float32(128)) * np.float32(amplitude)

    def int32(self, shape: Shape, amplitude: int) -> np.ndarray:
        """Returns integers from -amplitude to amplitude."""
        return (self.int8(shape).astype(np.int32) * amplitude) // 128


class Buffer(tfl.BufferT):
    """A BufferT with the `force_align: 16` of the schema, which the generated Python code ignores."""

    def Pack(self, builder: Any) -> int:  # noqa: N802 (overrides a method of the generated code)
        """Writes the buffer."""
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


def quantization(scale: Any, zero_point: Any, axis: int = 0) -> Any:
    """Returns quantization parameters; scale and zero point are numbers, or have one number per channel of `axis`."""
    q = tfl.QuantizationParametersT()
    q.scale = [float(s) for s in np.atleast_1d(np.asarray(scale, np.float32))]
    q.zeroPoint = [int(z) for z in np.atleast_1d(zero_point)]
    q.quantizedDimension = axis
    return q


class Graph:
    """A subgraph. Its methods add tensors and operators and return the index of a tensor."""

    def __init__(self, model: "Model", name: str) -> None:
        self.model = model
        self.t = tfl.SubGraphT()
        self.t.name = name
        self.t.tensors, self.t.operators, self.t.inputs, self.t.outputs = [], [], [], []
        model.t.subgraphs.append(self.t)

    def tensor(
        self,
        name: str,
        shape: Shape,
        kind: int = Kind.FLOAT32,
        q: Any = None,
        signature: Shape | None = None,
        buffer: int = 0,
    ) -> int:
        """Adds a tensor. `q` is its quantization, `signature` its shape with -1 for dynamic dimensions."""
        t = tfl.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), kind, buffer
        t.quantization, t.shapeSignature = q, signature
        t.hasRank = True
        self.t.tensors.append(t)
        return len(self.t.tensors) - 1

    def const(self, name: str, values: np.ndarray, q: Any = None) -> int:
        """Adds a constant tensor."""
        values = np.ascontiguousarray(values)
        return self.tensor(name, values.shape, DTYPES[values.dtype], q, buffer=self.model.buffer(values.tobytes()))

    def input(
        self, name: str, shape: Shape, kind: int = Kind.FLOAT32, q: Any = None, signature: Shape | None = None
    ) -> int:
        """Adds an input of the subgraph."""
        index = self.tensor(name, shape, kind, q, signature)
        self.t.inputs.append(index)
        return index

    def op(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
        custom: str | None = None,
    ) -> int:
        """Adds an operator and returns its first output."""
        o = tfl.OperatorT()
        o.opcodeIndex = self.model.opcode(code, version, custom)
        o.inputs, o.outputs = list(inputs), list(outputs)
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            o.builtinOptionsType = getattr(tfl.BuiltinOptions, name)
            o.builtinOptions = options
        self.t.operators.append(o)
        return outputs[0]

    # The operators that the test models use. The caller gives all shapes explicitly, as they are stored in the file.

    def conv(self, x: int, w: int, b: int, y: int, stride: int = 1, relu6: bool = True, version: int = 1) -> int:
        """Adds a CONV_2D with SAME padding."""
        opt = tfl.Conv2DOptionsT()
        opt.padding, opt.strideW, opt.strideH = tfl.Padding.SAME, stride, stride
        opt.dilationWFactor = opt.dilationHFactor = 1
        opt.fusedActivationFunction = activation(relu6)
        return self.op(Op.CONV_2D, [x, w, b], [y], opt, version)

    def depthwise(self, x: int, w: int, b: int, y: int, stride: int = 1, relu6: bool = True, version: int = 1) -> int:
        """Adds a DEPTHWISE_CONV_2D with SAME padding."""
        opt = tfl.DepthwiseConv2DOptionsT()
        opt.padding, opt.strideW, opt.strideH, opt.depthMultiplier = tfl.Padding.SAME, stride, stride, 1
        opt.dilationWFactor = opt.dilationHFactor = 1
        opt.fusedActivationFunction = activation(relu6)
        return self.op(Op.DEPTHWISE_CONV_2D, [x, w, b], [y], opt, version)

    def dense(self, x: int, w: int, b: int, y: int, version: int = 1) -> int:
        """Adds a FULLY_CONNECTED."""
        return self.op(Op.FULLY_CONNECTED, [x, w, b], [y], tfl.FullyConnectedOptionsT(), version)

    def reshape(self, x: int, y: int, shape: Shape) -> int:
        """Adds a RESHAPE."""
        opt = tfl.ReshapeOptionsT()
        opt.newShape = list(shape)
        return self.op(Op.RESHAPE, [x, self.const("shape", np.array(shape, np.int32))], [y], opt)

    def mean(self, x: int, y: int, version: int = 1) -> int:
        """Adds a MEAN over height and width."""
        opt = tfl.ReducerOptionsT()
        opt.keepDims = False
        return self.op(Op.MEAN, [x, self.const("axes", np.array([1, 2], np.int32))], [y], opt, version)

    def pool(self, x: int, y: int, size: int, version: int = 1) -> int:
        """Adds an AVERAGE_POOL_2D."""
        opt = tfl.Pool2DOptionsT()
        opt.padding = tfl.Padding.VALID
        opt.strideW = opt.strideH = opt.filterWidth = opt.filterHeight = size
        return self.op(Op.AVERAGE_POOL_2D, [x], [y], opt, version)

    def softmax(self, x: int, y: int, version: int = 1) -> int:
        """Adds a SOFTMAX."""
        opt = tfl.SoftmaxOptionsT()
        opt.beta = 1.0
        return self.op(Op.SOFTMAX, [x], [y], opt, version)


def cast_options(src: int, dst: int) -> Any:
    """Returns the options of a CAST."""
    opt = tfl.CastOptionsT()
    opt.inDataType, opt.outDataType = src, dst
    return opt


def activation(relu6: bool) -> int:
    """Returns the fused activation function."""
    return tfl.ActivationFunctionType.RELU6 if relu6 else tfl.ActivationFunctionType.NONE


class Model:
    """A model under construction."""

    def __init__(self) -> None:
        self.t = tfl.ModelT()
        self.t.version, self.t.description = 3, DESCRIPTION
        self.t.subgraphs, self.t.operatorCodes, self.t.buffers = [], [], [Buffer()]
        self.codes: dict[tuple[int, int, str | None], int] = {}

    def graph(self, name: str = "main") -> Graph:
        """Adds a subgraph."""
        return Graph(self, name)

    def buffer(self, raw: bytes) -> int:
        """Returns the index of a buffer with these bytes, which is added if there is none."""
        for i, known in enumerate(self.t.buffers):
            if known.data is not None and bytes(known.data) == raw:
                return i
        b = Buffer()
        b.data = raw
        self.t.buffers.append(b)
        return len(self.t.buffers) - 1

    def opcode(self, code: int, version: int, custom: str | None = None) -> int:
        """Returns the index of an operator code, which is added if it is missing."""
        key = (code, version, custom)
        if key not in self.codes:
            c = tfl.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version, c.customCode = code, min(code, 127), version, custom
            self.codes[key] = len(self.t.operatorCodes)
            self.t.operatorCodes.append(c)
        return self.codes[key]

    def signature(
        self, key: str, graph_index: int, inputs: Sequence[tuple[str, int]], outputs: Sequence[tuple[str, int]]
    ) -> None:
        """Adds a signature; inputs and outputs are (name, tensor)."""
        s = tfl.SignatureDefT()
        s.signatureKey, s.subgraphIndex = key, graph_index
        s.inputs, s.outputs = [named(n, i) for n, i in inputs], [named(n, i) for n, i in outputs]
        self.t.signatureDefs = (self.t.signatureDefs or []) + [s]

    def metadata(self, name: str, raw: bytes) -> None:
        """Adds a metadata entry."""
        m = tfl.MetadataT()
        m.name, m.buffer = name, self.buffer(raw)
        self.t.metadata = (self.t.metadata or []) + [m]

    def pack(self) -> bytes:
        """Returns the finished flatbuffer."""
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.t.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def named(name: str, tensor: int) -> Any:
    """Returns an input or output of a signature."""
    m = tfl.TensorMapT()
    m.name, m.tensorIndex = name, tensor
    return m

"""One model per operator that the verifier lists: image -> operator -> one row of scores.

They show that LiteRT runs what the verifier accepts, and are the material of the structural mutations. The models in
float32 have the operator on the image itself; those whose name ends in `_int8` have it between a QUANTIZE and a
DEQUANTIZE.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl
from flatbuffers import flexbuffers

from builder import Graph, Kind, Model, Op, Shape
from operator_builder import IMAGE, Body, apply, constant, floats, int8_model_of, ints, model_of, options, scores
from operator_models_int8 import int8_bodies


def unary(code: int, opt: str | None = None, positive: bool = False) -> Body:
    """Returns an operator with one input. `positive` makes the input positive before."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        if positive:
            x = apply(g, Op.MUL, [x, x], IMAGE, opt=tfl.MulOptionsT())
            x = apply(g, Op.ADD, [x, floats(g, (3,))], IMAGE, opt=tfl.AddOptionsT())
        return apply(g, code, [x], IMAGE, opt=options(opt) if opt else None), IMAGE

    return body


def binary(code: int, opt: str, kind: int = Kind.FLOAT32) -> Body:
    """Returns an operator with two inputs, of which the second is broadcast."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        return apply(g, code, [x, floats(g, (1, 1, 1, 3))], IMAGE, kind, options(opt)), IMAGE

    return body


def on_bool(code: int, opt: str, inputs: int) -> Body:
    """Returns an operator of conditions."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        condition = apply(g, Op.GREATER, [x, floats(g, (1,))], IMAGE, Kind.BOOL, tfl.GreaterOptionsT())
        return apply(g, code, [condition] * inputs, IMAGE, Kind.BOOL, options(opt)), IMAGE

    return body


def select(code: int, opt: str) -> Body:
    """Returns a SELECT or SELECT_V2."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        condition = apply(g, Op.LESS, [x, floats(g, (1,))], IMAGE, Kind.BOOL, tfl.LessOptionsT())
        return apply(g, code, [condition, x, x], IMAGE, opt=options(opt)), IMAGE

    return body


def reduction(code: int) -> Body:
    """Returns a reduction over height and width."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        opt = options("ReducerOptions", keepDims=True)
        return apply(g, code, [x, ints(g, 1, 2)], (1, 1, 1, 3), opt=opt), (1, 1, 1, 3)

    return body


def bool_reduction(code: int) -> Body:
    """Returns a reduction of conditions."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        condition = apply(g, Op.LESS, [x, floats(g, (1,))], IMAGE, Kind.BOOL, tfl.LessOptionsT())
        opt = options("ReducerOptions", keepDims=False)
        return apply(g, code, [condition, ints(g, 1, 2)], (1, 3), Kind.BOOL, opt), (1, 3)

    return body


def with_ints(code: int, opt: Any, values: Sequence[Sequence[int]], shape: Shape, kind: int = Kind.FLOAT32) -> Body:
    """Returns an operator whose other inputs are constant vectors."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        return apply(g, code, [x, *(ints(g, *v) for v in values)], shape, kind, opt), shape

    return body


def bordered(code: int, opt: Any, value: bool = False) -> Body:
    """Returns an operator with a border of two pixels."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        borders = ints(g, 0, 0, 2, 2, 2, 2, 0, 0, shape=(4, 2))
        inputs = [x, borders] + ([floats(g, ())] if value else [])
        return apply(g, code, inputs, (1, 12, 12, 3), opt=opt), (1, 12, 12, 3)

    return body


def pooling(code: int) -> Body:
    """Returns a pooling over windows of 2x2."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        opt = options("Pool2DOptions", strideW=2, strideH=2, filterWidth=2, filterHeight=2, padding=tfl.Padding.VALID)
        return apply(g, code, [x], (1, 4, 4, 3), opt=opt), (1, 4, 4, 3)

    return body


def convolution(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a dilated CONV_2D without padding."""
    opt = options(
        "Conv2DOptions", strideW=1, strideH=1, padding=tfl.Padding.VALID, dilationWFactor=2, dilationHFactor=2
    )
    inputs = [x, floats(g, (4, 3, 3, 3)), floats(g, (4,))]
    return apply(g, Op.CONV_2D, inputs, (1, 4, 4, 4), opt=opt), (1, 4, 4, 4)


def depthwise(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a dilated DEPTHWISE_CONV_2D with two outputs per channel."""
    opt = options("DepthwiseConv2DOptions", strideW=1, strideH=1, padding=tfl.Padding.VALID, depthMultiplier=2)
    opt.dilationWFactor = opt.dilationHFactor = 2
    y = apply(g, Op.DEPTHWISE_CONV_2D, [x, floats(g, (1, 3, 3, 6)), floats(g, (6,))], (1, 4, 4, 6), opt=opt, version=2)
    return y, (1, 4, 4, 6)


def transposed(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a TRANSPOSE_CONV that doubles height and width."""
    opt = options("TransposeConvOptions", strideW=2, strideH=2, padding=tfl.Padding.SAME)
    inputs = [ints(g, 1, 16, 16, 2), floats(g, (2, 3, 3, 3)), x]
    return apply(g, Op.TRANSPOSE_CONV, inputs, (1, 16, 16, 2), opt=opt), (1, 16, 16, 2)


def dense(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a FULLY_CONNECTED that keeps the dimensions, without a bias."""
    opt = options("FullyConnectedOptions", keepNumDims=True)
    y = apply(g, Op.FULLY_CONNECTED, [x, floats(g, (2, 3)), -1], (1, 8, 8, 2), opt=opt, version=6)
    return y, (1, 8, 8, 2)


def attention(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a product of the pixels with themselves, as self-attention does."""
    x = g.reshape(x, g.tensor("pixels", (1, 64, 3)), (1, 64, 3))
    y = apply(g, Op.BATCH_MATMUL, [x, x], (1, 64, 64), opt=options("BatchMatMulOptions", adjY=True))
    y = g.softmax(y, g.tensor("weights", (1, 64, 64)))
    y = apply(g, Op.BATCH_MATMUL, [y, x], (1, 64, 3), opt=tfl.BatchMatMulOptionsT())
    return y, (1, 64, 3)


def concatenation(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a CONCATENATION along the channels."""
    opt = options("ConcatenationOptions", axis=3)
    return apply(g, Op.CONCATENATION, [x, x], (1, 8, 8, 6), opt=opt), (1, 8, 8, 6)


def pack(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a PACK along a new dimension."""
    opt = options("PackOptions", valuesCount=2, axis=1)
    return apply(g, Op.PACK, [x, x], (1, 2, 8, 8, 3), opt=opt), (1, 2, 8, 8, 3)


def parts(code: int, opt: Any, shape: Shape, count: int, order: Callable[[Graph, int], list[int]]) -> Body:
    """Returns an operator with several outputs, of which the first two are added."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        outputs = [g.tensor(f"part{i}", shape) for i in range(count)]
        g.op(code, order(g, x), outputs, opt)
        return apply(g, Op.ADD, outputs[:2], shape, opt=tfl.AddOptionsT()), shape

    return body


def gather(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a GATHER of two columns."""
    opt = options("GatherOptions", axis=2)
    return apply(g, Op.GATHER, [x, ints(g, 1, 6)], (1, 8, 2, 3), opt=opt), (1, 8, 2, 3)


def gather_nd(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a GATHER_ND of two rows."""
    y = apply(g, Op.GATHER_ND, [x, ints(g, 0, 1, 0, 5, shape=(2, 2))], (2, 8, 3), opt=tfl.GatherNdOptionsT())
    return y, (2, 8, 3)


def shape_chain(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds the chain with which Keras flattens a dynamic batch: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    dims = apply(g, Op.SHAPE, [x], (4,), Kind.INT32, options("ShapeOptions", outType=Kind.INT32))
    opt = options("StridedSliceOptions", shrinkAxisMask=1)
    batch = apply(g, Op.STRIDED_SLICE, [dims, ints(g, 0), ints(g, 1), ints(g, 1)], (), Kind.INT32, opt)
    opt = options("PackOptions", valuesCount=2, axis=0)
    dims = apply(g, Op.PACK, [batch, ints(g, -1, shape=())], (2,), Kind.INT32, opt)
    return apply(g, Op.RESHAPE, [x, dims], (1, 192), opt=tfl.ReshapeOptionsT()), (1, 192)


def resize_chain(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds the chain with which exporters of ONNX double the resolution: SHAPE, CAST, MUL, CAST, SLICE, RESIZE."""
    dims = apply(g, Op.SHAPE, [x], (4,), Kind.INT32, options("ShapeOptions", outType=Kind.INT32))
    dims = apply(g, Op.SLICE, [dims, ints(g, 1), ints(g, 2)], (2,), Kind.INT32, tfl.SliceOptionsT())
    opt = options("CastOptions", inDataType=Kind.INT32, outDataType=Kind.FLOAT32)
    dims = apply(g, Op.CAST, [dims], (2,), opt=opt)
    dims = apply(g, Op.MUL, [dims, constant(g, "two", np.array(2, np.float32))], (2,), opt=tfl.MulOptionsT())
    opt = options("CastOptions", inDataType=Kind.FLOAT32, outDataType=Kind.INT32)
    dims = apply(g, Op.CAST, [dims], (2,), Kind.INT32, opt)
    y = apply(g, Op.RESIZE_NEAREST_NEIGHBOR, [x, dims], (1, 16, 16, 3), opt=tfl.ResizeNearestNeighborOptionsT())
    return y, (1, 16, 16, 3)


def fill(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a FILL and multiplies by it."""
    ones = apply(g, Op.FILL, [ints(g, *IMAGE), floats(g, ())], IMAGE, opt=tfl.FillOptionsT())
    return apply(g, Op.MUL, [x, ones], IMAGE, opt=tfl.MulOptionsT()), IMAGE


def number_range(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a RANGE of column indices, and a GATHER by it."""
    limits = [ints(g, value, shape=()) for value in (0, 8, 2)]
    indices = apply(g, Op.RANGE, limits, (4,), Kind.INT32, tfl.RangeOptionsT())
    opt = options("GatherOptions", axis=1)
    return apply(g, Op.GATHER, [x, indices], (1, 4, 8, 3), opt=opt), (1, 4, 8, 3)


def one_hot(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds an ARG_MAX over the channels, and a ONE_HOT of its indices."""
    opt = options("ArgMaxOptions", outputType=Kind.INT32)
    y = apply(g, Op.ARG_MAX, [x, ints(g, 3, shape=())], (1, 8, 8), Kind.INT32, opt)
    inputs = [y, ints(g, 3, shape=()), floats(g, (), 2), floats(g, (), 3)]
    return apply(g, Op.ONE_HOT, inputs, IMAGE, opt=options("OneHotOptions", axis=-1)), IMAGE


def arg(code: int, opt: str) -> Body:
    """Returns an ARG_MAX or ARG_MIN."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        table = options(opt, outputType=Kind.INT64)
        return apply(g, code, [x, ints(g, 1, shape=())], (1, 8, 3), Kind.INT64, table), (1, 8, 3)

    return body


def top_k(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a TOPK_V2 over the channels."""
    outputs = [g.tensor("best", (1, 8, 8, 2)), g.tensor("indices", (1, 8, 8, 2), Kind.INT32)]
    return g.op(Op.TOPK_V2, [x, ints(g, 2, shape=())], outputs, tfl.TopKV2OptionsT()), (1, 8, 8, 2)


def update(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a DYNAMIC_UPDATE_SLICE of a part of the image."""
    inputs = [x, floats(g, (1, 2, 2, 3)), ints(g, 0, 1, 1, 0)]
    return apply(g, Op.DYNAMIC_UPDATE_SLICE, inputs, IMAGE, opt=tfl.DynamicUpdateSliceOptionsT()), IMAGE


def broadcast(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a BROADCAST_ARGS, and a BROADCAST_TO of its result."""
    dims = apply(g, Op.BROADCAST_ARGS, [ints(g, 2, 1, 1, 1), ints(g, *IMAGE)], (4,), Kind.INT32)
    y = apply(g, Op.BROADCAST_TO, [x, dims], (2, 8, 8, 3), opt=tfl.BroadcastToOptionsT(), version=2)
    return y, (2, 8, 8, 3)


def batches(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a SPACE_TO_BATCH_ND and a BATCH_TO_SPACE_ND, as dilated convolutions have them."""
    blocks, borders = ints(g, 2, 2), ints(g, 0, 0, 0, 0, shape=(2, 2))
    y = apply(g, Op.SPACE_TO_BATCH_ND, [x, blocks, borders], (4, 4, 4, 3), opt=tfl.SpaceToBatchNDOptionsT())
    return apply(g, Op.BATCH_TO_SPACE_ND, [y, blocks, borders], IMAGE, opt=tfl.BatchToSpaceNDOptionsT()), IMAGE


def normalized(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a layer normalization: MEAN, SQUARED_DIFFERENCE, MEAN, RSQRT, MUL, SUB."""
    mean, one = options("ReducerOptions", keepDims=True), (1, 8, 8, 1)
    average = apply(g, Op.MEAN, [x, ints(g, 3)], one, opt=mean)
    y = apply(g, Op.SQUARED_DIFFERENCE, [x, average], IMAGE, opt=tfl.SquaredDifferenceOptionsT())
    y = apply(g, Op.MEAN, [y, ints(g, 3)], one, opt=mean)
    y = apply(g, Op.ADD, [y, floats(g, (1,))], one, opt=tfl.AddOptionsT())
    y = apply(g, Op.RSQRT, [y], one)
    difference = apply(g, Op.SUB, [x, average], IMAGE, opt=tfl.SubOptionsT())
    return apply(g, Op.MUL, [difference, y], IMAGE, opt=tfl.MulOptionsT()), IMAGE


def integer_math(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds the integer operators that exporters compute sizes with."""
    dims = apply(g, Op.SHAPE, [x], (4,), Kind.INT32, options("ShapeOptions", outType=Kind.INT32))
    y = apply(g, Op.FLOOR_DIV, [dims, ints(g, 2)], (4,), Kind.INT32, tfl.FloorDivOptionsT())
    y = apply(g, Op.FLOOR_MOD, [y, ints(g, 3)], (4,), Kind.INT32, tfl.FloorModOptionsT())
    y = apply(g, Op.MAXIMUM, [y, ints(g, 1)], (4,), Kind.INT32, tfl.MaximumMinimumOptionsT())
    y = apply(g, Op.TILE, [x, y], (1, 8, 8, 3), opt=tfl.TileOptionsT())
    rank = apply(g, Op.RANK, [x], (), Kind.INT32, tfl.RankOptionsT())
    rank = apply(g, Op.CAST, [rank], (), opt=options("CastOptions", inDataType=Kind.INT32, outDataType=Kind.FLOAT32))
    return apply(g, Op.DIV, [y, rank], IMAGE, opt=tfl.DivOptionsT()), IMAGE


def float16_weights(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a product with weights that are stored in half precision."""
    data = np.array([0.5, 1, 2], np.float16)
    w = g.tensor("half", (3,), Kind.FLOAT16, buffer=g.model.buffer(data.tobytes()))
    w = apply(g, Op.DEQUANTIZE, [w], (3,), opt=tfl.DequantizeOptionsT(), version=3)
    return apply(g, Op.MUL, [x, w], IMAGE, opt=tfl.MulOptionsT()), IMAGE


def recurrent(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds an LSTM over the rows of the image, as Keras exports it."""
    rows = g.reshape(x, g.tensor("rows", (1, 8, 24)), (1, 8, 24))
    states = []
    for name in ("output_state", "cell_state"):
        states.append(g.tensor(name, (1, 4)))
        g.t.tensors[-1].isVariable = True
    inputs = [rows, *(floats(g, (4, 24), i) for i in range(4)), *(floats(g, (4, 4), i) for i in range(4))]
    inputs += [-1, -1, -1, *(floats(g, (4,), i) for i in range(4)), -1, -1, *states, -1, -1, -1, -1]
    opt = options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=tfl.ActivationFunctionType.TANH)
    return apply(g, Op.UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, (1, 8, 4), opt=opt), (1, 8, 4)


def composite() -> Model:
    """Returns a model that calls a subgraph by a STABLEHLO_COMPOSITE."""
    model = Model()
    g, called = model.graph(), model.graph("gelu")
    x = called.input("x", IMAGE)
    called.t.outputs = [apply(called, Op.GELU, [x], IMAGE, opt=tfl.GeluOptionsT())]
    y = apply(g, Op.STABLEHLO_COMPOSITE, [g.input("image", IMAGE)], IMAGE)
    operator = g.t.operators[-1]
    operator.builtinOptions2Type = tfl.BuiltinOptions2.StableHLOCompositeOptions
    opt = options("StableHLOCompositeOptions", name="aten.gelu", decompositionSubgraphIndex=1)
    opt.compositeAttributes = list(flexbuffers.Dumps({}))
    operator.builtinOptions2 = opt
    g.t.outputs = [scores(g, y, IMAGE)]
    return model


def operator_builders() -> dict[str, Callable[[], Model]]:
    """Returns the functions that make the models, by name."""
    strided = options("StridedSliceOptions", beginMask=9, endMask=9)
    flat: dict[str, Body] = {
        "abs": unary(Op.ABS, "AbsOptions"),
        "add": binary(Op.ADD, "AddOptions"),
        "add_n": lambda g, x: (apply(g, Op.ADD_N, [x, x, x], IMAGE, opt=tfl.AddNOptionsT()), IMAGE),
        "arg_max": arg(Op.ARG_MAX, "ArgMaxOptions"),
        "arg_min": arg(Op.ARG_MIN, "ArgMinOptions"),
        "attention": attention,
        "average_pool": pooling(Op.AVERAGE_POOL_2D),
        "batches": batches,
        "broadcast": broadcast,
        "ceil": unary(Op.CEIL),
        "concatenation": concatenation,
        "conv": convolution,
        "cos": unary(Op.COS, "CosOptions"),
        "cumsum": with_ints(Op.CUMSUM, tfl.CumsumOptionsT(), [[2]], IMAGE),
        "dense": dense,
        "depth_to_space": lambda g, x: (
            apply(
                g,
                Op.DEPTH_TO_SPACE,
                [
                    apply(
                        g,
                        Op.SPACE_TO_DEPTH,
                        [x],
                        (1, 4, 4, 12),
                        opt=options("SpaceToDepthOptions", blockSize=2),
                    )
                ],
                IMAGE,
                opt=options("DepthToSpaceOptions", blockSize=2),
            ),
            IMAGE,
        ),
        "depthwise": depthwise,
        "div": binary(Op.DIV, "DivOptions"),
        "elu": unary(Op.ELU),
        "equal": binary(Op.EQUAL, "EqualOptions", Kind.BOOL),
        "exp": unary(Op.EXP, "ExpOptions"),
        "expand_dims": lambda g, x: (
            apply(g, Op.EXPAND_DIMS, [x, ints(g, 1)], (1, 1, 8, 8, 3), opt=tfl.ExpandDimsOptionsT()),
            (1, 1, 8, 8, 3),
        ),
        "fake_quant": lambda g, x: (
            apply(g, Op.FAKE_QUANT, [x], IMAGE, opt=options("FakeQuantOptions", min=-1, max=1, numBits=8)),
            IMAGE,
        ),
        "fill": fill,
        "float16_weights": float16_weights,
        "floor": unary(Op.FLOOR),
        "floor_div": binary(Op.FLOOR_DIV, "FloorDivOptions"),
        "floor_mod": binary(Op.FLOOR_MOD, "FloorModOptions"),
        "gather": gather,
        "gather_nd": gather_nd,
        "gelu": unary(Op.GELU, "GeluOptions"),
        "greater": binary(Op.GREATER, "GreaterOptions", Kind.BOOL),
        "greater_equal": binary(Op.GREATER_EQUAL, "GreaterEqualOptions", Kind.BOOL),
        "hard_swish": unary(Op.HARD_SWISH, "HardSwishOptions"),
        "integer_math": integer_math,
        "l2_normalization": unary(Op.L2_NORMALIZATION, "L2NormOptions"),
        "l2_pool": pooling(Op.L2_POOL_2D),
        "leaky_relu": unary(Op.LEAKY_RELU, "LeakyReluOptions"),
        "less": binary(Op.LESS, "LessOptions", Kind.BOOL),
        "less_equal": binary(Op.LESS_EQUAL, "LessEqualOptions", Kind.BOOL),
        "local_response_normalization": lambda g, x: (
            apply(
                g,
                Op.LOCAL_RESPONSE_NORMALIZATION,
                [x],
                IMAGE,
                opt=options("LocalResponseNormalizationOptions", radius=1, bias=1, alpha=1, beta=0.5),
            ),
            IMAGE,
        ),
        "log": unary(Op.LOG, positive=True),
        "log_softmax": unary(Op.LOG_SOFTMAX, "LogSoftmaxOptions"),
        "logical_and": on_bool(Op.LOGICAL_AND, "LogicalAndOptions", 2),
        "logical_not": on_bool(Op.LOGICAL_NOT, "LogicalNotOptions", 1),
        "logical_or": on_bool(Op.LOGICAL_OR, "LogicalOrOptions", 2),
        "logistic": unary(Op.LOGISTIC),
        "max_pool": pooling(Op.MAX_POOL_2D),
        "maximum": binary(Op.MAXIMUM, "MaximumMinimumOptions"),
        "mean": reduction(Op.MEAN),
        "minimum": binary(Op.MINIMUM, "MaximumMinimumOptions"),
        "mirror_pad": bordered(Op.MIRROR_PAD, tfl.MirrorPadOptionsT()),
        "mul": binary(Op.MUL, "MulOptions"),
        "neg": unary(Op.NEG, "NegOptions"),
        "normalized": normalized,
        "not_equal": binary(Op.NOT_EQUAL, "NotEqualOptions", Kind.BOOL),
        "number_range": number_range,
        "one_hot": one_hot,
        "pack": pack,
        "pad": bordered(Op.PAD, tfl.PadOptionsT()),
        "padv2": bordered(Op.PADV2, tfl.PadV2OptionsT(), value=True),
        "pow": binary(Op.POW, "PowOptions"),
        "prelu": lambda g, x: (apply(g, Op.PRELU, [x, floats(g, (1, 1, 3))], IMAGE), IMAGE),
        "recurrent": recurrent,
        "reduce_all": bool_reduction(Op.REDUCE_ALL),
        "reduce_any": bool_reduction(Op.REDUCE_ANY),
        "reduce_max": reduction(Op.REDUCE_MAX),
        "reduce_min": reduction(Op.REDUCE_MIN),
        "reduce_prod": reduction(Op.REDUCE_PROD),
        "relu": unary(Op.RELU),
        "relu6": unary(Op.RELU6),
        "relu_0_to_1": unary(Op.RELU_0_TO_1),
        "relu_n1_to_1": unary(Op.RELU_N1_TO_1),
        "resize_bilinear": with_ints(Op.RESIZE_BILINEAR, tfl.ResizeBilinearOptionsT(), [[12, 10]], (1, 12, 10, 3)),
        "resize_chain": resize_chain,
        "reverse": with_ints(Op.REVERSE_V2, tfl.ReverseV2OptionsT(), [[2]], IMAGE),
        "round": unary(Op.ROUND),
        "rsqrt": unary(Op.RSQRT, positive=True),
        "select": select(Op.SELECT, "SelectOptions"),
        "select_v2": select(Op.SELECT_V2, "SelectV2Options"),
        "shape_chain": shape_chain,
        "sign": unary(Op.SIGN, "SignOptions"),
        "sin": unary(Op.SIN),
        "slice": with_ints(Op.SLICE, tfl.SliceOptionsT(), [[0, 2, 3, 0], [-1, 4, 4, -1]], (1, 4, 4, 3)),
        "softmax": lambda g, x: (g.softmax(x, g.tensor("softmax", IMAGE)), IMAGE),
        "split": parts(
            Op.SPLIT,
            options("SplitOptions", numSplits=3),
            (1, 8, 8, 1),
            3,
            lambda g, x: [ints(g, 3, shape=()), x],
        ),
        "split_v": parts(
            Op.SPLIT_V,
            options("SplitVOptions", numSplits=2),
            (1, 4, 8, 3),
            2,
            lambda g, x: [x, ints(g, 4, -1), ints(g, 1, shape=())],
        ),
        "sqrt": unary(Op.SQRT, positive=True),
        "square": unary(Op.SQUARE, "SquareOptions"),
        "squared_difference": binary(Op.SQUARED_DIFFERENCE, "SquaredDifferenceOptions"),
        "squeeze": lambda g, x: (
            apply(g, Op.SQUEEZE, [x], (8, 8, 3), opt=options("SqueezeOptions", squeezeDims=[0])),
            (8, 8, 3),
        ),
        "strided_slice": with_ints(
            Op.STRIDED_SLICE, strided, [[0, 1, 7, 0], [0, 7, 0, 0], [1, 2, -2, 1]], (1, 3, 4, 3)
        ),
        "sub": binary(Op.SUB, "SubOptions"),
        "sum": reduction(Op.SUM),
        "tanh": unary(Op.TANH),
        "tile": with_ints(Op.TILE, tfl.TileOptionsT(), [[1, 1, 2, 1]], (1, 8, 16, 3)),
        "top_k": top_k,
        "transpose": with_ints(Op.TRANSPOSE, tfl.TransposeOptionsT(), [[0, 3, 1, 2]], (1, 3, 8, 8)),
        "transposed_conv": transposed,
        "unpack": parts(Op.UNPACK, options("UnpackOptions", num=8, axis=1), (1, 8, 3), 8, lambda _g, x: [x]),
        "update": update,
        "zeros_like": unary(Op.ZEROS_LIKE, "ZerosLikeOptions"),
    }
    builders: dict[str, Callable[[], Model]] = {name: partial(model_of, body) for name, body in flat.items()}
    builders |= {f"{name}_int8": partial(int8_model_of, body) for name, body in int8_bodies().items()}
    return builders | {"composite": composite}


def operator_models() -> dict[str, bytes]:
    """Returns the files by name."""
    return {f"operators/{name}.tflite": make().pack() for name, make in operator_builders().items()}

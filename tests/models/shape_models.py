"""Two models with many operators, for the rules by which the verifier computes shapes and values.

All results are outputs, so that `tests/golden/shapes.py` can ask the Python interpreter for their shapes. Height,
width and number of channels of the image differ, so that an exchange of two dimensions shows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Graph, Kind, Model, Op, Shape
from operator_builder import constant, floats, ints, options

IMAGE = (1, 9, 12, 4)
# The number of elements that the file gives to each result. The verifier refuses outputs that are larger than that.
LARGE = 16384
SAME, VALID = tfl.Padding.SAME, tfl.Padding.VALID


class Cases:
    """A graph whose results are all outputs. Their shapes in the file are not those that the operators compute."""

    def __init__(self) -> None:
        self.model = Model()
        self.g: Graph = self.model.graph()
        self.image = self.g.input("image", IMAGE)

    def add(
        self,
        name: str,
        code: int,
        inputs: Sequence[int],
        opt: Any = None,
        kinds: Sequence[int] = (Kind.FLOAT32,),
        version: int = 1,
        shape: Shape = (LARGE,),
    ) -> int:
        """Adds an operator and returns its first output. The outputs are named `name`, `name_1` and so on.

        `shape` is that in the file, which only SLICE compares with the one that it computes.
        """
        names = [name] + [f"{name}_{i}" for i in range(1, len(kinds))]
        outputs = [self.g.tensor(n, shape, kind) for n, kind in zip(names, kinds, strict=True)]
        self.g.op(code, inputs, outputs, opt, version)
        self.g.t.outputs += outputs
        return outputs[0]

    def ints(self, *values: int, shape: Shape | None = None) -> int:
        """Adds a constant int32 vector, or a tensor of another shape."""
        return ints(self.g, *values, shape=shape)

    def number(self, value: int) -> int:
        """Adds a constant int32 number."""
        return ints(self.g, value, shape=())

    def floats(self, *shape: int) -> int:
        """Adds constant weights."""
        return floats(self.g, shape)

    def reshaped(self, *shape: int) -> int:
        """Returns the image in another shape."""
        name = "image_" + "_".join(map(str, shape))
        return self.add(name, Op.RESHAPE, [self.image, self.ints(*shape)], tfl.ReshapeOptionsT())


def windows(c: Cases) -> None:
    """Adds operators with a window that moves over the image."""
    for padding, name in ((SAME, "same"), (VALID, "valid")):
        for stride, dilation in (((2, 3), (1, 1)), ((1, 1), (3, 2)), ((3, 2), (1, 1))):
            label = f"{name}_{stride[0]}{stride[1]}_{dilation[0]}{dilation[1]}"
            window = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
            dilated = window | {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
            opt = options("Conv2DOptions", **dilated)
            c.add(f"conv_{label}", Op.CONV_2D, [c.image, c.floats(5, 3, 2, 4), c.floats(5)], opt)
            opt = options("DepthwiseConv2DOptions", depthMultiplier=2, **dilated)
            inputs = [c.image, c.floats(1, 3, 2, 8), c.floats(8)]
            c.add(f"depthwise_{label}", Op.DEPTHWISE_CONV_2D, inputs, opt, version=2)
            opt = options("Pool2DOptions", filterHeight=4, filterWidth=3, **window)
            c.add(f"pool_{label}", Op.MAX_POOL_2D, [c.image], opt)
    whole = options("Conv2DOptions", padding=VALID, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    c.add("conv_whole", Op.CONV_2D, [c.image, c.floats(2, 9, 12, 4), c.floats(2)], whole)
    c.add("conv_groups", Op.CONV_2D, [c.image, c.floats(6, 1, 1, 2), c.floats(6)], whole)
    for padding, dims in ((SAME, (1, 18, 24, 3)), (VALID, (1, 19, 25, 3))):
        opt = options("TransposeConvOptions", padding=padding, strideH=2, strideW=2)
        inputs = [c.ints(*dims), c.floats(3, 3, 3, 4), c.image]
        c.add(f"transpose_conv_{padding}", Op.TRANSPOSE_CONV, inputs, opt)


def layers(c: Cases) -> None:
    """Adds matrix products, changes of the resolution and recurrent cells."""
    dense = "FullyConnectedOptions"
    c.add("dense_flat", Op.FULLY_CONNECTED, [c.image, c.floats(3, 24), -1], options(dense), version=6)
    keep = options(dense, keepNumDims=True)
    c.add("dense_kept", Op.FULLY_CONNECTED, [c.image, c.floats(3, 4), -1], keep, version=6)
    left, right = c.reshaped(2, 9, 24), c.reshaped(2, 24, 9)
    matrices = "BatchMatMulOptions"
    c.add("matmul", Op.BATCH_MATMUL, [left, right], options(matrices))
    c.add("matmul_x", Op.BATCH_MATMUL, [left, c.reshaped(2, 9, 24)], options(matrices, adjX=True))
    c.add("matmul_y", Op.BATCH_MATMUL, [left, left], options(matrices, adjY=True))
    c.add("matmul_both", Op.BATCH_MATMUL, [left, right], options(matrices, adjX=True, adjY=True))
    inputs = [c.reshaped(3, 1, 6, 24), c.reshaped(2, 24, 9)]
    c.add("matmul_broadcast", Op.BATCH_MATMUL, inputs, options(matrices))
    size = c.ints(5, 7)
    c.add("resize_bilinear", Op.RESIZE_BILINEAR, [c.image, size], tfl.ResizeBilinearOptionsT())
    c.add("resize_nearest", Op.RESIZE_NEAREST_NEIGHBOR, [c.image, size], tfl.ResizeNearestNeighborOptionsT())
    c.add("space_to_depth", Op.SPACE_TO_DEPTH, [c.image], options("SpaceToDepthOptions", blockSize=3))
    c.add("depth_to_space", Op.DEPTH_TO_SPACE, [c.image], options("DepthToSpaceOptions", blockSize=2))
    inputs = [c.image, c.ints(3, 2), c.ints(0, 0, 3, 1, shape=(2, 2))]
    batches = c.add("space_to_batch", Op.SPACE_TO_BATCH_ND, inputs, tfl.SpaceToBatchNDOptionsT())
    inputs = [batches, c.ints(3, 2), c.ints(0, 1, 2, 3, shape=(2, 2))]
    c.add("batch_to_space", Op.BATCH_TO_SPACE_ND, inputs, tfl.BatchToSpaceNDOptionsT())
    rows = c.reshaped(1, 9, 48)
    inputs = [rows, c.ints(3), c.ints(2, 1, shape=(1, 2))]
    batches = c.add("space_to_batch_3d", Op.SPACE_TO_BATCH_ND, inputs, tfl.SpaceToBatchNDOptionsT())
    inputs = [batches, c.ints(3), c.ints(0, 1, shape=(1, 2))]
    c.add("batch_to_space_3d", Op.BATCH_TO_SPACE_ND, inputs, tfl.BatchToSpaceNDOptionsT())
    for time_major, x in ((False, rows), (True, c.reshaped(9, 1, 48))):
        states = []
        for _ in range(2):
            states.append(c.g.tensor("state", (1, 5)))
            c.g.t.tensors[-1].isVariable = True
        inputs = [x, *(c.floats(5, 48) for _ in range(4)), *(c.floats(5, 5) for _ in range(4)), -1, -1, -1]
        inputs += [*(c.floats(5) for _ in range(4)), -1, -1, *states, -1, -1, -1, -1]
        opt = options("UnidirectionalSequenceLSTMOptions", timeMajor=time_major)
        opt.fusedActivationFunction = tfl.ActivationFunctionType.TANH
        c.add(f"lstm_{time_major}", Op.UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, opt)


def parts(c: Cases) -> None:
    """Adds operators that select, join or repeat parts."""
    x, f32 = c.image, Kind.FLOAT32
    for axis in (-1, 1):
        opt = options("ConcatenationOptions", axis=axis)
        other = c.floats(1, 9, 12, 2) if axis == -1 else c.floats(1, 2, 12, 4)
        c.add(f"concatenation_{axis}", Op.CONCATENATION, [x, other, x], opt)
    for axis in (0, 2, -1):
        c.add(f"pack_{axis}", Op.PACK, [x, x], options("PackOptions", valuesCount=2, axis=axis))
    for axis, count in ((-1, 4), (1, 9)):
        c.add(f"unpack_{axis}", Op.UNPACK, [x], options("UnpackOptions", num=count, axis=axis), [f32] * count)
    opt = options("SplitOptions", numSplits=3)
    c.add("split", Op.SPLIT, [c.number(-2), x], opt, [f32] * 3)
    opt = options("SplitVOptions", numSplits=3)
    c.add("split_v", Op.SPLIT_V, [x, c.ints(2, -1, 1), c.number(1)], opt, [f32] * 3)
    c.add("split_v_whole", Op.SPLIT_V, [x, c.ints(2, 1, 1), c.number(-1)], opt, [f32] * 3)
    c.add("slice", Op.SLICE, [x, c.ints(0, 1, 2, 3), c.ints(1, -1, 10, 1)], tfl.SliceOptionsT(), shape=(1, 8, 10, 1))

    def strided(name: str, begin: Shape, end: Shape, step: Shape, **masks: int) -> None:
        limits = [c.ints(*values) for values in (begin, end, step)]
        c.add(f"strided_{name}", Op.STRIDED_SLICE, [x, *limits], options("StridedSliceOptions", **masks))

    strided("step", (0, 1, 0, 0), (1, 8, 12, 4), (1, 3, 5, 4))
    strided("negative", (0, -2, -1, 3), (1, -8, 2, 0), (1, -2, -3, -1))
    strided("clamped", (0, -99, 3, -99), (1, 99, 99, 2), (1, 4, 1, 1))
    strided("clamped_negative", (0, 99, 99, 99), (1, 2, -99, -99), (1, -4, -5, -3))
    strided("masks", (0, 4, 4, 1), (1, 5, 5, 3), (1, 1, 2, 1), beginMask=2, endMask=4)
    strided("masks_negative", (0, 4, 4, 1), (1, 1, 5, 3), (1, -1, -2, 1), beginMask=4, endMask=6)
    strided("single", (0, -3, 2, 1), (1, 0, 3, 2), (1, 1, 1, 1), shrinkAxisMask=2 + 8)
    strided("ellipsis", (0, 0, 1), (1, 0, 3), (1, 1, 1), ellipsisMask=2)
    strided("ellipsis_first", (0, 1), (0, 3), (1, 1), ellipsisMask=1, shrinkAxisMask=2)
    strided("new", (0, 0, 2), (1, 0, 5), (1, 1, 1), newAxisMask=2)
    strided("few", (0, 2), (1, 7), (1, 2))
    for axis in (1, -1):
        opt = options("GatherOptions", axis=axis)
        c.add(f"gather_{axis}", Op.GATHER, [x, c.ints(0, 3, 2, 1, 0, 3, shape=(3, 2))], opt)
    indices = c.ints(*range(8), shape=(1, 8))
    c.add("gather_batch", Op.GATHER, [x, indices], options("GatherOptions", axis=1, batchDims=1))
    c.add("gather_batch_negative", Op.GATHER, [x, indices], options("GatherOptions", axis=2, batchDims=-1))
    indices = c.ints(0, 1, 2, 0, 8, 11, shape=(2, 3))
    c.add("gather_nd", Op.GATHER_ND, [x, indices], tfl.GatherNdOptionsT())
    c.add("gather_nd_all", Op.GATHER_ND, [x, c.ints(0, 1, 2, 3)], tfl.GatherNdOptionsT())
    borders = c.ints(0, 0, 1, 2, 3, 4, 0, 5, shape=(4, 2))
    c.add("pad", Op.PAD, [x, borders], tfl.PadOptionsT())
    c.add("padv2", Op.PADV2, [x, borders, c.floats()], tfl.PadV2OptionsT())
    for mode, sizes in ((0, (0, 0, 8, 1, 0, 11, 3, 2)), (1, (1, 0, 9, 1, 0, 12, 4, 2))):
        opt = options("MirrorPadOptions", mode=mode)
        c.add(f"mirror_pad_{mode}", Op.MIRROR_PAD, [x, c.ints(*sizes, shape=(4, 2))], opt)
    c.add("tile", Op.TILE, [x, c.ints(2, 1, 3, 1)], tfl.TileOptionsT())
    for name, limits in (("up", (1, 8, 3)), ("down", (9, -1, -4)), ("even", (0, 9, 3)), ("none", (3, 3, 1))):
        inputs = [c.number(value) for value in limits]
        c.add(f"range_{name}", Op.RANGE, inputs, tfl.RangeOptionsT(), [Kind.INT32])
    inputs = [constant(c.g, "limit", np.array(value, np.float32)) for value in (0, 1, 0.3)]
    c.add("range_float", Op.RANGE, inputs, tfl.RangeOptionsT())
    for axis in (-1, 0, 1):
        inputs = [c.ints(0, 1, 2, 0, 1, 2, shape=(3, 2)), c.number(5), c.floats(), c.floats()]
        c.add(f"one_hot_{axis}", Op.ONE_HOT, inputs, options("OneHotOptions", axis=axis))


def forms(c: Cases) -> None:
    """Adds reductions, selections and changes of the form."""
    x = c.image
    c.add("cumsum", Op.CUMSUM, [x, c.number(-2)], tfl.CumsumOptionsT())
    for keep in (False, True):
        opt = options("ReducerOptions", keepDims=keep)
        for name, axes in (("one", (1,)), ("last", (-1,)), ("three", (0, 2, -1)), ("twice", (1, 1, -3))):
            c.add(f"mean_{name}_{keep}", Op.MEAN, [x, c.ints(*axes)], opt)
    for kind, name in ((Kind.INT32, "int32"), (Kind.INT64, "int64")):
        opt = options("ArgMaxOptions", outputType=kind)
        c.add(f"arg_max_{name}", Op.ARG_MAX, [x, c.number(-2)], opt, [kind])
        c.add(f"shape_{name}", Op.SHAPE, [x], options("ShapeOptions", outType=kind), [kind])
    c.add("top_k", Op.TOPK_V2, [x, c.number(4)], tfl.TopKV2OptionsT(), [Kind.FLOAT32, Kind.INT32])
    c.add("reshape_rest", Op.RESHAPE, [x, c.ints(4, -1, 9)], tfl.ReshapeOptionsT())
    opt = options("ReshapeOptions", newShape=[6, -1])
    c.add("reshape_option", Op.RESHAPE, [x], opt)
    limits = [c.ints(0, 0, 0, 0), c.ints(1, 1, 1, 1)]
    one = c.add("pixel", Op.SLICE, [x, *limits], tfl.SliceOptionsT(), shape=(1, 1, 1, 1))
    c.add("reshape_scalar", Op.RESHAPE, [one], options("ReshapeOptions", newShape=[0]))
    narrow = c.reshaped(1, 36, 1, 12)
    c.add("squeeze_all", Op.SQUEEZE, [narrow], tfl.SqueezeOptionsT())
    c.add("squeeze_listed", Op.SQUEEZE, [narrow], options("SqueezeOptions", squeezeDims=[-2]))
    for axis in (-1, 0, 2, 4):
        c.add(f"expand_{axis}", Op.EXPAND_DIMS, [x, c.number(axis)], tfl.ExpandDimsOptionsT())
    c.add("transpose", Op.TRANSPOSE, [x, c.ints(3, 0, 2, 1)], tfl.TransposeOptionsT())
    c.add("transpose_negative", Op.TRANSPOSE, [x, c.ints(-1, 0, -2, 1)], tfl.TransposeOptionsT())
    c.add("rank", Op.RANK, [x], tfl.RankOptionsT(), [Kind.INT32])
    dims = c.add("broadcast_args", Op.BROADCAST_ARGS, [c.ints(2, 1, 1, 1, 4), c.ints(9, 12, 1)], None, [Kind.INT32])
    c.add("broadcast_to", Op.BROADCAST_TO, [x, dims], tfl.BroadcastToOptionsT(), version=3)
    c.add("fill", Op.FILL, [c.ints(2, 3, 1), c.floats()], tfl.FillOptionsT())
    c.add("reverse", Op.REVERSE_V2, [x, c.ints(-1)], tfl.ReverseV2OptionsT())
    inputs = [x, c.floats(1, 9, 2, 4), c.ints(0, 0, 1, 0)]
    c.add("update", Op.DYNAMIC_UPDATE_SLICE, inputs, tfl.DynamicUpdateSliceOptionsT())
    rows = c.reshaped(9, 48)
    for name, shape in (("whole", (9, 48)), ("row", (9,)), ("number", ())):
        bools = np.ones(shape, np.bool_)
        condition = c.g.tensor(f"condition_{name}", shape, Kind.BOOL, buffer=c.model.buffer(bools.tobytes()))
        c.add(f"select_{name}", Op.SELECT, [condition, rows, rows], tfl.SelectOptionsT())
    column = c.g.tensor("condition", (9, 1), Kind.BOOL, buffer=c.model.buffer(np.ones(9, np.bool_).tobytes()))
    c.add("select_v2", Op.SELECT_V2, [column, rows, c.floats(48)], tfl.SelectV2OptionsT())
    c.add("add_broadcast", Op.ADD, [x, c.floats(12, 1)], tfl.AddOptionsT())
    c.add("add_rank", Op.ADD, [c.floats(4), x], tfl.AddOptionsT())
    c.add("add_both", Op.ADD, [c.reshaped(9, 1, 48), c.floats(2, 1)], tfl.AddOptionsT())


def shape_model() -> Model:
    """Returns the model with the shape rules."""
    c = Cases()
    for group in (windows, layers, parts, forms):
        group(c)
    return c.model


class Values(Cases):
    """A graph that computes numbers. Each is the shape of an output."""

    def show(self, name: str, values: int, kind: int = Kind.INT32) -> None:
        """Adds a FILL with the shape `values`, a vector of small positive numbers."""
        if kind == Kind.FLOAT32:
            cast = options("CastOptions", inDataType=kind, outDataType=Kind.INT32)
            values = self.add(f"{name}_int", Op.CAST, [values], cast, [Kind.INT32])
        elif kind == Kind.BOOL:
            inputs = [values, self.ints(2), self.ints(3)]
            values = self.add(f"{name}_int", Op.SELECT_V2, inputs, tfl.SelectV2OptionsT(), [Kind.INT32])
        flat = self.add(f"{name}_flat", Op.RESHAPE, [values, self.ints(-1)], tfl.ReshapeOptionsT(), [Kind.INT32])
        self.add(name, Op.FILL, [flat, self.floats()], tfl.FillOptionsT())

    def reals(self, *values: float) -> int:
        """Adds a constant float32 vector."""
        return constant(self.g, f"reals{len(self.g.t.tensors)}", np.array(values, np.float32))


def value_model() -> Model:
    """Returns the model with the rules for values."""
    v = Values()
    i32, f32 = [Kind.INT32], [Kind.FLOAT32]
    dims = v.add("dims", Op.SHAPE, [v.image], options("ShapeOptions", outType=Kind.INT32), i32)
    v.show("shape", dims)
    v.show("rank", v.add("rank_value", Op.RANK, [v.image], tfl.RankOptionsT(), i32))

    def integers(name: str, code: int, inputs: Sequence[int], opt: Any = None, kind: int = Kind.INT32) -> None:
        v.show(name, v.add(f"{name}_value", code, inputs, opt, [kind]), kind)

    three = v.add("three", Op.SLICE, [dims, v.ints(1), v.ints(-1)], tfl.SliceOptionsT(), i32, shape=(3,))
    v.show("slice_rest", three)
    v.show("slice", v.add("two", Op.SLICE, [dims, v.ints(1), v.ints(2)], tfl.SliceOptionsT(), i32, shape=(2,)))
    limits = [v.ints(-1), v.ints(-4), v.ints(-2)]
    integers("strided", Op.STRIDED_SLICE, [dims, *limits], tfl.StridedSliceOptionsT())
    limits = [v.ints(2), v.ints(3), v.ints(1)]
    integers("strided_single", Op.STRIDED_SLICE, [dims, *limits], options("StridedSliceOptions", shrinkAxisMask=1))
    integers("gather", Op.GATHER, [dims, v.ints(3, 1, 1)], tfl.GatherOptionsT())
    integers("concatenation", Op.CONCATENATION, [v.ints(2), three], options("ConcatenationOptions", axis=-1))
    numbers = [v.number(5), v.number(2)]
    integers("pack", Op.PACK, numbers, options("PackOptions", valuesCount=2, axis=-1))
    halves = v.add("halves", Op.SPLIT, [v.number(0), dims], options("SplitOptions", numSplits=2), i32 * 2)
    v.show("split_first", halves)
    v.show("split_second", halves + 1)
    uneven = [dims, v.ints(1, 3), v.number(0)]
    first = v.add("uneven", Op.SPLIT_V, uneven, options("SplitVOptions", numSplits=2), i32 * 2)
    v.show("split_v_second", first + 1)
    first = v.add("single", Op.UNPACK, [three], options("UnpackOptions", num=3), i32 * 3)
    v.show("unpack_second", first + 1)
    v.show("unpack_third", first + 2)
    integers("squeeze", Op.SQUEEZE, [v.ints(7, shape=(1, 1))], tfl.SqueezeOptionsT())
    integers("fill", Op.FILL, [v.ints(3), v.number(2)], tfl.FillOptionsT())
    integers("range", Op.RANGE, [v.number(9), v.number(1), v.number(-3)], tfl.RangeOptionsT())
    integers("broadcast_args", Op.BROADCAST_ARGS, [v.ints(2, 1, 1), v.ints(3, 4)])
    for name, code in (("prod", Op.REDUCE_PROD), ("sum", Op.SUM), ("max", Op.REDUCE_MAX), ("min", Op.REDUCE_MIN)):
        opt = options("ReducerOptions", keepDims=name == "sum")
        integers(f"reduce_{name}", code, [v.ints(3, 2, 5), v.ints(0)], opt)

    a, b = v.ints(-7, 7, -6), v.ints(3, 3, 3)
    eleven = v.ints(11)

    def shifted(name: str, code: int, opt: Any) -> None:
        """Adds 11 to a result, so that it is positive."""
        result = v.add(f"{name}_result", code, [a, b], opt, i32)
        v.show(name, v.add(f"{name}_shifted", Op.ADD, [result, eleven], tfl.AddOptionsT(), i32))

    shifted("sub", Op.SUB, tfl.SubOptionsT())
    shifted("div", Op.DIV, tfl.DivOptionsT())
    shifted("floor_div", Op.FLOOR_DIV, tfl.FloorDivOptionsT())
    shifted("floor_mod", Op.FLOOR_MOD, tfl.FloorModOptionsT())
    shifted("maximum", Op.MAXIMUM, tfl.MaximumMinimumOptionsT())
    shifted("minimum", Op.MINIMUM, tfl.MaximumMinimumOptionsT())
    integers("mul", Op.MUL, [v.ints(2, 3), v.ints(3)], tfl.MulOptionsT())
    integers("abs", Op.ABS, [v.ints(-4, 4)], tfl.AbsOptionsT())
    integers("neg", Op.NEG, [v.ints(-4, -1)], tfl.NegOptionsT())
    quarters, halves = v.reals(1.25, 2.75), v.reals(1.5, 2.5, 3.5)
    integers("floor", Op.FLOOR, [quarters], kind=Kind.FLOAT32)
    integers("ceil", Op.CEIL, [quarters], kind=Kind.FLOAT32)
    integers("round", Op.ROUND, [halves], kind=Kind.FLOAT32)
    integers("cast", Op.CAST, [quarters], options("CastOptions", inDataType=Kind.FLOAT32, outDataType=Kind.INT32))
    integers("sqrt", Op.SQRT, [v.reals(4, 10)], kind=Kind.FLOAT32)
    integers("square", Op.SQUARE, [v.reals(1.5, 2)], tfl.SquareOptionsT(), Kind.FLOAT32)
    integers("div_float", Op.DIV, [v.reals(7, 8), v.reals(2)], tfl.DivOptionsT(), Kind.FLOAT32)
    opt = options("CastOptions", inDataType=Kind.FLOAT32, outDataType=Kind.BOOL)
    integers("cast_bool", Op.CAST, [v.reals(0, 0.5)], opt, Kind.BOOL)
    low, high = v.ints(1, 2, 3), v.ints(2)
    for code, name, table in (
        (Op.EQUAL, "equal", "EqualOptions"),
        (Op.NOT_EQUAL, "not_equal", "NotEqualOptions"),
        (Op.LESS, "less", "LessOptions"),
        (Op.LESS_EQUAL, "less_equal", "LessEqualOptions"),
        (Op.GREATER, "greater", "GreaterOptions"),
        (Op.GREATER_EQUAL, "greater_equal", "GreaterEqualOptions"),
    ):
        integers(name, code, [low, high], options(table), Kind.BOOL)

    def bools(*values: bool) -> int:
        raw = np.array(values, np.bool_).tobytes()
        name = f"bools{len(v.g.t.tensors)}"
        return v.g.tensor(name, (len(values),), Kind.BOOL, buffer=v.model.buffer(raw))

    p, q = bools(False, False, True, True), bools(False, True, False, True)
    integers("logical_and", Op.LOGICAL_AND, [p, q], tfl.LogicalAndOptionsT(), Kind.BOOL)
    integers("logical_or", Op.LOGICAL_OR, [p, q], tfl.LogicalOrOptionsT(), Kind.BOOL)
    integers("logical_not", Op.LOGICAL_NOT, [p], tfl.LogicalNotOptionsT(), Kind.BOOL)
    inputs = [p, v.ints(1, 2, 3, 4), v.ints(5, 6, 7, 8)]
    integers("select", Op.SELECT, inputs, tfl.SelectOptionsT())
    # float32 rounds 16777217 to 16777216.
    inputs = [v.reals(16777216), v.reals(1)]
    total = v.add("rounded_sum", Op.ADD, inputs, tfl.AddOptionsT(), f32)
    total = v.add("rounded_difference", Op.SUB, [total, v.reals(16777213)], tfl.SubOptionsT(), f32)
    v.show("rounded", total, Kind.FLOAT32)
    return v.model


def shape_models() -> dict[str, bytes]:
    """Returns the files by name."""
    return {"rules/shapes.tflite": shape_model().pack(), "rules/values.tflite": value_model().pack()}

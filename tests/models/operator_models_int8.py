"""The models with one operator in int8, between a QUANTIZE and a DEQUANTIZE."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Graph, Kind, Op, Shape, quantization
from operator_builder import IMAGE, Body, apply, ints, options, q8


def int8_unary(code: int, opt: str | None = None, q: Any = None, version: int = 1) -> Body:
    """Returns an operator with one input in int8."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        return apply(g, code, [x], IMAGE, Kind.INT8, options(opt) if opt else None, version, q or q8()), IMAGE

    return body


def int8_binary(code: int, opt: str, version: int = 2) -> Body:
    """Returns an operator with two inputs in int8."""

    def body(g: Graph, x: int) -> tuple[int, Shape]:
        other = g.const("other", np.array([16, 64, 127], np.int8), q8())
        return apply(g, code, [x, other], IMAGE, Kind.INT8, options(opt), version, quantization(1 / 32, 3)), IMAGE

    return body


def int8_others(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds the int8 operators that move data: PAD, RESIZE_BILINEAR, STRIDED_SLICE, TRANSPOSE, REDUCE_MAX, MEAN."""
    borders = ints(g, 0, 0, 1, 1, 1, 1, 0, 0, shape=(4, 2))
    y = apply(g, Op.PAD, [x, borders], (1, 10, 10, 3), Kind.INT8, tfl.PadOptionsT(), 2, q8())
    opt = options("ResizeBilinearOptions", halfPixelCenters=True)
    y = apply(g, Op.RESIZE_BILINEAR, [y, ints(g, 12, 12)], (1, 12, 12, 3), Kind.INT8, opt, 3, q8())
    limits = [ints(g, 0, 0, 0, 0), ints(g, 0, 0, 0, 0), ints(g, 1, 2, 1, 1)]
    opt = options("StridedSliceOptions", beginMask=15, endMask=15)
    y = apply(g, Op.STRIDED_SLICE, [y, *limits], (1, 6, 12, 3), Kind.INT8, opt, 2, q8())
    y = apply(g, Op.TRANSPOSE, [y, ints(g, 0, 3, 1, 2)], (1, 3, 6, 12), Kind.INT8, tfl.TransposeOptionsT(), 2, q8())
    keep = options("ReducerOptions", keepDims=True)
    y = apply(g, Op.REDUCE_MAX, [y, ints(g, 3)], (1, 3, 6, 1), Kind.INT8, keep, 2, q8())
    return apply(g, Op.MEAN, [y, ints(g, 2)], (1, 3, 1, 1), Kind.INT8, keep, 2, q8()), (1, 3, 1, 1)


def int8_attention(g: Graph, x: int) -> tuple[int, Shape]:
    """Adds a product of the pixels with themselves in int8."""
    y = apply(g, Op.RESHAPE, [x, ints(g, 1, 64, 3)], (1, 64, 3), Kind.INT8, tfl.ReshapeOptionsT(), q=q8())
    opt = options("BatchMatMulOptions", adjY=True)
    y = apply(g, Op.BATCH_MATMUL, [y, y], (1, 64, 64), Kind.INT8, opt, 2, quantization(1 / 16, 0))
    return y, (1, 64, 64)


def int8_bodies() -> dict[str, Body]:
    """Returns the operators by name."""
    half, unit = quantization(1 / 256, -128), quantization(1 / 128, 0)
    return {
        "abs": int8_unary(Op.ABS, "AbsOptions"),
        "add": int8_binary(Op.ADD, "AddOptions"),
        "attention": int8_attention,
        "elu": int8_unary(Op.ELU),
        "exp": int8_unary(Op.EXP, "ExpOptions", quantization(1 / 32, -128), 2),
        "gelu": int8_unary(Op.GELU, "GeluOptions", version=2),
        "hard_swish": int8_unary(Op.HARD_SWISH, "HardSwishOptions"),
        "l2_normalization": int8_unary(Op.L2_NORMALIZATION, "L2NormOptions", unit, 2),
        "leaky_relu": int8_unary(Op.LEAKY_RELU, "LeakyReluOptions", version=2),
        "log_softmax": int8_unary(Op.LOG_SOFTMAX, "LogSoftmaxOptions", quantization(16 / 256, 127), 2),
        "logistic": int8_unary(Op.LOGISTIC, q=half, version=2),
        "maximum": int8_binary(Op.MAXIMUM, "MaximumMinimumOptions"),
        "mul": int8_binary(Op.MUL, "MulOptions"),
        "others": int8_others,
        "relu": int8_unary(Op.RELU, version=2),
        "sub": int8_binary(Op.SUB, "SubOptions", 3),
        "tanh": int8_unary(Op.TANH, q=unit, version=2),
    }

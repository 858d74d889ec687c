"""Graphs whose parts are valid and that no exporter writes: nested calls, empty activations, extreme numbers.

These end the process of libLiteRt 2.3.0 (x86-64), or read outside of a tensor: blockwise_scales_missing,
broadcast_of_unfit_shapes, call_of_attention, call_of_attention_nul, control_subgraphs_huge, reverse_of_nothing,
sparse_weights, and remainder_by_picture with a suitable picture. It refuses some of the others and runs the rest, of
which larger ones of the same kind need all memory, or all of the stack.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Graph, Kind, Model, Op
from operator_builder import IMAGE, Body, apply, constant, floats, ints, model_of, options, scores
from operator_models import dense

# Side of an image in whose memory a few others fit.
LARGE_SIDE = 1280


def call(g: Graph, subgraph: int, inputs: list[int], shape: tuple[int, ...]) -> int:
    """Adds a STABLEHLO_COMPOSITE that calls a subgraph with one output."""
    y = apply(g, Op.STABLEHLO_COMPOSITE, inputs, shape)
    operator = g.t.operators[-1]
    operator.builtinOptions2Type = tfl.BuiltinOptions2.StableHLOCompositeOptions
    opt = options("StableHLOCompositeOptions", name="aten.test", decompositionSubgraphIndex=subgraph)
    opt.compositeAttributes = []
    operator.builtinOptions2 = opt
    return y


def call_chain(depth: int) -> Model:
    """Returns a model in which each of `depth` subgraphs calls the next."""
    model = Model()
    for index in range(depth + 1):
        g = model.graph()
        x = g.input("image", IMAGE)
        y = call(g, index + 1, [x], IMAGE) if index < depth else apply(g, Op.NEG, [x], IMAGE, opt=tfl.NegOptionsT())
        g.t.outputs = [y if index else scores(g, y, IMAGE)]
    return model


def call_with_large_caller(calls: int, live: int, side: int) -> Model:
    """Returns a model that keeps `live` large tensors while `calls` operators call a subgraph that makes one more."""
    model = Model()
    g = model.graph()
    large = (1, side, side, 3)
    inner = model.graph()
    negated = apply(inner, Op.NEG, [inner.input("x", large)], large, opt=tfl.NegOptionsT())
    inner.t.outputs = [apply(inner, Op.NEG, [negated], large, opt=tfl.NegOptionsT())]
    resize = options("ResizeNearestNeighborOptions")
    x = g.input("image", IMAGE)
    kept = [apply(g, Op.RESIZE_NEAREST_NEIGHBOR, [x, ints(g, side, side)], large, opt=resize) for _ in range(live)]
    y = kept[0]
    for _ in range(calls):
        y = call(g, 1, [y], large)
    total = g.mean(y, g.tensor("mean", (1, 3)))
    for tensor in kept:
        other = g.mean(tensor, g.tensor("mean", (1, 3)))
        total = apply(g, Op.ADD, [total, other], (1, 3), opt=tfl.AddOptionsT())
    g.t.outputs = [total]
    return model


def call_of_attention(name: str) -> Model:
    """Returns a model that calls a subgraph with one input by a name for which LiteRT runs its own kernel."""
    model = call_chain(1)
    model.t.subgraphs[0].operators[0].builtinOptions2.name = name
    return model


def sparse_weights() -> Model:
    """Returns a model with weights that are complete, and that a CSR matrix without rows describes."""
    model = model_of(dense)
    weights = model.t.subgraphs[0].tensors[model.t.subgraphs[0].operators[0].inputs[1]]
    rows, columns = tfl.DimensionMetadataT(), tfl.DimensionMetadataT()
    rows.format, rows.denseSize = tfl.DimensionType.DENSE, weights.shape[0]
    columns.format = tfl.DimensionType.SPARSE_CSR
    columns.arraySegmentsType = columns.arrayIndicesType = tfl.SparseIndexVector.Int32Vector
    columns.arraySegments, columns.arrayIndices = tfl.Int32VectorT(), tfl.Int32VectorT()
    columns.arraySegments.values = columns.arrayIndices.values = []
    weights.sparsity = tfl.SparsityParametersT()
    weights.sparsity.traversalOrder, weights.sparsity.dimMetadata = [0, 1], [rows, columns]
    return model


def control_dependencies(data: bytes) -> Model:
    """Returns a model with the metadata that order operators."""
    model = model_of(dense)
    model.metadata("model_control_dependencies", data)
    return model


def conv_of_nothing(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a CONV_2D of a constant without channels."""
    nothing = constant(g, "nothing", np.zeros((1, 8, 8, 0), np.float32))
    g.conv(nothing, floats(g, (2, 3, 3, 3)), floats(g, (2,)), g.tensor("conv", (1, 8, 8, 2)))
    return x, IMAGE


def sum_of_nothing(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a SUM of a constant without elements, which has one element for each channel."""
    nothing = constant(g, "nothing", np.zeros((1, 0, 3), np.float32))
    total = apply(g, Op.SUM, [nothing, ints(g, 1)], (1, 3), opt=tfl.ReducerOptionsT())
    return apply(g, Op.ADD, [x, total], IMAGE, opt=tfl.AddOptionsT()), IMAGE


def slice_before_everything(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a SLICE that begins at the smallest int64."""
    begin = constant(g, "begin", np.array([0, np.iinfo(np.int64).min, 0, 0], np.int64))
    size = constant(g, "size", np.array([1, 8, 8, 3], np.int64))
    return apply(g, Op.SLICE, [x, begin, size], IMAGE, opt=tfl.SliceOptionsT()), IMAGE


def range_of_all_numbers(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a RANGE whose length int32 cannot hold."""
    limits = [np.iinfo(np.int32).min, np.iinfo(np.int32).max, 1 << 30]
    bounds = [constant(g, f"limit{i}", np.array(value, np.int32)) for i, value in enumerate(limits)]
    numbers = apply(g, Op.RANGE, bounds, (4,), Kind.INT32, tfl.RangeOptionsT())
    cast = options("CastOptions", inDataType=Kind.INT32, outDataType=Kind.FLOAT32)
    total = apply(g, Op.SUM, [apply(g, Op.CAST, [numbers], (4,), opt=cast), ints(g, 0)], (), opt=tfl.ReducerOptionsT())
    return apply(g, Op.ADD, [x, total], IMAGE, opt=tfl.AddOptionsT()), IMAGE


def transposed_too_large(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a TRANSPOSE_CONV whose result is larger than its input and its strides give."""
    opt = options("TransposeConvOptions", strideW=2, strideH=2, padding=tfl.Padding.SAME)
    inputs = [ints(g, 1, 64, 64, 2), floats(g, (2, 3, 3, 3)), x]
    return apply(g, Op.TRANSPOSE_CONV, inputs, (1, 64, 64, 2), opt=opt), (1, 64, 64, 2)


def remainder(g: Graph, x: int, dividend: int, divisor: int) -> tuple[int, tuple[int, ...]]:
    """Adds a FLOOR_MOD of integers, and its result to the image."""
    y = apply(g, Op.FLOOR_MOD, [dividend, divisor], IMAGE, Kind.INT32, tfl.FloorModOptionsT())
    cast = options("CastOptions", inDataType=Kind.INT32, outDataType=Kind.FLOAT32)
    return apply(g, Op.ADD, [x, apply(g, Op.CAST, [y], IMAGE, opt=cast)], IMAGE, opt=tfl.AddOptionsT()), IMAGE


def broadcast_of_unfit_shapes(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a BROADCAST_ARGS of shapes that do not fit each other, and the sum of its result to the image."""
    dims = apply(g, Op.BROADCAST_ARGS, [ints(g, 2, 3), ints(g, 3, 2)], (2,), Kind.INT32)
    cast = options("CastOptions", inDataType=Kind.INT32, outDataType=Kind.FLOAT32)
    total = apply(g, Op.SUM, [apply(g, Op.CAST, [dims], (2,), opt=cast), ints(g, 0)], (), opt=tfl.ReducerOptionsT())
    return apply(g, Op.ADD, [x, total], IMAGE, opt=tfl.AddOptionsT()), IMAGE


def reverse_of_nothing(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds a REVERSE_V2 without dimensions to reverse."""
    # The buffer is larger than the tensor.
    axes = g.tensor("axes", (0,), Kind.INT32, buffer=g.model.buffer(np.array([1], np.int32).tobytes()))
    return apply(g, Op.REVERSE_V2, [x, axes], IMAGE, opt=tfl.ReverseV2OptionsT()), IMAGE


def integers(g: Graph, x: int) -> int:
    """Adds a CAST of the image."""
    cast = options("CastOptions", inDataType=Kind.FLOAT32, outDataType=Kind.INT32)
    return apply(g, Op.CAST, [x], IMAGE, Kind.INT32, cast)


def blockwise(g: Graph, x: int, scales: int, block_size: int = 32) -> tuple[int, tuple[int, ...]]:
    """Adds a FULLY_CONNECTED with int4 weights, of which `block_size` share one of `scales` scales."""
    rows, columns = 4, 192
    x = g.reshape(x, g.tensor("flat", (1, columns)), (1, columns))
    details = tfl.BlockwiseQuantizationT()
    details.scales = g.tensor(
        "scales", (scales,), Kind.FLOAT16, buffer=g.model.buffer(np.full(scales, 0.5, np.float16).tobytes())
    )
    details.zeroPoints, details.blockSize = -1, block_size
    q = tfl.QuantizationParametersT()
    q.detailsType, q.details = tfl.QuantizationDetails.BlockwiseQuantization, details
    w = g.tensor("weights", (rows, columns), Kind.INT4, q, buffer=g.model.buffer(bytes([0x21] * (rows * columns // 2))))
    opt = tfl.FullyConnectedOptionsT()
    return apply(g, Op.FULLY_CONNECTED, [x, w, floats(g, (rows,))], (1, rows), opt=opt, version=9), (1, rows)


def large_variables(g: Graph, x: int) -> tuple[int, tuple[int, ...]]:
    """Adds variables of a gigabyte, which LiteRT keeps in memory."""
    for index in range(3):
        variable = g.tensor(f"variable{index}", (1, 16000, 16000))
        g.t.tensors[-1].isVariable = True
        apply(g, Op.SUM, [variable, ints(g, 1)], (1, 16000), opt=tfl.ReducerOptionsT())
    return x, IMAGE


def hostile_models() -> dict[str, bytes]:
    """Returns the files by name."""
    bodies: dict[str, Body] = {
        "conv_of_nothing": conv_of_nothing,
        "sum_of_nothing": sum_of_nothing,
        "slice_before_everything": slice_before_everything,
        "range_of_all_numbers": range_of_all_numbers,
        "transposed_too_large": transposed_too_large,
        "large_variables": large_variables,
        "reverse_of_nothing": reverse_of_nothing,
        "broadcast_of_unfit_shapes": broadcast_of_unfit_shapes,
        "remainder_of_smallest": lambda g, x: remainder(g, x, ints(g, -(1 << 31), shape=(1, 1, 1, 1)), integers(g, x)),
        "remainder_by_picture": lambda g, x: remainder(g, x, integers(g, x), integers(g, x)),
        "blockwise_scales_missing": lambda g, x: blockwise(g, x, 0),
        "blockwise_scales_few": lambda g, x: blockwise(g, x, 23),
        "blockwise_parts_of_blocks": lambda g, x: blockwise(g, x, 6, 128),
    }
    models: dict[str, Callable[[], Any]] = {
        "call_chain": lambda: call_chain(17),
        "call_of_attention": lambda: call_of_attention("odml.scaled_dot_product_attention"),
        "call_of_attention_nul": lambda: call_of_attention("odml.scaled_dot_product_attention\0.impl"),
        "sparse_weights": sparse_weights,
        # Each number is stored in base 128: the version, the number of subgraphs, the number of edges, and the edges.
        "control_subgraphs_huge": lambda: control_dependencies(bytes([1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F])),
        "control_edges_huge": lambda: control_dependencies(bytes([1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F])),
        "control_operator_missing": lambda: control_dependencies(bytes([1, 1, 1, 0, 200, 1])),
        "call_with_large_caller": lambda: call_with_large_caller(1, 2, LARGE_SIDE),
    }
    files = {f"graph_{name}.tflite": model_of(body).pack() for name, body in bodies.items()}
    return files | {f"graph_{name}.tflite": make().pack() for name, make in models.items()}


def usable_models() -> dict[str, bytes]:
    """Returns the files that are as unusual, and can be run."""
    return {
        "operators/call_nested.tflite": call_chain(16).pack(),
        "operators/call_repeated.tflite": call_with_large_caller(6, 1, 400).pack(),
        "operators/control_dependencies.tflite": control_dependencies(bytes([1, 1, 1, 0, 2])).pack(),
        "operators/blockwise.tflite": model_of(lambda g, x: blockwise(g, x, 24)).pack(),
    }

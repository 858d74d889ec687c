"""Models that are correct flatbuffers and wrong graphs.

libLiteRt 2.3.0 (x86-64) rejects most of them, some only when it allocates tensors. Without a check beforehand:

- These end the process with SIGSEGV or SIGABRT: add_scale_missing, hybrid_depthwise_without_bias, op_weights_absent,
  op_writes_its_input, quantize_scale_zero, quantize_zero_point_out_of_range, signature_names_a_weight,
  signature_output_unnamed, split_count_wrong, split_options_missing, sum_of_channel_scales, sum_scale_overflows,
  sum_with_channel_scales, zero_point_absent.
- These run and return another result than that of the network: activation_unknown, dilation_huge, no_operators,
  output_is_input, output_is_weight.
- These run and return the correct result, because the damaged field is not read: depth_multiplier_zero,
  intermediate_shape_wrong, sparsity_garbage. Other sparsity than that of the latter ends the process.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Buffer, Kind, Model, Op, quantization
from color_models import two_outputs
from good_models import dynamic_batch, float_net, hybrid_dynamic_range, int8_quant, uint8_edges_int8_inside, uint8_quant
from operator_models import operator_builders

# A function that damages a model; its arguments are the ModelT and its first SubGraphT.
Change = Callable[[Any, Any], object]


def damaged(change: Change, make: Callable[[], Model]) -> bytes:
    """Returns a damaged model."""
    model = make()
    change(model.t, model.t.subgraphs[0])
    return model.pack()


def equal_output_names(model: Any, graph: Any) -> None:
    """Gives all outputs the same name; without signatures, LiteRT uses the names of the tensors."""
    model.signatureDefs = None
    for index in graph.outputs:
        graph.tensors[index].name = "output"


def large_kernels() -> Model:
    """Returns convolutions of 16x16 on 1024x1024 pixels, whose pointers take gigabytes in XNNPACK."""
    model = Model()
    g = model.graph()
    shape = (1, 1024, 1024, 3)
    y = g.input("image", shape)
    w = g.const("conv/w", np.full((3, 16, 16, 3), 1 / 1024, np.float32))
    b = g.const("conv/b", np.zeros(3, np.float32))
    for index in range(2):
        y = g.conv(y, w, b, g.tensor(f"conv{index}", shape))
    g.t.outputs = [g.mean(y, g.tensor("mean", (1, 3)))]
    return model


def op_of(model: Any, graph: Any, code: int) -> Any:
    """Returns the first operator with a code."""
    return next(o for o in graph.operators if model.operatorCodes[o.opcodeIndex].builtinCode == code)


def tensor_of(graph: Any, name: str) -> Any:
    """Returns a tensor by its name."""
    return next(t for t in graph.tensors if t.name == name)


def set_field(path: Callable[[Any, Any], tuple[Any, str]], value: Any) -> Change:
    """Returns a change that sets an attribute. `path` returns its object and name from (model, graph)."""

    def change(model: Any, graph: Any) -> None:
        target, field = path(model, graph)
        setattr(target, field, value)

    return change


def op_input(index: int, value: int, code: int = Op.CONV_2D) -> Change:
    """Returns a change of an operator's input."""

    def change(model: Any, graph: Any) -> None:
        op_of(model, graph, code).inputs[index] = value

    return change


def option(code: int, field: str, value: Any) -> Change:
    """Returns a change of an operator's option."""
    return set_field(lambda m, g: (op_of(m, g, code).builtinOptions, field), value)


def tensor(name: str, field: str, value: Any) -> Change:
    """Returns a change of a tensor's field."""
    return set_field(lambda m, g: (tensor_of(g, name), field), value)


def short_buffer(model: Any, graph: Any) -> None:
    """Truncates the weights of the convolution."""
    b = model.buffers[tensor_of(graph, "conv/w").buffer]
    b.data = b.data[:64]


def no_buffer(_model: Any, graph: Any) -> None:
    """Removes the weights of the convolution."""
    tensor_of(graph, "conv/w").buffer = 0


def swapped_ops(_model: Any, graph: Any) -> None:
    """Exchanges two operators."""
    graph.operators[0], graph.operators[2] = graph.operators[2], graph.operators[0]


def self_loop(_model: Any, graph: Any) -> None:
    """Connects the convolution to its own output."""
    conv = graph.operators[0]
    conv.inputs[0] = conv.outputs[0]


def output_is_weight(_model: Any, graph: Any) -> None:
    """Lets the convolution write to its weights."""
    graph.operators[0].outputs[0] = graph.operators[0].inputs[1]


def quant_field(name: str, field: str, value: Any) -> Change:
    """Returns a change of a tensor's quantization."""
    return set_field(lambda m, g: (tensor_of(g, name).quantization, field), value)


def quant_fields(name: str, scale: Sequence[float], zero_point: Sequence[int]) -> Change:
    """Returns a change of scales and zero points of a tensor."""
    return change_all(quant_field(name, "scale", scale), quant_field(name, "zeroPoint", zero_point))


def channel_scales(name: str) -> Change:
    """Returns a change that gives each channel of a tensor, its last dimension, a scale of its own."""

    def change(_model: Any, graph: Any) -> None:
        shape = tensor_of(graph, name).shape
        tensor_of(graph, name).quantization = quantization([1 / 32] * shape[-1], [0] * shape[-1], len(shape) - 1)

    return change


def op_field(code: int, field: str, value: Any) -> Change:
    """Returns a change of a field of an operator."""
    return set_field(lambda m, g: (op_of(m, g, code), field), value)


def sparse_garbage(_model: Any, graph: Any) -> None:
    """Adds invalid sparsity parameters to the dense weights."""
    s = tfl.SparsityParametersT()
    s.traversalOrder, s.blockMap, s.dimMetadata = [9, 9, 9, 9], [7], []
    tensor_of(graph, "dense/w").sparsity = s


def add_net() -> Model:
    """Returns a minimal int8 graph with an ADD, whose kernel does not check the scales: mean + mean."""
    model = Model()
    g = model.graph()
    q = quantization(1 / 128, 0)
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, q)
    y = g.mean(x, g.tensor("mean", (1, 3), Kind.INT8, q), version=2)
    g.t.outputs = [g.op(Op.ADD, [y, y], [g.tensor("sum", (1, 3), Kind.INT8, q)], tfl.AddOptionsT(), 2)]
    return model


def split_net() -> Model:
    """Returns a graph with a SPLIT into three: mean -> SPLIT -> CONCATENATION."""
    model = Model()
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


def without_bias(code: int) -> Change:
    """Returns a change that removes the bias of an operator."""

    def change(model: Any, graph: Any) -> None:
        op = op_of(model, graph, code)
        op.inputs = op.inputs[:2]

    return change


def bad_signature(model: Any, _graph: Any) -> None:
    """Lets the signature refer to a missing tensor."""
    model.signatureDefs[0].inputs[0].tensorIndex = 1000


def bad_signature_graph(model: Any, _graph: Any) -> None:
    """Lets the signature refer to a missing subgraph."""
    model.signatureDefs[0].subgraphIndex = 9


def change_all(*changes: Change) -> Change:
    """Returns a change that applies several changes."""

    def change(model: Any, graph: Any) -> None:
        for one in changes:
            one(model, graph)

    return change


def graph_field(field: str, value: Any) -> Change:
    """Returns a change of a field of the graph."""
    return set_field(lambda _m, g: (g, field), value)


def first_op(field: str, value: Any) -> Change:
    """Returns a change of a field of the first operator."""
    return set_field(lambda _m, g: (g.operators[0], field), value)


def first_opcode(field: str, value: Any) -> Change:
    """Returns a change of a field of the first operator code."""
    return set_field(lambda m, _g: (m.operatorCodes[0], field), value)


def buffer_of(name: str, values: Sequence[int]) -> Change:
    """Returns a change of the contents of a constant int32 tensor."""
    raw = np.array(values, np.int32).tobytes()
    return set_field(lambda m, g: (m.buffers[tensor_of(g, name).buffer], "data"), raw)


def plain() -> Model:
    """Returns the model that most cases damage."""
    return float_net(1, 3, "softmax", input_name="image")


def operator_model(name: str) -> Callable[[], Model]:
    """Returns a function that makes one of the models with one operator."""
    return lambda: operator_builders()[name]()


def other_operator(old: int, new: int) -> Change:
    """Returns a change of an operator code; the operator keeps its tensors and loses its options."""

    def change(model: Any, graph: Any) -> None:
        op = op_of(model, graph, old)
        op.builtinOptions, op.builtinOptionsType = None, 0
        code = model.operatorCodes[op.opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = new

    return change


def first_ints(*values: int) -> Change:
    """Returns a change of the first constant that a model with one operator has."""

    def change(model: Any, graph: Any) -> None:
        constants = [t for t in graph.tensors if t.name.startswith("ints")]
        model.buffers[constants[0].buffer].data = np.array(values, np.int32).tobytes()

    return change


def range_values(*values: int) -> Change:
    """Returns a change of the start, the limit and the step of a RANGE."""

    def change(model: Any, graph: Any) -> None:
        inputs = op_of(model, graph, Op.RANGE).inputs
        for index, value in zip(inputs, values, strict=True):
            tensor = graph.tensors[index]
            tensor.buffer = len(model.buffers)
            buffer = Buffer()
            buffer.data = np.array(value, np.int32).tobytes()
            model.buffers.append(buffer)

    return change


def graph_output_shape(*shape: int) -> Change:
    """Returns a change of the shape that is stored for the output."""
    return set_field(lambda _m, g: (g.tensors[g.outputs[0]], "shape"), list(shape))


def first_result_shape(*shape: int) -> Change:
    """Returns a change of the shape that is stored for the result of the first operator."""
    return set_field(lambda _m, g: (g.tensors[g.operators[0].outputs[0]], "shape"), list(shape))


def calls_itself(_model: Any, graph: Any) -> None:
    """Lets a STABLEHLO_COMPOSITE call the subgraph that it is in."""
    graph.operators[0].builtinOptions2.decompositionSubgraphIndex = 0


def damaged_models() -> dict[str, bytes]:
    """Returns the files by name. Each case is a change and the function that makes the model."""
    q8 = int8_quant
    cases: dict[str, tuple[Change, Callable[[], Model] | None]] = {
        "op_input_out_of_range": (op_input(1, 1000), None),
        "op_input_negative": (op_input(1, -7), None),
        "op_weights_absent": (op_input(1, -1), None),
        "op_input_missing": (first_op("inputs", []), None),
        "op_output_missing": (first_op("outputs", []), None),
        "op_output_out_of_range": (first_op("outputs", [1000]), None),
        "op_output_is_weight": (output_is_weight, None),
        "op_order_reversed": (swapped_ops, None),
        "op_feeds_itself": (self_loop, None),
        "opcode_out_of_range": (first_op("opcodeIndex", 1000), None),
        "opcode_version_future": (first_opcode("version", 99), None),
        "options_missing": (change_all(first_op("builtinOptions", None), first_op("builtinOptionsType", 0)), None),
        "options_of_another_op": (
            change_all(
                first_opcode("builtinCode", Op.DEPTHWISE_CONV_2D),
                first_opcode("deprecatedBuiltinCode", Op.DEPTHWISE_CONV_2D),
            ),
            None,
        ),
        "buffer_out_of_range": (tensor("conv/w", "buffer", 1000), None),
        "buffer_too_small": (short_buffer, None),
        "weights_without_data": (no_buffer, None),
        "output_out_of_range": (graph_field("outputs", [1000]), None),
        "output_is_input": (lambda _m, g: setattr(g, "outputs", list(g.inputs)), None),
        "output_is_weight": (graph_field("outputs", [1]), None),
        "no_outputs": (graph_field("outputs", []), None),
        "no_operators": (graph_field("operators", []), None),
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
        "reshape_wrong_size": (change_all(option(Op.RESHAPE, "newShape", [1, 63]), buffer_of("shape", [1, 63])), None),
        "sparsity_garbage": (sparse_garbage, None),
        "depth_multiplier_zero": (option(Op.DEPTHWISE_CONV_2D, "depthMultiplier", 0), q8),
        "depthwise_stride_zero": (option(Op.DEPTHWISE_CONV_2D, "strideH", 0), q8),
        "pool_stride_zero": (option(Op.AVERAGE_POOL_2D, "strideW", 0), uint8_quant),
        "pool_filter_zero": (option(Op.AVERAGE_POOL_2D, "filterHeight", 0), uint8_quant),
        "mean_axis_out_of_range": (buffer_of("axes", [1, 77]), q8),
        "scales_too_few": (quant_field("conv/w", "scale", [0.01, 0.01]), q8),
        "scales_too_many": (quant_fields("conv/w", [0.01] * 9, [0] * 9), q8),
        "scales_few_zero_points_few": (quant_fields("conv/w", [0.01] * 2, [0] * 2), q8),
        "depthwise_scales_few": (quant_fields("dw/w", [0.01] * 2, [0] * 2), q8),
        "scale_axis_out_of_range": (quant_field("conv/w", "quantizedDimension", 9), q8),
        "scale_zero": (quant_field("image", "scale", [0.0]), q8),
        "scale_nan": (quant_field("conv", "scale", [float("nan")]), q8),
        "scale_negative": (quant_field("conv", "scale", [-0.1]), q8),
        "scale_infinite": (quant_field("image", "scale", [float("inf")]), q8),
        "zero_point_out_of_range": (quant_field("image", "zeroPoint", [5000]), q8),
        "zero_point_int64": (quant_field("conv", "zeroPoint", [1 << 40]), q8),
        "scale_missing": (tensor("conv", "quantization", None), q8),
        "zero_point_absent": (quant_field("conv", "zeroPoint", None), q8),
        "quantize_scale_zero": (quant_field("image_q", "scale", [0.0]), uint8_edges_int8_inside),
        "quantize_zero_point_out_of_range": (quant_field("image_q", "zeroPoint", [16384]), uint8_edges_int8_inside),
        "add_scale_missing": (tensor("mean", "quantization", None), add_net),
        "add_scale_huge": (tensor("mean", "quantization", quantization(1e30, 0)), add_net),
        "split_count_wrong": (option(Op.SPLIT, "numSplits", 1000), split_net),
        "split_options_missing": (
            change_all(op_field(Op.SPLIT, "builtinOptions", None), op_field(Op.SPLIT, "builtinOptionsType", 0)),
            split_net,
        ),
        "hybrid_conv_without_bias": (without_bias(Op.CONV_2D), hybrid_dynamic_range),
        "hybrid_depthwise_without_bias": (without_bias(Op.DEPTHWISE_CONV_2D), hybrid_dynamic_range),
        "op_writes_its_input": (
            lambda _m, g: setattr(g.operators[3], "outputs", g.operators[3].inputs[:1]),
            lambda: float_net(3, 1, "logistic", input_name="image"),
        ),
        "signature_names_a_weight": (
            set_field(lambda m, _g: (m.signatureDefs[0].inputs[0], "tensorIndex"), 2),
            dynamic_batch,
        ),
        "signature_output_unnamed": (
            set_field(lambda m, _g: (m.signatureDefs[0].outputs[0], "name"), None),
            dynamic_batch,
        ),
        "depthwise_without_bias": (without_bias(Op.DEPTHWISE_CONV_2D), q8),
        "fake_quant_of_uint8": (other_operator(Op.AVERAGE_POOL_2D, Op.FAKE_QUANT), uint8_quant),
        "average_of_int32": (tensor("conv", "type", Kind.INT32), uint8_quant),
        "concatenation_input_absent": (op_input(1, -1, Op.CONCATENATION), operator_model("concatenation")),
        "call_of_itself": (calls_itself, operator_model("composite")),
        "call_of_nothing": (
            set_field(lambda _m, g: (g.operators[0].builtinOptions2, "decompositionSubgraphIndex"), 7),
            operator_model("composite"),
        ),
        "response_radius_negative": (
            option(Op.LOCAL_RESPONSE_NORMALIZATION, "radius", -2),
            operator_model("local_response_normalization"),
        ),
        "resize_huge": (first_ints(12000, 12000), operator_model("resize_bilinear")),
        "tile_huge": (first_ints(1, 30000, 30000, 1), operator_model("tile")),
        "pad_huge": (first_ints(0, 0, 20000, 20000, 20000, 20000, 0, 0), operator_model("pad")),
        "fill_huge": (first_ints(1, 5000000, 8, 3), operator_model("fill")),
        "range_huge": (range_values(0, 2_000_000_000, 1), operator_model("number_range")),
        "range_step_zero": (range_values(0, 8, 0), operator_model("number_range")),
        "transpose_order_repeats": (first_ints(0, 1, 1, 3), operator_model("transpose")),
        "output_shape_small": (graph_output_shape(1, 2), operator_model("integer_math")),
        "sum_of_channel_scales": (channel_scales("result3"), operator_model("add_int8")),
        "sum_with_channel_scales": (channel_scales("other"), operator_model("sub_int8")),
        "sum_scale_overflows": (
            change_all(quant_field("other", "scale", [3e38]), quant_field("result3", "scale", [3e38])),
            operator_model("add_int8"),
        ),
        "constant_scale_zero": (quant_field("other", "scale", [0.0]), operator_model("sub_int8")),
        "dequantized_shape_wrong": (first_result_shape(3, 1000), operator_model("float16_weights")),
        "kernels_huge": (lambda _m, _g: None, large_kernels),
        "output_names_equal": (equal_output_names, lambda: two_outputs(activated=True)),
        "gather_index_out_of_range": (first_ints(1, 8), operator_model("gather")),
        "signature_tensor_out_of_range": (bad_signature, dynamic_batch),
        "signature_graph_out_of_range": (bad_signature_graph, dynamic_batch),
    }
    return {f"graph_{name}.tflite": damaged(change, make or plain) for name, (change, make) in cases.items()}

"""Models that scale their input themselves, or that have operators after their activation.

Every model averages the image, multiplies the three means by the matrix WEIGHTS and ends in an activation. For a red
image, the first class wins.
"""

from collections.abc import Callable

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Graph, Kind, Lcg, Model, Op, quantization

SIDE = 8
IMAGE = (1, SIDE, SIDE, 3)
WEIGHTS = np.eye(3, dtype=np.float32) * np.float32(4) - np.float32(2)
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)

Step = Callable[[Graph, int], int]


def binary(code: int, options: type, value: object) -> Step:
    """Returns a step that applies an operator to a tensor and a constant."""

    def step(g: Graph, x: int) -> int:
        constant = g.const("constant", np.asarray(value, np.float32))
        return g.op(code, [x, constant], [g.tensor("scaled", g.t.tensors[x].shape)], options())

    return step


def mul(value: object) -> Step:
    """Returns a step that multiplies by a constant."""
    return binary(Op.MUL, tfl.MulOptionsT, value)


def add(value: object) -> Step:
    """Returns a step that adds a constant."""
    return binary(Op.ADD, tfl.AddOptionsT, value)


def subtract(value: object) -> Step:
    """Returns a step that subtracts a constant."""
    return binary(Op.SUB, tfl.SubOptionsT, value)


def div(value: object) -> Step:
    """Returns a step that divides by a constant."""
    return binary(Op.DIV, tfl.DivOptionsT, value)


def mul_float16(value: float) -> Step:
    """Returns a step that multiplies by a float16 constant, which a DEQUANTIZE converts."""

    def step(g: Graph, x: int) -> int:
        raw = np.array(value, np.float16).tobytes()
        half = g.tensor("half", (), Kind.FLOAT16, buffer=g.model.buffer(raw))
        factor = g.op(Op.DEQUANTIZE, [half], [g.tensor("factor", ())], tfl.DequantizeOptionsT(), 3)
        return g.op(Op.MUL, [x, factor], [g.tensor("scaled", g.t.tensors[x].shape)], tfl.MulOptionsT())

    return step


def swap_channels(g: Graph, x: int) -> int:
    """Reverses the order of the channels with a STRIDED_SLICE for each, as Keras exports `x[..., ::-1]`."""
    planes = []
    for channel in (2, 1, 0):
        corners = ([0, 0, 0, channel], [0, 0, 0, channel + 1], [1, 1, 1, 1])
        bounds = [g.const("bounds", np.array(corner, np.int32)) for corner in corners]
        options = tfl.StridedSliceOptionsT()
        options.beginMask = options.endMask = 7
        options.shrinkAxisMask = 8
        planes.append(g.op(Op.STRIDED_SLICE, [x, *bounds], [g.tensor("plane", (1, SIDE, SIDE))], options))
    options = tfl.PackOptionsT()
    options.valuesCount, options.axis = 3, 3
    return g.op(Op.PACK, planes, [g.tensor("swapped", IMAGE)], options)


def quantized(scale: float, zero_point: int) -> Step:
    """Returns a step that quantizes to int8 and back."""

    def step(g: Graph, x: int) -> int:
        q = g.tensor("quantized", IMAGE, Kind.INT8, quantization(scale, zero_point))
        x = g.op(Op.QUANTIZE, [x], [q], tfl.QuantizeOptionsT())
        return g.op(Op.DEQUANTIZE, [x], [g.tensor("real", IMAGE)], tfl.DequantizeOptionsT(), 2)

    return step


def small_convolution(g: Graph, x: int) -> int:
    """Applies a convolution whose weights contain the division by 255."""
    weights = Lcg(21).float32((3, 3, 3, 3), 0.25) / np.float32(255)
    w, b = g.const("conv/w", weights), g.const("conv/b", np.zeros(3, np.float32))
    return g.conv(x, w, b, g.tensor("conv", IMAGE))


def scaling_net(steps: list[Step], name: str = "image") -> Model:
    """image -> `steps` -> mean -> dense -> SOFTMAX."""
    model = Model()
    g = model.graph()
    y = g.input(name, IMAGE)
    for step in steps:
        y = step(g, y)
    y = g.mean(y, g.tensor("mean", (1, 3)))
    y = g.dense(y, g.const("w", WEIGHTS), g.const("b", np.zeros(3, np.float32)), g.tensor("logits", (1, 3)))
    g.t.outputs = [g.softmax(y, g.tensor("probabilities", (1, 3)))]
    return model


def softmax(g: Graph, x: int) -> int:
    """Adds a SOFTMAX."""
    return g.softmax(x, g.tensor("softmax", g.t.tensors[x].shape))


def logistic(g: Graph, x: int) -> int:
    """Adds a LOGISTIC."""
    return g.op(Op.LOGISTIC, [x], [g.tensor("logistic", g.t.tensors[x].shape)])


def log_softmax(g: Graph, x: int) -> int:
    """Adds a LOG_SOFTMAX."""
    return g.op(Op.LOG_SOFTMAX, [x], [g.tensor("log", (1, 3))], tfl.LogSoftmaxOptionsT())


def softmax_of_parts(g: Graph, x: int) -> int:
    """Adds EXP, SUM and DIV, which are a softmax."""
    e = g.op(Op.EXP, [x], [g.tensor("exp", (1, 3))], tfl.ExpOptionsT())
    options = tfl.ReducerOptionsT()
    options.keepDims = True
    total = g.op(Op.SUM, [e, g.const("axis", np.array([1], np.int32))], [g.tensor("sum", (1, 1))], options)
    return g.op(Op.DIV, [e, total], [g.tensor("quotient", (1, 3))], tfl.DivOptionsT())


def reverse(g: Graph, x: int) -> int:
    """Reverses the classes."""
    axis = g.const("axis", np.array([1], np.int32))
    return g.op(Op.REVERSE_V2, [x, axis], [g.tensor("reversed", (1, 3))], tfl.ReverseV2OptionsT())


def first_two(g: Graph, x: int) -> int:
    """Selects two of the three classes."""
    begin, size = g.const("begin", np.zeros(2, np.int32)), g.const("size", np.array([1, 2], np.int32))
    return g.op(Op.SLICE, [x, begin, size], [g.tensor("slice", (1, 2))], tfl.SliceOptionsT())


def concatenated(*branches: Step) -> Step:
    """Returns a step that joins the outputs of several steps."""

    def step(g: Graph, x: int) -> int:
        parts = [branch(g, x) for branch in branches]
        options = tfl.ConcatenationOptionsT()
        options.axis = 1
        classes = sum(g.t.tensors[part].shape[1] for part in parts)
        return g.op(Op.CONCATENATION, parts, [g.tensor("joined", (1, classes))], options)

    return step


def zero_class(g: Graph, x: int) -> int:
    """Returns a constant for a class that never wins."""
    return g.const("zeros", np.zeros((1, 1), np.float32))


def both_classes(g: Graph, x: int) -> int:
    """Joins 1 - p and p, for the probability p of the first class."""
    begin, size = g.const("begin", np.zeros(2, np.int32)), g.const("size", np.array([1, 1], np.int32))
    p = logistic(g, g.op(Op.SLICE, [x, begin, size], [g.tensor("logit", (1, 1))], tfl.SliceOptionsT()))
    one = g.const("one", np.ones((1, 1), np.float32))
    rest = g.op(Op.SUB, [one, p], [g.tensor("rest", (1, 1))], tfl.SubOptionsT())
    options = tfl.ConcatenationOptionsT()
    options.axis = 1
    return g.op(Op.CONCATENATION, [rest, p], [g.tensor("both", (1, 2))], options)


def averaged(first: Step, second: Step) -> Step:
    """Returns a step that averages two activations of the logits, as test-time augmentation does."""

    def step(g: Graph, x: int) -> int:
        total = g.op(Op.ADD, [first(g, x), second(g, x)], [g.tensor("total", (1, 3))], tfl.AddOptionsT())
        return mul(0.5)(g, total)

    return step


def stacked_mean(g: Graph, x: int) -> int:
    """Averages two SOFTMAX with PACK and MEAN."""
    options = tfl.PackOptionsT()
    options.valuesCount, options.axis = 2, 0
    both = g.op(Op.PACK, [softmax(g, x), softmax(g, mul(0.5)(g, x))], [g.tensor("stack", (2, 1, 3))], options)
    axis = g.const("axis", np.array([0], np.int32))
    return g.op(Op.MEAN, [both, axis], [g.tensor("average", (1, 3))], tfl.ReducerOptionsT())


def hard_sigmoid(g: Graph, x: int) -> int:
    """Adds min(max(x + 3, 0), 6) / 6."""
    x = add(3)(g, x)
    x = g.op(Op.RELU6, [x], [g.tensor("relu6", (1, 3))])
    return mul(1 / 6)(g, x)


def dense_with_relu6(g: Graph, x: int) -> int:
    """Makes the dense layer before add 3 and end in RELU6, as converters merge an ADD and a RELU6."""
    dense = g.t.operators[-1]
    dense.builtinOptions.fusedActivationFunction = tfl.ActivationFunctionType.RELU6
    dense.inputs[2] = g.const("b3", np.full(3, 3, np.float32))
    return x


def extremum(code: int, value: float) -> Step:
    """Returns a step that is the larger or the smaller of a tensor and a constant."""
    return binary(code, tfl.MaximumMinimumOptionsT, value)


def add_with_relu(value: float) -> Step:
    """Returns a step that adds a constant and ends in RELU."""

    def step(g: Graph, x: int) -> int:
        y = add(value)(g, x)
        g.t.operators[-1].builtinOptions.fusedActivationFunction = tfl.ActivationFunctionType.RELU
        return y

    return step


def activation_net(steps: list[Step]) -> Model:
    """image -> mean -> dense -> `steps`."""
    model = Model()
    g = model.graph()
    y = g.mean(g.input("image", IMAGE), g.tensor("mean", (1, 3)))
    y = g.dense(y, g.const("w", WEIGHTS), g.const("b", np.zeros(3, np.float32)), g.tensor("logits", (1, 3)))
    for step in steps:
        y = step(g, y)
    g.t.outputs = [y]
    return model


def graph_models() -> dict[str, bytes]:
    """Returns the files by name."""
    scalings: dict[str, list[Step]] = {
        "div_255": [div(255)],
        "mul_add": [mul(1 / 127.5), add(-1)],
        "mul_float16": [mul_float16(1 / 255)],
        "imagenet": [mul(1 / 255), subtract(MEAN), mul(1 / STD)],
        "imagenet_of_unit": [subtract(MEAN.reshape(1, 1, 1, 3)), div(STD)],
        "caffe": [swap_channels, subtract(CAFFE_MEAN)],
        "caffe_bgr": [subtract(CAFFE_MEAN)],
        "unit_to_centered": [mul(2), subtract(1)],
        "centered_to_pixels": [mul(127.5), add(127.5)],
        "learned": [subtract([118, 112, 104]), mul([1 / 61, 1 / 59, 1 / 62])],
        "unusual": [mul(3), add(40)],
        "quantized_pixels": [quantized(1.0, -128)],
        "quantized_centered": [quantized(1 / 127.5, 0)],
        "folded": [small_convolution],
    }
    activations: dict[str, list[Step]] = {
        "softmax_reversed": [softmax, reverse],
        "softmax_zero_class": [concatenated(softmax, zero_class)],
        "softmax_slice": [softmax, first_two],
        "softmax_average": [averaged(softmax, softmax)],
        "softmax_stacked_mean": [stacked_mean],
        "softmax_parts": [softmax_of_parts],
        "softmax_percent": [softmax, mul(100)],
        "softmax_weighted": [softmax, mul([0.2, 0.3, 0.5])],
        "softmax_dense": [softmax, lambda g, x: g.dense(x, g.const("w2", WEIGHTS), -1, g.tensor("new", (1, 3)))],
        "several_softmax": [concatenated(softmax, softmax)],
        "mixed_average": [averaged(softmax, logistic)],
        "log_softmax": [log_softmax],
        "logistic_classes": [logistic],
        "logistic_both_classes": [both_classes],
        "hard_sigmoid": [hard_sigmoid],
        "hard_sigmoid_merged": [dense_with_relu6, mul(1 / 6)],
        "hard_sigmoid_divided": [add_with_relu(3), extremum(Op.MINIMUM, 6), div(6)],
        "hard_sigmoid_clipped": [mul(0.2), add(0.5), extremum(Op.MINIMUM, 1), extremum(Op.MAXIMUM, 0)],
        "relu6_classes": [dense_with_relu6],
    }
    files = {f"scaling_{name}.tflite": scaling_net(steps).pack() for name, steps in scalings.items()}
    files["scaling_named.tflite"] = scaling_net([], "serving_default_rescaling_input:0").pack()
    return files | {f"activation_{name}.tflite": activation_net(steps).pack() for name, steps in activations.items()}

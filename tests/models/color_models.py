"""Models that name the color of a picture, in the layouts, element types and signatures that exporters write.

Each model averages its input over height and width and multiplies the averages of red, green and blue by a matrix, so
that a picture of one color has a known class: 0 red, 1 green, 2 blue. A swapped channel order, a wrong input range or a
second activation changes the scores. A gray model has two classes, 0 dark and 1 bright, and expects 0..1. A
float model with three channels expects -1..1, as other models do whose input is named `input`. The models caffe_*
expect 0..255, and caffe_bgr expects blue, green, red.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Graph, Kind, Model, Op, Shape, cast_options, quantization
from graph_models import CAFFE_MEAN, subtract, swap_channels
from metadata import tflite_metadata

SIDE = 8
# Score of a color in its own class and in the others, if its channel is 1 and the others are -1.
GAIN = 6.0


def mean(g: Graph, x: int, y: int, axes: Sequence[int]) -> int:
    """Adds a MEAN over these axes."""
    opt = tfl.ReducerOptionsT()
    opt.keepDims = False
    return g.op(Op.MEAN, [x, g.const("axes", np.array(axes, np.int32))], [y], opt)


def head(g: Graph, averages: int, gray: bool = False, batch: int = 1, name: str = "scores") -> int:
    """Adds the dense layer and the softmax over the averages of each channel."""
    if gray:
        weights = np.array([[-2 * GAIN], [2 * GAIN]], np.float32)
        bias = np.array([GAIN, -GAIN], np.float32)
    else:
        weights = GAIN * np.eye(3, dtype=np.float32)
        bias = np.zeros(3, np.float32)
    classes = len(weights)
    w, b = g.const("dense/w", weights), g.const("dense/b", bias)
    logits = g.dense(averages, w, b, g.tensor("logits", (batch, classes)))
    return g.softmax(logits, g.tensor(name, (batch, classes)))


def color(
    shape: Shape,
    axes: Sequence[int],
    gray: bool = False,
    signature: Shape | None = None,
    reshaped: Shape | None = None,
    scores: Shape | None = None,
) -> Model:
    """float, -1..1, or 0..1 if `gray`.

    `axes` are height and width, `signature` is the shape with -1 for open dimensions, `reshaped` the shape of a RESHAPE
    of the input, `scores` that of a RESHAPE of the output.
    """
    model = Model()
    g = model.graph()
    x = g.input("image" if gray else "input", shape, signature=signature)
    if reshaped is not None:
        x = g.reshape(x, g.tensor("reshaped", reshaped), reshaped)
        shape = reshaped
    batch = shape[0] if len(shape) == 4 else 1
    channels = 1 if gray else 3
    y = mean(g, x, g.tensor("mean", (batch, channels) if len(shape) == 4 else (channels,)), axes)
    if len(shape) != 4:
        y = g.reshape(y, g.tensor("row", (1, channels)), (1, channels))
    y = head(g, y, gray, batch)
    if scores is not None:
        y = g.reshape(y, g.tensor("shaped", scores), scores)
    g.t.outputs = [y]
    return model


def gray_without_channels() -> Model:
    """float, 0..1, input [1, height, width] as in models for handwritten digits."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, SIDE, SIDE))
    x = g.reshape(x, g.tensor("reshaped", (1, SIDE, SIDE, 1)), (1, SIDE, SIDE, 1))
    g.t.outputs = [head(g, mean(g, x, g.tensor("mean", (1, 1)), [1, 2]), gray=True)]
    return model


def caffe(input_is_rgb: bool) -> Model:
    """float, 0..255: subtracts the means of Caffe from blue, green and red, as `preprocess_input` of ResNet50 does.

    With `input_is_rgb`, the graph reverses the order of the channels first.
    """
    model = Model()
    g = model.graph()
    x = g.input("input", (1, SIDE, SIDE, 3))
    if input_is_rgb:
        x = swap_channels(g, x)
    averages = mean(g, subtract(CAFFE_MEAN)(g, x), g.tensor("mean", (1, 3)), [1, 2])
    # The classes are red, green and blue; the columns are blue, green and red.
    w = g.const("dense/w", (GAIN / 128 * np.fliplr(np.eye(3))).astype(np.float32))
    b = g.const("dense/b", np.zeros(3, np.float32))
    logits = g.dense(averages, w, b, g.tensor("logits", (1, 3)))
    g.t.outputs = [g.softmax(logits, g.tensor("scores", (1, 3)))]
    return model


def float16_edges() -> Model:
    """float16 input and output around a float32 network; -1..1."""
    model = Model()
    g = model.graph()
    shape = (1, SIDE, SIDE, 3)
    x = g.input("input", shape, Kind.FLOAT16)
    x = g.op(Op.CAST, [x], [g.tensor("image32", shape)], cast_options(Kind.FLOAT16, Kind.FLOAT32))
    y = head(g, mean(g, x, g.tensor("mean", (1, 3)), [1, 2]))
    output = g.tensor("scores16", (1, 3), Kind.FLOAT16)
    g.t.outputs = [g.op(Op.CAST, [y], [output], cast_options(Kind.FLOAT32, Kind.FLOAT16))]
    return model


def two_outputs(activated: bool) -> Model:
    """float, -1..1: the averages of the channels and the scores.

    With `activated` the scores end in a SOFTMAX and the averages do not. The signature lists the outputs in another
    order than the subgraph, and so does the alphabet.
    """
    model = Model()
    g = model.graph()
    x = g.input("input", (1, SIDE, SIDE, 3))
    averages = mean(g, x, g.tensor("sums", (1, 3)), [1, 2])
    if activated:
        y = head(g, averages)
    else:
        w = g.const("dense/w", GAIN * np.eye(4, 3, dtype=np.float32))
        y = g.dense(averages, w, g.const("dense/b", np.zeros(4, np.float32)), g.tensor("scores", (1, 4)))
    g.t.outputs = [averages, y]
    model.signature("serving_default", 0, [("image", x)], [("scores", y), ("sums", averages)])
    return model


def quantized(
    kind: int,
    scale: float,
    zero_point: int,
    metadata: tuple[Sequence[float], Sequence[float]] | None = None,
    stale_signature: bool | None = None,
) -> Model:
    """8-bit input, DEQUANTIZE, float network whose weights fit the range of the input, SOFTMAX, QUANTIZE.

    `metadata` are mean and standard deviation. With `stale_signature` a signature names the tensors after the outer
    DEQUANTIZE and before the outer QUANTIZE, as the converter of TensorFlow 2.5 wrote it; with False the right ones.
    """
    model = Model()
    g = model.graph()
    shape = (1, SIDE, SIDE, 3)
    x = g.input("image", shape, kind, quantization(scale, zero_point))
    inner = g.op(Op.DEQUANTIZE, [x], [g.tensor("image32", shape)], tfl.DequantizeOptionsT(), 2)
    y = mean(g, inner, g.tensor("mean", (1, 3)), [1, 2])
    # The stored range -128..127 or 0..255 has real values from low to high, which the weights map to -GAIN..GAIN.
    low = scale * ((-128 if kind == Kind.INT8 else 0) - zero_point)
    high = low + 255 * scale
    slope = 2 * GAIN / (high - low)
    w = g.const("dense/w", (slope * np.eye(3)).astype(np.float32))
    b = g.const("dense/b", np.full(3, -GAIN - slope * low, np.float32))
    y = g.dense(y, w, b, g.tensor("logits", (1, 3)))
    inner_scores = g.softmax(y, g.tensor("scores32", (1, 3)))
    output = g.tensor("scores", (1, 3), Kind.UINT8, quantization(1 / 256, 0))
    y = g.op(Op.QUANTIZE, [inner_scores], [output], tfl.QuantizeOptionsT(), 1)
    g.t.outputs = [y]
    if metadata is not None:
        model.metadata("TFLITE_METADATA", tflite_metadata(*metadata))
    if stale_signature is not None:
        named: Any = ((inner, inner_scores), (x, y))[0 if stale_signature else 1]
        model.signature("serving_default", 0, [("image", named[0])], [("scores", named[1])])
    return model


def color_models() -> dict[str, bytes]:
    """Returns the files by name."""
    nhwc, nchw = (1, SIDE, SIDE, 3), (1, 3, SIDE, SIDE)
    open_size = color((1, 1, 1, 3), [1, 2], signature=[-1, -1, -1, 3])
    models = {
        "nhwc": color(nhwc, [1, 2]),
        "nchw": color(nchw, [2, 3]),
        "gray": color((1, SIDE, SIDE, 1), [1, 2], gray=True),
        "gray_nchw": color((1, 1, SIDE, SIDE), [2, 3], gray=True),
        "gray_without_channels": gray_without_channels(),
        "without_batch": color((SIDE, SIDE, 3), [0, 1]),
        "open_size": open_size,
        "flat": color((1, SIDE * SIDE * 3), [1, 2], reshaped=nhwc),
        "batch_4": color((4, SIDE, SIDE, 3), [1, 2]),
        "scores_1113": color(nhwc, [1, 2], scores=(1, 1, 1, 3)),
        "scores_1311": color(nhwc, [1, 2], scores=(1, 3, 1, 1)),
        "scores_3": color(nhwc, [1, 2], scores=(3,)),
        "float16_edges": float16_edges(),
        "caffe_rgb": caffe(input_is_rgb=True),
        "caffe_bgr": caffe(input_is_rgb=False),
        "two_outputs_one_activated": two_outputs(activated=True),
        "two_outputs": two_outputs(activated=False),
        "signature_fits": quantized(Kind.UINT8, 1 / 255, 0, stale_signature=False),
        "signature_stale": quantized(Kind.UINT8, 1 / 255, 0, stale_signature=True),
        "uint8_unit_mean_0_std_1": quantized(Kind.UINT8, 1 / 255, 0, ([0.0], [1.0])),
        "uint8_centered_mean_0_std_1": quantized(Kind.UINT8, 1 / 127.5, 127, ([0.0], [1.0])),
        "uint8_pixels_mean_127_std_127": quantized(Kind.UINT8, 1.0, 0, ([127.5], [127.5])),
        "uint8_centered_mean_127_std_127": quantized(Kind.UINT8, 1 / 127.5, 127, ([127.5], [127.5])),
        "int8_unit_mean_0_std_1": quantized(Kind.INT8, 1 / 255, -128, ([0.0], [1.0])),
    }
    return {f"{name}.tflite": model.pack() for name, model in models.items()}

"""The models that a classifier element can run."""

import json
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Graph, Kind, Lcg, Model, Op, Shape, cast_options, quantization
from metadata import LABELS, labeled, tflite_metadata, ultralytics_labels


def float_net(
    seed: int,
    classes: int,
    last: str | None = None,
    shape: tuple[int, int, int, int] = (1, 8, 8, 3),
    metadata: bytes | None = None,
    input_name: str = "input",
) -> Model:
    """float: conv 3x3 stride 2, relu6 -> flatten -> dense -> `last` ("softmax", "logistic" or None); input -1..1."""
    _, height, width, _ = shape
    rows, columns = height // 2, width // 2
    flat = rows * columns * 4
    rng = Lcg(seed)
    model = Model()
    g = model.graph()
    x = g.input(input_name, shape)
    w = g.const("conv/w", rng.float32((4, 3, 3, 3), 0.5))
    b = g.const("conv/b", rng.float32((4,), 0.5) + np.float32(0.5))
    y = g.conv(x, w, b, g.tensor("conv", (1, rows, columns, 4)), stride=2)
    y = g.reshape(y, g.tensor("flat", (1, flat)), (1, flat))
    w = g.const("dense/w", rng.float32((classes, flat), 0.5))
    b = g.const("dense/b", rng.float32((classes,), 0.25))
    y = g.dense(y, w, b, g.tensor("logits", (1, classes)))
    if last == "softmax":
        y = g.softmax(y, g.tensor("probabilities", (1, classes)))
    elif last == "logistic":
        y = g.op(Op.LOGISTIC, [y], [g.tensor("probability", (1, classes))])
    g.t.outputs = [y]
    if metadata is not None:
        model.metadata("TFLITE_METADATA", metadata)
    return model


def uint8_quant() -> Model:
    """uint8 only, one scale per tensor: conv stride 2, relu6 -> average pool -> dense, 4 raw logits."""
    rng = Lcg(5)
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.UINT8, quantization(1 / 128, 128))
    w = g.const("conv/w", rng.uint8(4 * 27).reshape(4, 3, 3, 3), quantization(1 / 128, 128))
    b = g.const("conv/b", rng.int32((4,), 8192) + 8192, quantization(1 / 128 / 128, 0))
    q6 = quantization(6 / 255, 0)
    y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 4), Kind.UINT8, q6), stride=2)
    y = g.pool(y, g.tensor("pool", (1, 2, 2, 4), Kind.UINT8, q6), 2)
    w = g.const("dense/w", rng.uint8(4 * 16).reshape(4, 16), quantization(1 / 128, 128))
    b = g.const("dense/b", rng.int32((4,), 2048), quantization(np.float32(6 / 255) / np.float32(128), 0))
    y = g.reshape(y, g.tensor("flat", (1, 16), Kind.UINT8, q6), (1, 16))
    g.t.outputs = [g.dense(y, w, b, g.tensor("logits", (1, 4), Kind.UINT8, quantization(1 / 16, 120)))]
    return model


def int8_body(g: Graph, x: int, classes: int, rng: Lcg, softmax: bool, in_scale: float = 1 / 128) -> int:
    """int8: conv (one scale per channel) -> depthwise (one per channel) -> mean -> dense (-> SOFTMAX, 1/256, -128)."""
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


def int8_quant(seed: int = 103, classes: int = 5, metadata: bytes | None = None) -> Model:
    """int8 input and output; probabilities."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))
    g.t.outputs = [int8_body(g, x, classes, Lcg(seed), softmax=True)]
    if metadata is not None:
        model.metadata("TFLITE_METADATA", metadata)
    return model


def int8_in_float_out() -> Model:
    """int8 input, DEQUANTIZE as the last operator: 3 float logits."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))
    y = int8_body(g, x, 3, Lcg(7), softmax=False)
    g.t.outputs = [g.op(Op.DEQUANTIZE, [y], [g.tensor("output", (1, 3))], tfl.DequantizeOptionsT(), 2)]
    return model


def float_edges_int8_inside() -> Model:
    """float input and output around an int8 network. The DEQUANTIZE at the end hides that a SOFTMAX precedes it."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    x = g.op(
        Op.QUANTIZE,
        [x],
        [g.tensor("image_q", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))],
        tfl.QuantizeOptionsT(),
    )
    y = int8_body(g, x, 3, Lcg(8), softmax=True)
    g.t.outputs = [g.op(Op.DEQUANTIZE, [y], [g.tensor("output", (1, 3))], tfl.DequantizeOptionsT(), 2)]
    return model


def uint8_edges_int8_inside() -> Model:
    """uint8 input and output around an int8 network, with two QUANTIZE as converters write it; 3 probabilities."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3), Kind.UINT8, quantization(1 / 128, 128))
    x = g.op(
        Op.QUANTIZE,
        [x],
        [g.tensor("image_q", (1, 8, 8, 3), Kind.INT8, quantization(1 / 128, 0))],
        tfl.QuantizeOptionsT(),
        2,
    )
    y = int8_body(g, x, 3, Lcg(9), softmax=True)
    out = g.tensor("output", (1, 3), Kind.UINT8, quantization(1 / 256, 0))
    g.t.outputs = [g.op(Op.QUANTIZE, [y], [out], tfl.QuantizeOptionsT(), 2)]
    return model


def hybrid_dynamic_range(float_depthwise: bool = False) -> Model:
    """Dynamic range: float activations, int8 weights of conv, depthwise conv and dense; 2 raw logits.

    With `float_depthwise` the depthwise weights are dequantized.
    """
    rng = Lcg(10)
    scales = np.arange(4, 12, dtype=np.float32) / np.float32(1024)
    model = Model()
    g = model.graph()
    x = g.input("input", (1, 8, 8, 3))
    w = g.const("conv/w", rng.int8((8, 3, 3, 3)), quantization(scales, [0] * 8, 0))
    b = g.const("conv/b", rng.float32((8,), 0.5) + np.float32(0.5))
    y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 8)), stride=2, version=5)
    weights = rng.int8((1, 3, 3, 8))
    if float_depthwise:
        w = g.const("dw/w", weights.astype(np.float32) * scales)
    else:
        w = g.const("dw/w", weights, quantization(scales, [0] * 8, 3))
    b = g.const("dw/b", rng.float32((8,), 0.5) + np.float32(0.5))
    y = g.depthwise(y, w, b, g.tensor("dw", (1, 4, 4, 8)), version=6)
    y = g.mean(y, g.tensor("mean", (1, 8)))
    w = g.const("dense/w", rng.int8((2, 8)), quantization(1 / 64, 0))
    b = g.const("dense/b", rng.float32((2,), 0.25))
    g.t.outputs = [g.dense(y, w, b, g.tensor("logits", (1, 2)), version=3)]
    return model


def int16_activations() -> Model:
    """16x8: float edges, int16 activations, int8 weights, int64 biases; 3 float logits."""
    rng = Lcg(11)
    scales = np.array([2, 3, 4, 5], np.float32) / np.float32(512)
    act_in, act6 = np.float32(1 / 32768), np.float32(6 / 32767)

    def bias(name: str, count: int, amplitude: int, scale: Any) -> int:
        values = rng.int32((count,), amplitude).astype(np.int64) + amplitude
        return g.const(name, values, quantization(scale, [0] * np.size(scale), 0))

    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    x = g.op(
        Op.QUANTIZE,
        [x],
        [g.tensor("image_q", (1, 8, 8, 3), Kind.INT16, quantization(act_in, 0))],
        tfl.QuantizeOptionsT(),
    )
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


def dynamic_batch() -> Model:
    """uint8 pixels, batch -1: CAST, * 2/255, - 1, conv, depthwise, mean, dense; one logit; serving_default."""
    rng = Lcg(11)
    model = Model()
    g = model.graph()

    def dynamic(name: str, shape: Shape) -> int:
        return g.tensor(name, (1, *shape), signature=[-1, *shape])

    x = g.input("serving_default_image:0", (1, 8, 8, 3), Kind.UINT8, signature=[-1, 8, 8, 3])
    y = g.op(Op.CAST, [x], [dynamic("cast", (8, 8, 3))], cast_options(Kind.UINT8, Kind.FLOAT32))
    scale, one = g.const("scale", np.array([2 / 255], np.float32)), g.const("one", np.array([1], np.float32))
    y = g.op(Op.MUL, [y, scale], [dynamic("mul", (8, 8, 3))], tfl.MulOptionsT())
    y = g.op(Op.SUB, [y, one], [dynamic("sub", (8, 8, 3))], tfl.SubOptionsT())
    w = g.const("conv/w", rng.float32((4, 3, 3, 3), 0.5))
    b = g.const("conv/b", rng.float32((4,), 0.5) + np.float32(0.5))
    y = g.conv(y, w, b, dynamic("conv", (4, 4, 4)), stride=2)
    w = g.const("dw/w", rng.float32((1, 3, 3, 4), 0.75))
    b = g.const("dw/b", rng.float32((4,), 0.5) + np.float32(0.5))
    y = g.depthwise(y, w, b, dynamic("dw", (4, 4, 4)))
    y = g.mean(y, dynamic("mean", (4,)))
    w, b = g.const("dense/w", rng.float32((1, 4), 2.0)), g.const("dense/b", rng.float32((1,), 0.25))
    y = g.dense(y, w, b, dynamic("StatefulPartitionedCall:0", (1,)))
    g.t.outputs = [y]
    model.signature("serving_default", 0, [("image", x)], [("output_0", y)])
    return model


def signature_two() -> Model:
    """Two signatures on two subgraphs: first `features`, then `serving_default`, which is the classifier."""
    model = Model()

    def trunk(g: Graph, name: str) -> tuple[int, int]:
        rng = Lcg(12)
        x = g.input(name, (1, 8, 8, 3))
        w = g.const("conv/w", rng.float32((4, 3, 3, 3), 0.5))
        b = g.const("conv/b", rng.float32((4,), 0.5) + np.float32(0.5))
        y = g.conv(x, w, b, g.tensor("conv", (1, 4, 4, 4)), stride=2)
        return x, g.mean(y, g.tensor("mean", (1, 4)))

    g = model.graph("features")
    x, y = trunk(g, "features_image:0")
    g.t.outputs = [y]
    model.signature("features", 0, [("image", x)], [("embedding", y)])

    g = model.graph("main")
    x, y = trunk(g, "serving_default_image:0")
    rng = Lcg(13)
    w, b = g.const("dense/w", rng.float32((3, 4), 4.0)), g.const("dense/b", rng.float32((3,), 0.25))
    y = g.dense(y, w, b, g.tensor("logits", (1, 3)))
    y = g.softmax(y, g.tensor("StatefulPartitionedCall:0", (1, 3)))
    g.t.outputs = [y]
    model.signature("serving_default", 1, [("image", x)], [("probabilities", y)])
    return model


def large_1001() -> Model:
    """int8: mean -> dense, 1001 raw logits, like ImageNet with a background class."""
    rng = Lcg(14)
    model = Model()
    g = model.graph()
    q = quantization(1 / 128, 0)
    x = g.input("image", (1, 8, 8, 3), Kind.INT8, q)
    y = g.mean(x, g.tensor("mean", (1, 3), Kind.INT8, q), version=2)
    w = g.const("dense/w", rng.int8((1001, 3)), quantization(1 / 64, 0))
    b = g.const("dense/b", rng.int32((1001,), 16384), quantization(1 / 64 / 128, 0))
    g.t.outputs = [g.dense(y, w, b, g.tensor("logits", (1, 1001), Kind.INT8, quantization(1 / 32, -3)), version=4)]
    return model


def labels_of_second_output(metadata: bytes) -> Model:
    """float: mean -> dense -> SOFTMAX. The outputs are the means and the scores, of which the second has labels."""
    model = Model()
    g = model.graph()
    means = g.mean(g.input("input", (1, 8, 8, 3)), g.tensor("means", (1, 3)))
    w, b = g.const("w", Lcg(21).float32((3, 3), 2.0)), g.const("b", np.zeros(3, np.float32))
    y = g.dense(means, w, b, g.tensor("logits", (1, 3)))
    g.t.outputs = [means, g.softmax(y, g.tensor("probabilities", (1, 3)))]
    model.metadata("TFLITE_METADATA", metadata)
    return model


def good_models() -> dict[str, bytes]:
    """Returns the files by name."""
    pixels = tflite_metadata([127.5], [127.5])
    dictionary = tflite_metadata([127.5], [127.5], "temp_meta.txt")
    second = tflite_metadata([127.5], [127.5], unlabeled=1)
    shuffled = "".join(f"{index} {LABELS[index]}\n" for index in (2, 0, 1))
    undescribed = json.dumps({"task": "classify", "names": {str(i): name for i, name in enumerate(LABELS)}})
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
        # The same model with a file name that gives its classes names.
        "cat_dog.tflite": dynamic_batch().pack(),
        "signature_two.tflite": signature_two().pack(),
        "metadata_labels.tflite": labeled(float_net(15, 3, "softmax", metadata=pixels), deflated=False),
        "metadata_labels_deflated.tflite": labeled(int8_quant(16, 3, metadata=pixels), deflated=True),
        "metadata_labels_indexed.tflite": labeled(float_net(18, 3, metadata=pixels), deflated=False, text=shuffled),
        "metadata_labels_dictionary.tflite": labeled(
            float_net(19, 3, metadata=dictionary), deflated=True, name="temp_meta.txt", text=ultralytics_labels()
        ),
        "metadata_labels_second.tflite": labeled(labels_of_second_output(second), deflated=False),
        "undescribed_labels.tflite": labeled(float_net(20, 3), deflated=True, name="metadata.json", text=undescribed),
        "non_square.tflite": float_net(17, 3, "softmax", shape=(1, 6, 10, 3)).pack(),
        "large_1001.tflite": large_1001().pack(),
    }

"""The models that no classifier element can run, and files that are not models."""

import struct
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Kind, Lcg, Model, Op, Shape
from good_models import float_net
from metadata import with_zip


def single_op(shape: Shape, kind: int, outputs: Sequence[Shape], code: int = Op.SUM, inputs: int = 1) -> Model:
    """Returns a minimal graph with the given inputs and outputs: a reduction over every axis but the first."""
    model = Model()
    g = model.graph()
    xs = [g.input(f"image{i}", shape, kind) for i in range(inputs)]
    axes = g.const("axes", np.arange(1, len(shape), dtype=np.int32))
    opt = tfl.ReducerOptionsT()
    y = g.op(code, [xs[0], axes], [g.tensor("sum", shape[:1], kind)], opt)
    if inputs == 2:
        z = g.op(code, [xs[1], axes], [g.tensor("sum1", shape[:1], kind)], opt)
        y = g.op(Op.ADD, [y, z], [g.tensor("both", shape[:1], kind)], tfl.AddOptionsT())
    for i, out in enumerate(outputs):
        flat = g.op(
            Op.RESHAPE,
            [y, g.const("one", np.array([1] * len(out), np.int32))],
            [g.tensor(f"cell{i}", [1] * len(out), kind)],
            reshape_options([1] * len(out)),
        )
        tiles = g.const(f"tiles{i}", np.array(out, np.int32))
        g.t.outputs.append(g.op(Op.TILE, [flat, tiles], [g.tensor(f"output{i}", out, kind)], tfl.TileOptionsT()))
    if not outputs:
        g.t.outputs = [y]
    return model


def reshape_options(shape: Shape) -> tfl.ReshapeOptionsT:
    """Returns the options of a RESHAPE."""
    opt = tfl.ReshapeOptionsT()
    opt.newShape = list(shape)
    return opt


def segmentation() -> Model:
    """Returns a model with one output per pixel."""
    rng = Lcg(21)
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    w, b = g.const("mask/w", rng.float32((2, 3, 3, 3), 0.5)), g.const("mask/b", rng.float32((2,), 0.5))
    g.t.outputs = [g.conv(x, w, b, g.tensor("mask", (1, 8, 8, 2)), relu6=False)]
    return model


def unknown_custom_op() -> Model:
    """Returns a model with a custom operator that no runtime has."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    g.t.outputs = [g.op(Op.CUSTOM, [x], [g.tensor("logits", (1, 3))], custom="CatdogNoSuchOperator")]
    return model


def custom(name: str) -> Model:
    """Returns a model with a custom operator: that of detection models, or that of the Edge TPU compiler."""
    model = unknown_custom_op()
    model.t.operatorCodes[0].customCode = name
    return model


def hash_table() -> Model:
    """Returns a model with a built-in operator that image classifiers do not need."""
    model = Model()
    g = model.graph()
    x = g.input("image", (1, 8, 8, 3))
    g.t.outputs = [g.op(Op.HASHTABLE_LOOKUP, [x, x, x], [g.tensor("logits", (1, 3)), g.tensor("hits", (1,))])]
    return model


def bad_models() -> dict[str, bytes]:
    """Returns the files by name."""
    softmax = float_net(1, 3, "softmax", input_name="image").pack()
    no_subgraph = Model()
    files = {
        "two_inputs.tflite": single_op((1, 8, 8, 3), Kind.FLOAT32, [(1, 3)], inputs=2).pack(),
        "four_outputs_detection.tflite": single_op(
            (1, 8, 8, 3), Kind.FLOAT32, [(1, 10, 4), (1, 10), (1, 10), (1,)]
        ).pack(),
        "rank_2.tflite": single_op((1, 192), Kind.FLOAT32, [(1, 3)]).pack(),
        "five_channels.tflite": single_op((1, 8, 8, 5), Kind.FLOAT32, [(1, 3)]).pack(),
        "batch_1000.tflite": single_op((1000, 8, 8, 3), Kind.FLOAT32, []).pack(),
        "int32_input.tflite": single_op((1, 8, 8, 3), Kind.INT32, [(1, 3)]).pack(),
        "output_rank_4.tflite": segmentation().pack(),
        "unknown_custom_op.tflite": unknown_custom_op().pack(),
        "detection_op.tflite": custom("TFLite_Detection_PostProcess").pack(),
        "edge_tpu.tflite": custom("edgetpu-custom-op").pack(),
        "flex_op.tflite": custom("FlexErf").pack(),
        "hash_table.tflite": hash_table().pack(),
        "no_subgraph.tflite": no_subgraph.pack(),
        "empty.tflite": b"",
        "truncated.tflite": softmax[: len(softmax) * 6 // 10],
        "text.tflite": b"This is a text file, not a model.\n" * 8,
        "llm_bundle.litertlm": b"LITERTLM" + struct.pack("<III", 1, 4, 0) + bytes(64),
        "bundle.task": with_zip(b"", "model.tflite", b"placeholder", deflated=False, absolute=True),
    }
    return files

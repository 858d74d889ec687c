"""Models that tell where a class is: their output `evidence` has the logits of each class at 4x4 places.

A place is a block of 8x8 pixels, and its logits depend on its mean color only: red is the class `red`, blue the class
`blue`, and black or green the class `neither`. A last layer at each place, as in models of models/train, gives the
logits, and the log-mean-exp over the places those of the picture.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Kind, Model, Op, quantization
from metadata import labeled, tflite_metadata

SIDE = 32
PLACES = 4
LABELS = ("red", "blue", "neither")
# Rows: the classes; columns: red, green and blue, 0..1.
WEIGHTS = np.array([[12, -6, -6], [-6, -6, 12], [0, 0, 0]], np.float32)
BIAS = np.array([-3, -3, 0], np.float32)
# Of the evidence with int8 elements.
SCALE = 1 / 8


def places(quantized: bool) -> Model:
    """uint8, 0..255: pool 8x8 -> convolution 1x1 (the evidence) -> log-mean-exp -> softmax.

    With `quantized`, the evidence is int8. The signature lists the outputs in the order of the alphabet, as a converter
    does.
    """
    model = Model()
    g = model.graph()
    shape, map_shape = (1, SIDE, SIDE, 3), (1, PLACES, PLACES, 3)
    x = g.input("image", shape, Kind.UINT8, quantization(1 / 255, 0))
    y = g.op(Op.DEQUANTIZE, [x], [g.tensor("image32", shape)], tfl.DequantizeOptionsT(), 2)
    y = g.pool(y, g.tensor("pool", map_shape), SIDE // PLACES)
    w, b = g.const("last/w", WEIGHTS.reshape(3, 1, 1, 3)), g.const("last/b", BIAS)
    logits = g.conv(y, w, b, g.tensor("places" if quantized else "evidence", map_shape), relu6=False)
    evidence = logits
    if quantized:
        stored = g.tensor("evidence", map_shape, Kind.INT8, quantization(SCALE, 0))
        evidence = g.op(Op.QUANTIZE, [logits], [stored], tfl.QuantizeOptionsT(), 1)
    y = g.op(Op.EXP, [logits], [g.tensor("exponentials", map_shape)], tfl.ExpOptionsT())
    y = g.mean(y, g.tensor("mean", (1, 3)))
    y = g.op(Op.LOG, [y], [g.tensor("log_mean_exp", (1, 3))])
    y = g.softmax(y, g.tensor("probabilities", (1, 3)))
    g.t.outputs = [y, evidence]
    model.signature("serving_default", 0, [("image", x)], [("evidence", evidence), ("probabilities", y)])
    model.metadata("TFLITE_METADATA", tflite_metadata([0.0], [255.0], side=SIDE))
    return model


def evidence_models() -> dict[str, bytes]:
    """Returns the files by name."""
    models = {"places": places(quantized=False), "quantized": places(quantized=True)}
    text = "\n".join(LABELS) + "\n"
    return {f"evidence/{name}.tflite": labeled(model, deflated=False, text=text) for name, model in models.items()}

"""Models whose scores are not finite numbers for dark pictures: they contain the square root of a negative number."""

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import Model, Op
from graph_models import IMAGE, add, div, mul

# A channel whose mean is smaller has no finite score, in units of 0..1.
DARKEST = 0.25


def root(scales: bool) -> Model:
    """Returns 20 * sqrt(mean - DARKEST) for each channel. With `scales`, the graph divides pixel values by 255."""
    model = Model()
    g = model.graph()
    y = g.input("image", IMAGE)
    if scales:
        y = div(255)(g, y)
    y = g.mean(y, g.tensor("mean", (1, 3)))
    y = add(np.float32(-DARKEST))(g, y)
    y = g.op(Op.SQRT, [y], [g.tensor("root", (1, 3))])
    g.t.outputs = [mul(np.float32(20))(g, y)]
    return model


def reciprocal() -> Model:
    """Returns 1 / max(mean - DARKEST, 0) for each channel: infinite scores for dark pictures."""
    model = Model()
    g = model.graph()
    y = div(255)(g, g.input("image", IMAGE))
    y = g.mean(y, g.tensor("mean", (1, 3)))
    y = add(np.float32(-DARKEST))(g, y)
    y = g.op(Op.RELU, [y], [g.tensor("positive", (1, 3))])
    one = g.const("one", np.ones((1, 3), np.float32))
    g.t.outputs = [g.op(Op.DIV, [one, y], [g.tensor("reciprocal", (1, 3))], tfl.DivOptionsT())]
    return model


def not_finite_models() -> dict[str, bytes]:
    """Returns the files by name."""
    models = {"root": root(scales=True), "root_of_unit": root(scales=False), "reciprocal": reciprocal()}
    return {f"not_finite/{name}.tflite": model.pack() for name, model in models.items()}

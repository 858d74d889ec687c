"""The parts that the models with one operator have in common: constants, an operator, and one row of scores."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as tfl

from builder import DTYPES, Graph, Kind, Lcg, Model, Op, Shape, quantization

IMAGE = (1, 8, 8, 3)

# Adds operators to a graph. The arguments are the graph and the image, the result is a tensor and its shape.
Body = Callable[[Graph, int], tuple[int, Shape]]


def q8() -> Any:
    """Returns new quantization parameters for int8 tensors. A damaged model changes its own."""
    return quantization(1 / 128, 0)


def options(table_name: str, **fields: Any) -> Any:
    """Returns an options table with the given fields."""
    table = getattr(tfl, f"{table_name}T")()
    for field, value in fields.items():
        setattr(table, field, value)
    return table


def constant(g: Graph, name: str, values: np.ndarray) -> int:
    """Returns a constant tensor; unlike `Graph.const`, it makes scalars too."""
    return g.tensor(name, values.shape, DTYPES[values.dtype], buffer=g.model.buffer(values.tobytes()))


def ints(g: Graph, *values: int, shape: Shape | None = None) -> int:
    """Returns a constant int32 vector, or a tensor of another shape."""
    data = np.array(values, np.int32)
    return constant(g, f"ints{len(g.t.tensors)}", data if shape is None else data.reshape(shape))


def floats(g: Graph, shape: Shape, seed: int = 1) -> int:
    """Returns a constant float32 tensor with positive elements."""
    data = np.abs(Lcg(seed).float32(shape, 0.5)) + np.float32(0.25)
    return constant(g, f"floats{len(g.t.tensors)}", np.asarray(data))


def apply(
    g: Graph,
    code: int,
    inputs: Sequence[int],
    shape: Shape,
    kind: int = Kind.FLOAT32,
    opt: Any = None,
    version: int = 1,
    q: Any = None,
) -> int:
    """Adds an operator with one output."""
    return g.op(code, inputs, [g.tensor(f"result{len(g.t.tensors)}", shape, kind, q)], opt, version)


def scores(g: Graph, x: int, shape: Shape) -> int:
    """Adds a RESHAPE to one row. Results that are not float32 are converted before."""
    kind = g.t.tensors[x].type
    if kind != Kind.FLOAT32:
        opt = options("CastOptions", inDataType=kind, outDataType=Kind.FLOAT32)
        x = apply(g, Op.CAST, [x], shape, opt=opt)
    count = int(np.prod(shape))
    return g.reshape(x, g.tensor("scores", (1, count)), (1, count))


def model_of(body: Body) -> Model:
    """Returns the model with a body in float32."""
    model = Model()
    g = model.graph()
    result, shape = body(g, g.input("image", IMAGE))
    g.t.outputs = [scores(g, result, shape)]
    return model


def int8_model_of(body: Body) -> Model:
    """Returns the model with a body in int8."""
    model = Model()
    g = model.graph()
    x = apply(g, Op.QUANTIZE, [g.input("image", IMAGE)], IMAGE, Kind.INT8, tfl.QuantizeOptionsT(), q=q8())
    result, shape = body(g, x)
    result = apply(g, Op.DEQUANTIZE, [result], shape, opt=tfl.DequantizeOptionsT(), version=2)
    g.t.outputs = [scores(g, result, shape)]
    return model

"""Reads the graph of a .tflite file: tensors, constants and operators."""

import pathlib
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from study.errors import StudyError

DTYPES: dict[int, Any] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.BOOL: np.bool_,
}
OPERATOR_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}


class Tensor(NamedTuple):
    """A tensor of the graph."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    # The stored values of a constant, None for an activation.
    data: np.ndarray | None
    # The quantization: real value = (stored - zero point) * scale, with one scale, or one per index of `axis`; empty
    # for none.
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int

    @property
    def bytes(self) -> int:
        """Size of the values in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def real(self) -> np.ndarray:
        """Returns a constant as real numbers (float32)."""
        assert self.data is not None
        if not len(self.scales):
            return self.data.astype(np.float32)
        shape = [1] * max(1, self.data.ndim)
        if len(self.scales) > 1:
            shape[self.axis] = -1
        zero_points = self.zero_points if len(self.zero_points) else np.zeros(1)
        centered = self.data.astype(np.float64) - zero_points.reshape(shape if len(zero_points) > 1 else -1)
        return (centered * self.scales.astype(np.float64).reshape(shape)).astype(np.float32)


class Operator(NamedTuple):
    """An operator: its name in the schema, the indices of its tensors (-1: none), and its options."""

    name: str
    inputs: list[int]
    outputs: list[int]
    options: Any


class Graph(NamedTuple):
    """The first subgraph of a file."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]
    # The size of the file and of all its constants, in bytes.
    file_bytes: int
    constant_bytes: int

    @property
    def input(self) -> Tensor:
        """The first input."""
        return self.tensors[self.inputs[0]]


def read(file: pathlib.Path) -> Graph:
    """Reads a file. Raises StudyError if it is no .tflite file that this module knows."""
    try:
        content = file.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError("it is no .tflite file")
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        found = model.subgraphs[0]
        tensors = [tensor_of(model, tensor) for tensor in found.tensors]
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
        operators = [
            Operator(OPERATOR_NAMES[codes[op.opcodeIndex]], indices(op.inputs), indices(op.outputs), op.builtinOptions)
            for op in found.operators
        ]
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{file} cannot be read: {error}") from None
    constants = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    return Graph(tensors, operators, indices(found.inputs), indices(found.outputs), len(content), constants)


def indices(values: Any) -> list[int]:
    """Returns a vector of tensor indices as a list."""
    return [] if values is None else [int(value) for value in values]


def tensor_of(model: Any, tensor: Any) -> Tensor:
    """Returns a tensor of the schema's object API as a Tensor."""
    dtype = DTYPES[tensor.type]
    shape = tuple(indices(tensor.shape))
    content = model.buffers[tensor.buffer].data
    data = None
    if content is not None and len(content):
        data = np.frombuffer(bytes(content), dtype).reshape(shape)
    quantization = tensor.quantization
    stored = (
        (None, None, 0)
        if quantization is None
        else (quantization.scale, quantization.zeroPoint, quantization.quantizedDimension)
    )
    scales, zero_points = (np.array([] if values is None else values) for values in stored[:2])
    name = (tensor.name or b"").decode(errors="replace")
    return Tensor(name, shape, dtype, data, scales, zero_points, stored[2])

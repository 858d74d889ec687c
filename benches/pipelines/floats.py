"""Converts a quantized TensorFlow Lite classifier to float, for runtimes that support only float models.

OpenCV's importer supports neither int8 weights with float activations nor a CAST of the input. The conversion replaces
every quantized constant by its float values, makes every other tensor float, and removes the operators that only change
the type. The input of the float model is what these operators made of the pixel values; `input_quantization` returns
the scale and zero point for it. Nothing else changes, so the result differs from the original only by the rounding of
the activations.
"""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.FLOAT16: np.float16,
}
INTEGERS = (schema.TensorType.INT8, schema.TensorType.UINT8)
# Operators that only change the type of a tensor.
TYPE_CHANGES = (schema.BuiltinOperator.CAST, schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE)


def float_model(model_bytes: bytes) -> tuple[bytes, float, int]:
    """Returns (float model, scale, zero point). The input for a pixel value P is (P - zero point) * scale."""
    model = schema.ModelT.InitFromPackedBuf(model_bytes, 0)
    graph = model.subgraphs[0]
    scale, zero_point = input_quantization(graph.tensors[graph.inputs[0]])
    for tensor in graph.tensors:
        make_float(model, tensor)
    remove_type_changes(model, graph)
    builder = flatbuffers.Builder(len(model_bytes) * 5)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()), scale, zero_point


def input_quantization(tensor: Any) -> tuple[float, int]:
    """Returns the scale and the zero point that map pixel values to the values of the input tensor."""
    quantization = tensor.quantization
    if tensor.type not in INTEGERS or quantization is None or quantization.scale is None:
        return 1.0, 0
    # An unsigned tensor holds the pixel values themselves, a signed one holds them minus 128.
    offset = 128 if tensor.type == schema.TensorType.INT8 else 0
    return float(quantization.scale[0]), int(quantization.zeroPoint[0]) + offset


def make_float(model: Any, tensor: Any) -> None:
    """Makes a quantized tensor float. Shapes, axes and other integers without a scale stay integers."""
    quantization, data = tensor.quantization, model.buffers[tensor.buffer].data
    scaled = quantization is not None and quantization.scale is not None
    constant = data is not None and len(data) > 0
    if tensor.type == schema.TensorType.FLOAT16 or (scaled and constant and tensor.type in TYPES):
        values = np.frombuffer(bytes(data), TYPES[tensor.type]).reshape(tensor.shape).astype(np.float64)
        if scaled:
            along = [1] * len(tensor.shape)
            along[quantization.quantizedDimension if len(quantization.scale) > 1 else 0] = -1
            scale, zero = np.asarray(quantization.scale), np.asarray(quantization.zeroPoint)
            values = (values - zero.reshape(along)) * scale.reshape(along) if along else (values - zero) * scale
        # The data is in a new buffer, because other tensors may share the old one with its old type.
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        tensor.buffer = len(model.buffers) - 1
    elif constant or tensor.type not in INTEGERS:
        return
    tensor.type = schema.TensorType.FLOAT32
    tensor.quantization = None


def remove_type_changes(model: Any, graph: Any) -> None:
    """Removes the operators that only change the type, and connects their consumers to their inputs."""

    def code_of(operator: Any) -> int:
        code = model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    replaced: dict[int, int] = {}
    kept = []
    for operator in graph.operators:
        operator.inputs = [replaced.get(index, index) for index in operator.inputs]
        if code_of(operator) in TYPE_CHANGES:
            replaced[operator.outputs[0]] = operator.inputs[0]
        else:
            kept.append(operator)
    graph.operators = kept
    graph.outputs = [replaced.get(index, index) for index in graph.outputs]

"""A quantised TensorFlow Lite classifier as the same graph in float, for runtimes that take nothing else.

OpenCV's importer reads neither int8 weights beside float activations nor a CAST of the picture. Every constant becomes
the floats that it stands for, every other tensor a float one, and the operators that only change the type go away. The
input is then what they made of the levels 0 to 255: `input_levels` says how to get there. Nothing else is touched, so
the result decides as the file does, but for the rounding of the activations.
"""

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
# What only changes the type of a tensor
TYPE_CHANGES = (schema.BuiltinOperator.CAST, schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE)


def in_floats(model_bytes):
    """(the bytes of the float model, scale, zero point): a level L goes in as (L - zero point) * scale."""
    model = schema.ModelT.InitFromPackedBuf(model_bytes, 0)
    graph = model.subgraphs[0]
    scale, zero_point = input_levels(graph.tensors[graph.inputs[0]])
    for tensor in graph.tensors:
        make_float(model, tensor)
    leave_out_type_changes(model, graph)
    builder = flatbuffers.Builder(len(model_bytes) * 5)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()), scale, zero_point


def input_levels(tensor):
    quantization = tensor.quantization
    if tensor.type not in INTEGERS or quantization is None or quantization.scale is None:
        return 1.0, 0
    # The levels are what an unsigned tensor holds; a signed one holds them less 128.
    signed = 128 if tensor.type == schema.TensorType.INT8 else 0
    return float(quantization.scale[0]), int(quantization.zeroPoint[0]) + signed


def make_float(model, tensor):
    """Shapes, axes and other integers that have no scale stay what they are."""
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
        # A buffer of its own: others may use the old one in the type that it had.
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        tensor.buffer = len(model.buffers) - 1
    elif constant or tensor.type not in INTEGERS:
        return
    tensor.type = schema.TensorType.FLOAT32
    tensor.quantization = None


def leave_out_type_changes(model, graph):
    def kind(operator):
        code = model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    instead, kept = {}, []
    for operator in graph.operators:
        operator.inputs = [instead.get(index, index) for index in operator.inputs]
        if kind(operator) in TYPE_CHANGES:
            instead[operator.outputs[0]] = operator.inputs[0]
        else:
            kept.append(operator)
    graph.operators = kept
    graph.outputs = [instead.get(index, index) for index in graph.outputs]

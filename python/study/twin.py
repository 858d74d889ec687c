"""Builds the Keras network of a .tflite file: the same layers with the same weights, as real numbers.

Needs TensorFlow. The operators are those of MobileNet, EfficientNet-Lite and similar classifiers.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from study import graph
from study.errors import StudyError

ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
}
PADDINGS = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}


def build(file: pathlib.Path) -> Any:
    """Returns the Keras model of a .tflite file: real images (n, height, width, 3) to the first output.

    Raises StudyError for an operator or an option that has no counterpart here.
    """
    model = graph.read(file)
    shape = model.input.shape
    if len(shape) != 4:
        raise StudyError(f"{file}: the input has the shape {shape}; expected (1, height, width, channels)")
    network = Network(model, file)
    tensor = keras.Input(shape[1:], name="image")
    network.values[model.inputs[0]] = tensor
    for operator in model.operators:
        network.append(operator)
    output = network.values.get(model.outputs[0])
    if output is None:
        raise StudyError(f"{file}: its first output does not come from an operator")
    return keras.Model(tensor, output, name="twin")


class Network:
    """The Keras tensors of the graph so far."""

    def __init__(self, model: graph.Graph, file: pathlib.Path) -> None:
        self.model, self.file = model, file
        self.values: dict[int, Any] = {}

    def append(self, operator: graph.Operator) -> None:
        """Adds the layers of an operator."""
        make: Callable[[graph.Operator], Any] | None = getattr(self, operator.name.lower(), None)
        if make is None:
            raise StudyError(
                f"{self.file} has the operator {operator.name}, for which the study knows no Keras layer; it is "
                "measured without a Keras twin"
            )
        self.values[operator.outputs[0]] = make(operator)

    def value(self, index: int) -> Any:
        """Returns a tensor of Keras, or a constant as real numbers."""
        return self.values[index] if index in self.values else self.model.tensors[index].real()

    def constant(self, index: int) -> np.ndarray:
        """Returns a constant as it is stored."""
        data = self.model.tensors[index].data
        if data is None:
            raise StudyError(f"{self.file}: a parameter of an operator is computed at run time")
        return data

    def activated(self, operator: graph.Operator, tensor: Any) -> Any:
        """Adds the activation that is fused into the operator."""
        kind = operator.options.fusedActivationFunction if operator.options else 0
        if kind not in ACTIVATIONS:
            raise StudyError(f"{self.file}: {operator.name} has an activation that is not known here")
        name = ACTIVATIONS[kind]
        if name is None:
            return tensor
        return keras.layers.ReLU(6.0 if name == "relu6" else None)(tensor)

    def weighted(self, operator: graph.Operator, layer: Any, kernel: np.ndarray, source: Any) -> Any:
        """Adds a layer behind `source` with its weights, bias and activation."""
        tensor = layer(source)
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        bias = self.value(operator.inputs[2]) if has_bias else np.zeros(layer.bias.shape, np.float32)
        layer.set_weights([kernel, bias])
        return self.activated(operator, tensor)

    def geometry(self, operator: graph.Operator) -> dict[str, Any]:
        """Returns strides, padding and dilation of a convolution."""
        options = operator.options
        return {
            "strides": (options.strideH, options.strideW),
            "padding": PADDINGS[options.padding],
            "dilation_rate": (options.dilationHFactor, options.dilationWFactor),
        }

    def conv_2d(self, operator: graph.Operator) -> Any:
        """TFLite has (outputs, height, width, inputs), Keras (height, width, inputs, outputs)."""
        kernel = self.value(operator.inputs[1]).transpose(1, 2, 3, 0)
        layer = keras.layers.Conv2D(kernel.shape[3], kernel.shape[:2], **self.geometry(operator))
        return self.weighted(operator, layer, kernel, self.value(operator.inputs[0]))

    def depthwise_conv_2d(self, operator: graph.Operator) -> Any:
        """TFLite has (1, height, width, channels), Keras (height, width, channels, 1)."""
        kernel = self.value(operator.inputs[1]).transpose(1, 2, 3, 0)
        if operator.options.depthMultiplier != 1:
            raise StudyError(f"{self.file}: a depthwise convolution makes several channels of one")
        layer = keras.layers.DepthwiseConv2D(kernel.shape[:2], **self.geometry(operator))
        return self.weighted(operator, layer, kernel, self.value(operator.inputs[0]))

    def fully_connected(self, operator: graph.Operator) -> Any:
        """TFLite has (outputs, inputs), Keras (inputs, outputs)."""
        kernel = self.value(operator.inputs[1]).T
        layer = keras.layers.Dense(kernel.shape[1])
        source = self.value(operator.inputs[0])
        flat = source if len(source.shape) == 2 else keras.layers.Flatten()(source)
        return self.weighted(operator, layer, kernel, flat)

    def average_pool_2d(self, operator: graph.Operator) -> Any:
        """A mean over windows."""
        options = operator.options
        layer = keras.layers.AveragePooling2D(
            (options.filterHeight, options.filterWidth), (options.strideH, options.strideW), PADDINGS[options.padding]
        )
        return self.activated(operator, layer(self.value(operator.inputs[0])))

    def mean(self, operator: graph.Operator) -> Any:
        """A mean over axes."""
        axes = tuple(int(axis) for axis in np.atleast_1d(self.constant(operator.inputs[1])))
        return keras.ops.mean(self.value(operator.inputs[0]), axis=axes, keepdims=bool(operator.options.keepDims))

    def pad(self, operator: graph.Operator) -> Any:
        """Zeros around the image."""
        rows, columns = self.constant(operator.inputs[1]).tolist()[1:3]
        return keras.layers.ZeroPadding2D((tuple(rows), tuple(columns)))(self.value(operator.inputs[0]))

    def reshape(self, operator: graph.Operator) -> Any:
        """Another shape of the same values; the first axis is the number of images."""
        shape = self.model.tensors[operator.outputs[0]].shape
        return keras.layers.Reshape(shape[1:])(self.value(operator.inputs[0]))

    def squeeze(self, operator: graph.Operator) -> Any:
        """A reshape without axes of length 1."""
        return self.reshape(operator)

    def concatenation(self, operator: graph.Operator) -> Any:
        """Tensors side by side."""
        parts = [self.value(index) for index in operator.inputs]
        return self.activated(operator, keras.ops.concatenate(parts, axis=operator.options.axis))

    def add(self, operator: graph.Operator) -> Any:
        """A sum."""
        return self.activated(operator, keras.ops.add(*map(self.value, operator.inputs)))

    def sub(self, operator: graph.Operator) -> Any:
        """A difference."""
        return self.activated(operator, keras.ops.subtract(*map(self.value, operator.inputs)))

    def mul(self, operator: graph.Operator) -> Any:
        """A product."""
        return self.activated(operator, keras.ops.multiply(*map(self.value, operator.inputs)))

    def exp(self, operator: graph.Operator) -> Any:
        """The exponential function."""
        return keras.ops.exp(self.value(operator.inputs[0]))

    def log(self, operator: graph.Operator) -> Any:
        """The natural logarithm."""
        return keras.ops.log(self.value(operator.inputs[0]))

    def relu(self, operator: graph.Operator) -> Any:
        """max(x, 0)."""
        return keras.layers.ReLU()(self.value(operator.inputs[0]))

    def relu6(self, operator: graph.Operator) -> Any:
        """min(max(x, 0), 6)."""
        return keras.layers.ReLU(6.0)(self.value(operator.inputs[0]))

    def softmax(self, operator: graph.Operator) -> Any:
        """Probabilities that exclude each other."""
        return keras.ops.softmax(operator.options.beta * self.value(operator.inputs[0]))

    def logistic(self, operator: graph.Operator) -> Any:
        """Probabilities that do not exclude each other."""
        return keras.ops.sigmoid(self.value(operator.inputs[0]))

    def quantize(self, operator: graph.Operator) -> Any:
        """Rounding, which the twin leaves out."""
        return self.value(operator.inputs[0])

    def dequantize(self, operator: graph.Operator) -> Any:
        """The same real numbers."""
        return self.value(operator.inputs[0])

"""MobileNetV2 of any width out of a quantized .tflite file: an ImageNet classifier, or the segmentation model DeepLab.

Google published both. Classifiers of width 0.5 and 0.75, such as mobilenet_v2_0_5_160_quant.tflite, are in
github.com/GreenWaves-Technologies/mobilenet; their weights are those of github.com/tensorflow/models (Apache-2.0). All
convolutions are used but the last one, which gives the logits.

DeepLab (Chen et al., "Encoder-decoder with atrous separable convolution", ECCV 2018) was trained to say which pixels of
a scene show a cat, a dog, a person and so on: deeplabv3_mnv2_pascal_quant.tflite (width 1.0) and
deeplabv3_mnv2_dm05_pascal_quant.tflite (width 0.5) of github.com/google-coral/test_data (Apache-2.0). The 17 blocks are
used, and the convolution `aspp0` after them, which has 256 channels instead of the 1280 of a classifier. With its own
last layers, and frames of 513 x 513 pixels, DeepLab names 86 % of the cats and 95 % of the dogs of
models/held-back-scenes.tsv without any further training.
"""

from typing import Any

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from catdog_train import inverted
from catdog_train.dataset import InputError
from catdog_train.inverted import EPSILON, Block
from catdog_train.mobilenet import FIRST, STAGES

CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}
# Standard deviations of the kernels that the weights from ImageNet have, times the square root of the number of inputs
# of a channel. The file has kernels with the batch normalization folded in. They are scaled to these deviations, so
# that one learning rate fits all layers.
DEVIATIONS = {"Conv1": 1.06, "expand": 0.2, "depthwise": 1.2, "project": 3.8, "Conv_1": 0.2}
# Channels that are nearly 0 are scaled by at most 1 / SMALLEST more than the median one.
SMALLEST = 0.1
# Kernel and bias of a convolution in the layout of Keras.
Convolution = tuple[np.ndarray, np.ndarray]


def load(file: str, size: int) -> Any:
    """Returns the network of a file, as inverted.build(), with as many channels in its last convolution as the file.

    The last blocks of DeepLab look at every second pixel of a map that has twice the size; here they look at every
    pixel of a smaller map. Raises InputError if the file cannot be read or is of another network.
    """
    try:
        convolutions = read(file)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"the backbone {file} cannot be read: {error}") from None
    blocks = blocks_of(convolutions)
    if not blocks:
        raise InputError(f"the backbone {file} is neither MobileNetV2 nor DeepLab with MobileNetV2")
    last = convolutions[3 * len(blocks)][1]
    network = inverted.build(blocks, size, "mobilenetv2_tflite", len(last))
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    layers = [layer for layer in network.layers if isinstance(layer, kinds)]
    for layer, (kernel, bias) in zip(layers, convolutions):
        set_folded(network, layer, kernel, bias)
    return network


def read(file: str) -> list[Convolution]:
    """Returns the convolutions of a .tflite model in the order in which they run."""
    interpreter = Interpreter(file, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    found = []
    for operator in interpreter._get_ops_details():
        if operator["op_name"] not in CONVOLUTIONS:
            continue
        kernel, bias = (values(interpreter, tensors[index]) for index in operator["inputs"][1:3])
        # TFLite has (outputs, height, width, inputs), and (1, height, width, channels) for depthwise convolutions.
        found.append((kernel.transpose(1, 2, 3, 0), bias))
    return found


def values(interpreter: Any, tensor: dict[str, Any]) -> np.ndarray:
    """Returns a constant tensor as real numbers."""
    quantization = tensor["quantization_parameters"]
    raw = interpreter.get_tensor(tensor["index"]).astype(np.float64)
    if len(quantization["scales"]) != 1:
        raise ValueError("its weights are not quantized per tensor")
    return (raw - quantization["zero_points"][0]) * quantization["scales"][0]


def blocks_of(convolutions: list[Convolution]) -> list[Block]:
    """Returns the 17 blocks of MobileNetV2 with the channels of the file, or nothing if it is of another network."""
    strides = [stride if index == 0 else 1 for _, _, count, stride in STAGES for index in range(count)]
    if len(convolutions) <= 3 * len(strides):
        return []
    found: list[Block] = []
    for index, stride in enumerate(strides):
        name = f"block_{index}" if index else FIRST
        depthwise, project = convolutions[3 * index + 1 : 3 * index + 3]
        found.append(Block(name, depthwise[0].shape[0], stride, index > 0, len(depthwise[1]), len(project[1])))
    return found


def set_folded(network: Any, layer: Any, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Sets the weights of a convolution of `network` and of its batch normalization from those of the file."""
    name = layer.name
    norm = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}.get(name, f"{name}_BN")
    inputs = kernel.size // len(bias)
    own = np.sqrt((kernel.reshape(inputs, -1) ** 2).mean(0))
    wanted = DEVIATIONS[name.rsplit("_", 1)[-1] if name not in DEVIATIONS else name] / np.sqrt(inputs)
    factor = np.maximum(own, SMALLEST * np.median(own)) / wanted
    kernel = kernel.reshape(inputs, -1) / factor
    layer.set_weights([kernel.reshape(layer.kernel.shape).astype(np.float32)])
    zeros = np.zeros_like(bias)
    network.get_layer(norm).set_weights([factor * np.sqrt(1 + EPSILON), bias, zeros, zeros + 1])

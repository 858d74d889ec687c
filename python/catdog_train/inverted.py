"""Networks of inverted bottlenecks (Sandler et al., CVPR 2018): MobileNetV2 and EfficientNet-Lite.

Such a network is a stem, a row of blocks, and a last convolution. The first block does not expand its input, so that
the stem has as many channels as it has hidden ones. Every other block expands its input with a 1 x 1 convolution,
applies a depthwise convolution, and projects the result to few channels. Its hidden channels are those before the
projection. The layers have the names that Keras gives those of MobileNetV2.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

STEM_CHANNELS = 32
LAST_CHANNELS = 1280
EPSILON = 1e-3  # of the batch normalization


class Block(NamedTuple):
    """One block."""

    name: str
    kernel: int
    stride: int
    expands: bool
    hidden: int
    outputs: int


def build(blocks: Sequence[Block], size: int, name: str, last_channels: int = LAST_CHANNELS) -> Any:
    """Returns the network with random weights: (size, size, 3) in -1..1 to the activations before the average
    (size / 32, size / 32, last_channels), the last layer being `out_relu`."""
    image = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(blocks[0].hidden, 3, 2, "same", use_bias=False, name="Conv1")(image)
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name="bn_Conv1")(x)
    x = keras.layers.ReLU(6.0, name="Conv1_relu")(x)
    for block in blocks:
        x = append(x, block)
    x = keras.layers.Conv2D(last_channels, 1, use_bias=False, name="Conv_1")(x)
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name="Conv_1_bn")(x)
    x = keras.layers.ReLU(6.0, name="out_relu")(x)
    return keras.Model(image, x, name=name)


def append(x: Any, block: Block) -> Any:
    """Appends a block to `x`, with the shortcut if it keeps the shape."""
    shortcut, name = x, block.name
    if block.expands:
        x = keras.layers.Conv2D(block.hidden, 1, use_bias=False, name=f"{name}_expand")(x)
        x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_expand_BN")(x)
        x = keras.layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    depthwise = keras.layers.DepthwiseConv2D(
        block.kernel, block.stride, "same", use_bias=False, name=f"{name}_depthwise"
    )
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_depthwise_BN")(depthwise(x))
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = keras.layers.Conv2D(block.outputs, 1, use_bias=False, name=f"{name}_project")(x)
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_project_BN")(x)
    if block.stride == 1 and shortcut.shape[-1] == block.outputs:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x

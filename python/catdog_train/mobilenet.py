"""MobileNetV2 1.0 (Sandler et al., CVPR 2018), table 2, and its narrower versions.

The first blocks work on many pixels: with an input of 184 x 184, stem and first three blocks take 0.43 of the time of
one inference with XNNPACK (x86-64, one thread).

narrowed() removes the hidden channels of each block that contribute least to its output. It keeps most of what the
weights know, where a network of half the width would need a training on ImageNet. repair() brings back more of it.
"""

import sys
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from catdog_train.inverted import EPSILON, Block, build

# Expansion, outputs, blocks, and the stride of the first block.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
FIRST = "expanded_conv"  # the name of the first block
EARLY_BLOCKS = 3
# The last block of each stage but the first one.
STAGE_ENDS = (2, 5, 9, 12, 15, 16)
REPAIR_LEARNING_RATE = 1e-3
# Hidden channels come in multiples of this number, which vector instructions like.
MULTIPLE = 8
# Images that are run at a time, places that are taken of each, and the weight penalty of the fit, relative to the mean
# variance of the channels.
BATCH, PLACES, RIDGE = 32, 150, 1e-3


def blocks() -> list[Block]:
    """Returns the 17 blocks of the network."""
    found: list[Block] = []
    inputs = 32
    for expansion, outputs, count, first_stride in STAGES:
        for index in range(count):
            name = f"block_{len(found)}" if found else FIRST
            stride = first_stride if index == 0 else 1
            found.append(Block(name, 3, stride, expansion > 1, inputs * expansion, outputs))
            inputs = outputs
    return found


def mobilenet(size: int) -> Any:
    """Returns the network with random weights, as inverted.build()."""
    return build(blocks(), size, "mobilenetv2")


def narrowed(network: Any, images: np.ndarray, early: float, late: float) -> Any:
    """Returns `network`, made by mobilenet(), with a share of the hidden channels of each block: `early` for the first
    blocks, which work on a quarter of the width and height or more, and `late` for the others.

    `images` (n, size, size, 3) in -1..1 tell how much the channels contribute. The blocks are narrowed one after the
    other. The projection of each is fitted again, so that the output of the narrowed network up to there is as near as
    possible to that of the wide one (He et al., "Channel pruning", ICCV 2017).
    """
    current, result = blocks(), network
    random = np.random.default_rng(0)
    for index, block in enumerate(current):
        share = early if index < EARLY_BLOCKS else late
        number = max(MULTIPLE, round(block.hidden * share / MULTIPLE) * MULTIPLE)
        if number == block.hidden:
            continue
        hidden, wanted = samples(network, result, block.name, images, random)
        kernel = result.get_layer(f"{block.name}_project").get_weights()[0][0, 0]
        contribution = hidden.var(0) * (kernel**2).sum(1)
        channels = np.sort(np.argsort(contribution)[::-1][:number])
        projection = fitted_projection(hidden[:, channels], wanted)
        current[index] = block._replace(hidden=number)
        narrow = build(current, network.input_shape[1], "mobilenetv2_narrowed")
        for part in narrow.layers:
            if part.weights:
                weights = result.get_layer(part.name).get_weights()
                part.set_weights(chosen_weights(part.name, block.name, weights, channels, projection))
        result = narrow
    return result


def samples(
    wide: Any, narrow: Any, block: str, images: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the hidden activations (n, channels) of a block of `narrow` at random places of `images`, and what their
    projection should be for the output of the block to be that of `wide`."""
    outputs = [narrow.get_layer(f"{block}_depthwise_relu").output]
    names = [part.name for part in narrow.layers]
    end = f"{block}_add" if f"{block}_add" in names else f"{block}_project_BN"
    if end.endswith("_add"):
        outputs.append(narrow.get_layer(f"{block}_expand").input)
    probe, reference = keras.Model(narrow.input, outputs), keras.Model(wide.input, wide.get_layer(end).output)
    hidden, wanted = [], []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        found = probe(batch, training=False)
        found = [np.asarray(x) for x in (found if isinstance(found, list) else [found])]
        target = np.asarray(reference(batch, training=False)) - (found[1] if len(found) > 1 else 0)
        places = random.integers(0, target.shape[1] * target.shape[2], PLACES)
        hidden.append(found[0].reshape(len(batch), -1, found[0].shape[-1])[:, places].reshape(-1, found[0].shape[-1]))
        wanted.append(target.reshape(len(batch), -1, target.shape[-1])[:, places].reshape(-1, target.shape[-1]))
    return np.concatenate(hidden).astype(np.float64), np.concatenate(wanted).astype(np.float64)


def fitted_projection(hidden: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (kernel, bias) of the linear map from `hidden` to `wanted` (ridge regression)."""
    mean, target_mean = hidden.mean(0), wanted.mean(0)
    x, y = hidden - mean, wanted - target_mean
    covariance = x.T @ x / len(x)
    penalty = RIDGE * np.trace(covariance) / len(covariance)
    kernel = np.linalg.solve(covariance + penalty * np.eye(len(covariance)), x.T @ y / len(x))
    return kernel, target_mean - mean @ kernel


def chosen_weights(
    name: str, block: str, weights: list[np.ndarray], channels: np.ndarray, projection: tuple[np.ndarray, np.ndarray]
) -> list[np.ndarray]:
    """Returns the weights of the layer `name` after `block` was narrowed to `channels`."""
    # The stem expands the image for the first block.
    stem = {"Conv1": "expand", "bn_Conv1": "expand_BN"} if block == FIRST else {}
    part = stem.get(name, name.removeprefix(block + "_"))
    if part == "expand":
        return [weights[0][..., channels]]
    if part == "depthwise":
        return [weights[0][:, :, channels]]
    if part in ("expand_BN", "depthwise_BN"):
        return [weight[channels] for weight in weights]
    kernel, bias = projection
    if part == "project":
        return [kernel[None, None].astype(np.float32)]
    if part == "project_BN":
        variance = np.ones_like(weights[3])
        return [np.sqrt(variance + EPSILON), bias.astype(np.float32), np.zeros_like(weights[2]), variance]
    return weights


def repair(narrow: Any, wide: Any, batches: Iterable[Any], steps: int) -> None:
    """Trains `narrow`, made by narrowed() from `wide`, so that its stages have the outputs of those of `wide`.

    `batches` has `steps` batches of images in -1..1; labels are not needed. The loss is the mean squared difference at
    the end of each stage, relative to the variance of each channel.
    """
    ends = [stage_end(narrow, index) for index in STAGE_ENDS]
    student = keras.Model(narrow.input, [narrow.get_layer(end).output for end in ends])
    teacher = keras.Model(wide.input, [wide.get_layer(end).output for end in ends])
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(REPAIR_LEARNING_RATE, steps))
    variables = student.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(images: Any) -> Any:
        wanted = teacher(images, training=False)
        with tf.GradientTape() as tape:
            loss = 0.0
            # The statistics of the batch normalization stay.
            for found, target in zip(student(images, training=False), wanted):
                variance = tf.math.reduce_variance(target, [0, 1, 2]) + 1e-3
                loss += tf.reduce_mean(tf.square(found - target) / variance) / len(ends)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    bar = keras.utils.Progbar(steps, unit_name="repair", interval=1.0 if sys.stdout.isatty() else 60.0)
    for images in batches:
        bar.add(1, [("loss", float(step(images)))])


def stage_end(network: Any, block: int) -> str:
    """Returns the name of the last layer of a block, given by its number."""
    name = f"block_{block}"
    return f"{name}_add" if f"{name}_add" in [part.name for part in network.layers] else f"{name}_project_BN"

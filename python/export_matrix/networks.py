"""The networks of the matrix, and their training.

A network gets scaled pixels, NHWC, and gives three rows of raw scores: `classes` (trained with a softmax), `labels`
(trained with one sigmoid per class) and `binary` (one score, trained on two of the classes).
"""

import hashlib
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from export_matrix import pictures

layers = keras.layers

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
# Statistics of the training pictures in 0..255, as keras.layers.Normalization adapts them.
PIXEL_MEAN, PIXEL_VARIANCE = (138.0, 125.0, 132.0), (4330.0, 4410.0, 4290.0)


def scale_pixels(pixels: np.ndarray, scale: str) -> np.ndarray:
    """Returns pixel values 0..255 as float32 in the range that the training uses."""
    values = pixels.astype(np.float32)
    channels = values.shape[-1]
    if scale == "unit":
        return values / np.float32(255)
    if scale == "centered":
        return values / np.float32(127.5) - np.float32(1)
    if scale == "imagenet":
        mean, std = IMAGENET_MEAN, IMAGENET_STD
        if channels == 1:
            mean, std = mean.mean(keepdims=True), std.mean(keepdims=True)
        return (values / np.float32(255) - mean) / std
    if scale == "standardized":
        mean, variance = (np.array(v, np.float32)[:channels] for v in (PIXEL_MEAN, PIXEL_VARIANCE))
        return (values - mean) / np.sqrt(variance)
    if scale == "raw":
        return values
    raise ValueError(f"unknown scale {scale}")


class Architecture(NamedTuple):
    """A kind of network."""

    size: int
    body: Callable[[Any], Any]
    epochs: int = 8
    examples: int = 900
    batch: int = 32
    rate: float = 3e-3
    # A network below this share of right test pictures is not exported.
    minimum: float = 0.7


def plain_body(x: Any) -> Any:
    """Convolutions with biases and pooling: the network of a tutorial."""
    for filters in (8, 16, 24):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    return layers.GlobalAveragePooling2D()(x)


def tiny_body(x: Any) -> Any:
    """The smallest network that tells the classes apart, for the models that the repository contains."""
    for filters in (8, 12, 16):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    return layers.GlobalMaxPooling2D()(x)


def normalized_body(x: Any) -> Any:
    """Convolutions with batch normalization."""
    for filters in (8, 16, 24, 32):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.8)(x)
        x = layers.ReLU()(x)
    return layers.GlobalAveragePooling2D()(x)


def depthwise_body(x: Any) -> Any:
    """Depthwise separable convolutions with batch normalization and ReLU6, as in MobileNet."""
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    for filters in (16, 24, 32):
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.8)(x))
        x = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.8)(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.8)(x))
    return layers.GlobalAveragePooling2D()(x)


def application(name: str, **options: Any) -> Callable[[Any], Any]:
    """Returns the body of a network of keras.applications, without its weights."""

    def body(x: Any) -> Any:
        base = getattr(keras.applications, name)(
            input_shape=tuple(x.shape[1:]), include_top=False, weights=None, pooling="avg", **options
        )
        for layer in base.layers:
            if isinstance(layer, layers.BatchNormalization):
                # With few steps, the moving averages of a momentum of 0.99 stay near their start.
                layer.momentum = 0.8
        return base(x)

    return body


def published(name: str, **options: Any) -> Architecture:
    """Returns a network of keras.applications with a short training: its answers count, not its accuracy."""
    return Architecture(96, application(name, **options), epochs=5, examples=320, batch=8, rate=1e-3, minimum=0.4)


ARCHITECTURES = {
    "tiny": Architecture(32, tiny_body, epochs=30),
    "plain": Architecture(32, plain_body, epochs=14),
    "normalized": Architecture(48, normalized_body, epochs=14),
    "depthwise": Architecture(64, depthwise_body),
    "mobilenetv2": published("MobileNetV2", alpha=0.35),
    "mobilenetv3": published("MobileNetV3Small", include_preprocessing=True),
    "efficientnet": published("EfficientNetB0"),
}


class Base(NamedTuple):
    """Identifies a trained network."""

    architecture: str
    scale: str
    task: str

    @property
    def channels(self) -> int:
        """The number of channels of the input."""
        return 3 if self.task == "color" else 1

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.architecture}-{self.scale}-{self.task}"


def network(base: Base, open_size: bool = False) -> keras.Model:
    """Returns the untrained network of `base`; with `open_size` its height and width are not fixed."""
    size = None if open_size else ARCHITECTURES[base.architecture].size
    x = keras.Input((size, size, base.channels))
    features = ARCHITECTURES[base.architecture].body(x)
    count = len(pictures.classes_of(base.task))
    outputs = {
        "classes": layers.Dense(count, name="classes")(features),
        "labels": layers.Dense(count, name="labels")(features),
        "binary": layers.Dense(1, name="binary")(features),
    }
    return keras.Model(x, {"features": features, **outputs})


def masked_binary_loss(truth: Any, scores: Any) -> Any:
    """Returns the cross entropy of the pictures that belong to one of the two classes; truth is -1 for the others."""
    use = keras.ops.cast(truth >= 0, "float32")
    truth = keras.ops.maximum(truth, 0.0)
    losses = keras.ops.maximum(scores, 0) - scores * truth + keras.ops.log1p(keras.ops.exp(-keras.ops.abs(scores)))
    return keras.ops.sum(losses * use) / (keras.ops.sum(use) + 1e-6)


def targets(classes: np.ndarray, task: str) -> dict[str, np.ndarray]:
    """Returns the targets of the three rows of scores."""
    below, above = pictures.BINARY[task]
    binary = np.where(classes == above, 1.0, np.where(classes == below, 0.0, -1.0)).astype(np.float32)
    one_hot = np.eye(len(pictures.classes_of(task)), dtype=np.float32)[classes]
    return {"classes": classes.astype(np.int32), "labels": one_hot, "binary": binary[:, None]}


def train(base: Base, examples: pictures.Pictures) -> keras.Model:
    """Returns the trained network."""
    keras.utils.set_random_seed(int.from_bytes(hashlib.sha256(base.name.encode()).digest()[:4], "big"))
    architecture = ARCHITECTURES[base.architecture]
    model = network(base)
    trained = keras.Model(model.input, {name: model.output[name] for name in ("classes", "labels", "binary")})
    losses = {
        "classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "labels": keras.losses.BinaryCrossentropy(from_logits=True),
        "binary": masked_binary_loss,
    }
    count = architecture.examples
    pixels = pictures.resized(examples.images[:count], architecture.size, base.channels == 1)
    steps = architecture.epochs * -(-count // architecture.batch)
    rate = keras.optimizers.schedules.CosineDecay(architecture.rate, steps)
    trained.compile(keras.optimizers.Adam(rate), losses, loss_weights={"classes": 1.0, "labels": 4.0, "binary": 1.0})
    trained.fit(
        scale_pixels(pixels, base.scale),
        targets(examples.classes[:count], base.task),
        batch_size=architecture.batch,
        epochs=architecture.epochs,
        verbose=0,
    )
    return model


def load_or_train(base: Base, folder: pathlib.Path, examples: Callable[[], pictures.Pictures]) -> keras.Model:
    """Returns the trained network, from `folder` if it was trained before."""
    path = folder / f"{base.name}.weights.h5"
    if path.exists():
        model = network(base)
        model.load_weights(path)
        return model
    model = train(base, examples())
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name("unfinished.weights.h5")
    model.save_weights(unfinished)
    unfinished.rename(path)
    return model


def accuracy(model: keras.Model, base: Base, tests: pictures.Pictures, scale: str | None = None) -> float:
    """Returns the share of right classes on `tests`, fed with the range `scale` (default: that of the training)."""
    pixels = pictures.resized(tests.images, ARCHITECTURES[base.architecture].size, base.channels == 1)
    scores = model.predict(scale_pixels(pixels, scale or base.scale), verbose=0)["classes"]
    return float((np.argmax(scores, 1) == tests.classes).mean())

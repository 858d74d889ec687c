"""The network: MobileNetV2 or EfficientNet-Lite up to a chosen layer, and a last layer.

MobileNetV2 (Sandler et al., CVPR 2018) has width 1.0 and weights from ImageNet. Its last blocks and its convolution
with 1280 channels separate a thousand classes; for a few classes, most of their parameters are not needed. The last
layer sees one or more layers of the network. Everything after the last of these layers is removed.

The last layer is linear. It sees the averages of the layers over the image, or it is applied at each place of the
layers, and the logit of a class is the log-mean-exp of its logits at all places: a thing that fills a few places is
not averaged away, and the places tell where it is (Pinheiro and Collobert, "From image-level to pixel-level labeling
with convolutional networks", CVPR 2015).
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from catdog_train import efficientnet, mobilenet, mobilenet_tflite
from catdog_train.dataset import InputError

# The suffixes of files with weights of EfficientNet-Lite, and of quantized models with MobileNetV2.
EFFICIENTNET, TFLITE = ".pth", ".tflite"
LAST_LAYER = "out_relu"
IMAGENET_CLASSES = 1000

# The kernel and the bias of a dense layer.
Layer = tuple[np.ndarray, np.ndarray]


def load_backbone(size: int, source: str, seed: int = 0) -> tuple[Any, Layer | None]:
    """Returns the network up to `out_relu`, with input (size, size, 3) in -1..1, and its ImageNet head.

    The network is MobileNetV2, or EfficientNet-Lite if `source` is a file with weights of it (.pth). A quantized model
    (.tflite) gives no head. The head is the kernel (1280, 1000) and the bias (1000) of the dense
    layer after the average of `out_relu`.
    `source` is "imagenet" (the weights of Keras, downloaded), "none" (random weights from `seed`), or a file of
    weights for 1000 or 1001 classes, the first of 1001 being "background". Raises InputError if the weights cannot be
    loaded.
    """
    if source.endswith(EFFICIENTNET):
        return efficientnet.load(source, size)
    if source.endswith(TFLITE):
        return mobilenet_tflite.load(source, size), None
    if source == "none":
        keras.utils.set_random_seed(seed)
        weights = keras.applications.MobileNetV2(weights=None).get_weights()
    elif source == "imagenet":
        try:
            weights = keras.applications.MobileNetV2(weights="imagenet").get_weights()
        except Exception as error:  # Keras does not document what a failed download raises.
            raise InputError(f"the ImageNet weights of Keras cannot be loaded ({error}); use --backbone") from None
    else:
        weights = read_weights(source, IMAGENET_CLASSES) or read_weights(source, IMAGENET_CLASSES + 1)
        if weights is None:
            raise InputError(f"the backbone {source} has no weights of MobileNetV2 1.0 for 1000 or 1001 classes")
    network = mobilenet.mobilenet(size)
    *weights, kernel, bias = weights
    network.set_weights(weights)
    return network, (kernel[:, -IMAGENET_CLASSES:], bias[-IMAGENET_CLASSES:])


def title(source: str) -> str:
    """Returns the name of the network that load_backbone() makes from a source, for the metadata."""
    titles = {EFFICIENTNET: "EfficientNet-Lite", TFLITE: "MobileNetV2"}
    return titles.get(pathlib.Path(source).suffix, "MobileNetV2 1.0")


def read_weights(file: str, classes: int) -> list[np.ndarray] | None:
    """Returns the weights of MobileNetV2 1.0 for `classes` classes, or None if the file is for another network."""
    network = keras.applications.MobileNetV2(weights=None, classes=classes)
    try:
        network.load_weights(file)
    except OSError as error:
        raise InputError(f"the backbone {file} cannot be read: {error}") from None
    except ValueError:
        return None
    return network.get_weights()


def layer_names(names: str) -> list[str]:
    """Returns the layers of a comma-separated list, with LAST_LAYER at the end."""
    return sorted(names.split(","), key=lambda name: name == LAST_LAYER)


def check_layers(base: Any, names: str, channels: int | None, first: str | None, head: str) -> None:
    """Raises InputError if the network lacks a layer of `names` (a comma-separated list) or the layer `first`, or if
    the layers do not fit `head`."""
    importance = np.zeros(base.output_shape[-1])
    freeze(classifier(base, layer_names(names), channels, 2, 0.0, head, importance), first)


@keras.saving.register_keras_serializable("catdog")
class RelativeTo(keras.layers.Layer):
    """Subtracts the logit of the background class from all logits at a place.

    Without it, places with a clear background would outvote the few places that show a small thing: the background
    class has the evidence 0 everywhere, and a thing has to be seen at one place only.
    """

    def __init__(self, background: int, **options: Any) -> None:
        super().__init__(**options)
        self.background = background

    def call(self, logits: Any) -> Any:
        """Returns the differences; called by Keras."""
        return logits - logits[..., self.background : self.background + 1]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments; called by Keras when the model is saved."""
        return super().get_config() | {"background": self.background}


@keras.saving.register_keras_serializable("catdog")
class LogMeanExp(keras.layers.Layer):
    """Maps logits at places (n, height, width, classes) to logits (n, classes): the log-mean-exp over the places."""

    def call(self, logits: Any) -> Any:
        """Returns the logits of the image; called by Keras."""
        places = keras.ops.cast(logits.shape[1] * logits.shape[2], logits.dtype)
        return keras.ops.logsumexp(logits, axis=(1, 2)) - keras.ops.log(places)


def classifier(
    base: Any,
    cuts: Sequence[str],
    channels: int | None,
    classes: int,
    dropout: float,
    head: str,
    importance: np.ndarray | None = None,
    background: int | None = None,
) -> Any:
    """Returns the model from images to logits: `base`, features, dropout, and the last layer `logits`.

    `head` is `average` or `places`; `background` is the label of the background class.
    """
    if head == "places":
        feature_map = features_at_places(base, cuts, channels, importance)
        shape = (None, 1, 1, feature_map.shape[-1])
        x = keras.layers.Dropout(dropout, noise_shape=shape, name="dropout")(feature_map)
        at_places = keras.layers.Conv2D(classes, 1, name="logits")(x)
        if background is not None:
            at_places = RelativeTo(background, name="relative_logits")(at_places)
        return keras.Model(base.input, LogMeanExp(name="image_logits")(at_places), name="classifier")
    x = keras.layers.Dropout(dropout, name="dropout")(features(base, cuts, channels, importance))
    logits = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(base.input, logits, name="classifier")


def features(
    base: Any,
    cuts: Sequence[str],
    channels: int | None = None,
    importance: np.ndarray | None = None,
    name: str = "features",
) -> Any:
    """Returns the concatenated averages of the layers `cuts` over the image: a tensor (n, features).

    If LAST_LAYER is one of `cuts` and `channels` is set, only the `channels` channels of it with the largest
    `importance` (one number per channel) are kept.
    """
    pooled = [
        keras.layers.GlobalAveragePooling2D(name=f"{name}_{cut}")(x)
        for cut, x in zip(cuts, cut_layers(base, cuts, channels, importance))
    ]
    return keras.layers.Concatenate(name=name)(pooled) if len(pooled) > 1 else pooled[0]


def features_at_places(
    base: Any, cuts: Sequence[str], channels: int | None = None, importance: np.ndarray | None = None
) -> Any:
    """Returns the layers `cuts` concatenated: a tensor (n, height, width, features). Arguments as in features().

    Raises InputError if the layers have different sizes.
    """
    layers = cut_layers(base, cuts, channels, importance)
    if len({x.shape[1:3] for x in layers}) > 1:
        sizes = ", ".join(f"{cut} {x.shape[1]} x {x.shape[2]}" for cut, x in zip(cuts, layers))
        raise InputError(f"--head places needs layers of one size, not {sizes}")
    return keras.layers.Concatenate(name="features")(layers) if len(layers) > 1 else layers[0]


def cut_layers(base: Any, cuts: Sequence[str], channels: int | None, importance: np.ndarray | None) -> list[Any]:
    """Returns the outputs of the layers `cuts`, the last one narrowed; arguments as in features()."""
    return [
        narrow_last_layer(base, channels, importance)
        if cut == LAST_LAYER and channels and channels < base.output_shape[-1] and importance is not None
        else layer(base, cut).output
        for cut in cuts
    ]


def layer(base: Any, name: str) -> Any:
    """Returns a layer by its name. Raises InputError if the network lacks it."""
    names = [part.name for part in base.layers]
    if name not in names:
        raise InputError(f"the network has no layer {name}; it has block_1_expand_relu, block_15_add, {LAST_LAYER} ...")
    return base.get_layer(name)


def narrow_last_layer(base: Any, channels: int, importance: np.ndarray) -> Any:
    """Returns the output of the last convolution, reduced to its `channels` most important channels."""
    chosen = most_important(importance, channels)
    convolution, norm = base.get_layer("Conv_1"), base.get_layer("Conv_1_bn")
    narrow = keras.layers.Conv2D(channels, 1, use_bias=False, name="Conv_1_narrow")
    narrow_norm = keras.layers.BatchNormalization(epsilon=norm.epsilon, momentum=norm.momentum, name="Conv_1_narrow_bn")
    x = narrow_norm(narrow(convolution.input))
    narrow.set_weights([convolution.get_weights()[0][..., chosen]])
    narrow_norm.set_weights([w[chosen] for w in norm.get_weights()])
    return keras.layers.ReLU(6.0, name="out_relu_narrow")(x)


def most_important(importance: np.ndarray, channels: int) -> np.ndarray:
    """Returns the sorted indices of the `channels` largest numbers."""
    return np.sort(np.argsort(importance)[::-1][:channels])


def fold_background(last: Any, background: int | None) -> None:
    """Changes the weights of the layer `logits` so that RelativeTo(background) after it has nothing left to do."""
    kernel, bias = last.get_weights()
    if background is not None and kernel.ndim == 4:
        last.set_weights([kernel - kernel[..., [background]], bias - bias[background]])


def freeze(model: Any, first: str | None) -> None:
    """Makes the layers from `first` on trainable (None: all layers), and no others.

    Batch normalization always keeps its statistics: those of a small batch are too noisy, and the exporter folds them
    into the convolution.
    """
    layers = list(model.layers)
    start = layers.index(layer(model, first)) if first else 0
    for position, part in enumerate(layers):
        part.trainable = position >= start and not isinstance(part, keras.layers.BatchNormalization)

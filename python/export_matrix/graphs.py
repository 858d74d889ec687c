"""Builds the Keras model that is exported: the input and its scaling, a trained network, and the output."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from export_matrix import networks, pictures
from export_matrix.specs import Spec

ops, layers = keras.ops, keras.layers

# The order of the classes in a model of the kind softmax-gather: position i has class GATHERED[i] of the network.
GATHERED = (3, 0, 5, 1, 4, 2)


def base_of(spec: Spec) -> networks.Base:
    """Returns the trained network that `spec` exports."""
    return networks.Base(spec.architecture, spec.scale, "gray" if spec.gray else "color")


def class_order(kind: str, count: int) -> list[int]:
    """Returns for each position of the output which class of the network it has."""
    if kind == "softmax-slice":
        return list(range(1, count))
    if kind == "softmax-reverse":
        return list(reversed(range(count)))
    if kind == "softmax-gather":
        return list(GATHERED)
    return list(range(count))


def scaling(spec: Spec, channels: int) -> Callable[[Any], Any]:
    """Returns the layer that scales the pixels inside of the graph."""
    if spec.range == "rescale255":
        return layers.Rescaling(1 / 255)
    if spec.range == "rescale127":
        return layers.Rescaling(1 / 127.5, offset=-1)
    if spec.range == "normalization":
        mean, variance = networks.PIXEL_MEAN[:channels], networks.PIXEL_VARIANCE[:channels]
        return layers.Normalization(mean=np.array(mean), variance=np.array(variance))
    return lambda x: x


def scores_of(spec: Spec, network: keras.Model, x: Any) -> tuple[Any, Any]:
    """Returns the features and the row of scores of the scaled picture `x`."""
    outputs = network(x)
    features = outputs["features"]
    if spec.kind == "sigmoid-one":
        return features, ops.sigmoid(outputs["binary"])
    if spec.kind == "logit-one":
        return features, outputs["binary"]
    if spec.kind == "multi-label":
        return features, ops.sigmoid(outputs["labels"])
    logits = outputs["classes"]
    if spec.kind == "logits":
        return features, logits
    if spec.kind == "log-softmax":
        return features, ops.log_softmax(logits)
    scores = ops.softmax(logits)
    if spec.kind == "softmax-slice":
        return features, scores[:, 1:]
    if spec.kind == "softmax-reverse":
        return features, ops.flip(scores, axis=1)
    if spec.kind == "softmax-gather":
        return features, ops.take(scores, np.array(GATHERED), axis=1)
    if spec.kind == "tta-mean":
        mirrored = ops.softmax(network(ops.flip(x, axis=2))["classes"])
        return features, (scores + mirrored) / 2
    return features, scores


def reshaped(spec: Spec, scores: Any, batch: int | None) -> Any:
    """Returns the scores in the shape that `spec` asks for."""
    count = scores.shape[-1]
    leading = -1 if batch is None else batch
    shape = {
        "row": (leading, count),
        "row4d": (leading, 1, 1, count),
        "flat": (count,),
        "column": (leading, count, 1, 1),
    }[spec.shape]
    return scores if spec.shape == "row" else ops.reshape(scores, shape)


def exported_model(spec: Spec, trained: keras.Model) -> keras.Model:
    """Returns the model of `spec`, with the weights of the network `trained`."""
    base = base_of(spec)
    size: int | None = networks.ARCHITECTURES[base.architecture].size
    network = trained
    if spec.layout == "open-size":
        size = None
        network = networks.network(base, open_size=True)
        network.set_weights(trained.get_weights())
    batch = {"open-batch": None, "batch4": 4}.get(spec.layout, 1)
    shape = (base.channels, size, size) if spec.channels_first else (size, size, base.channels)
    half = spec.layout == "half-io"
    image = keras.Input(batch_shape=(batch, *shape), dtype="float16" if half else "float32", name="image")
    x = ops.cast(image, "float32") if half else image
    if spec.channels_first:
        x = ops.transpose(x, (0, 2, 3, 1))
    features, scores = scores_of(spec, network, scaling(spec, base.channels)(x))
    scores = reshaped(spec, scores, batch)
    if half:
        scores = ops.cast(scores, "float16")
    return keras.Model(image, [features, scores] if spec.layout == "features-too" else scores)


def class_names(spec: Spec) -> list[str]:
    """Returns the names of the classes in the order of the output; for one score, below zero first."""
    task = "gray" if spec.gray else "color"
    names = pictures.classes_of(task)
    if spec.one_score:
        return [names[number] for number in pictures.BINARY[task]]
    return [names[number] for number in class_order(spec.kind, len(names))]

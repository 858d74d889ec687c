"""The network: MobileNetV2 cut off where the task needs no more of it, average pool, one dense layer.

MobileNetV2 (Sandler et al., CVPR 2018) at width 1.0, with weights from ImageNet. Its last blocks and its 1280-channel
convolution separate a thousand classes; for a few, most of their parameters can go. `cut` names the last layer that
is kept; `channels` keeps that many of the 1280 channels of the last convolution.
"""

import warnings

import keras
import numpy as np

from dataset import BadInput

LAST_LAYER = "out_relu"


def backbone(size, source):
    """MobileNetV2 up to `out_relu`, input (size, size, 3) in -1..1.

    `source`: "imagenet" for Keras' own weights (downloaded), "none" for random ones, else a file of weights for 1000
    or 1001 classes. Raises BadInput for a file that is none.
    """
    if source in ("imagenet", "none"):
        weights = None if source == "none" else "imagenet"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of sizes that have no weights of their own: those for 224 serve all
                return keras.applications.MobileNetV2(weights=weights, include_top=False, input_shape=(size, size, 3))
        except Exception as error:  # whatever the download raises
            raise BadInput(f"Keras' ImageNet weights could not be loaded ({error}); give a file: --backbone") from None
    network = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(size, size, 3))
    for classes in (1001, 1000):
        whole = keras.applications.MobileNetV2(weights=None, classes=classes, classifier_activation=None)
        try:
            whole.load_weights(source)
        except OSError as error:
            raise BadInput(f"the backbone {source} cannot be read: {error}") from None
        except ValueError:
            continue
        weights = whole.get_weights()
        network.set_weights(weights[: len(network.get_weights())])
        return network
    raise BadInput(f"the backbone {source} holds no weights of MobileNetV2 1.0 for 1000 or 1001 classes")


def classifier(base, cut, channels, classes, dropout, importance=None):
    """`base` up to the layer `cut` -> pool -> dropout -> `classes` logits.

    `channels` (with cut == LAST_LAYER): keep only those channels of the last convolution whose `importance`, one
    number for each of the 1280, is largest; None keeps all.
    """
    if cut != LAST_LAYER or channels is None:
        features = base.get_layer(cut).output
    else:
        chosen = kept(importance, channels)
        x = base.get_layer("block_16_project_BN").output
        convolution, norm = base.get_layer("Conv_1"), base.get_layer("Conv_1_bn")
        narrow = keras.layers.Conv2D(channels, 1, use_bias=False, name="Conv_1_narrow")
        narrow_norm = keras.layers.BatchNormalization(epsilon=norm.epsilon, momentum=norm.momentum, name="Conv_1_narrow_bn")
        features = keras.layers.ReLU(6.0, name="out_relu_narrow")(narrow_norm(narrow(x)))
        narrow.set_weights([convolution.get_weights()[0][..., chosen]])
        narrow_norm.set_weights([w[chosen] for w in norm.get_weights()])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(base.input, logits, name="classifier")


def kept(importance, channels):
    """The indices of the `channels` largest, in order."""
    return np.sort(np.argsort(importance)[::-1][:channels])


def freeze(model, first):
    """Lets the layers from `first` on learn. Batch normalisation keeps the statistics it came with everywhere: those
    of a small batch are too noisy, and the exporter folds it into the convolution before."""
    names = [layer.name for layer in model.layers]
    if first not in names:
        raise BadInput(f"the network has no layer {first}: one of {', '.join(names)}")
    for position, layer in enumerate(model.layers):
        batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = position >= names.index(first) and not batch_norm

"""The network: MobileNetV2 as far as the task needs it, average pools, one dense layer.

MobileNetV2 (Sandler et al., CVPR 2018) at width 1.0, with weights from ImageNet. Its last blocks and its 1280-channel
convolution separate a thousand classes; for a few, most of their parameters can go. The features that the last layer
sees are the averages over the picture of one or more layers, and what comes behind the last of these is cut off.
"""

import keras
import numpy as np

from dataset import BadInput

LAST_LAYER = "out_relu"
LAST_CHANNELS = 1280
IMAGENET_CLASSES = 1000


def backbone(size, source, seed=0):
    """(network, head): MobileNetV2 up to `out_relu`, input (size, size, 3) in -1..1, and the kernel (1280, 1000) and
    bias (1000) behind its average, which tell ImageNet's classes.

    `source`: "imagenet" for Keras' own weights (downloaded), "none" for random ones from `seed`, else a file of
    weights for 1000 or 1001 classes (the first of which is then "background"). Raises BadInput for a file that is none.
    """
    if source == "none":
        keras.utils.set_random_seed(seed)
        weights = keras.applications.MobileNetV2(weights=None).get_weights()
    elif source == "imagenet":
        try:
            weights = keras.applications.MobileNetV2(weights="imagenet").get_weights()
        except Exception as error:  # whatever the download raises
            raise BadInput(f"Keras' ImageNet weights could not be loaded ({error}); give a file: --backbone") from None
    else:
        weights = read(source, IMAGENET_CLASSES) or read(source, IMAGENET_CLASSES + 1)
        if weights is None:
            raise BadInput(f"the backbone {source} holds no weights of MobileNetV2 1.0 for 1000 or 1001 classes")
    network = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(size, size, 3))
    *weights, kernel, bias = weights
    network.set_weights(weights)
    return network, (kernel[:, -IMAGENET_CLASSES:], bias[-IMAGENET_CLASSES:])


def read(file, classes):
    """The weights of MobileNetV2 1.0 for so many classes out of `file`; None where they are another network's."""
    network = keras.applications.MobileNetV2(weights=None, classes=classes)
    try:
        network.load_weights(file)
    except OSError as error:
        raise BadInput(f"the backbone {file} cannot be read: {error}") from None
    except ValueError:
        return None
    return network.get_weights()


def layer_names(names):
    """The layers named in a list with commas, LAST_LAYER behind all others."""
    return sorted(names.split(","), key=lambda name: name == LAST_LAYER)


def check(base, names, channels, first):
    """Raises BadInput where a layer in `names` (a list with commas) or `first` is none of the network's."""
    importance = np.zeros(LAST_CHANNELS)
    freeze(classifier(base, layer_names(names), channels, 2, 0.0, importance), first)


def classifier(base, cuts, channels, classes, dropout, importance=None):
    """`base` -> features() -> dropout -> `classes` logits."""
    x = keras.layers.Dropout(dropout, name="dropout")(features(base, cuts, channels, importance))
    logits = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(base.input, logits, name="classifier")


def features(base, cuts, channels=None, importance=None, name="features"):
    """The averages of the outputs of the layers `cuts` over the picture, side by side: a tensor (n, features).

    `channels`: of LAST_LAYER, where it is among `cuts`, keep only those channels whose `importance`, one number for
    each of the 1280, is largest; None keeps all.
    """
    pooled = []
    for cut in cuts:
        x = narrowed(base, channels, importance) if cut == LAST_LAYER and channels else layer(base, cut).output
        pooled.append(keras.layers.GlobalAveragePooling2D(name=f"{name}_{cut}")(x))
    return keras.layers.Concatenate(name=name)(pooled) if len(pooled) > 1 else pooled[0]


def layer(base, name):
    names = [part.name for part in base.layers]
    if name not in names:
        raise BadInput(f"the network has no layer {name}; it has block_1_expand_relu, block_15_add, {LAST_LAYER} ...")
    return base.get_layer(name)


def narrowed(base, channels, importance):
    """The last convolution with fewer channels."""
    chosen = kept(importance, channels)
    convolution, norm = base.get_layer("Conv_1"), base.get_layer("Conv_1_bn")
    narrow = keras.layers.Conv2D(channels, 1, use_bias=False, name="Conv_1_narrow")
    narrow_norm = keras.layers.BatchNormalization(epsilon=norm.epsilon, momentum=norm.momentum, name="Conv_1_narrow_bn")
    x = narrow_norm(narrow(base.get_layer("block_16_project_BN").output))
    narrow.set_weights([convolution.get_weights()[0][..., chosen]])
    narrow_norm.set_weights([w[chosen] for w in norm.get_weights()])
    return keras.layers.ReLU(6.0, name="out_relu_narrow")(x)


def kept(importance, channels):
    """The indices of the `channels` largest, in order."""
    return np.sort(np.argsort(importance)[::-1][:channels])


def freeze(model, first):
    """Lets the layers from `first` on learn. Batch normalisation keeps the statistics it came with everywhere: those
    of a small batch are too noisy, and the exporter folds it into the convolution before."""
    layer(model, first)
    names = [part.name for part in model.layers]
    for position, part in enumerate(model.layers):
        batch_norm = isinstance(part, keras.layers.BatchNormalization)
        part.trainable = position >= names.index(first) and not batch_norm

"""What the network knew before it was trained, kept while it learns.

Who trains on a few thousand pictures of pets forgets some of what the network learnt from a million pictures. The
teacher is the network as it came. The pupil sees frames as cameras and the element make them, stretched, dark and
noisy; the teacher sees what is in them as it was. The pupil learns to find the same features, and the teacher's
opinion beside the label (Hinton et al., "Distilling the knowledge in a neural network", 2015; Li and Hoiem, "Learning
without forgetting", ECCV 2016).

The opinion is that of a last layer, fitted to our pictures. It may see, beside the features, how likely the network
finds the groups of ImageNet's classes that are ours (`dogs=151-268`) and all others: ImageNet has 118 breeds of dogs.
"""

import keras
import numpy as np
import tensorflow as tf

import augment
import network
import regression
from dataset import BadInput, write

# The logits of a few groups stand against thousands of features: so many times the weight of one of these, squared,
# before the penalty on large weights. By leaving out breeds: 20 to 300 do equally well, 1 is worse.
EMPHASIS = 20.0
# How much its opinion counts beside the label, and how much a difference of features counts beside a wrong label. The
# opinion is not softened: with a temperature of 2, confidences of left-out sources came out worse.
SHARE = 0.5
FEATURES = 1.0
FILE = "teacher.keras"


@keras.saving.register_keras_serializable("catdog")
class Groups(keras.layers.Layer):
    """(n, 1000) logits of ImageNet's classes -> (n, groups + 1): the logit of each group, and of all other classes.

    `groups`: lists of class numbers, 0 to 999. The logit of a group is the logarithm of the sum of its classes'
    exponentials; their mean is subtracted, since the softmax does not know it.
    """

    def __init__(self, groups, **given):
        super().__init__(**given)
        self.groups = groups

    def call(self, logits):
        others = sorted(set(range(network.IMAGENET_CLASSES)).difference(*self.groups))
        sums = [tf.reduce_logsumexp(tf.gather(logits, group, axis=1), 1) for group in [*self.groups, others]]
        sums = tf.stack(sums, 1)
        return sums - tf.reduce_mean(sums, 1, keepdims=True)

    def get_config(self):
        return super().get_config() | {"groups": self.groups}


@keras.saving.register_keras_serializable("catdog")
class Scale(keras.layers.Layer):
    """(n, features), each multiplied by a number of its own, its weight."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False, name="scale")

    def call(self, features):
        return features * self.scale


def seen_by(base, head, cuts, groups):
    """The network as it came: a picture -> its features, and behind them the logits of the groups."""
    x = network.features(base, cuts, name="before")
    if groups:
        pool = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
        imagenet = keras.layers.Dense(network.IMAGENET_CLASSES, name="imagenet")
        known = Groups(groups, name="groups")(imagenet(pool))
        imagenet.set_weights(head)
        x = keras.layers.Concatenate(name="features_and_groups")([x, known])
    return keras.Model(base.input, x, name="as_it_came")


def last_layer(seen, features, wanted, weights):
    """(kernel, bias) of the teacher's last layer. `seen`: what seen_by() finds in pictures, the first `features`
    columns of which are features."""
    emphasis = np.ones(seen.shape[1], np.float32)
    emphasis[features:] = np.sqrt(EMPHASIS)
    return regression.fitted(seen, wanted, weights, emphasis)


def finished(before, base, pupil_sees, spread, layer):
    """The teacher: a picture -> what the pupil sees of it, in units of `spread`, and the logits of the classes.

    `pupil_sees`: the pupil's features, as a tensor behind `base`; `layer`: from last_layer().
    """
    scale = Scale(name="scale")
    logits = keras.layers.Dense(len(layer[1]), name="logits")
    tutor = keras.Model(base.input, [scale(pupil_sees), logits(before.output)], name="teacher")
    scale.set_weights([1 / spread])
    logits.set_weights(layer)
    return tutor


def save(out, tutor):
    write(out / FILE, tutor.save)


def load(given, out, classes):
    """A function, pictures as they were -> (features or None, logits), and the layer that scales features or None.

    Raises BadInput for a `given.teacher` that is no network for so many classes.
    """
    file = given.teacher or out / FILE
    try:
        tutor = keras.models.load_model(file, compile=False)
    except Exception as error:  # whatever a damaged file raises
        raise BadInput(f"the teacher {file} cannot be read: {str(error).splitlines()[0]}") from None
    if not given.teacher:
        return lambda natural: tutor(natural, training=False), tutor.get_layer("scale")
    if tutor.output_shape != (None, classes):
        raise BadInput(f"the teacher {file} knows {tutor.output_shape[-1]} classes, not {classes}")
    side = tutor.input_shape[1]
    return lambda natural: (None, tutor(tf.image.resize(natural, (side, side)), training=False)), None

"""What the network knew before it was trained: a teacher for it.

ImageNet has 118 breeds of dogs and 5 of cats; who trains on a few thousand pictures of pets forgets some of what the
network learnt from a million. The teacher is the network as it came. Its last layer sees the same features as the
pupil's, and how likely the network finds the groups of ImageNet's classes that are ours (`dogs=151-268`) and all
others. It is fitted to our pictures once; then the pupil learns its opinion of each picture, along with the label
(Hinton et al., "Distilling the knowledge in a neural network", 2015).
"""

import keras
import numpy as np
import tensorflow as tf

import augment
import network
import regression

# The logits of three groups stand against thousands of features: so many times the weight of one of these, squared,
# before the penalty on large weights. By leaving out breeds: 20 to 300 do equally well, 1 is worse.
EMPHASIS = 20.0
# How much its opinion counts beside the label, and how much it is softened.
SHARE = 0.7
TEMPERATURE = 2.0
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


def made(given, out, task, base, head):
    """The teacher that is asked for: a file, one fitted to the training pictures, or None. A fitted one is saved."""
    if given.imagenet and not given.teacher:
        saved = out / FILE
        fitted(given, task, base, head).save(saved.with_name("part-" + saved.name))
        saved.with_name("part-" + saved.name).replace(saved)
    return load(given, out)


def load(given, out):
    file = given.teacher or (out / FILE if given.imagenet else None)
    return keras.models.load_model(file, compile=False) if file else None


def probabilities(tutor, pictures):
    """What it says of pictures (n, any, any, 3) in -1..1: (n, classes), softened, as the second best says a lot."""
    side = tutor.input_shape[1]
    logits = tutor(tf.image.resize(pictures, (side, side)), training=False)
    return tf.nn.softmax(logits / TEMPERATURE)


def fitted(given, task, base, head):
    """The network as it came, (n, size, size, 3) in -1..1 -> (n, classes) logits of the training pictures' classes.

    `base` and `head` are from network.backbone().
    """
    groups = list(given.imagenet.values())
    pupil_sees = network.features(base, network.layer_names(given.cut))
    pool = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
    imagenet = keras.layers.Dense(network.IMAGENET_CLASSES, name="imagenet")
    known = Groups(groups, name="groups")(imagenet(pool))
    imagenet.set_weights(head)
    features = keras.layers.Concatenate(name="all_features")([pupil_sees, known])
    pictures = augment.first_pictures(task, given.size, given.batch, given.seed)
    x, targets = regression.seen(pictures, keras.Model(base.input, features))
    emphasis = np.ones(x.shape[1], np.float32)
    emphasis[-known.shape[1] :] = np.sqrt(EMPHASIS)
    classes = len(task.labels)
    weights = regression.class_weights(targets, classes)[targets]
    logits = keras.layers.Dense(classes, name="logits")
    model = keras.Model(base.input, logits(features), name="teacher")
    logits.set_weights(regression.fitted(x, regression.certain(targets, classes), weights, emphasis))
    return model

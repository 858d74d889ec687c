"""The teacher: the network with its initial weights, which the trained network must not forget.

A network that is trained on a few thousand photos of pets forgets part of what it has learned from a million images.
The teacher therefore keeps the initial weights. The trained network, the student, sees frames as cameras and the
element produce them: stretched, dark and noisy. The teacher sees the same content unchanged. The student learns from
the label, from the teacher's probabilities, and from the teacher's features (Hinton et al., "Distilling the knowledge
in a neural network", 2015; Li and Hoiem, "Learning without forgetting", ECCV 2016).

The probabilities come from a last layer that is fitted to the training images. In addition to the features, it can see
the logits of groups of ImageNet classes (`dogs=151-268`) and of all other classes: ImageNet has 118 breeds of dogs.
"""

import argparse
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from catdog_train import augment, export, network, regression
from catdog_train.dataset import InputError, Task, write
from catdog_train.network import Layer

# There are a few group logits and thousands of features. The weight penalty therefore sees the square of a group's
# weight divided by this number. Measured by leaving out breeds: 20 to 300 are equally good, 1 is worse.
GROUP_EMPHASIS = 20.0
# The share of the teacher's probabilities in the target, and the weight of the difference of features in the loss.
# The probabilities are not softened: a temperature of 2 calibrates worse on sources that were left out.
TEACHER_SHARE = 0.5
FEATURE_WEIGHT = 1.0
FILE = "teacher.keras"
NONE = "none"  # the value of --teacher for no teacher at all
PROBABILITIES = "teacher.npy"

# The initial network as a teacher: a function from natural images to (features, logits), and the layer that scales the
# student's features.
Teacher = tuple[Callable[[Any], tuple[Any, Any]], Any]


@keras.saving.register_keras_serializable("catdog")
class GroupLogits(keras.layers.Layer):
    """Maps logits of the ImageNet classes (n, 1000) to (n, groups + 1): one logit per group, one for all other classes.

    `groups` has lists of class numbers, 0 to 999. The logit of a group is the log-sum-exp of its classes. The mean of
    the logits is subtracted, because a softmax does not determine it.
    """

    def __init__(self, groups: Sequence[Sequence[int]], **options: Any) -> None:
        super().__init__(**options)
        self.groups = groups

    def call(self, logits: Any) -> Any:
        """Returns the group logits; called by Keras."""
        others = sorted(set(range(network.IMAGENET_CLASSES)).difference(*self.groups))
        sums = [tf.reduce_logsumexp(tf.gather(logits, group, axis=1), 1) for group in [*self.groups, others]]
        stacked = tf.stack(sums, 1)
        return stacked - tf.reduce_mean(stacked, 1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments; called by Keras when the model is saved."""
        return super().get_config() | {"groups": self.groups}


@keras.saving.register_keras_serializable("catdog")
class FeatureScale(keras.layers.Layer):
    """Multiplies each feature of (n, features) by a fixed number of its own."""

    def build(self, shape: Sequence[int]) -> None:
        """Creates the factors; called by Keras."""
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False, name="scale")

    def call(self, features: Any) -> Any:
        """Returns the scaled features; called by Keras."""
        return features * self.scale


def initial_model(base: Any, head: Layer, cuts: Sequence[str], groups: Sequence[Sequence[int]]) -> Any:
    """Returns the network with its initial weights: an image to its features, followed by the group logits."""
    x = network.features(base, cuts, name="before")
    if groups:
        pool = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
        imagenet = keras.layers.Dense(network.IMAGENET_CLASSES, name="imagenet")
        group_logits = GroupLogits(groups, name="groups")(imagenet(pool))
        imagenet.set_weights(head)
        x = keras.layers.Concatenate(name="features_and_groups")([x, group_logits])
    return keras.Model(base.input, x, name="initial")


def fit_last_layer(outputs: np.ndarray, features: int, wanted: np.ndarray, weights: np.ndarray) -> Layer:
    """Returns the teacher's last layer. `outputs` are those of initial_model(), whose first `features` columns are
    features."""
    emphasis = np.ones(outputs.shape[1], np.float32)
    emphasis[features:] = np.sqrt(GROUP_EMPHASIS)
    return regression.fit(outputs, wanted, weights, emphasis)


def build_teacher(initial: Any, base: Any, student_features: Any, deviation: np.ndarray, last_layer: Layer) -> Any:
    """Returns the teacher: an image to the features that the student has, divided by `deviation`, and the logits.

    `student_features` is a tensor computed from `base`; `initial` is from initial_model(), `last_layer` from
    fit_last_layer().
    """
    scale = FeatureScale(name="scale")
    logits = keras.layers.Dense(len(last_layer[1]), name="logits")
    model = keras.Model(base.input, [scale(student_features), logits(initial.output)], name="teacher")
    scale.set_weights([1 / deviation])
    logits.set_weights(last_layer)
    return model


def save(out: pathlib.Path, model: Any) -> None:
    """Writes the teacher into the output folder."""
    write(out / FILE, model.save)


def load(options: argparse.Namespace, out: pathlib.Path) -> Teacher | None:
    """Returns the teacher that save() wrote, or None if others are given or none is wanted."""
    if options.teacher:
        return None
    model = keras.models.load_model(out / FILE, compile=False)
    return lambda natural: model(natural, training=False), model.get_layer("scale")


def check(files: Sequence[str], classes: int) -> None:
    """Raises InputError if given() would."""
    if files != [NONE]:
        given(files, classes)


def given(files: Sequence[str], classes: int) -> tuple[int, Callable[[Any], np.ndarray]]:
    """Returns the models of `--teacher`: the largest of their input sizes in pixels, and square images in -1..1, of any
    size, to the mean of the probabilities.

    Raises InputError as one().
    """
    models = [one(file, classes) for file in files]

    def run(images: Any) -> np.ndarray:
        found = []
        for size, model in models:
            seen = images if images.shape[1] == size else tf.image.resize(images, (size, size), antialias=True)
            found.append(model(seen))
        return np.mean(found, axis=0)

    return max(size for size, _ in models), run


def one(file: str, classes: int) -> tuple[int, Callable[[Any], Any]]:
    """Returns a model of `--teacher`: its width and height in pixels, and images in -1..1 to probabilities.

    Raises InputError as read(), or if a .tflite file is not a model that export.finished() made.
    """
    if file.endswith(".tflite"):
        try:
            content = pathlib.Path(file).read_bytes()
            size = export.input_size(content)
            runner = export.Runner(content, os.cpu_count() or 1)
            found = runner(np.zeros((1, size, size, 3), np.float32))
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"the model {file} cannot be read: {str(error).splitlines()[0]}") from None
        if found.shape != (1, classes):
            raise InputError(f"the model {file} has {found.shape[-1]} classes, expected {classes}")
        return size, runner
    model = read(file, classes)
    run = tf.function(lambda images: tf.nn.softmax(model(images)), reduce_retracing=True)
    return model.input_shape[1], lambda images: run(images).numpy()


def read(file: str, classes: int) -> Any:
    """Returns a Keras model: images (n, size, size, 3) in -1..1 to logits.

    Raises InputError if it cannot be read or has another number of classes.
    """
    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras does not document what a damaged file raises.
        raise InputError(f"the model {file} cannot be read: {str(error).splitlines()[0]}") from None
    if model.output_shape != (None, classes):
        raise InputError(f"the model {file} has {model.output_shape[-1]} classes, expected {classes}")
    return model


def of_views(options: argparse.Namespace, classes: int) -> Callable[[Any], np.ndarray] | None:
    """Returns what `--teacher` says about a batch of augmented images (-1..1): probabilities. None without
    `--teach-views`.

    A teacher that sees what the student sees makes small students much better (Beyer et al., "Knowledge distillation: a
    good teacher is patient and consistent", CVPR 2022).
    """
    if not options.teach_views:
        return None
    return given(options.teacher, classes)[1]


def probabilities(options: argparse.Namespace, out: pathlib.Path, task: Task) -> np.ndarray | None:
    """Returns the probabilities of `--teacher` for each training image: the mean of the image and its mirror image.
    Returns None for the teacher `none`, and with `--teach-views`, for which of_views() is.

    They are kept in `out`, because a large teacher takes minutes.
    """
    if options.teacher == [NONE] or options.teach_views:
        return None
    kept = out / PROBABILITIES
    if kept.exists():
        return np.load(kept)
    size, model = given(options.teacher, len(task.class_names))
    whole = augment.whole_images(task.images, task.labels, size, options.batch)
    print("the teacher sees the images", flush=True)
    found = np.concatenate([(model(images) + model(tf.reverse(images, [2]))) / 2 for images, _ in whole])
    write(kept, lambda file: save_array(file, found))
    return found


def save_array(file: pathlib.Path, values: np.ndarray) -> None:
    """Writes an array to exactly this file name; NumPy would append a suffix."""
    with open(file, "wb") as opened:
        np.save(opened, values)

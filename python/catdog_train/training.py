"""Transfer learning: initializes the last layer, trains the network, and averages its weights.

After each epoch the output folder contains the network, the state of the optimizer and of the averages, and
`state.json`. `state.json` is written last and says which epoch the other files belong to, so that a run can resume.
"""

import argparse
import hashlib
import itertools
import json
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from catdog_train import augment, export, measures, network, regression, teacher
from catdog_train.dataset import Task, write
from catdog_train.network import Layer

# The number of images that calibrate the activations of the exported model: half of them whole, half augmented.
CALIBRATION_IMAGES = 400
STATE = "state.json"


def train(options: argparse.Namespace, out: pathlib.Path, task: Task, base: Any, head: Layer | None) -> Any:
    """Runs all epochs and returns the network with its averaged weights.

    Resumes from the state in `out` if there is one, else starts with `base` and `head` (network.load_backbone()).
    """
    steps = max(1, len(task.images) // options.batch)
    state = out / STATE
    if state.exists():
        done = json.loads(state.read_text())["epochs"]
        model = keras.models.load_model(out / f"epoch-{done}.keras", compile=False)
        print(f"resuming after epoch {done}", flush=True)
    else:
        keras.utils.set_random_seed(options.seed)
        done, model = 0, initialize(options, out, task, base, head)
    network.freeze(model, options.first_layer)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps * options.epochs, warmup_target=options.learning_rate, warmup_steps=max(1, steps // 2)
    )
    weights = measures.class_weights(task.labels, len(task.class_names))
    trainer = Trainer(model, schedule, options, weights, teacher.load(options, out, len(task.class_names)))
    if done:
        trainer.restore(out / f"epoch-{done}.npz")
    validation = augment.whole_images(task.validation_images, task.validation_labels, options.size, options.batch)
    for epoch in range(done, options.epochs):
        if options.dropout:
            model.get_layer("dropout").seed_generator.state.assign([options.seed, epoch])
        trainer.epoch(augment.training_set(task, options, epoch), f"epoch {epoch + 1}/{options.epochs}", steps)
        scores = trainer.averaged_scores(validation)
        print("   " + measures.summary(scores, np.array(task.validation_labels), task.background), flush=True)
        save_epoch(trainer, out, epoch + 1)
    trainer.use_average()
    return model


def save_epoch(trainer: "Trainer", out: pathlib.Path, done: int) -> None:
    """Writes the state after `done` epochs and removes older ones."""
    trainer.save(out / f"epoch-{done}")
    write(out / STATE, json.dumps({"epochs": done}).encode())
    for old in out.glob("epoch-*"):
        if old.stem != f"epoch-{done}":
            old.unlink()


def initialize(options: argparse.Namespace, out: pathlib.Path, task: Task, base: Any, head: Any) -> Any:
    """Returns the network with its last layer fitted to the first features. Writes the teacher, unless one is given."""
    classes, cuts = len(task.class_names), network.layer_names(options.cut)
    initial = teacher.initial_model(base, head, cuts, list(options.imagenet.values()))
    features = initial.output_shape[-1] - (len(options.imagenet) + 1 if options.imagenet else 0)
    models = [lambda images: initial(images, training=False)]
    if options.teacher:
        given_teacher, _ = teacher.load(options, out, classes)
        models.append(lambda images: given_teacher(images)[1])
    x, *logits, labels = regression.collect_outputs(initial_batches(options, task), *models)
    weights = measures.class_weights(labels, classes)[labels]
    if options.teacher:
        teacher_logits = logits[0]
    else:
        last_layer = teacher.fit_last_layer(x, features, regression.one_hot(labels, classes), weights)
        teacher_logits = x @ last_layer[0] + last_layer[1]
    x, wanted = x[:, :features], tf.nn.softmax(teacher_logits).numpy()

    dense, importance, chosen = regression.fit(x, wanted, weights), None, np.arange(features)
    if options.channels and network.LAST_LAYER in cuts:
        importance = (np.abs(dense[0]).max(1) * x.std(0))[-network.LAST_CHANNELS :]
        others = features - network.LAST_CHANNELS
        kept = network.most_important(importance, options.channels)
        chosen = np.concatenate([np.arange(others), others + kept])
        dense = regression.fit(x[:, chosen], wanted, weights)
    if not options.teacher:
        student_features = network.features(base, cuts, options.channels, importance)
        deviation = x[:, chosen].std(0) + 1e-3
        teacher.save(out, teacher.build_teacher(initial, base, student_features, deviation, last_layer))
    model = network.classifier(base, cuts, options.channels, classes, options.dropout, importance)
    model.get_layer("logits").set_weights(dense)
    return model


def initial_batches(options: argparse.Namespace, task: Task) -> Iterable[tuple[Any, Any]]:
    """Returns the (images, labels) that the last layer is initialized with: unchanged crops, and whole images as the
    element stretches them.

    Small, dark or noisy images are left to the layers that can adapt to them. With such images too, a last layer got
    2.7 % instead of 1.3 % of the cats wrong on sources that were left out.
    """
    crops = ((batch.natural, batch.labels) for batch in augment.training_set(task, options, augment.INITIAL_EPOCH))
    whole = augment.whole_images(task.images, task.labels, options.size, options.batch)
    return itertools.chain(crops, whole)


class Trainer:
    """Trains a model with AdamW and keeps a moving average of its weights.

    The result is a weighted mean of that average (share `blend`) and of the initial weights. It is better on images
    from other sources than either of them (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
    """

    def __init__(
        self, model: Any, schedule: Any, options: argparse.Namespace, weights: np.ndarray, tutor: teacher.Teacher
    ) -> None:
        self.model, self.decay, self.blend = model, options.average, options.blend
        self.features_and_logits = keras.Model(model.input, [model.get_layer("dropout").input, model.output])
        self.optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=5.0)
        self.optimizer.build(model.trainable_variables)
        self.first = [tf.Variable(v) for v in model.trainable_variables]
        self.average = [tf.Variable(v) for v in model.trainable_variables]
        self.step = tf.function(self._step, reduce_retracing=True)
        self.label_smoothing, self.class_weights = options.label_smoothing, tf.constant(weights)
        self.teacher, self.scale = tutor

    def _step(self, batch: augment.Batch) -> tuple[Any, Any]:
        """Trains on one batch. Returns the loss and the share of correct images."""
        classes, labels = self.class_weights.shape[0], batch.labels
        teacher_features, teacher_logits = self.teacher(batch.natural)
        wanted = tf.one_hot(labels, classes) * (1 - self.label_smoothing) + self.label_smoothing / classes
        wanted = (1 - teacher.TEACHER_SHARE) * wanted + teacher.TEACHER_SHARE * tf.nn.softmax(teacher_logits)
        with tf.GradientTape() as tape:
            features, logits = self.features_and_logits(batch.images, training=True)
            loss = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            loss = tf.reduce_mean(loss * tf.gather(self.class_weights, labels))
            if teacher_features is not None:
                distance = tf.reduce_mean(tf.square(self.scale(features) - teacher_features), 1)
                loss += teacher.FEATURE_WEIGHT * tf.reduce_mean(batch.alone * distance)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        # A smaller decay in the first steps, because the average would otherwise keep too much of the initial weights.
        iterations = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self.decay, (1 + iterations) / (10 + iterations))
        for average, variable in zip(self.average, variables):
            average.assign(decay * average + (1 - decay) * variable)
        right = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1, tf.int32), labels), tf.float32))
        return loss, right

    def epoch(self, batches: Iterable[augment.Batch], name: str, steps: int) -> None:
        """Trains on all batches and shows the progress."""
        bar = keras.utils.Progbar(steps, unit_name=name, interval=1.0 if sys.stdout.isatty() else 60.0)
        print(name, flush=True)
        for batch in batches:
            loss, right = self.step(batch)
            bar.add(1, [("loss", float(loss)), ("right", float(right))])

    def averaged_scores(self, batches: Any) -> np.ndarray:
        """Returns the logits of the averaged model; the model keeps its own weights."""
        own = [v.numpy() for v in self.model.trainable_variables]
        self.use_average()
        scores = self.model.predict(batches, verbose=0)
        for variable, value in zip(self.model.trainable_variables, own):
            variable.assign(value)
        return scores

    def use_average(self) -> None:
        """Replaces the weights of the model by the mean of their average and the initial weights."""
        for variable, first, average in zip(self.model.trainable_variables, self.first, self.average):
            variable.assign((1 - self.blend) * first + self.blend * average)

    def state(self) -> list[Any]:
        """Returns all variables that a resumed run needs in addition to the model."""
        return [*self.optimizer.variables, *self.first, *self.average]

    def save(self, path: pathlib.Path) -> None:
        """Writes the model (.keras) and the state (.npz)."""
        write(path.with_suffix(".keras"), self.model.save)
        write(path.with_suffix(".npz"), lambda file: np.savez(file, *[v.numpy() for v in self.state()]))

    def restore(self, state_file: pathlib.Path) -> None:
        """Reads the state that save() wrote."""
        saved = np.load(state_file)
        for variable, name in zip(self.state(), saved.files, strict=True):
            variable.assign(saved[name])


def deliver(options: argparse.Namespace, out: pathlib.Path, task: Task, model: Any) -> None:
    """Exports the model, corrects its biases and its confidence, and writes the result files.

    The confidence is calibrated on the validation images.
    """
    names, labels = task.class_names, np.array(task.validation_labels)
    samples = calibration_images(options, task)
    validation = [
        images.numpy()
        for images, _ in augment.whole_images(
            task.validation_images, task.validation_labels, options.size, options.batch
        )
    ]
    float_logits = model.predict(np.concatenate(validation), verbose=0)

    first = export.quantized(model, options.size, samples)
    # The mean rounding error of each class is subtracted from its bias. Without this correction, the model reports
    # the background class too often for small inputs.
    shift = (model.predict(np.concatenate(samples), verbose=0) - export.run(first, samples)).mean(0)
    logits = export.run(first, validation) + shift
    calibration = measures.calibrate(logits, labels)
    temperature = calibration.temperature
    dense = model.get_layer("logits")
    kernel, bias = (w / temperature for w in dense.get_weights())
    dense.set_weights([kernel, bias])
    write(out / "averaged.keras", model.save)
    dense.set_weights([kernel, bias + shift / temperature])
    description = f"MobileNetV2 1.0, {options.size} x {options.size}, int8: {', '.join(names)}."
    raw = export.quantized(model, options.size, samples)
    texts = export.Description(options.name, description, options.author, options.license)
    flatbuffer = export.with_softmax_and_metadata(raw, texts, names, options.size)

    scores = np.log(export.run(flatbuffer, validation) + 1e-9)
    report = {
        "sha256": hashlib.sha256(flatbuffer).hexdigest(),
        "bytes": len(flatbuffer),
        "temperature": temperature,
        "calibration": calibration.reason,
        "validation": measures.measures(scores, labels, task.background),
        "validation_float": measures.measures(float_logits / temperature, labels, task.background),
    }
    print(f"temperature {temperature:.3f}, {calibration.reason}; subtracted from the biases: {np.round(-shift, 3)}")
    if calibration.warning:
        print(f"warning: {calibration.warning}")
    print("   float: " + measures.summary(float_logits / temperature, labels, task.background))
    print("   int8:  " + measures.summary(scores, labels, task.background))
    write(out / "labels.txt", ("\n".join(names) + "\n").encode())
    write(out / "report.json", (json.dumps(report, indent=2) + "\n").encode())
    write(out / "classifier.tflite", flatbuffer)
    print(f"{out / 'classifier.tflite'}: {len(flatbuffer)} bytes")


def calibration_images(options: argparse.Namespace, task: Task) -> list[np.ndarray]:
    """Returns batches of one image, which calibrate the activations of the exported model."""
    every = max(1, 2 * len(task.images) // CALIBRATION_IMAGES)
    some = task._replace(images=task.images[::every], labels=task.labels[::every])
    whole = augment.whole_images(some.images, some.labels, options.size, 1)
    single = argparse.Namespace(**vars(options) | {"batch": 1})
    augmented = augment.training_set(some, single, 0)
    return [images.numpy() for images, _ in whole] + [batch.images.numpy() for batch in augmented]

"""Transfer learning: initializes the last layer, trains the network, and averages its weights.

After each epoch the output folder contains the network, the state of the optimizer and of the averages, and
`state.json`. `state.json` is written last and says which epoch the other files belong to, so that a run can resume.
"""

import argparse
import hashlib
import itertools
import json
import math
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from catdog_train import augment, export, measures, mobilenet, network, regression, scenes, teacher
from catdog_train.dataset import InputError, Task, write
from catdog_train.network import Layer

# The number of images that calibrate the activations of the exported model: half of them whole, half augmented.
CALIBRATION_IMAGES = 400
# Images of an epoch. With fewer, each one is seen several times: forty images would be one step of the optimizer.
MIN_EPOCH_IMAGES = 1500
# The number of images that say which channels are kept when the network is narrowed.
NARROWING_IMAGES = 160
# The steps that bring back what the network lost when it was narrowed, and the most passes over the images for that.
REPAIR_STEPS, REPAIR_PASSES = 800, 20
# The number of images that the last layer is initialized with, at least.
INITIAL_IMAGES = 6000
# The weight of what the places say, relative to what the image says. A place shows a thing if it covers the share
# COVERED of it, and lacks it if it covers less than MIN_COVER.
PLACES_WEIGHT, COVERED, MIN_COVER = 0.5, 0.4, 0.02
STATE = "state.json"
# Validation images from which on the levels of the logits at places are fitted.
MIN_FOR_BIASES = 200
# The learning rate of the last layer before the others are trained.
HEAD_LEARNING_RATE = 1e-3


def train(options: argparse.Namespace, out: pathlib.Path, task: Task, base: Any, head: Layer | None) -> Any:
    """Runs all epochs and returns the network with its averaged weights.

    Resumes from the state in `out` if there is one, else starts with `base` and `head` (network.load_backbone()).
    """
    if options.teacher:
        task = task._replace(targets=teacher.probabilities(options, out, task))
    if task.times:
        task = chosen(task, [index for index, count in enumerate(task.times) for _ in range(count)])
    task = repeated(task, math.ceil(MIN_EPOCH_IMAGES / len(task.images)))
    steps = max(1, (len(task.images) + options.scenes) // options.batch)
    weights = measures.class_weights(task.labels, len(task.class_names))
    state = out / STATE
    if state.exists():
        done = json.loads(state.read_text())["epochs"]
        model = keras.models.load_model(out / f"epoch-{done}.keras", compile=False)
        print(f"resuming after epoch {done}", flush=True)
    else:
        keras.utils.set_random_seed(options.seed)
        done, model = 0, initialize(options, out, task, base, head)
        if options.head == "places":
            fit_places(options, task, model, weights, steps)
    network.freeze(model, options.first_layer)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps * options.epochs, warmup_target=options.learning_rate, warmup_steps=max(1, steps // 2)
    )
    views = teacher.of_views(options, len(task.class_names))
    trainer = Trainer(model, schedule, options, weights, task.background, teacher.load(options, out), views)
    if done:
        trainer.restore(out / f"epoch-{done}.npz")
    validation = augment.whole_images(task.validation_images, task.validation_labels, options.size, options.batch)
    for epoch in range(done, options.epochs):
        if options.dropout:
            model.get_layer("dropout").seed_generator.state.assign([options.seed, epoch])
        batches = augment.training_set(scenes.with_scenes(task, options, epoch), options, epoch, not options.teacher)
        trainer.epoch(batches, f"epoch {epoch + 1}/{options.epochs}", steps)
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
    groups = list(options.imagenet.values()) if head else []
    initial = teacher.initial_model(base, head, cuts, groups)
    features = initial.output_shape[-1] - (len(groups) + 1 if groups else 0)
    x, labels = regression.collect_outputs(
        initial_batches(options, task), lambda images: initial(images, training=False)
    )
    weights = measures.class_weights(labels, classes)[labels]
    last_layer = teacher.fit_last_layer(x, features, regression.one_hot(labels, classes), weights)
    wanted = tf.nn.softmax(x @ last_layer[0] + last_layer[1]).numpy()
    x = x[:, :features]

    dense, importance, chosen = regression.fit(x, wanted, weights), None, np.arange(features)
    if options.channels and network.LAST_LAYER in cuts:
        last_channels = base.output_shape[-1]
        importance = (np.abs(dense[0]).max(1) * x.std(0))[-last_channels:]
        others = features - last_channels
        kept = network.most_important(importance, options.channels)
        chosen = np.concatenate([np.arange(others), others + kept])
        dense = regression.fit(x[:, chosen], wanted, weights)
    if not options.teacher:
        student_features = network.features(base, cuts, options.channels, importance)
        deviation = x[:, chosen].std(0) + 1e-3
        teacher.save(out, teacher.build_teacher(initial, base, student_features, deviation, last_layer))
    model = network.classifier(
        base, cuts, options.channels, classes, options.dropout, options.head, importance, task.background
    )
    last = model.get_layer("logits")
    last.set_weights([dense[0].reshape(last.kernel.shape), dense[1]])
    return model


def narrowed(options: argparse.Namespace, task: Task, base: Any) -> Any:
    """Returns `base` with the shares `options.width` of the hidden channels of its blocks."""
    early, late = options.width
    if early == late == 1:
        return base
    some = part(task, max(1, len(task.images) // NARROWING_IMAGES))
    batches = augment.whole_images(some.images, some.labels, options.size, options.batch)
    images = np.concatenate([images.numpy() for images, _ in batches])[:NARROWING_IMAGES]
    print(f"narrowing the network to {early:g} and {late:g} of its hidden channels", flush=True)
    narrow = mobilenet.narrowed(base, images, early, late)
    steps = min(REPAIR_STEPS, math.ceil(REPAIR_PASSES * len(task.images) / options.batch))
    mobilenet.repair(narrow, base, itertools.islice(batches_for_ever(options, task), steps), steps)
    return narrow


def batches_for_ever(options: argparse.Namespace, task: Task) -> Iterator[Any]:
    """Yields batches of augmented images without end."""
    for epoch in itertools.count(augment.INITIAL_EPOCH + 1):
        for batch in augment.training_set(task, options, epoch):
            yield batch.images


def fit_places(options: argparse.Namespace, task: Task, model: Any, weights: np.ndarray, steps: int) -> None:
    """Trains the last layer alone, for one pass over the images: what fits averages does not fit single places."""
    network.freeze(model, "logits")
    trainer = Trainer(model, HEAD_LEARNING_RATE, options, weights, task.background, None)
    batches = augment.training_set(
        scenes.with_scenes(task, options, augment.INITIAL_EPOCH), options, augment.INITIAL_EPOCH
    )
    trainer.epoch(batches, "last layer", steps)


def initial_batches(options: argparse.Namespace, task: Task) -> Iterable[tuple[Any, Any]]:
    """Returns the (images, labels) that the last layer is initialized with: unchanged crops, and whole images as the
    element stretches them.

    Small, dark or noisy images are left to the layers that can adapt to them. With such images too, a last layer got
    2.7 % instead of 1.3 % of the cats wrong on sources that were left out.
    """
    some = part(task, max(1, len(task.images) // INITIAL_IMAGES))
    batches = augment.training_set(some, options, augment.INITIAL_EPOCH, natural_wanted=True)
    crops = ((batch.natural, batch.labels) for batch in batches)
    whole = augment.whole_images(some.images, some.labels, options.size, options.batch)
    return itertools.chain(crops, whole)


def places_loss(logits: Any, labels: Any, cover: Any, background: int) -> Any:
    """Returns the cross-entropy at the places of each image (n), 0 where the masks do not tell what a place shows.

    `logits` is (n, height, width, classes), `cover` as in augment.Batch. Places that the thing covers show its class,
    at least the one that it covers most, and places without it the background class. Both kinds have the same weight,
    so that a small thing counts as much as all that is around it.
    """
    rows, columns = logits.shape[1:3]
    cover = tf.image.resize(cover[..., None], (rows, columns), "area")[..., 0]
    known = tf.reduce_min(cover, [1, 2], keepdims=True) >= 0
    most = tf.reduce_max(cover, [1, 2], keepdims=True)
    shows = known & (most > MIN_COVER) & (cover >= tf.minimum(COVERED, most))
    lacks = known & (cover < MIN_COVER)
    total = tf.zeros(tf.shape(labels))
    kinds = tf.zeros_like(total)
    for places, classes in ((shows, labels), (lacks, tf.fill(tf.shape(labels), background))):
        wanted = tf.broadcast_to(classes[:, None, None], tf.shape(logits)[:3])
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)
        chosen = tf.cast(places, tf.float32)
        count = tf.reduce_sum(chosen, [1, 2])
        total += tf.reduce_sum(loss * chosen, [1, 2]) / tf.maximum(count, 1)
        kinds += tf.cast(count > 0, tf.float32)
    return total / tf.maximum(kinds, 1)


class Trainer:
    """Trains a model with AdamW and keeps a moving average of its weights.

    The result is a weighted mean of that average (share `blend`) and of the initial weights. It is better on images
    from other sources than either of them (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
    """

    def __init__(
        self,
        model: Any,
        schedule: Any,
        options: argparse.Namespace,
        weights: np.ndarray,
        background: int | None,
        tutor: teacher.Teacher | None,
        views: Callable[[Any], np.ndarray] | None = None,
    ) -> None:
        self.model, self.decay, self.blend = model, options.average, options.blend
        features, at_places = model.get_layer("dropout").input, model.output
        if len(features.shape) == 4:
            features = keras.layers.GlobalAveragePooling2D(name="averages")(features)
            at_places = model.get_layer("image_logits").input
        self.outputs = keras.Model(model.input, [features, at_places, model.output])
        self.background = background if at_places is not model.output else None
        self.optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=5.0)
        self.optimizer.build(model.trainable_variables)
        self.first = [tf.Variable(v) for v in model.trainable_variables]
        self.average = [tf.Variable(v) for v in model.trainable_variables]
        self.step = tf.function(self._step, reduce_retracing=True)
        self.label_smoothing, self.class_weights = options.label_smoothing, tf.constant(weights)
        self.tutor, self.views, self.views_share = tutor, views, options.teach_views

    def _step(self, batch: augment.Batch) -> tuple[Any, Any]:
        """Trains on one batch. Returns the loss and the share of correct images."""
        classes, labels = self.class_weights.shape[0], batch.labels
        taught = batch.targets
        if self.tutor:
            teacher_features, teacher_logits = self.tutor[0](batch.natural)
            taught = tf.nn.softmax(teacher_logits)
        # A teacher that sees a thing from afar is no better than its student, unless it sees more pixels.
        share = self.views_share if self.views else teacher.TEACHER_SHARE * batch.close[:, None]
        wanted = tf.one_hot(labels, classes) * (1 - self.label_smoothing) + self.label_smoothing / classes
        wanted = (1 - share) * wanted + share * taught
        with tf.GradientTape() as tape:
            features, at_places, logits = self.outputs(batch.images, training=True)
            loss = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            if self.background is not None:
                loss += PLACES_WEIGHT * places_loss(at_places, labels, batch.cover, self.background)
            loss = tf.reduce_mean(loss * tf.gather(self.class_weights, labels))
            if self.tutor:
                distance = tf.reduce_mean(tf.square(self.tutor[1](features) - teacher_features), 1)
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
            if self.views:
                batch = batch._replace(targets=self.views(batch.images))
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


def merge(files: Sequence[str], model: Any, background: int | None) -> None:
    """Replaces the weights of the model by the mean of its own and those of the files, the `averaged.keras` of other
    trainings with the same network and the same initial weights.

    Such a mean is often better than each of them on images from other sources (Wortsman et al., "Model soups",
    ICML 2022). Raises InputError for a file of another network.
    """
    network.fold_background(model.get_layer("logits"), background)
    weights = [model.get_weights()]
    for file in files:
        other = teacher.read(file, model.output_shape[-1]).get_weights()
        if [weight.shape for weight in other] != [weight.shape for weight in weights[0]]:
            raise InputError(f"--merge: {file} has another network")
        weights.append(other)
    model.set_weights([np.mean(same, axis=0) for same in zip(*weights)])


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

    last = model.get_layer("logits")
    network.fold_background(last, task.background)
    exported = keras.Model(model.input, last.output)
    first = export.quantized(exported, options.size, samples)
    # The mean rounding error of each class is subtracted from its bias. Without this correction, the model reports
    # the background class too often for small inputs.
    shift = (model.predict(np.concatenate(samples), verbose=0) - image_logits(first, samples)).mean(0)
    logits = image_logits(first, validation) + shift
    kernel, bias = last.get_weights()
    if options.head == "places" and task.background is not None and len(labels) >= MIN_FOR_BIASES:
        biases = measures.best_biases(logits, labels, task.background)
        logits, float_logits, bias = logits + biases, float_logits + biases, bias + biases
        last.set_weights([kernel, bias])
        print(f"added to the logits: {np.round(biases, 3)}")
    calibration = measures.calibrate(logits, labels)
    temperature = calibration.temperature
    if options.head == "average":
        kernel, bias = kernel / temperature, bias / temperature
        last.set_weights([kernel, bias])
        shift, temperature_inside = shift / temperature, 1.0
    else:
        # The log-mean-exp is not linear, so that the logits are divided after it.
        temperature_inside = temperature
    write(out / "averaged.keras", model.save)
    last.set_weights([kernel, bias + shift])
    raw = export.quantized(exported, options.size, samples)
    description = f"{network.title(options.backbone)}, {options.size} x {options.size}, int8: {', '.join(names)}."
    texts = export.Description(options.name, description, options.author, options.license)
    flatbuffer = export.finished(raw, texts, names, options.size, temperature_inside)

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


def image_logits(flatbuffer: bytes, batches: Iterable[np.ndarray]) -> np.ndarray:
    """Runs a model that was exported up to its last layer. Returns one row of logits per image."""
    outputs = export.run(flatbuffer, batches)
    return measures.log_mean_exp(outputs) if outputs.ndim == 4 else outputs


def calibration_images(options: argparse.Namespace, task: Task) -> list[np.ndarray]:
    """Returns batches of one image, which calibrate the activations of the exported model."""
    every = max(1, 2 * len(task.images) // CALIBRATION_IMAGES)
    some = part(task, every)
    whole = augment.whole_images(some.images, some.labels, options.size, 1)
    single = argparse.Namespace(**vars(options) | {"batch": 1})
    augmented = augment.training_set(some, single, 0)
    return [images.numpy() for images, _ in whole] + [batch.images.numpy() for batch in augmented]


def repeated(task: Task, times: int) -> Task:
    """Returns the task with every training image `times` times. Each one is augmented differently."""
    return chosen(task, list(range(len(task.images))) * times)


def part(task: Task, every: int) -> Task:
    """Returns the task with each `every`-th training image only."""
    return chosen(task, range(0, len(task.images), every))


def chosen(task: Task, indices: Sequence[int]) -> Task:
    """Returns the task with the training images that have these indices."""
    return task._replace(
        images=[task.images[index] for index in indices],
        labels=[task.labels[index] for index in indices],
        boxes=[task.boxes[index] for index in indices],
        masks=[task.masks[index] for index in indices],
        targets=None if task.targets is None else task.targets[list(indices)],
        times=None,
    )

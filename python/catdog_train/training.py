"""Transfer learning: the last layer first, then the network with it, and an average of the weights passed through.

After each epoch the folder holds what is needed to go on: the network, the optimizer's state, and `state.json`, which
is written last and says which of them belong together.
"""

import argparse
import hashlib
import itertools
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import augment
import export
import measures
import network
import regression
import teacher
from dataset import write

# Pictures that tell the converter how large activations get: half as they are, half as augmented.
CALIBRATION_PICTURES = 400
STATE = "state.json"


def trained(given, out, task, base, head):
    """The network with its averaged weights, after all epochs. Begins with `base` and `head` (network.backbone()), or
    where `out` has a state, there."""
    steps = max(1, len(task.raws) // given.batch)
    state = out / STATE
    if state.exists():
        done = json.loads(state.read_text())["epochs"]
        model = keras.models.load_model(out / f"epoch-{done}.keras", compile=False)
        print(f"going on after epoch {done}", flush=True)
    else:
        keras.utils.set_random_seed(given.seed)
        done, model = 0, started(given, out, task, base, head)
    network.freeze(model, given.first_layer)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps * given.epochs, warmup_target=given.learning_rate, warmup_steps=max(1, steps // 2)
    )
    weights = regression.class_weights(task.targets, len(task.labels))
    trainer = Trainer(model, schedule, given, weights, teacher.load(given, out, len(task.labels)))
    if done:
        trainer.restore(out / f"epoch-{done}.npz")
    whole = augment.whole_pictures(task.validation_raws, task.validation_targets, given.size, given.batch)
    for epoch in range(done, given.epochs):
        if given.dropout:
            model.get_layer("dropout").seed_generator.state.assign([given.seed, epoch])
        trainer.epoch(augment.training_set(task, given, epoch), f"epoch {epoch + 1}/{given.epochs}", steps)
        scores = trainer.averaged_scores(whole)
        print("   " + measures.summary(scores, np.array(task.validation_targets), task.background), flush=True)
        trainer.save(out / f"epoch-{epoch + 1}")
        write(state, json.dumps({"epochs": epoch + 1}).encode())
        for old in out.glob("epoch-*"):
            if old.stem != f"epoch-{epoch + 1}":
                old.unlink()
    trainer.use_average()
    return model


def started(given, out, task, base, head):
    """The network, its last layer fitted to the features as they come; writes the teacher, if it is not given."""
    classes, cuts = len(task.labels), network.layer_names(given.cut)
    before = teacher.seen_by(base, head, cuts, list(given.imagenet.values()))
    found = before.output_shape[-1] - (len(given.imagenet) + 1 if given.imagenet else 0)
    models = [lambda pictures: before(pictures, training=False)]
    if given.teacher:
        tutor, _ = teacher.load(given, out, classes)
        models.append(lambda pictures: tutor(pictures)[1])
    # Parts as they were and whole pictures as the element stretches them. Small, dark or noisy ones are for the layers
    # that can learn to see them: of left-out sources, a last layer fitted to these too got 2.7 % of the cats wrong, not 1.3.
    parts = ((batch.natural, batch.labels) for batch in augment.training_set(task, given, augment.FIRST_EPOCH))
    whole = augment.whole_pictures(task.raws, task.targets, given.size, given.batch)
    x, *opinions, targets = regression.seen(itertools.chain(parts, whole), *models)
    weights = regression.class_weights(targets, classes)[targets]
    if given.teacher:
        opinions = opinions[0]
    else:
        last_layer = teacher.last_layer(x, found, regression.certain(targets, classes), weights)
        opinions = x @ last_layer[0] + last_layer[1]
    x, wanted = x[:, :found], tf.nn.softmax(opinions).numpy()

    layer, importance, chosen = regression.fitted(x, wanted, weights), None, np.arange(found)
    if given.channels and network.LAST_LAYER in cuts:
        importance = (np.abs(layer[0]).max(1) * x.std(0))[-network.LAST_CHANNELS :]
        others = found - network.LAST_CHANNELS
        chosen = np.concatenate([np.arange(others), others + network.kept(importance, given.channels)])
        layer = regression.fitted(x[:, chosen], wanted, weights)
    if not given.teacher:
        pupil_sees = network.features(base, cuts, given.channels, importance)
        spread = x[:, chosen].std(0) + 1e-3
        teacher.save(out, teacher.finished(before, base, pupil_sees, spread, last_layer))
    model = network.classifier(base, cuts, given.channels, classes, given.dropout, importance)
    model.get_layer("logits").set_weights(layer)
    return model


class Trainer:
    """Adam with decoupled weight decay. Delivers `blend` of a moving average of the weights, and for the rest the
    weights that it began with: the average of both does better on photos from elsewhere than either (Wortsman et al.,
    "Robust fine-tuning of zero-shot models", CVPR 2022)."""

    def __init__(self, model, schedule, given, weights, tutor):
        self.model, self.average, self.blend = model, given.average, given.blend
        self.features_and_logits = keras.Model(model.input, [model.get_layer("dropout").input, model.output])
        self.optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=5.0)
        self.optimizer.build(model.trainable_variables)
        self.first = [tf.Variable(v) for v in model.trainable_variables]
        self.shadow = [tf.Variable(v) for v in model.trainable_variables]
        self.step = tf.function(self._step, reduce_retracing=True)
        self.smoothing, self.weights = given.label_smoothing, tf.constant(weights)
        self.tutor, self.scale = tutor

    def _step(self, batch):
        classes, labels = self.weights.shape[0], batch.labels
        taught, opinions = self.tutor(batch.natural)
        wanted = tf.one_hot(labels, classes) * (1 - self.smoothing) + self.smoothing / classes
        wanted = (1 - teacher.SHARE) * wanted + teacher.SHARE * tf.nn.softmax(opinions)
        with tf.GradientTape() as tape:
            features, logits = self.features_and_logits(batch.pictures, training=True)
            loss = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            loss = tf.reduce_mean(loss * tf.gather(self.weights, labels))
            if taught is not None:
                apart = tf.reduce_mean(tf.square(self.scale(features) - taught), 1)
                loss += teacher.FEATURES * tf.reduce_mean(batch.alone * apart)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        # In the first steps the average follows faster: it would remember where they began.
        now = tf.cast(self.optimizer.iterations, tf.float32)
        keep = tf.minimum(self.average, (1 + now) / (10 + now))
        for shadow, variable in zip(self.shadow, variables):
            shadow.assign(keep * shadow + (1 - keep) * variable)
        right = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1, tf.int32), labels), tf.float32))
        return loss, right

    def epoch(self, batches, name, steps):
        bar = keras.utils.Progbar(steps, unit_name=name, interval=1.0 if sys.stdout.isatty() else 60.0)
        print(name, flush=True)
        for batch in batches:
            loss, right = self.step(batch)
            bar.add(1, [("loss", float(loss)), ("right", float(right))])

    def averaged_scores(self, batches):
        own = [v.numpy() for v in self.model.trainable_variables]
        self.use_average()
        scores = self.model.predict(batches, verbose=0)
        for variable, value in zip(self.model.trainable_variables, own):
            variable.assign(value)
        return scores

    def use_average(self):
        for variable, first, shadow in zip(self.model.trainable_variables, self.first, self.shadow):
            variable.assign((1 - self.blend) * first + self.blend * shadow)

    def state(self):
        return [*self.optimizer.variables, *self.first, *self.shadow]

    def save(self, path):
        write(path.with_suffix(".keras"), self.model.save)
        write(path.with_suffix(".npz"), lambda file: np.savez(file, *[v.numpy() for v in self.state()]))

    def restore(self, state_file):
        saved = np.load(state_file)
        for variable, name in zip(self.state(), saved.files, strict=True):
            variable.assign(saved[name])


def deliver(given, out, task, model):
    """Exports, sets biases and confidence right, the latter on the validation pictures, and writes the files."""
    labels, targets = task.labels, np.array(task.validation_targets)
    samples = calibration_pictures(given, task)
    whole = augment.whole_pictures(task.validation_raws, task.validation_targets, given.size, given.batch)
    whole = [x.numpy() for x, _ in whole]
    float_logits = model.predict(np.concatenate(whole), verbose=0)

    first = export.quantised(model, given.size, samples)
    # What rounding adds to a class on average is taken off its bias: it made small inputs see more "neither".
    shift = (model.predict(np.concatenate(samples), verbose=0) - export.run(first, samples)).mean(0)
    logits = export.run(first, whole) + shift
    temperature = measures.best_temperature(logits, targets, regression.class_weights(targets, len(labels)))
    dense = model.get_layer("logits")
    kernel, bias = (w / temperature for w in dense.get_weights())
    dense.set_weights([kernel, bias])
    write(out / "averaged.keras", model.save)
    dense.set_weights([kernel, bias + shift / temperature])
    description = f"MobileNetV2 1.0, {given.size} x {given.size}, int8: {', '.join(labels)}."
    raw = export.quantised(model, given.size, samples)
    flatbuffer = export.finished(raw, given.name, description, given.author, given.licence, labels, given.size)

    scores = np.log(export.run(flatbuffer, whole) + 1e-9)
    report = {
        "sha256": hashlib.sha256(flatbuffer).hexdigest(),
        "bytes": len(flatbuffer),
        "temperature": float(temperature),
        "validation": measures.measures(scores, targets, task.background),
        "validation_float": measures.measures(float_logits / temperature, targets, task.background),
    }
    print(f"temperature {temperature:.3f}, taken off the biases: {np.round(-shift, 3)}")
    print("   float: " + measures.summary(float_logits / temperature, targets, task.background))
    print("   int8:  " + measures.summary(scores, targets, task.background))
    write(out / "labels.txt", ("\n".join(labels) + "\n").encode())
    write(out / "report.json", (json.dumps(report, indent=2) + "\n").encode())
    write(out / "classifier.tflite", flatbuffer)
    print(f"{out / 'classifier.tflite'}: {len(flatbuffer)} bytes")


def calibration_pictures(given, task):
    every = max(1, 2 * len(task.raws) // CALIBRATION_PICTURES)
    some = task._replace(raws=task.raws[::every], targets=task.targets[::every])
    whole = augment.whole_pictures(some.raws, some.targets, given.size, 1)
    changed = augment.training_set(some, argparse.Namespace(**vars(given) | {"batch": 1}), 0)
    return [x.numpy() for x, _ in whole] + [batch.pictures.numpy() for batch in changed]

"""Transfer learning: the last layer first, then the network with it, and an average of its weights.

After each epoch the folder holds what is needed to go on: the network, the optimizer's state, and `state.json`, which
is written last and says which of them belong together.
"""

import hashlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import augment
import export
import measures
import network
from dataset import write

# Pictures that tell the converter how large activations get: half as they are, half as augmented.
CALIBRATION_PICTURES = 400


def trained(given, out, task, base):
    """The network with its averaged weights, after all epochs. Begins with `base`, or where `out` has a state, there."""
    steps = max(1, len(task.raws) // given.batch)
    state = out / "state.json"
    if state.exists():
        done = json.loads(state.read_text())["epochs"]
        model = keras.models.load_model(out / f"epoch-{done}.keras", compile=False)
        print(f"going on after epoch {done}", flush=True)
    else:
        done, model = 0, started(given, task, base)
    network.freeze(model, given.first_layer)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps * given.epochs, warmup_target=given.learning_rate, warmup_steps=max(1, steps // 2)
    )
    teacher = keras.models.load_model(given.teacher, compile=False) if given.teacher else None
    weights = class_weights(task.targets, len(task.labels))
    trainer = Trainer(model, schedule, given.average, given.label_smoothing, weights, teacher)
    if done:
        trainer.restore(out / f"epoch-{done}.npz")
    whole = augment.whole_pictures(task.validation_raws, task.validation_targets, given.size, given.batch)
    for epoch in range(done, given.epochs):
        batches = augment.training_set(task, given.size, given.batch, given.seed, epoch)
        model.get_layer("dropout").seed_generator.state.assign([given.seed, epoch])
        trainer.epoch(batches, f"epoch {epoch + 1}/{given.epochs}", steps)
        scores = trainer.averaged_scores(whole)
        print("   " + measures.summary(scores, np.array(task.validation_targets), task.background), flush=True)
        trainer.save(out / f"epoch-{epoch + 1}")
        write(state, json.dumps({"epochs": epoch + 1}).encode())
        for suffix in (".keras", ".npz"):
            (out / f"epoch-{epoch}{suffix}").unlink(missing_ok=True)
    trainer.use_average()
    return model


def started(given, task, base):
    """The network, its last layer fitted to the features of the whole pictures as they come."""
    keras.utils.set_random_seed(given.seed)
    classes, targets = len(task.labels), np.array(task.targets)
    probe = network.classifier(base, network.LAST_LAYER if given.channels else given.cut, None, classes, given.dropout)
    features = keras.Model(probe.input, probe.get_layer("pool").output)
    x = features.predict(augment.whole_pictures(task.raws, task.targets, given.size, given.batch), verbose=0)
    kernel, bias = linear_probe(x, targets, classes)
    importance = np.abs(kernel).max(1) * x.std(0)
    if given.channels:
        kernel, bias = linear_probe(x[:, network.kept(importance, given.channels)], targets, classes)
    model = network.classifier(base, given.cut, given.channels, classes, given.dropout, importance)
    model.get_layer("logits").set_weights([kernel, bias])
    return model


def linear_probe(x, targets, classes):
    """Multinomial logistic regression on standardised features, full batch, Adam: (kernel, bias) for `x` itself."""
    mean, spread = x.mean(0), x.std(0) + 1e-6
    kernel = tf.Variable(tf.zeros([x.shape[1], classes]))
    bias = tf.Variable(tf.zeros([classes]))
    weights = tf.constant(class_weights(targets, classes)[targets], tf.float32)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build([kernel, bias])
    x, y = tf.constant((x - mean) / spread), tf.constant(targets)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y, x @ kernel + bias)
            loss = tf.reduce_mean(loss * weights) + 1e-4 * tf.reduce_sum(kernel**2)
        optimizer.apply(tape.gradient(loss, [kernel, bias]))

    for _ in range(400):
        step()
    kernel = kernel.numpy() / spread[:, None]
    return kernel, bias.numpy() - mean @ kernel


def class_weights(targets, classes):
    """Every class counts as much as every other, however many pictures it has."""
    counts = np.bincount(targets, minlength=classes)
    return (len(targets) / classes / counts).astype(np.float32)


class Trainer:
    """Adam with decoupled weight decay, and a moving average of the weights, which is what is delivered."""

    def __init__(self, model, schedule, average, smoothing, weights, teacher):
        self.model, self.average = model, average
        self.optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=5.0)
        self.optimizer.build(model.trainable_variables)
        self.shadow = [tf.Variable(v) for v in model.trainable_variables]
        self.step = tf.function(self._step, reduce_retracing=True)
        self.smoothing, self.weights, self.teacher = smoothing, tf.constant(weights), teacher

    def _step(self, pictures, labels):
        classes = self.weights.shape[0]
        wanted = tf.one_hot(labels, classes) * (1 - self.smoothing) + self.smoothing / classes
        if self.teacher is not None:
            side = self.teacher.input_shape[1]
            opinion = self.teacher(tf.image.resize(pictures, (side, side)), training=False)
            wanted = 0.3 * wanted + 0.7 * tf.nn.softmax(opinion)
        with tf.GradientTape() as tape:
            logits = self.model(pictures, training=True)
            loss = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            loss = tf.reduce_mean(loss * tf.gather(self.weights, labels))
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
        for pictures, labels in batches:
            loss, right = self.step(pictures, labels)
            bar.add(1, [("loss", float(loss)), ("right", float(right))])

    def averaged_scores(self, batches):
        own = [v.numpy() for v in self.model.trainable_variables]
        self.use_average()
        scores = self.model.predict(batches, verbose=0)
        for variable, value in zip(self.model.trainable_variables, own):
            variable.assign(value)
        return scores

    def use_average(self):
        for variable, shadow in zip(self.model.trainable_variables, self.shadow):
            variable.assign(shadow)

    def save(self, path):
        self.model.save(path.with_suffix(".keras"))
        np.savez(path.with_suffix(".npz"), *[v.numpy() for v in [*self.optimizer.variables, *self.shadow]])

    def restore(self, optimizer_file):
        saved = np.load(optimizer_file)
        for variable, name in zip([*self.optimizer.variables, *self.shadow], saved.files, strict=True):
            variable.assign(saved[name])


def deliver(given, out, task, model):
    """Exports, sets the confidence right on the validation pictures, and writes the files."""
    labels, targets = task.labels, np.array(task.validation_targets)
    samples = calibration_pictures(given, task)
    whole = augment.whole_pictures(task.validation_raws, task.validation_targets, given.size, given.batch)
    whole = [x.numpy() for x, _ in whole]
    float_logits = model.predict(np.concatenate(whole), verbose=0)

    logits = export.run(export.quantised(model, given.size, samples), whole)
    temperature = measures.best_temperature(logits, targets, class_weights(targets, len(labels)))
    dense = model.get_layer("logits")
    dense.set_weights([w / temperature for w in dense.get_weights()])
    description = f"MobileNetV2 1.0, {given.size} x {given.size}, int8: {', '.join(labels)}."
    raw = export.quantised(model, given.size, samples)
    flatbuffer = export.finished(raw, given.name, description, "catdog", "MIT OR Apache-2.0", labels, given.size)

    scores = np.log(export.run(flatbuffer, whole) + 1e-9)
    report = {
        "sha256": hashlib.sha256(flatbuffer).hexdigest(),
        "bytes": len(flatbuffer),
        "temperature": float(temperature),
        "validation": measures.measures(scores, targets, task.background),
        "validation_float": measures.measures(float_logits / temperature, targets, task.background),
    }
    print(f"temperature {temperature:.3f}")
    print("   float: " + measures.summary(float_logits / temperature, targets, task.background))
    print("   int8:  " + measures.summary(scores, targets, task.background))
    model.save(out / "averaged.keras")
    write(out / "labels.txt", ("\n".join(labels) + "\n").encode())
    write(out / "report.json", (json.dumps(report, indent=2) + "\n").encode())
    write(out / "classifier.tflite", flatbuffer)
    print(f"{out / 'classifier.tflite'}: {len(flatbuffer)} bytes")


def calibration_pictures(given, task):
    every = max(1, 2 * len(task.raws) // CALIBRATION_PICTURES)
    some = task._replace(raws=task.raws[::every], targets=task.targets[::every])
    whole = augment.whole_pictures(some.raws, some.targets, given.size, 1)
    changed = augment.training_set(some, given.size, 1, given.seed, 0)
    return [x.numpy() for x, _ in whole] + [x.numpy() for x, _ in changed]

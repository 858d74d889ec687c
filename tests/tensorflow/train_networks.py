"""Tests of the parts of the training that need TensorFlow, on small random networks. Run by tests/shell/train.sh."""

import argparse
import io
import os
import pathlib
import sys
import tempfile
import unittest
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

from catdog_train import augment, export, inverted, mobilenet, network, teacher, training
from catdog_train.dataset import InputError, Task

SIZE = 64
BACKGROUND = 1


def small_network() -> keras.Model:
    """Returns a network with the blocks of MobileNetV2, each with few channels and random weights."""
    blocks = [block._replace(hidden=16, outputs=8) for block in mobilenet.blocks()]
    keras.utils.set_random_seed(3)
    made = inverted.build(blocks, SIZE, "small", 24)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, offset, mean, variance = layer.get_weights()
            random = np.random.default_rng(len(layer.name))
            layer.set_weights([scale * 2, offset + random.uniform(-0.3, 0.3, offset.shape), mean, variance * 0.5])
    return made


def flatbuffer(model: keras.Model, images: np.ndarray) -> bytes:
    """Returns the model quantized with one scale per tensor, as the published files are."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter._experimental_disable_per_channel = True
    return converter.convert()


class TfliteBackbones(unittest.TestCase):
    """Backbones out of quantized .tflite files."""

    def loaded(self, content: bytes) -> keras.Model:
        with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
            file.write(content)
            file.flush()
            return network.load_backbone(SIZE, file.name)[0]

    def test_the_network_has_the_weights_of_the_file(self) -> None:
        images = np.random.default_rng(1).uniform(-1, 1, (8, SIZE, SIZE, 3)).astype(np.float32)
        made = small_network()
        read = self.loaded(flatbuffer(made, images))
        for name in ("Conv1_relu", "block_2_add", "block_9_add", "out_relu"):
            wanted, found = (keras.Model(m.input, m.get_layer(name).output)(images).numpy() for m in (made, read))
            self.assertGreater(wanted.std(), 0.01, name)
            self.assertEqual(found.shape, wanted.shape)
            # Eight bits for each weight leave an error that grows with the layers. Unrelated maps have one of 1.4.
            self.assertLess(np.sqrt(((found - wanted) ** 2).mean()) / wanted.std(), 0.6, name)

    def test_other_files_are_refused(self) -> None:
        image = keras.Input((SIZE, SIZE, 3))
        other = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
        with self.assertRaisesRegex(InputError, "is neither MobileNetV2 nor DeepLab"):
            self.loaded(flatbuffer(other, np.zeros((1, SIZE, SIZE, 3), np.float32)))
        with self.assertRaisesRegex(InputError, "cannot be read"):
            self.loaded(b"text")
        floats = tf.lite.TFLiteConverter.from_keras_model(other).convert()
        with self.assertRaisesRegex(InputError, "its weights are not quantized per tensor"):
            self.loaded(floats)


class TfliteTeachers(unittest.TestCase):
    """Models in .tflite files as teachers."""

    def test_the_probabilities_are_those_of_the_network(self) -> None:
        keras.utils.set_random_seed(4)
        image = keras.Input((32, 32, 3))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image))
        model = keras.Model(image, keras.layers.Dense(3)(x))
        last = model.layers[-1]
        last.set_weights([last.get_weights()[0] * 4, last.get_weights()[1]])
        images = np.random.default_rng(4).uniform(-1, 1, (6, 1, 1, 3)) * np.ones((1, 32, 32, 1))
        batch = images.astype(np.float32)
        texts = export.Description("teacher", "for a test", None, None)
        raw = export.quantized(model, 32, [image[None] for image in batch])
        content = export.finished(raw, texts, ["a", "b", "c"], 32, 1.0)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "teacher.tflite")
            file.write_bytes(content)
            size, run = teacher.given([str(file)], 3)
            self.assertEqual(size, 32)
            wanted = tf.nn.softmax(model(batch)).numpy()
            self.assertGreater(np.ptp(wanted), 0.4)
            np.testing.assert_allclose(run(tf.constant(batch)), wanted, atol=0.15)
            # Augmented images of another size are resized; without the option, no teacher sees them.
            options = argparse.Namespace(teacher=[str(file)], teach_views=0.8)
            views = teacher.of_views(options, 3)
            assert views is not None
            np.testing.assert_allclose(views(tf.constant(batch[:, :24, :24])), wanted, atol=0.15)
            options.teach_views = 0.0
            self.assertIsNone(teacher.of_views(options, 3))
            # Two teachers, of which one takes larger images and always says the same.
            large = keras.Input((48, 48, 3))
            same = keras.layers.GlobalAveragePooling2D()(large)
            same = keras.layers.Dense(3, kernel_initializer="zeros")(same)
            same_file = pathlib.Path(folder, "same.keras")
            keras.Model(large, same).save(same_file)
            size, both = teacher.given([str(file), str(same_file)], 3)
            self.assertEqual(size, 48)
            np.testing.assert_allclose(both(tf.constant(batch)), (run(tf.constant(batch)) + 1 / 3) / 2, atol=1e-5)
            with self.assertRaisesRegex(InputError, "has 3 classes, expected 2"):
                teacher.check([str(file)], 2)
            file.write_bytes(b"text")
            with self.assertRaisesRegex(InputError, "teacher.tflite cannot be read"):
                teacher.check([str(file)], 3)


class Views(unittest.TestCase):
    """Teachers that see the augmented images."""

    def trained(self, views: Any) -> np.ndarray:
        """Returns the classes that a small network names after a training on bright and dark images, whose labels are 1
        for bright ones and 0 for dark ones."""
        keras.utils.set_random_seed(6)
        image = keras.Input((8, 8, 3))
        features = keras.layers.GlobalAveragePooling2D()(image)
        logits = keras.layers.Dense(2, name="logits")(keras.layers.Dropout(0.0, name="dropout")(features))
        options = argparse.Namespace(average=0.5, blend=1.0, label_smoothing=0.0, teach_views=0.8)
        trainer = training.Trainer(keras.Model(image, logits), 0.1, options, np.ones(2, np.float32), None, None, views)
        brightness = np.array([-0.8, 0.8] * 8, np.float32)
        images = tf.constant(brightness[:, None, None, None] * np.ones((1, 8, 8, 3), np.float32))
        labels = tf.constant(brightness > 0, tf.int32)
        ones = tf.ones(16)
        batch = augment.Batch(images, images, ones, ones, tf.one_hot(labels, 2), labels, tf.zeros((16, 4, 4)))
        trainer.epoch([batch] * 40, "views", 40)
        return np.asarray(trainer.model(images)).argmax(1)

    def test_a_network_learns_what_its_teacher_sees(self) -> None:
        labels = [0, 1] * 8
        self.assertEqual(self.trained(None).tolist(), labels)
        # This teacher calls dark what is labelled bright, and counts four times as much as the labels.
        classes = np.eye(2, dtype=np.float32)
        dark = self.trained(lambda images: classes[(images.numpy().mean((1, 2, 3)) < 0).astype(int)])
        self.assertEqual(dark.tolist(), [1 - label for label in labels])


class Places(unittest.TestCase):
    """The last layer at each place."""

    def test_the_background_class_has_no_evidence_of_its_own(self) -> None:
        base = small_network()
        model = network.classifier(base, ["out_relu"], None, 3, 0.0, "places", None, BACKGROUND)
        images = np.random.default_rng(1).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
        logits = model(images).numpy()
        np.testing.assert_allclose(logits[:, BACKGROUND], 0, atol=1e-6)
        last = model.get_layer("logits")
        network.fold_background(last, BACKGROUND)
        np.testing.assert_allclose(model(images).numpy(), logits, atol=1e-5)
        at_places = keras.Model(model.input, last.output)(images).numpy()
        self.assertEqual(np.abs(at_places[..., BACKGROUND]).max(), 0)

    def test_places_with_the_thing_and_without_it_count_equally(self) -> None:
        random = np.random.default_rng(2)
        logits = random.normal(size=(4, 6, 6, 3)).astype(np.float32)
        logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        side = augment.COVER_SIDE
        covers = np.zeros((4, side, side), np.float32)
        covers[0, :16, :8] = 1  # two places
        covers[2] = augment.UNKNOWN
        covers[3, 10:12, 10:12] = 1  # a part of one place
        labels = np.array([0, 1, 2, 2], np.int32)
        found = training.places_loss(tf.constant(logits), tf.constant(labels), tf.constant(covers), BACKGROUND).numpy()
        without = np.ones((6, 6), bool)
        without[:2, 0] = False
        expected = -(logs[0, :2, 0, 0].mean() + logs[0][without][:, BACKGROUND].mean()) / 2
        self.assertAlmostEqual(found[0], expected, 4)
        self.assertAlmostEqual(found[1], -logs[1, ..., BACKGROUND].mean(), 4)
        self.assertEqual(found[2], 0)
        without[:] = True
        without[1, 1] = False
        self.assertAlmostEqual(found[3], -(logs[3, 1, 1, 2] + logs[3][without][:, BACKGROUND].mean()) / 2, 4)


class Merge(unittest.TestCase):
    """The mean of the weights of several networks."""

    def test_the_weights_are_the_mean_and_the_background_has_no_evidence(self) -> None:
        models = []
        for shift in (0.0, 0.5, 2.5):
            model = network.classifier(small_network(), ["out_relu"], None, 3, 0.0, "places", None, BACKGROUND)
            model.set_weights([weight + shift for weight in model.get_weights()])
            models.append(model)
        with tempfile.TemporaryDirectory() as folder:
            files = [f"{folder}/{number}.keras" for number in range(2)]
            for model, file in zip(models[1:], files):
                network.fold_background(model.get_layer("logits"), BACKGROUND)
                model.save(file)
            training.merge(files, models[0], BACKGROUND)
            expected = small_network().get_layer("Conv1").get_weights()[0] + 1.0
            np.testing.assert_allclose(models[0].get_layer("Conv1").get_weights()[0], expected, atol=1e-5)
            self.assertEqual(np.abs(models[0].get_layer("logits").get_weights()[0][..., BACKGROUND]).max(), 0)
            other = network.classifier(small_network(), ["block_9_add"], None, 3, 0.0, "places", None, BACKGROUND)
            with self.assertRaisesRegex(InputError, "has another network"):
                training.merge(files, other, BACKGROUND)


class Covers(unittest.TestCase):
    """The maps that say where the thing is."""

    def batch(self, masked: bool, boxed: bool) -> augment.Batch:
        """Returns a batch of sixteen augmented images: white rectangles on black, and black background images."""
        images, masks, boxes, labels = [], [], [], []
        for number in range(16):
            left, top = 0.1 + 0.03 * number, 0.5 - 0.02 * number
            box = (left, top, left + 0.35, top + 0.4)
            picture = np.zeros((160, 200), np.uint8)
            picture[int(top * 160) : int((top + 0.4) * 160), int(left * 200) : int((left + 0.35) * 200)] = 255
            out = io.BytesIO()
            Image.fromarray(picture if number % 4 else 0 * picture).save(out, "PNG")
            images.append(out.getvalue())
            labels.append(0 if number % 4 else BACKGROUND)
            masks.append(out.getvalue() if masked and number % 4 else None)
            boxes.append(box if boxed and number % 4 else None)
        task = Task(["a", "b"], BACKGROUND, images, labels, [], [], boxes, masks)
        options = argparse.Namespace(seed=4, size=augment.COVER_SIDE, batch=16, unsquash=1.0)
        return next(iter(augment.training_set(task, options, 0)))

    def test_a_map_follows_the_crop_of_its_image(self) -> None:
        for masked, boxed in ((True, False), (False, True)):
            batch = self.batch(masked, boxed)
            covers, images = batch.cover.numpy(), batch.images.numpy().mean(-1)
            for label, cover, image in zip(batch.labels.numpy(), covers, images):
                if label == BACKGROUND:
                    self.assertEqual(np.abs(cover).max(), 0)
                elif image.max() > -0.2:  # not in the dark
                    bright = image > (image.max() + image.min()) / 2
                    self.assertGreater((bright == (cover > 0.5)).mean(), 0.85)

    def test_without_mask_and_box_the_map_is_unknown(self) -> None:
        batch = self.batch(False, False)
        for label, cover in zip(batch.labels.numpy(), batch.cover.numpy()):
            np.testing.assert_allclose(cover, 0.0 if label == BACKGROUND else augment.UNKNOWN, atol=1e-6)


if __name__ == "__main__":
    unittest.main()

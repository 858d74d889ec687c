"""Writes the small exported models of the tests: `python3 -m export_matrix.fixtures CACHE tests/models/exported`.

tests/models/make_models.py writes flatbuffers without a framework. The models here are what Keras and the converter of
TensorFlow really write. The folder gets the models, `labels.txt`, the pictures as raw RGB in `pictures.rgb`, and
`answers.json` with the class and the confidence that the Python LiteRT interpreter gives for each picture.
"""

import argparse
import json
import pathlib
import shutil
from typing import Any

import numpy as np
from PIL import Image

from export_matrix import graphs, networks, pictures, truth
from export_matrix.build import Builder
from export_matrix.convert import write
from export_matrix.specs import Spec

WIDTH, HEIGHT, PICTURES = 40, 30, 12
MODELS = (
    ("softmax", "float32", "rescale255", "nhwc"),
    ("logits", "float32", "rescale127", "nhwc"),
    ("softmax", "float32", "normalization", "nhwc"),
    ("softmax", "float32", "centered", "nhwc"),
    ("softmax", "float32", "unit", "nhwc"),
    ("softmax", "float16", "rescale127", "nhwc"),
    ("softmax", "dynamic", "rescale255", "nhwc"),
    ("logits", "int8-inside", "rescale255", "nhwc"),
    ("softmax", "int8", "rescale127", "nhwc"),
    ("softmax", "uint8", "centered", "nhwc"),
    ("softmax", "int16x8", "normalization", "nhwc"),
    ("tta-mean", "float32", "rescale127", "nhwc"),
    ("softmax", "float32", "rescale255", "nchw"),
)


def fixture(kind: str, type_: str, range_: str, layout: str) -> Spec:
    """Returns the model with these values, whose file is named after them."""
    name = "_".join((kind, type_, range_, layout)).replace("-", "_")
    file = f"{name}.tflite"
    return Spec(kind=kind, type=type_, range=range_, layout=layout, architecture="tiny", labels="none", file=file)


def test_images() -> list[Image.Image]:
    """Returns the pictures of the tests, two or more of each class."""
    images = pictures.test_pictures("color").images[:PICTURES]
    return [image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR) for image in images]


def answers(builder: Builder, spec: Spec, images: list[Image.Image], folder: pathlib.Path) -> list[Any]:
    """Exports a model and returns [class, confidence] for each picture."""
    base = graphs.base_of(spec)
    network, _ = builder.network(base)
    size = networks.ARCHITECTURES[base.architecture].size
    path = write(spec, network, builder.resized(base, calibration=True), folder)
    described = truth.describe(spec, path, pictures.resized(images, size, gray=False), len(pictures.COLOR_CLASSES))
    assert all(described["decided"]), f"{spec.name} is not sure of every picture"
    names = graphs.class_names(spec)
    return [[names[top], confidence] for top, confidence in zip(described["top"], described["confidence"])]


def main() -> None:
    """Writes all files."""
    parser = argparse.ArgumentParser(description="Writes the small exported models of the tests.")
    parser.add_argument("cache", type=pathlib.Path, help="the cache folder of export_matrix.build")
    parser.add_argument("out", type=pathlib.Path, help="the folder for the models")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    builder = Builder(options.cache)
    images = test_images()
    models = {spec.file: answers(builder, spec, images, options.out) for spec in (fixture(*m) for m in MODELS)}
    (options.out / "pictures.rgb").write_bytes(np.stack([np.asarray(image) for image in images]).tobytes())
    (options.out / "labels.txt").write_text("\n".join(pictures.COLOR_CLASSES) + "\n", encoding="utf-8")
    index = {"width": WIDTH, "height": HEIGHT, "models": models}
    (options.out / "answers.json").write_text(json.dumps(index) + "\n", encoding="utf-8")
    total = sum(file.stat().st_size for file in options.out.iterdir())
    print(f"{len(models)} models, {total} bytes in {options.out}")


if __name__ == "__main__":
    main()

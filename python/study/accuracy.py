"""Counts how many labelled photos each version of the model gets right."""

import math
import pathlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
# 95 % of a normal distribution are within this many standard deviations.
Z = 1.96


class Accuracy(NamedTuple):
    """Right answers of a model."""

    right: int
    photos: int
    low: float
    high: float
    # The share of photos for which the answer is the class that the first model names.
    same: float


def wilson(right: int, total: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share (Wilson, 1927)."""
    share = right / total
    center = share + Z * Z / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    return (center - spread) / (1 + Z * Z / total), (center + spread) / (1 + Z * Z / total)


def labelled_photos(folder: pathlib.Path, labels: list[str]) -> list[tuple[pathlib.Path, int]]:
    """Returns the photos of the class folders and the index of their class: the folder cats is of the class cat."""
    found = []
    for index, label in enumerate(labels):
        for name in (label, f"{label}s"):
            photos = sorted((folder / name).glob("*")) if (folder / name).is_dir() else []
            found += [(photo, index) for photo in photos if photo.suffix.lower() in SUFFIXES]
    return found


def pixels(photo: pathlib.Path, width: int, height: int) -> np.ndarray:
    """Returns a photo, stretched to the size of the model: uint8 RGB (1, height, width, 3)."""
    with Image.open(photo) as image:
        small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small)[None]


def accuracies(
    files: dict[str, pathlib.Path], photos: list[tuple[pathlib.Path, int]], scale: Any
) -> dict[str, Accuracy]:
    """Returns the accuracy of each .tflite file. `scale` maps pixels to the real numbers that float models take."""
    from ai_edge_litert.interpreter import Interpreter

    engines = {}
    for name, file in files.items():
        engine = Interpreter(str(file))
        engine.allocate_tensors()
        engines[name] = (engine, engine.get_input_details()[0], engine.get_output_details()[0]["index"])
    answers: dict[str, list[int]] = {name: [] for name in files}
    shape = next(iter(engines.values()))[1]["shape"]
    for photo, _ in photos:
        stored = pixels(photo, int(shape[2]), int(shape[1]))
        for name, (engine, source, result) in engines.items():
            engine.set_tensor(source["index"], stored if source["dtype"] == np.uint8 else scale(stored))
            engine.invoke()
            answers[name].append(int(engine.get_tensor(result)[0].argmax()))
    wanted = np.array([label for _, label in photos])
    first = np.array(next(iter(answers.values())))
    found = {}
    for name, given in answers.items():
        right = int((np.array(given) == wanted).sum())
        found[name] = Accuracy(
            right, len(photos), *wilson(right, len(photos)), float((np.array(given) == first).mean())
        )
    return found

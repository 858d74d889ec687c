"""Counts how many labelled photos each version of the model gets right."""

import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from catdog_evaluate import summary
from study.graph import Graph
from study.pictures import model_input

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class Accuracy(NamedTuple):
    """Right answers of a model."""

    right: int
    photos: int
    low: float
    high: float
    # The share of photos for which the answer is the class that the first model names.
    same: float


def labelled_photos(folder: pathlib.Path, labels: list[str]) -> list[tuple[pathlib.Path, int]]:
    """Returns the photos of the class folders and the index of their class, as models/evaluate matches them."""
    folders = sorted(part for part in folder.iterdir() if part.is_dir()) if folder.is_dir() else []
    matched = summary.match_folders([part.name for part in folders], labels)
    return [
        (photo, labels.index(label))
        for part in folders
        if (label := matched[part.name]) is not None
        for photo in sorted(part.glob("*"))
        if photo.suffix.lower() in SUFFIXES
    ]


def pixels(photo: pathlib.Path, width: int, height: int) -> np.ndarray:
    """Returns a photo, stretched to the size of the model: uint8 RGB (1, height, width, 3)."""
    with Image.open(photo) as image:
        small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small)[None]


def accuracies(
    files: dict[str, pathlib.Path], photos: list[tuple[pathlib.Path, int]], model: Graph
) -> tuple[dict[str, Accuracy], list[str]]:
    """Returns the accuracy of each .tflite file, which are versions of `model`, and the photos that cannot be read."""
    from ai_edge_litert.interpreter import Interpreter

    engines = {}
    for name, file in files.items():
        engine = Interpreter(str(file))
        engine.allocate_tensors()
        engines[name] = (engine, engine.get_input_details()[0], engine.get_output_details()[0]["index"])
    answers: dict[str, list[int]] = {name: [] for name in files}
    _, height, width, _ = model.input.shape
    wanted, unreadable = [], []
    for photo, label in photos:
        try:
            stored = pixels(photo, width, height)
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises each of them for damaged files.
            unreadable.append(f"{photo}: {error}")
            continue
        wanted.append(label)
        for name, (engine, source, result) in engines.items():
            engine.set_tensor(source["index"], model_input(model, source["dtype"], stored))
            engine.invoke()
            answers[name].append(int(engine.get_tensor(result)[0].argmax()))
    first = np.array(next(iter(answers.values())))
    found = {}
    for name, given in answers.items():
        share = summary.share((np.array(given) == wanted).tolist())
        if share is None:
            break  # no photo can be read
        same = float((np.array(given) == first).mean())
        found[name] = Accuracy(int(share["count"]), len(wanted), share["low"], share["high"], same)
    return found, unreadable

#!/usr/bin/env python3
"""Writes evidence.json: the boxes of squares in pictures, by the Python LiteRT interpreter and NumPy.

It runs the models in tests/models/evidence on black pictures with rectangles of one color. The interpreter of
`ai_edge_litert` gives the probabilities and the evidence, and this file computes the box of the best class from it,
with whole-array operations where the element visits one place after another: an independent reference for the rule in
`crates/catdog-core/src/classifier/location.rs`.

    pip install -r python/requirements/golden.txt
    python3 tests/golden/evidence.py            writes evidence.json
    python3 tests/golden/evidence.py --check    fails if a number differs by more than 1e-4
"""

import argparse
import json
import pathlib
import sys
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models" / "evidence"
RED, BLUE, DARK_RED = (255, 0, 0), (0, 0, 255), (200, 0, 0)
# Rectangles: x, y, width, height in pixels of the picture of 32x32, and color.
PICTURES: dict[str, list[tuple[int, int, int, int, tuple[int, int, int]]]] = {
    "nothing": [],
    "one place": [(8, 16, 8, 8, RED)],
    "two by one places": [(16, 8, 16, 8, BLUE)],
    "everything": [(0, 0, 32, 32, RED)],
    # Seven of eight columns of the second place are red.
    "a part of a place": [(8, 8, 15, 8, RED)],
    "between the places": [(5, 6, 14, 15, BLUE)],
    "one row of pixels less": [(8, 0, 16, 31, RED)],
    "two that touch at a corner": [(0, 0, 8, 8, RED), (8, 8, 8, 8, RED)],
    "two that do not touch": [(0, 0, 8, 16, BLUE), (24, 16, 8, 8, BLUE)],
    "two classes": [(0, 8, 16, 16, RED), (16, 8, 16, 8, BLUE)],
    "a darker neighbor": [(8, 8, 8, 8, RED), (16, 8, 8, 16, (224, 0, 0))],
    "dark": [(16, 16, 8, 16, DARK_RED)],
}


def picture(rectangles: list[tuple[int, int, int, int, tuple[int, int, int]]]) -> np.ndarray:
    """Returns the pixels (1, 32, 32, 3)."""
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    for x, y, width, height, color in rectangles:
        pixels[0, y : y + height, x : x + width] = color
    return pixels


def interval(found: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """Returns start and end of the columns (or rows) in `found`, of which the outer ones count for their `share`."""
    first, last = np.flatnonzero(found)[[0, -1]]
    return first + 1 - share[first], last + share[last]


def box(evidence: np.ndarray, label: int) -> list[float]:
    """Returns x, y, width and height of the box of the class `label`, in fractions of the picture."""
    rows, columns = evidence.shape[:2]
    lead = evidence[..., label] - np.delete(evidence, label, axis=2).max(axis=2)
    best = np.unravel_index(lead.argmax(), lead.shape)
    belongs = lead > 0
    found = np.zeros_like(belongs)
    found[best] = True
    # Grows by one place in all eight directions until nothing is added.
    while True:
        padded = np.pad(found, 1)
        grown = belongs & np.any([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
        if (grown == found).all():
            break
        found = grown
    share = np.where(found, lead / lead.max(), 0)
    (left, right), (top, bottom) = (interval(found.any(axis=axis), share.max(axis=axis)) for axis in (0, 1))
    return [left / columns, top / rows, (right - left) / columns, (bottom - top) / rows]


def case(interpreter: Interpreter, name: str) -> dict[str, Any]:
    """Runs the model on a picture."""
    outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture(PICTURES[name]))
    interpreter.invoke()
    probabilities = interpreter.get_tensor(outputs["probabilities"]["index"])[0]
    evidence = interpreter.get_tensor(outputs["evidence"]["index"])[0].astype(np.float64)
    scale, zero_point = outputs["evidence"]["quantization"]
    if scale:
        evidence = (evidence - zero_point) * scale
    best = int(probabilities.argmax())
    return {
        "picture": name,
        "rectangles": [[*rectangle[:4], *rectangle[4]] for rectangle in PICTURES[name]],
        "probabilities": [round(float(value), 5) for value in probabilities],
        "evidence": [round(float(value), 5) for value in evidence.flatten()],
        "class": best,
        "box": [round(float(value), 5) for value in box(evidence, best)],
    }


def main() -> None:
    """Writes the file, or compares with it."""
    parser = argparse.ArgumentParser(description="Writes the boxes of the models with evidence.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    golden = {}
    for path in sorted(MODELS.glob("*.tflite")):
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        golden[path.name] = [case(interpreter, name) for name in PICTURES]
    target = HERE / "evidence.json"
    if not check:
        # One picture per line.
        models = [
            json.dumps(name) + ": [\n" + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in golden.items()
        ]
        target.write_text("{\n" + ",\n".join(models) + "\n}\n")
        return
    stored = json.loads(target.read_text())
    different = [
        f"{file} {new['picture']} {key}"
        for file, cases in golden.items()
        for new, old in zip(cases, stored[file], strict=True)
        for key in ("probabilities", "evidence", "class", "box")
        if not np.allclose(new[key], old[key], atol=1e-4)
    ]
    if different:
        sys.exit("differs: " + ", ".join(different))


if __name__ == "__main__":
    main()

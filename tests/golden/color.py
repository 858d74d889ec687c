#!/usr/bin/env python3
"""Writes color.json: the confidences of the Python LiteRT interpreter for pictures of one color.

It runs the models in tests/models/color. The interpreter of `ai_edge_litert` and the input tensors made here with NumPy
are an independent reference for the choice of layout, element type and input range.

    pip install -r python/requirements/golden.txt
    python3 tests/golden/color.py            writes color.json
    python3 tests/golden/color.py --check    fails if a confidence differs by more than 1e-4
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models" / "color"
COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "dark": (40, 40, 40),
    "bright": (220, 220, 220),
    "olive": (128, 128, 0),
}
# The open height and width that the test chooses.
OPEN_SIDE = 224
# The output with the scores, where it is not the first.
SCORES = {"two_outputs.tflite": 1, "two_outputs_one_activated.tflite": 1}


def values(name: str, color: tuple[int, int, int], dtype: type) -> np.ndarray:
    """Returns the elements of one pixel of this color, with the true range of the model."""
    pixel = np.array(color, np.float64)
    if name.startswith("gray"):
        pixel = np.array([round(0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2])], np.float64)
    if dtype == np.uint8:
        return pixel.astype(np.uint8)
    if dtype == np.int8:
        return (pixel - 128).astype(np.int8)
    if name.startswith("caffe"):
        return (pixel[::-1] if name.startswith("caffe_bgr") else pixel).astype(dtype)
    normalized = pixel / 255 if len(pixel) == 1 else pixel / 127.5 - 1
    return normalized.astype(dtype)


def confidences(path: pathlib.Path, color: tuple[int, int, int]) -> list[float]:
    """Runs a model on a picture of one color."""
    interpreter = Interpreter(str(path))
    (source,) = interpreter.get_input_details()
    if -1 in source["shape_signature"]:
        interpreter.resize_tensor_input(source["index"], [1, OPEN_SIDE, OPEN_SIDE, 3])
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    shape = list(source["shape"])
    pixel = values(path.name, color, source["dtype"])
    tensor = np.zeros(shape, source["dtype"])
    picture = tensor[0] if len(shape) == 4 else tensor
    if shape[-3:-2] == [len(pixel)] and shape[-1] != len(pixel):
        picture[...] = pixel[:, None, None]
    elif len(shape) == 2:
        picture[...] = np.tile(pixel, shape[1] // len(pixel))
    else:
        picture[...] = pixel
    interpreter.set_tensor(source["index"], tensor)
    interpreter.invoke()
    output = interpreter.get_output_details()[SCORES.get(path.name, 0)]
    scores = interpreter.get_tensor(output["index"])
    row = scores[0] if scores.shape[0] == shape[0] else scores
    row = row.reshape(-1).astype(np.float64)
    scale, zero_point = output["quantization"]
    if scale:
        row = scale * (row - zero_point)
    if path.name == "two_outputs.tflite":
        row = np.exp(row) / np.exp(row).sum()
    return [round(float(value), 6) for value in row]


def main() -> None:
    """Writes the file, or compares with it."""
    parser = argparse.ArgumentParser(description="Writes the confidences of the color models.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    golden = {
        path.name: {name: confidences(path, color) for name, color in COLORS.items()}
        for path in sorted(MODELS.glob("*.tflite"))
    }
    target = HERE / "color.json"
    if not check:
        target.write_text(json.dumps(golden, indent=1) + "\n")
        return
    stored = json.loads(target.read_text())
    different = [
        f"{file} {color}"
        for file, colors in golden.items()
        for color, row in colors.items()
        if not np.allclose(row, stored.get(file, {}).get(color, [np.nan]), atol=1e-4)
    ]
    if different:
        sys.exit("differs: " + ", ".join(different))


if __name__ == "__main__":
    main()

"""The right answers of an exported model: those of the Python LiteRT interpreter, fed as a correct caller feeds it.

This does not use code of catdog: Pillow resizes, NumPy normalizes and quantizes.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from export_matrix import convert, networks
from export_matrix.specs import Spec

# A picture whose two best classes are closer than this is not compared: another resize may exchange them. Nor is a
# picture whose class changes if every pixel value changes by up to 1: so much differs between correct resizes.
MINIMUM_MARGIN = 0.05
# The ranges that a wrong caller may feed to a float input.
WRONG_CALLERS = ("centered", "unit", "raw")


class Model:
    """An interpreter for an exported model."""

    def __init__(self, spec: Spec, path: pathlib.Path, size: int, classes: int) -> None:
        self.spec = spec
        self.interpreter = Interpreter(model_path=str(path), num_threads=1)
        if spec.layout in ("open-size", "open-batch"):
            index = self.interpreter.get_input_details()[0]["index"]
            self.interpreter.resize_tensor_input(index, convert.arranged(spec, np.zeros((size, size, 3))).shape)
        self.interpreter.allocate_tensors()
        self.source = self.interpreter.get_input_details()[0]
        scores = 1 if spec.one_score else classes
        batch = 4 if spec.layout == "batch4" else 1
        outputs = self.interpreter.get_output_details()
        self.sink = next(o for o in outputs if np.prod(o["shape"]) == scores * batch)

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Returns the dequantized scores of one picture; `values` (H, W, C) has the range that is fed."""
        tensor = quantized(convert.arranged(self.spec, values), self.source)
        self.interpreter.set_tensor(self.source["index"], tensor)
        self.interpreter.invoke()
        raw = self.interpreter.get_tensor(self.sink["index"]).astype(np.float32)
        scale, zero_point = self.sink["quantization"]
        if scale:
            raw = (raw - zero_point) * np.float32(scale)
        # All pictures of a batch are the same.
        return raw.reshape(4 if self.spec.layout == "batch4" else 1, -1)[0]

    def answers(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the confidences of all pictures."""
        return np.stack([confidences(self.spec, self.scores(one)) for one in values])


def quantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Returns real numbers as the elements of a tensor."""
    scale, zero_point = tensor["quantization"]
    dtype = tensor["dtype"]
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(dtype)


def confidences(spec: Spec, scores: np.ndarray) -> np.ndarray:
    """Returns one confidence per class; a single score gets two, below zero first."""
    if spec.kind == "logits":
        exponentials = np.exp(scores - scores.max())
        return exponentials / exponentials.sum()
    if spec.kind == "log-softmax":
        return np.exp(scores)
    if spec.one_score:
        above = scores[0] if spec.kind == "sigmoid-one" else 1 / (1 + np.exp(-scores[0]))
        return np.array([1 - above, above])
    return scores


def shaken(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Returns the pictures with -1, 0 or 1 added to each pixel value."""
    steps = np.random.default_rng(seed).integers(-1, 2, pixels.shape)
    return np.clip(pixels.astype(np.int16) + steps, 0, 255).astype(np.uint8)


def describe(spec: Spec, path: pathlib.Path, pixels: np.ndarray, classes: int) -> dict[str, Any]:
    """Returns the answers for `pixels` (N, H, W, C), and how often the answer survives a wrong range."""
    model = Model(spec, path, pixels.shape[1], classes)
    answers = model.answers([convert.fed_range(spec, one) for one in pixels])
    ranked = np.sort(answers, axis=1)
    near = [model.answers([convert.fed_range(spec, one) for one in shaken(pixels, seed)]) for seed in range(4)]
    stable = np.all([one.argmax(1) == answers.argmax(1) for one in near], axis=0)
    result: dict[str, Any] = {
        "input": {
            "shape": [int(n) for n in model.source["shape_signature"]],
            "type": np.dtype(model.source["dtype"]).name,
            "quantization": [float(model.source["quantization"][0]), int(model.source["quantization"][1])],
        },
        "top": [int(n) for n in answers.argmax(1)],
        "confidence": [round(float(c), 4) for c in ranked[:, -1]],
        "decided": [bool(d) for d in (ranked[:, -1] - ranked[:, -2] >= MINIMUM_MARGIN) & stable],
    }
    if not spec.integer_input and pixels.shape[1] <= 64:
        result["same_with"] = {
            scale: float(
                (model.answers([networks.scale_pixels(one, scale) for one in pixels]).argmax(1) == answers.argmax(1))
                .mean()
                .round(3)
            )
            for scale in WRONG_CALLERS
        }
    return result

#!/usr/bin/env python3
"""Records what your own program computes for one picture, so that `catdog inspect --compare-with` can say why catdog
gives another answer.

The file needs NumPy only and no other file of catdog: copy it next to your program, or into a notebook. In the program,
after your own preprocessing and your own model (Keras, LiteRT, PyTorch, anything):

    import record
    record.save("result.json", picture="photo.jpg", tensor=x, scores=model.predict(x), labels=class_names)

`tensor` is what the model gets, `scores` is what it returns, both before any further step of yours. For a quantized
LiteRT model, add what the interpreter says about both:

    record.save("result.json", picture="photo.jpg", tensor=x, scores=y,
                tensor_quantization=interpreter.get_input_details()[0]["quantization"],
                scores_quantization=interpreter.get_output_details()[0]["quantization"])

Or let this file run the .tflite model with the LiteRT interpreter (package ai-edge-litert). It calls your function
`preprocess(path)` in my_code.py, which returns the tensor:

    python3 record.py photo.jpg --model model.tflite --preprocess my_code.py:preprocess --labels labels.txt

Then, on any machine:

    catdog inspect model.tflite --image photo.jpg --compare-with result.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import pathlib
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

FORMAT = "catdog-compare"
VERSION = 1
# The quantization of a tensor: scale and zero point; scale 0 for none, as the LiteRT interpreter says it.
Quantization = tuple[float, int]
NONE: Quantization = (0.0, 0)


def _tensor(values: Any, quantization: Quantization) -> dict[str, Any]:
    """Returns a tensor as it is written to the file. Floats have seven significant digits, which float32 needs."""
    array = np.asarray(values)
    scale, zero_point = float(quantization[0]), int(quantization[1])
    if array.dtype.kind == "f":
        data: list[Any] = [float(f"{value:.7g}") for value in array.reshape(-1).tolist()]
    else:
        data = array.reshape(-1).tolist()
    if not np.isfinite(np.asarray(data, np.float64)).all():
        raise ValueError("the tensor contains NaN or infinity; correct the preprocessing or the model")
    return {
        "shape": list(array.shape),
        "type": array.dtype.name,
        "quantization": {"scale": scale, "zero_point": zero_point} if scale > 0 else None,
        "data": data,
    }


def result(
    picture: str | pathlib.Path,
    tensor: Any,
    scores: Any,
    labels: Sequence[str] | None = None,
    program: str = "",
    tensor_quantization: Quantization = NONE,
    scores_quantization: Quantization = NONE,
) -> dict[str, Any]:
    """Returns the contents of the file: the tensor that the model gets for `picture`, and the scores it returns."""
    path = pathlib.Path(picture)
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": program or _program(),
        "picture": {"name": path.name, "crc32": zlib.crc32(path.read_bytes())},
        "input": _tensor(tensor, tensor_quantization),
        "output": _tensor(scores, scores_quantization),
        "labels": list(labels) if labels is not None else None,
    }


def save(path: str | pathlib.Path, picture: str | pathlib.Path, tensor: Any, scores: Any, **options: Any) -> None:
    """Writes `path` (JSON). The other arguments are those of `result`."""
    contents = result(picture, tensor, scores, **options)
    pathlib.Path(path).write_text(json.dumps(contents) + "\n", encoding="utf-8")


def _program() -> str:
    """Returns name and version of the framework that the program has imported."""
    for name in ("keras", "tensorflow", "torch", "ai_edge_litert"):
        module = sys.modules.get(name)
        if module is not None:
            return f"{name} {getattr(module, '__version__', '')}".strip()
    return "Python"


def _load(argument: str) -> Callable[[str], Any]:
    """Returns the function FUNCTION of the file FILE for an argument "FILE:FUNCTION"."""
    file, _, function = argument.rpartition(":")
    spec = importlib.util.spec_from_file_location("preprocessing", file)
    if spec is None or spec.loader is None:
        sys.exit(f"{file} is not a Python file; write FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[str], Any] = getattr(module, function)
    return found


def _run(model: str, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray, Quantization, Quantization]:
    """Runs `model` with the LiteRT interpreter. Returns the tensor with its batch dimension, the scores, and the
    quantization of both."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if tensor.ndim == len(source["shape"]) - 1:
        tensor = tensor[np.newaxis]
    if tensor.dtype != source["dtype"]:
        sys.exit(f"the preprocessing returns {tensor.dtype}, but the model takes {np.dtype(source['dtype'])}")
    interpreter.resize_tensor_input(source["index"], tensor.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], tensor)
    interpreter.invoke()
    return tensor, interpreter.get_tensor(sink["index"]), source["quantization"], sink["quantization"]


def main() -> None:
    """Runs a .tflite model on one picture and writes the result."""
    parser = argparse.ArgumentParser(description="Records what a .tflite model computes for a picture.")
    parser.add_argument("picture", help="JPEG, PNG or WebP file")
    parser.add_argument("--model", required=True, help=".tflite file")
    parser.add_argument("--preprocess", required=True, metavar="FILE:FUNCTION", help="returns the tensor for a path")
    parser.add_argument("--labels", metavar="FILE", help="one class name per line")
    parser.add_argument("--out", default="result.json", help="file to write (default: result.json)")
    options = parser.parse_args()
    labels = pathlib.Path(options.labels).read_text(encoding="utf-8").split("\n") if options.labels else None
    tensor = np.asarray(_load(options.preprocess)(options.picture))
    tensor, scores, of_tensor, of_scores = _run(options.model, tensor)
    save(
        options.out,
        options.picture,
        tensor,
        scores,
        labels=[label.strip() for label in labels if label.strip()] if labels else None,
        tensor_quantization=of_tensor,
        scores_quantization=of_scores,
    )


if __name__ == "__main__":
    main()

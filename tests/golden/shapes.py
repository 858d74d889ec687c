#!/usr/bin/env python3
"""Writes shapes.json: the shapes of all outputs of the models in tests/models/rules, by the Python LiteRT interpreter.

The interpreter is an independent reference for the shapes and values that the verifier computes without a runtime. It
runs its own kernels, so that no delegate changes the graph.

    pip install -r python/requirements/golden.txt
    python3 tests/golden/shapes.py            writes shapes.json
    python3 tests/golden/shapes.py --check    fails if the file differs from what would be written
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models" / "rules"


def output_shapes(path: pathlib.Path) -> dict[str, list[int]]:
    """Returns the shapes of the outputs of a model by name."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]
    interpreter.set_tensor(image["index"], np.ones(image["shape"], np.float32))
    interpreter.invoke()
    # Some shapes are computed by the run.
    return {d["name"]: [int(n) for n in d["shape"]] for d in interpreter.get_output_details()}


def main() -> None:
    """Writes shapes.json, or compares with it."""
    parser = argparse.ArgumentParser(description="Writes shapes.json.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    shapes = {path.stem: output_shapes(path) for path in sorted(MODELS.glob("*.tflite"))}
    models = []
    for name, of_model in shapes.items():
        lines = ",\n".join(f"  {json.dumps(output)}: {json.dumps(shape)}" for output, shape in of_model.items())
        models.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
    text = "{\n" + ",\n".join(models) + "\n}\n"
    target = HERE / "shapes.json"
    if not check:
        target.write_text(text)
    elif target.read_text() != text:
        sys.exit("differs from shapes.json")
    print(f"{len(shapes)} models, {sum(map(len, shapes.values()))} outputs")


if __name__ == "__main__":
    main()

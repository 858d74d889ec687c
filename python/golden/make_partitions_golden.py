"""Writes tests/golden/partitions.json: which part of each test model XNNPACK runs in the LiteRT interpreter.

The interpreter of ai_edge_litert lists the operators that it replaced by delegates: each has the tensors that it reads
and writes. The operators between these tensors are those that XNNPACK runs.

Usage: PYTHONPATH=python python3 -m golden.make_partitions_golden

Needs python/requirements/golden.txt. The stored file is from ai_edge_litert 2.3.
"""

import json
import pathlib
from typing import Any

from ai_edge_litert.interpreter import Interpreter

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The interpreter runs the first subgraph of this model, and catdog its default signature.
OTHER_SUBGRAPH = "signature_two.tflite"
# An operator as the interpreter describes it.
Operator = dict[str, Any]


def replaced(operators: list[Operator], delegates: list[Operator]) -> int:
    """Returns the number of `operators` between the inputs and the outputs of `delegates`."""
    producers = {int(tensor): index for index, op in enumerate(operators) for tensor in op["outputs"]}
    found: set[int] = set()
    for delegate in delegates:
        inputs = {int(tensor) for tensor in delegate["inputs"]}
        ahead = [int(tensor) for tensor in delegate["outputs"]]
        while ahead:
            tensor = ahead.pop()
            index = producers.get(tensor)
            if tensor not in inputs and index is not None and index not in found:
                found.add(index)
                ahead += [int(tensor) for tensor in operators[index]["inputs"]]
    return len(found)


def partitions(path: pathlib.Path) -> dict[str, int]:
    """Returns the numbers of a model."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    listed = interpreter._get_ops_details()
    operators = [op for op in listed if op["op_name"] != "DELEGATE"]
    delegates = [op for op in listed if op["op_name"] == "DELEGATE"]
    return {
        "operators": len(operators),
        "accelerated": replaced(operators, delegates),
        "accelerated_partitions": len(delegates),
    }


def main() -> None:
    """Writes the file."""
    paths = [path for path in sorted((ROOT / "tests/models").glob("*.tflite")) if path.name != OTHER_SUBGRAPH]
    paths += sorted((ROOT / "models").glob("*.tflite"))
    lines = [f"{json.dumps(str(path.relative_to(ROOT)))}: {json.dumps(partitions(path))}" for path in paths]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (ROOT / "tests/golden/partitions.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

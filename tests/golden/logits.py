#!/usr/bin/env python3
"""Writes logits.json: the outputs of the Python LiteRT interpreter for every model in tests/models.

The interpreter of `ai_edge_litert` is an independent reference for the tests of the engine: another build of the
runtime than libLiteRt.so, with another API.

    pip install -r python/requirements/golden.txt
    python3 tests/golden/logits.py            writes logits.json
    python3 tests/golden/logits.py --check    runs the models again; floats may differ by 1e-5, integers by 1

Inputs are generated and not stored. Each case has a `seed`, from which the linear congruential generator
state = state * 1664525 + 1013904223 (mod 2^32) starts. Each element, in the order N, H, W, C, comes from the byte
u = state >> 24: a uint8 tensor has u, an int8 tensor u - 128, a float32 tensor (u - 127.5) / 127.5 computed in float32.
`input_crc32` is the CRC-32 of the tensor's little-endian bytes.

Outputs are raw, as the tensor stores them. `without_xnnpack` is the largest difference of any output when the
interpreter runs the model with its own kernels instead of the XNNPACK delegate (in quantization steps for integers).
"""

import argparse
import json
import pathlib
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
SEEDS = (1, 2024, 3_000_000_019)
SIGNATURES = {"signature_two.tflite": "serving_default"}


def generate_bytes(seed: int, count: int) -> np.ndarray:
    """Returns the bytes of the generator for a seed."""
    state, out = seed, np.empty(count, np.uint8)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def input_tensor(seed: int, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Returns the input of a case."""
    u = generate_bytes(seed, int(np.prod(shape))).reshape(shape)
    if dtype == np.uint8:
        return u
    if dtype == np.int8:
        return (u.astype(np.int16) - 128).astype(np.int8)
    return (u.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)


def describe(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the properties of a tensor as JSON values."""
    scale, zero_point = detail["quantization"]
    return {
        "name": detail["name"],
        "shape": [int(d) for d in detail["shape"]],
        "shape_signature": [int(d) for d in detail["shape_signature"]],
        "dtype": np.dtype(detail["dtype"]).name,
        "scale": plain(np.float32(scale)),
        "zero_point": int(zero_point),
    }


def plain(value: Any) -> int | float:
    """Returns an integer, or the shortest decimal that is parsed as the same float32."""
    return int(value) if isinstance(value, np.integer) else float(str(np.float32(value)))


class Runner:
    """An interpreter for a model, with the signature of SIGNATURES if the model has one."""

    def __init__(self, path: pathlib.Path, resolver: OpResolverType) -> None:
        self.interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=resolver)
        key = SIGNATURES.get(path.name)
        self.signature = self.interpreter.get_signature_runner(key) if key else None
        if self.signature:
            self.inputs = list(self.signature.get_input_details().items())
            self.outputs = list(self.signature.get_output_details().items())
        else:
            self.interpreter.allocate_tensors()
            self.inputs = [(None, d) for d in self.interpreter.get_input_details()]
            self.outputs = [(None, d) for d in self.interpreter.get_output_details()]

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Returns the last output: of two outputs of a model here, the second has the scores."""
        if self.signature:
            return self.signature(**{self.inputs[0][0]: tensor})[self.outputs[-1][0]]
        self.interpreter.set_tensor(self.inputs[0][1]["index"], tensor)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.outputs[-1][1]["index"])


def golden(path: pathlib.Path) -> dict[str, Any]:
    """Returns the entry of a model."""
    xnnpack = Runner(path, OpResolverType.BUILTIN)
    plain_kernels = Runner(path, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    detail = xnnpack.inputs[0][1]
    cases, worst = [], 0.0
    for seed in SEEDS:
        tensor = input_tensor(seed, detail["shape"], detail["dtype"])
        output = xnnpack.run(tensor)
        other = plain_kernels.run(tensor)
        worst = max(worst, float(np.max(np.abs(output.astype(np.float64) - other.astype(np.float64)))))
        cases.append(
            {
                "seed": seed,
                "input_crc32": zlib.crc32(np.ascontiguousarray(tensor).tobytes()),
                "output": [plain(v) for v in output.reshape(-1)],
            }
        )
    return {
        "file": path.name,
        "crc32": zlib.crc32(path.read_bytes()),
        "signature": SIGNATURES.get(path.name),
        "input": describe(detail),
        "output": describe(xnnpack.outputs[-1][1]),
        "without_xnnpack": worst,
        "cases": cases,
    }


def render(entries: Sequence[dict[str, Any]]) -> str:
    """Returns JSON with one line per case, so that a diff is readable."""
    lines = ["["]
    for n, entry in enumerate(entries):
        lines.append(" {")
        for key, value in entry.items():
            if key == "cases":
                lines.append('  "cases": [')
                lines += ["   " + json.dumps(c) + ("," if i + 1 < len(value) else "") for i, c in enumerate(value)]
                lines.append("  ]")
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)},")
        lines.append(" }" + ("," if n + 1 < len(entries) else ""))
    return "\n".join([*lines, "]", ""])


def agrees(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Returns true if two entries agree within the tolerance."""
    measured = ("cases", "without_xnnpack")
    if any(a.get(key) != b.get(key) for key in a.keys() | b.keys() if key not in measured):
        return False
    limit = 1e-5 if a["output"]["dtype"] == "float32" else 1
    return all(
        x["seed"] == y["seed"]
        and x["input_crc32"] == y["input_crc32"]
        and np.allclose(x["output"], y["output"], rtol=limit if limit < 1 else 0, atol=limit)
        for x, y in zip(a["cases"], b["cases"], strict=True)
    )


def main() -> None:
    """Writes logits.json, or compares with it."""
    parser = argparse.ArgumentParser(description="Writes logits.json.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    entries = [golden(path) for path in sorted(MODELS.glob("*.tflite"))]
    target = HERE / "logits.json"
    if check:
        stored = json.loads(target.read_text())
        different = [e["file"] for e, s in zip(entries, stored, strict=True) if not agrees(e, s)]
        if different:
            sys.exit("differs from logits.json: " + ", ".join(different))
    else:
        target.write_text(render(entries))
    print(f"{len(entries)} models, {sum(len(e['cases']) for e in entries)} cases")


if __name__ == "__main__":
    main()

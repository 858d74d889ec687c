#!/usr/bin/env python3
"""Writes tests/golden/heldout_logits.json: what Python says of every held-out photo.

The reference shares nothing with catdog: Pillow decodes the JPEG, converts it to RGB and stretches it
to the model's input (BILINEAR), and the Python interpreter of ai_edge_litert runs the model. Photos and
model are outside data and not in the repository; the file holds names and logits only.

Usage: python3 scripts/golden/make_heldout_golden.py [--check] [FOLDER]

  --check   compare with the stored file instead of writing it; logits may differ by 0.01
  FOLDER    holds models/cat-dog-mnv2.tflite and data/heldout/{cats,dogs,neither};
            default: $CATDOG_TEST_DATA, else ../shared beside the repository

Needs numpy, pillow and ai-edge-litert; the stored file is from NumPy 2.4, Pillow 13.0, LiteRT 2.3.0.
"""

import argparse
import json
import os
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "tests" / "golden" / "heldout_logits.json"
MODEL = pathlib.Path("models") / "cat-dog-mnv2.tflite"
PHOTOS = pathlib.Path("data") / "heldout"


def logits(folder):
    """Name of each photo below PHOTOS, and the model's one logit: negative cat, positive dog."""
    interpreter = Interpreter(model_path=str(folder / MODEL), num_threads=2)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, height, width, _ = source["shape"]
    result = {}
    for path in sorted((folder / PHOTOS).glob("*/*.jpg")):
        picture = Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        interpreter.set_tensor(source["index"], np.asarray(picture, np.uint8)[np.newaxis])
        interpreter.invoke()
        name = path.relative_to(folder / PHOTOS).as_posix()
        result[name] = round(float(interpreter.get_tensor(sink["index"]).reshape(-1)[0]), 4)
    return result


def accuracy(result, kind, sign):
    of_kind = [logit for name, logit in result.items() if name.startswith(kind + "/")]
    return 100 * sum(logit * sign > 0 for logit in of_kind) / len(of_kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    default = os.environ.get("CATDOG_TEST_DATA") or ROOT.parent / "shared"
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(default))
    arguments = parser.parse_args()
    if not (arguments.folder / MODEL).exists():
        sys.exit(f"{arguments.folder / MODEL} is not there: name the folder, or set CATDOG_TEST_DATA")
    result = logits(arguments.folder)
    if arguments.check:
        stored = json.loads(TARGET.read_text())
        names = stored.keys() ^ result.keys()
        names |= {n for n in stored.keys() & result.keys() if abs(stored[n] - result[n]) > 0.01}
        if names:
            sys.exit(f"differs from {TARGET.name}: " + ", ".join(sorted(names)))
    else:
        TARGET.write_text(json.dumps(result, indent=0) + "\n")
    cats, dogs = accuracy(result, "cats", -1), accuracy(result, "dogs", 1)
    print(f"{len(result)} photos; {cats:.1f} % of the cats and {dogs:.1f} % of the dogs are right")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the small models that the tests load: usable ones here, one per operator in operators/, damaged and
unsuitable ones in bad/, and two with many operators for the rules of the verifier in rules/.

A fresh clone has to be able to test the engine with the real runtime and without further data. Every model is
therefore built here without a framework or a download, and its bytes are the same on every machine. The networks are
not trained. Their outputs depend on every channel and on the position of a pixel, so that a swapped channel order, a
transposed image or a wrong quantization changes the result.

    pip install -r python/requirements/golden.txt
    python3 tests/models/make_models.py            writes every file
    python3 tests/models/make_models.py --check    fails if a file differs from what would be written
"""

import argparse
import pathlib
import sys

from bad_models import bad_models
from color_models import color_models
from damaged_models import damaged_models
from evidence_models import evidence_models
from good_models import good_models
from graph_models import graph_models
from hostile_models import hostile_models, usable_models
from not_finite_models import not_finite_models
from operator_models import operator_models
from shape_models import shape_models

HERE = pathlib.Path(__file__).resolve().parent


def main() -> None:
    """Writes all files, or compares with them."""
    parser = argparse.ArgumentParser(description="Writes the small models that the tests load.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    unusable = bad_models() | damaged_models() | hostile_models()
    files = good_models() | graph_models() | operator_models() | usable_models()
    files |= shape_models() | not_finite_models() | evidence_models()
    files |= {f"bad/{name}": raw for name, raw in unusable.items()}
    files |= {f"color/{name}": raw for name, raw in color_models().items()}
    different = []
    for name, raw in files.items():
        path = HERE / name
        if check:
            if not path.exists() or path.read_bytes() != raw:
                different.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(raw)
    known = {HERE / name for name in files}
    suffixes = (".tflite", ".task", ".litertlm")
    # exported/ is written by scripts/export-matrix.sh --fixtures.
    found = [p for p in HERE.rglob("*") if p.suffix in suffixes and p.parent.name != "exported"]
    different += [str(p.relative_to(HERE)) for p in found if p not in known]
    if different:
        sys.exit("differs from make_models.py: " + ", ".join(sorted(different)))
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")


if __name__ == "__main__":
    main()

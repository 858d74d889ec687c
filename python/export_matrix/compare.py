"""Runs every model of the matrix through catdogfilter with no property set, and compares the answers.

`python3 -m export_matrix.compare FOLDER` writes export-matrix.json and export-matrix.md. It needs the plugin in
GST_PLUGIN_PATH, and no package outside of the standard library. The exit code is 1 if fewer than 99 % of the models, or
of the pictures, are right.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from export_matrix import summary, verdicts
from pipelines import measuring

ELEMENT = pathlib.Path(__file__).with_name("element.py")
# Debian's interpreter, because the bindings of GStreamer belong to it.
PYTHON = "/usr/bin/python3"
RUN_SECONDS = 120
# The line in which catdogfilter logs how it interprets a model, for example
# "pixel values 0..255 become -1..1 (from the metadata of the model); output ...".
RANGE = re.compile(r"pixel values 0\.\.255 become (.*?); output ")


def run_model(entry: Mapping[str, Any], folder: pathlib.Path) -> dict[str, Any]:
    """Runs a model in a process of its own. Returns the output of element.py, and the range from the log."""
    pictures = [str(folder / "pictures" / entry["task"] / f"{number:02d}.png") for number in entry["pictures"]]
    environment = os.environ | {"GST_DEBUG": "catdogfilter:6", "GST_DEBUG_NO_COLOR": "1"}
    command = [PYTHON, str(ELEMENT), str(folder / entry["file"]), *pictures]
    failed: dict[str, Any] = {"results": [], "warnings": [], "range": None, "crashed": True}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return failed | {"error": f"no end after {RUN_SECONDS} s"}
    if done.returncode != 0:
        return failed | {"error": f"exit code {done.returncode}: {done.stderr.strip()[-300:]}"}
    # The names of folders contain the words by which messages are recognized.
    output: dict[str, Any] = json.loads(done.stdout.replace(f"{(folder / entry['file']).parent}/", ""))
    chosen = RANGE.search(done.stderr)
    return output | {"range": chosen.group(1) if chosen else None}


def main() -> int:
    """Runs all models, writes the report, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Compares catdogfilter with the interpreter on the matrix of models.")
    parser.add_argument("folder", type=pathlib.Path, help="the folder that export_matrix.build has filled")
    parser.add_argument("--out", type=pathlib.Path, default=measuring.results_folder(), help="the results folder")
    parser.add_argument("--only", default="", help="only models whose name contains this text")
    options = parser.parse_args()
    index = json.loads((options.folder / "models.json").read_text(encoding="utf-8"))
    machine = measuring.machine()
    rows = []
    exported = [entry for entry in index["models"] if "file" in entry and options.only in entry["name"]]
    for number, entry in enumerate(exported):
        run = run_model(entry, options.folder)
        verdict = verdicts.judge(entry, run)
        rows.append(summary.row(entry, run, verdict))
        if sys.stderr.isatty():
            print(f"\r{number + 1}/{len(exported)}", end="", file=sys.stderr, flush=True)
    if not rows:
        parser.error("no model to compare")
    not_exported = {e["name"]: e["not_exported"] for e in index["models"] if "not_exported" in e}
    result = summary.result(rows, not_exported, measuring.describe(machine))
    summary.write(result, options.out)
    print(summary.headline(result))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())

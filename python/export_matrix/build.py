"""Builds the matrix: `python3 -m export_matrix.build FOLDER`.

FOLDER gets `models.json`, which describes every model with its answers, `pictures/`, and one folder per model. Trained
networks and exported models are reused while the code that makes them is the same.
"""

import argparse
import ast
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
from typing import Any

# The networks are small: more threads cost more than they gain. TensorFlow reads the variables when it is imported.
for _variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras  # noqa: E402 (see the variables above)
import numpy as np  # noqa: E402

from export_matrix import graphs, networks, pictures, specs, truth  # noqa: E402
from export_matrix.convert import write  # noqa: E402
from export_matrix.specs import Spec  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TRAINING_CODE = ("pictures.py", "networks.py")
EXPORT_CODE = (*TRAINING_CODE, "graphs.py", "convert.py")
ANSWERS_CODE = ("truth.py",)
MOST_EXAMPLES = max(architecture.examples for architecture in networks.ARCHITECTURES.values())


def digest(names: tuple[str, ...]) -> str:
    """Returns a short hash of the code in files of this package; comments and formatting do not count."""
    trees = [ast.dump(ast.parse((HERE / name).read_text(encoding="utf-8"))) for name in names]
    return hashlib.sha256("".join(trees).encode()).hexdigest()[:12]


class Task:
    """The pictures of a task, resized for the networks."""

    def __init__(self, name: str, cache: pathlib.Path) -> None:
        self.name = name
        self.tests = pictures.test_pictures(name)
        self.cache = cache
        self.drawn: pictures.Pictures | None = None

    def examples(self) -> pictures.Pictures:
        """Returns the training pictures, which are drawn when they are first needed."""
        if self.drawn is None:
            self.drawn = pictures.training_pictures(self.name, MOST_EXAMPLES)
        return self.drawn

    def pixels(self, size: int, calibration: bool) -> np.ndarray:
        """Returns the test pictures, or those that calibrate a quantization, at the size of a network."""
        images = self.tests.images
        if calibration:
            images = pictures.make(pictures.classes_of(self.name), 60, seed=40).images
        return pictures.resized(images, size, self.name == "gray")


class Builder:
    """Builds models into a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.networks = folder / f"networks-{digest(TRAINING_CODE)}"
        self.models = folder / f"models-{digest(EXPORT_CODE)}"
        self.answers_code = digest(ANSWERS_CODE)
        self.tasks = {name: Task(name, folder) for name in ("color", "gray")}
        self.trained: dict[networks.Base, tuple[keras.Model, float]] = {}
        self.pixels: dict[tuple[str, int, bool], np.ndarray] = {}
        for task in self.tasks.values():
            pictures.save(task.tests, folder / "pictures" / task.name)

    def network(self, base: networks.Base) -> tuple[keras.Model, float]:
        """Returns the trained network and its accuracy on the test pictures."""
        if base not in self.trained:
            task = self.tasks[base.task]
            model = networks.load_or_train(base, self.networks, task.examples)
            self.trained[base] = model, networks.accuracy(model, base, task.tests)
        return self.trained[base]

    def resized(self, base: networks.Base, calibration: bool) -> np.ndarray:
        """Returns the pictures of a task at the size of a network."""
        key = base.task, networks.ARCHITECTURES[base.architecture].size, calibration
        if key not in self.pixels:
            self.pixels[key] = self.tasks[base.task].pixels(key[1], calibration)
        return self.pixels[key]

    def entry(self, spec: Spec) -> dict[str, Any]:
        """Returns the description of a model, which is built if it does not exist."""
        folder = self.models / spec.name
        stored = folder / "entry.json"
        entry: dict[str, Any] = {}
        if stored.exists():
            entry = json.loads(stored.read_text(encoding="utf-8"))
            if entry.get("answers_code") == self.answers_code:
                return entry
        if "file" not in entry:
            shutil.rmtree(folder, ignore_errors=True)
            entry = self.exported(spec, folder)
        entry = self.answered(spec, entry)
        folder.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return entry

    def exported(self, spec: Spec, folder: pathlib.Path) -> dict[str, Any]:
        """Exports a model and returns its description without the answers."""
        base = graphs.base_of(spec)
        values = {field: getattr(spec, field) for field in Spec.__dataclass_fields__}
        entry: dict[str, Any] = {"name": spec.name, "values": values, "task": base.task}
        network, accuracy = self.network(base)
        if accuracy < networks.ARCHITECTURES[base.architecture].minimum:
            return entry | {"not_exported": f"the network {base.name} is right on {accuracy:.0%} of the pictures only"}
        try:
            path = write(spec, network, self.resized(base, calibration=True), folder)
        except Exception as error:  # the converter raises many types
            return entry | {"not_exported": " ".join(str(error).split())[:300]}
        return entry | {
            "file": str(path.relative_to(self.folder)),
            "bytes": path.stat().st_size,
            "range": spec.range if spec.range in specs.OUTSIDE else "raw",
            "classes": graphs.class_names(spec),
        }

    def answered(self, spec: Spec, entry: dict[str, Any]) -> dict[str, Any]:
        """Returns the description of an exported model with the answers of the interpreter."""
        entry = entry | {"answers_code": self.answers_code}
        if "file" not in entry:
            return entry
        base = graphs.base_of(spec)
        classes = self.tasks[base.task].tests.classes
        order = graphs.class_order(spec.kind, len(pictures.classes_of(base.task)))
        shown = pictures.BINARY[base.task] if spec.one_score else order
        used = [number for number, cls in enumerate(classes) if cls in shown]
        pixels = self.resized(base, calibration=False)[used]
        answers = truth.describe(spec, self.folder / entry["file"], pixels, len(order))
        drawn = [list(shown).index(classes[number]) for number in used]
        right = float(np.mean([a == b for a, b in zip(answers["top"], drawn)]).round(3))
        return entry | {"pictures": used, "accuracy": right, **answers}


def main() -> None:
    """Builds all models."""
    parser = argparse.ArgumentParser(description="Builds the matrix of exported models.")
    parser.add_argument("folder", type=pathlib.Path, help="the cache folder")
    parser.add_argument("--only", default="", help="only models whose name contains this text")
    options = parser.parse_args()
    folder = options.folder.resolve()
    builder = Builder(folder)
    entries = []
    wanted = [spec for spec in specs.matrix() if options.only in spec.name]
    for number, spec in enumerate(wanted):
        start = time.monotonic()
        entry = builder.entry(spec)
        entries.append(entry)
        seconds = time.monotonic() - start
        if seconds > 0.5:
            result = entry.get("not_exported") or f"{entry['accuracy']:.0%} right"
            print(f"{number + 1}/{len(wanted)} {spec.name}: {seconds:.1f} s, {result}", file=sys.stderr, flush=True)
    index = {"width": pictures.WIDTH, "height": pictures.HEIGHT, "models": entries}
    (folder / "models.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    exported = [entry for entry in entries if "file" in entry]
    print(f"{len(exported)} models, {sum(entry['bytes'] for entry in exported) / 1e6:.1f} MB, in {folder}")
    for entry in entries:
        if "not_exported" in entry:
            print(f"not exported: {entry['name']}: {entry['not_exported']}")


if __name__ == "__main__":
    main()

"""Writes tests/golden/heldout_logits.json: the logits of all held-out photos.

The reference shares no code with catdog: Pillow decodes the JPEG, converts it to RGB and stretches it to the input
size of the model (BILINEAR), and the Python interpreter of ai_edge_litert runs the model. The photos and the model
are not part of the repository; the file has only names and logits.

Usage: PYTHONPATH=python python3 -m golden.make_heldout_golden [--check] [FOLDER]

  --check   compare with the stored file instead of writing it; logits may differ by 0.01
  FOLDER    contains models/cat-dog-mnv2.tflite and data/heldout/{cats,dogs,neither}
            (default: $CATDOG_TEST_DATA, else ../shared next to the repository)

Needs python/requirements/golden.txt. The stored file is from NumPy 2.4, Pillow 13.0 and LiteRT 2.3.0.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Mapping

from PIL import Image

from golden.interpreter import Classifier

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "tests" / "golden" / "heldout_logits.json"
MODEL = pathlib.Path("models") / "cat-dog-mnv2.tflite"
PHOTOS = pathlib.Path("data") / "heldout"
TOLERANCE = 0.01


def logits(folder: pathlib.Path) -> dict[str, float]:
    """Returns the single logit of each photo, by its name below PHOTOS: negative is cat, positive is dog."""
    classifier = Classifier(folder / MODEL, threads=2)
    result = {}
    for path in sorted((folder / PHOTOS).glob("*/*.jpg")):
        name = path.relative_to(folder / PHOTOS).as_posix()
        result[name] = classifier.scores(Image.open(path).convert("RGB"))[0]
    return result


def accuracy(result: Mapping[str, float], folder: str, sign: int) -> float:
    """Returns the percentage of photos in `folder` whose logit has the sign `sign`."""
    of_folder = [logit for name, logit in result.items() if name.startswith(folder + "/")]
    return 100 * sum(logit * sign > 0 for logit in of_folder) / len(of_folder)


def main() -> None:
    """Writes the file, or compares with it."""
    parser = argparse.ArgumentParser(description="Writes tests/golden/heldout_logits.json.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    default = os.environ.get("CATDOG_TEST_DATA") or ROOT.parent / "shared"
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(default))
    options = parser.parse_args()
    if not (options.folder / MODEL).exists():
        sys.exit(f"{options.folder / MODEL} does not exist; give the folder, or set CATDOG_TEST_DATA")
    result = logits(options.folder)
    if options.check:
        stored = json.loads(TARGET.read_text())
        names = stored.keys() ^ result.keys()
        names |= {n for n in stored.keys() & result.keys() if abs(stored[n] - result[n]) > TOLERANCE}
        if names:
            sys.exit(f"differs from {TARGET.name}: " + ", ".join(sorted(names)))
    else:
        TARGET.write_text(json.dumps(result, indent=0) + "\n")
    cats, dogs = accuracy(result, "cats", -1), accuracy(result, "dogs", 1)
    print(f"{len(result)} photos; {cats:.1f} % of the cats and {dogs:.1f} % of the dogs are right")


if __name__ == "__main__":
    main()

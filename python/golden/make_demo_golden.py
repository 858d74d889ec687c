"""Writes tests/golden/demo_probabilities.json: the probabilities of some frames of the demo clip.

The reference shares no code with catdog: ffmpeg decodes the clip and converts it to RGB, Pillow stretches the frame
to the input size of the model (BILINEAR), and the Python interpreter of ai_edge_litert runs models/catdog.tflite.

Usage: PYTHONPATH=python python3 -m golden.make_demo_golden [--check]

  --check   compare with the stored file instead of writing it; probabilities may differ by 0.01

Needs ffmpeg and python/requirements/golden.txt. The stored file is from FFmpeg 5.1, NumPy 2.4, Pillow 13.0 and
LiteRT 2.3.0.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

from golden.interpreter import Classifier

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "tests" / "golden" / "demo_probabilities.json"
MODEL = ROOT / "models" / "catdog.tflite"
CLIP = ROOT / "models" / "demo" / "demo.mp4"
WIDTH, HEIGHT = 640, 480
# Every STEP-th frame is classified. The scenes of the clip are longer than that.
STEP = 20
TOLERANCE = 0.01


def probabilities() -> dict[int, list[float]]:
    """Returns the probability of each class, in the order of the model, by frame number."""
    command = ["ffmpeg", "-v", "error", "-i", str(CLIP), "-sws_flags", "accurate_rnd+full_chroma_int+bitexact"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
    classifier = Classifier(MODEL, threads=1)
    return {number: classifier.scores(Image.fromarray(frames[number])) for number in range(0, len(frames), STEP)}


def main() -> None:
    """Writes the file, or compares with it."""
    parser = argparse.ArgumentParser(description="Writes tests/golden/demo_probabilities.json.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    result = probabilities()
    if options.check:
        stored = {int(number): of for number, of in json.loads(TARGET.read_text()).items()}
        if stored.keys() != result.keys():
            sys.exit("the frame numbers differ")
        worst = max(abs(a - b) for number in result for a, b in zip(stored[number], result[number]))
        print(f"largest difference {worst:.4f}")
        sys.exit(worst > TOLERANCE)
    lines = (f'  "{number}": {json.dumps(of)}' for number, of in result.items())
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{TARGET.relative_to(ROOT)}: {len(result)} frames")


if __name__ == "__main__":
    main()

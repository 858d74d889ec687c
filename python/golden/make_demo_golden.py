#!/usr/bin/env python3
"""Writes tests/golden/demo_probabilities.json: what Python says of some frames of the demo clip.

The reference shares nothing with catdog: ffmpeg decodes the clip and converts it to RGB, Pillow stretches the frame
to the model's input (BILINEAR), and the Python interpreter of ai_edge_litert runs models/catdog.tflite.

Usage: python3 scripts/golden/make_demo_golden.py [--check]

  --check   compare with the stored file instead of writing it; probabilities may differ by 0.01

Needs ffmpeg, numpy, pillow and ai-edge-litert; the stored file is from FFmpeg 5.1, NumPy 2.4, Pillow 13.0, LiteRT 2.3.0.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "tests" / "golden" / "demo_probabilities.json"
MODEL = ROOT / "models" / "catdog.tflite"
CLIP = ROOT / "models" / "demo" / "demo.mp4"
WIDTH, HEIGHT = 640, 480
# Every so many frames; the clip's parts last several seconds.
STEP = 20


def probabilities():
    """{number of the frame: probability of each class, in the model's order}"""
    command = ["ffmpeg", "-v", "error", "-i", CLIP, "-sws_flags", "accurate_rnd+full_chroma_int+bitexact"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
    interpreter = Interpreter(model_path=str(MODEL), num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, height, width, _ = source["shape"]
    result = {}
    for number in range(0, len(frames), STEP):
        picture = Image.fromarray(frames[number]).resize((width, height), Image.Resampling.BILINEAR)
        interpreter.set_tensor(source["index"], np.asarray(picture)[np.newaxis])
        interpreter.invoke()
        result[number] = [round(float(p), 4) for p in interpreter.get_tensor(sink["index"])[0]]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    result = probabilities()
    if arguments.check:
        stored = {int(number): of for number, of in json.loads(TARGET.read_text()).items()}
        same = stored.keys() == result.keys()
        worst = max(abs(a - b) for n in result for a, b in zip(stored[n], result[n])) if same else None
        print("the frames differ" if worst is None else f"largest difference {worst:.4f}")
        sys.exit(worst is None or worst > 0.01)
    lines = (f'  "{number}": {json.dumps(of)}' for number, of in result.items())
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{TARGET.relative_to(ROOT)}: {len(result)} frames")


if __name__ == "__main__":
    main()

"""Draws models/card/limits.png: what the built-in model says of drawn animals that become harder and harder to see.

Usage: PYTHONPATH=python /usr/bin/python3 -m demo.draw_limits [--out FILE] [--model FILE]

Photos of the evaluation cannot be published, so the pictures are made from the demo clip, which is drawn for this
project. Each row changes one thing. GStreamer must find the plugin (GST_PLUGIN_PATH). Needs the Debian packages
gstreamer1.0-tools, gstreamer1.0-plugins-good, gstreamer1.0-libav, python3-gi, python3-numpy and python3-pil.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from catdog_evaluate.errors import UnusableError
from catdog_evaluate.runner import Runner, load_gstreamer

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "models" / "card" / "limits.png"
CLIP = ROOT / "models" / "demo" / "demo.mp4"
FPS = 25
# Seconds at which the clip shows the room, the cat and the dog.
MOMENTS = {"room": 1.4, "cat": 4.8, "dog": 10.2}
# Width and height of a picture in the drawing, and of the caption below it, in pixels.
WIDTH, HEIGHT, CAPTION = 200, 150, 18
# The distance between two bars in pixels.
BARS = 48
RIGHT, WRONG, MISSED = (30, 140, 60), (200, 40, 40), (120, 120, 120)

# A change of a picture: the frame with the animal, the empty room, and the strength.
Change = Callable[[Image.Image, Image.Image, float], Image.Image]


def smaller(frame: Image.Image, room: Image.Image, scale: float) -> Image.Image:
    """Shows the frame from afar: shrunk to a share of the room, into which its border fades."""
    size = round(frame.width * scale), round(frame.height * scale)
    border = max(1, size[1] // 8)
    mask = Image.new("L", size, 0)
    mask.paste(255, (border, border, size[0] - border, size[1] if scale < 1 else size[1] - border))
    mask = mask.filter(ImageFilter.GaussianBlur(border / 2)) if scale < 1 else Image.new("L", size, 255)
    result = room.copy()
    result.paste(frame.resize(size), ((frame.width - size[0]) // 3, round((frame.height - size[1]) * 0.7)), mask)
    return result


def darker(frame: Image.Image, _: Image.Image, light: float) -> Image.Image:
    """Shows the frame with a share of the light, and with the noise of a sensor."""
    pixels = np.asarray(frame, np.float32) * light
    noise = np.random.RandomState(1).normal(0, 3, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def moving(frame: Image.Image, _: Image.Image, length: float) -> Image.Image:
    """Shows the frame blurred along a line of `length` pixels."""
    pixels = np.asarray(frame, np.float32)
    steps = max(1, round(length))
    shifted = [np.roll(pixels, step - steps // 2, 1) for step in range(steps)]
    return Image.fromarray(np.mean(shifted, 0).astype(np.uint8))


def turned(frame: Image.Image, _: Image.Image, degrees: float) -> Image.Image:
    """Shows the frame turned counterclockwise, without black corners."""
    zoomed = frame.resize((frame.width * 2, frame.height * 2)).rotate(degrees, Image.Resampling.BILINEAR)
    left, top = frame.width // 2, frame.height // 2
    return zoomed.crop((left, top, left + frame.width, top + frame.height)) if degrees else frame


def barred(frame: Image.Image, _: Image.Image, share: float) -> Image.Image:
    """Shows the frame behind bars that cover a share of it."""
    result = frame.copy()
    pen = ImageDraw.Draw(result)
    for x in range(0, frame.width, BARS):
        pen.rectangle((x, 0, x + BARS * share - 1, frame.height), (70, 66, 60))
    return result


ROWS: tuple[tuple[str, Change, Sequence[float]], ...] = (
    ("size", smaller, (1, 0.5, 0.35, 0.25, 0.15)),
    ("light", darker, (0.5, 0.25, 0.12, 0.06, 0.03)),
    ("motion", moving, (8, 24, 48, 96, 160)),
    ("turned", turned, (20, 45, 90, 135, 180)),
    ("bars", barred, (0.1, 0.25, 0.4, 0.55, 0.7)),
)


def frames(folder: pathlib.Path) -> dict[str, Image.Image]:
    """Returns the frames of the clip at MOMENTS."""
    pipeline = f"filesrc location={CLIP} ! decodebin ! videoconvert ! pngenc ! multifilesink location={folder}/%d.png"
    subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], check=True)
    return {name: Image.open(folder / f"{round(time * FPS)}.png").convert("RGB") for name, time in MOMENTS.items()}


def draw(runner: Runner, folder: pathlib.Path) -> Image.Image:
    """Returns the whole drawing."""
    shown = frames(folder)
    columns = max(len(levels) for _, _, levels in ROWS)
    sheet = Image.new("RGB", (columns * WIDTH, 2 * len(ROWS) * (HEIGHT + CAPTION)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    rows = [(animal, *row) for row in ROWS for animal in ("cat", "dog")]
    for row, (animal, name, change, levels) in enumerate(rows):
        for column, level in enumerate(levels):
            picture = change(shown[animal], shown["room"], level)
            file = folder / "picture.png"
            picture.save(file)
            found = runner.frames(file)[0]
            accepted = found["label"] if found["accepted"] else "unknown"
            color = RIGHT if accepted == animal else WRONG if accepted in ("cat", "dog") else MISSED
            x, y = column * WIDTH, row * (HEIGHT + CAPTION)
            sheet.paste(picture.resize((WIDTH - 8, HEIGHT - 8)), (x + 4, y + 4))
            pen.rectangle((x + 1, y + 1, x + WIDTH - 2, y + HEIGHT - 2), outline=color, width=3)
            text = f"{name} {level:g}: {accepted} {100 * found['confidence']:.0f} %"
            pen.text((x + 4, y + HEIGHT + 2), text, color, font)
    return sheet


def main() -> int:
    """Draws the picture."""
    parser = argparse.ArgumentParser(prog="draw_limits", description="Draws models/card/limits.png.")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("--model")
    options = parser.parse_args()
    try:
        runner = Runner(load_gstreamer(), options.model, None)
        with tempfile.TemporaryDirectory() as folder:
            sheet = draw(runner, pathlib.Path(folder))
        sheet.quantize(128).save(options.out, optimize=True)
    except (UnusableError, OSError, subprocess.CalledProcessError) as error:
        print(f"draw_limits: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes the demo clip models/demo/demo.mp4 and its true labels, labels.csv.

Usage: PYTHONPATH=python /usr/bin/python3 -m demo.make_clip [--out FOLDER] [--stills SECONDS]

Draws the room, the cat and the dog, moves them in front of a camera, and encodes the frames. Needs the Debian packages
python3-numpy, python3-pil, librsvg2-bin and ffmpeg.
"""

import argparse
import io
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from demo import draw_cat, draw_dog

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parents[1] / "models" / "demo"
SIZE = (640, 480)
# Frames are composed this many times larger and then reduced.
SUPERSAMPLING = 2
FPS = 25
# Seconds in which an animal enters or leaves.
MOVE = 0.32
# Radii of the blurred copies of the room, in pixels of the composed frame. The room is blurred behind an animal.
BLURS = (0, 3, 6, 10, 14)

# (seconds, label) of each scene. Between two scenes an animal moves for MOVE seconds, without a label.
SCENES = ((2.8, "neither"), (3.5, "cat"), (1.3, "neither"), (3.5, "dog"), (0.7, "neither"))

# Key frames of the camera: (time, center x, center y, width), in units of room.svg.
CAMERA = (
    (0.0, 455, 350, 860),
    (3.0, 500, 372, 760),
    (6.8, 535, 368, 700),
    (8.6, 560, 372, 740),
    (12.4, 520, 362, 690),
    (14.0, 500, 360, 740),
)


class ClipError(Exception):
    """The clip cannot be made. The message says why."""


class Scene(NamedTuple):
    """A part of the clip with one label; times are in seconds."""

    start: float
    end: float
    label: str


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the checked options."""
    parser = argparse.ArgumentParser(
        prog="make_clip.py", description="Makes demo.mp4 and labels.csv, the demo clip and its true labels."
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=pathlib.Path, default=OUT, help="the folder to write to (default: models/demo)"
    )
    parser.add_argument(
        "--stills", metavar="SECONDS", type=float, help="write a frame every SECONDS as PNG instead of the clip"
    )
    options = parser.parse_args(argv)
    if not options.out.is_dir():
        parser.error(f"there is no folder {options.out}")
    if options.stills is not None and not 0.02 <= options.stills <= 60:
        parser.error("--stills takes 0.02 to 60 seconds")
    return options


def scenes() -> tuple[list[Scene], float]:
    """Returns all scenes, and the duration of the clip."""
    found, time = [], 0.0
    for length, label in SCENES:
        found.append(Scene(time, time + length, label))
        time += length + MOVE
    return found, time - MOVE


def find_tool(name: str, package: str) -> str:
    """Returns the path of a program. Raises ClipError with the name of its package if it is missing."""
    path = shutil.which(name)
    if not path:
        raise ClipError(f"{name} is missing: apt install {package}")
    return path


def render(svg: str, zoom: float) -> Image.Image:
    """Renders an SVG document to an RGBA image."""
    command = [find_tool("rsvg-convert", "librsvg2-bin"), "--unlimited", "--zoom", f"{zoom:.5f}"]
    done = subprocess.run(command, input=svg.encode("utf-8"), capture_output=True)
    if done.returncode != 0:
        raise ClipError(f"rsvg-convert: {done.stderr.decode('utf-8', 'replace').strip()}")
    return Image.open(io.BytesIO(done.stdout)).convert("RGBA")


def ease(t: float) -> float:
    """Returns 0 for t <= 0, 1 for t >= 1, and a smooth transition between them."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def interpolate(keys: Sequence[tuple[float, ...]], time: float) -> list[float]:
    """Returns the values at a time, interpolated between key frames. The first number of a key frame is its time."""
    before = keys[0]
    for key in keys:
        if key[0] >= time:
            span = key[0] - before[0]
            t = ease((time - before[0]) / span) if span else 0.0
            return [a + (b - a) * t for a, b in zip(before[1:], key[1:])]
        before = key
    return list(before[1:])


# Key frames of the head: (seconds since the scene began, tilt in degrees, shift x, shift y in pixels).
POSES = {
    "cat": ((0.0, 2, 0, 0), (0.6, -2, 0, 0), (1.5, -6, -5, 1), (2.1, -5, -5, 1), (2.9, 3, 3, 0), (3.5, 2, 2, 0)),
    "dog": ((0.0, -2, 0, 0), (0.7, 2, 0, -2), (1.5, 7, 5, 0), (2.2, 6, 5, 1), (3.0, -3, -3, 0), (3.5, -2, -2, 0)),
}
# Seconds since the scene began at which the cat closes its eyes.
BLINKS = (1.0, 2.5)
# The position of each animal relative to the middle of the frame, in pixels.
POSITIONS = {"cat": (-14, -22), "dog": (16, -22)}
# The size of the drawings in the frame.
ANIMAL_ZOOM = 0.88


class Animal:
    """An animal, rendered part by part."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.parts = [(part, render(svg, SUPERSAMPLING)) for part, svg in module.layers()]
        self.pivot: tuple[float, float] = module.PIVOT
        self.size: tuple[int, int] = (module.WIDTH, module.HEIGHT)

    def draw(self, frame: Image.Image, time: float, entered: float) -> None:
        """Draws the animal over a frame. `entered` is 0 when the animal is out of view, 1 when it is in place."""
        tilt, shift_x, shift_y = interpolate(POSES[self.name], time)
        zoom = ANIMAL_ZOOM * (1.0 + 0.006 * max(0.0, time))
        left: float
        top: float
        left, top = POSITIONS[self.name]
        if self.name == "cat":
            top += (1 - entered) * 500
        else:
            left += (1 - entered) * 620
        breath = math.sin(2 * math.pi * time / (1.9 if self.name == "cat" else 0.8))
        eyes_closed = any(start <= time < start + 0.15 for start in BLINKS)
        for part, image in self.parts:
            if part == "lids" and not eyes_closed:
                continue
            head = part != "body"
            pant = math.sin(2 * math.pi * 2.6 * time) if part == "jaw" else 0.0
            angle = math.radians(tilt if head else 0.12 * tilt)
            px, py = self.pivot
            cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
            # The position of the pivot in the frame.
            fx = SIZE[0] / 2 + left + (px - self.size[0] / 2) * zoom + (shift_x if head else 0.2 * shift_x)
            lift = shift_y + 0.5 * breath + 1.3 * pant if head else 0.6 * breath
            fy = SIZE[1] / 2 + top + (py - SIZE[1] / 2) * zoom + lift
            s = SUPERSAMPLING
            matrix = (cos, sin, s * (px - cos * fx - sin * fy), -sin, cos, s * (py + sin * fx - cos * fy))
            moved = image.transform(frame.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
            frame.alpha_composite(moved)


class Film:
    """Renders the frames of the clip."""

    def __init__(self) -> None:
        room = render((HERE / "room.svg").read_text(encoding="utf-8"), SUPERSAMPLING)
        self.rooms = [room.filter(ImageFilter.GaussianBlur(radius)) if radius else room for radius in BLURS]
        self.animals = {"cat": Animal("cat", draw_cat), "dog": Animal("dog", draw_dog)}
        self.scenes, self.duration = scenes()
        y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
        r2 = ((x - SIZE[0] / 2) / (SIZE[0] / 2)) ** 2 + ((y - SIZE[1] / 2) / (SIZE[1] / 2)) ** 2
        self.vignette = (1.0 - 0.16 * r2**1.3 / 2)[..., None]

    @property
    def frame_count(self) -> int:
        """The number of frames in the clip."""
        return round(self.duration * FPS)

    def room(self, time: float, blur: float) -> Image.Image:
        """Returns the room as the camera sees it. `blur` is 0 for a sharp room, 1 for the strongest blur."""
        center_x, center_y, width = interpolate(CAMERA, time)
        step = width / SIZE[0]
        at = blur * (len(BLURS) - 1)
        low = int(at)
        left, top = center_x - width / 2, center_y - step * SIZE[1] / 2
        matrix = (step, 0, SUPERSAMPLING * left, 0, step, SUPERSAMPLING * top)
        size = (SIZE[0] * SUPERSAMPLING, SIZE[1] * SUPERSAMPLING)
        views = [
            room.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
            for room in self.rooms[low : low + 2]
        ]
        return views[0] if len(views) == 1 or at == low else Image.blend(views[0], views[1], at - low)

    def frame(self, number: int) -> np.ndarray:
        """Returns one frame as RGB bytes."""
        time = number / FPS
        animal, since, entered = None, 0.0, 0.0
        for start, end, label in self.scenes:
            if label != "neither" and start - MOVE < time < end + MOVE:
                animal, since = self.animals[label], time - start
                entered = min(ease((time - start) / MOVE + 1), ease((end - time) / MOVE + 1))
        image = self.room(time, entered)
        exposure = 1.0 - 0.10 * entered
        if animal is not None and entered > 0:
            image = Image.eval(image, lambda level: int(level * exposure + 0.5))
            image.putalpha(255)
            animal.draw(image, since, entered)
        pixels = np.asarray(image.convert("RGB").reduce(SUPERSAMPLING), dtype=np.float32)
        grain = np.random.RandomState(number).normal(0, 0.7, pixels.shape[:2])
        return np.clip(pixels * self.vignette + grain[..., None] + 0.5, 0, 255).astype(np.uint8)


def write_labels(path: pathlib.Path, parts: Sequence[Scene]) -> None:
    """Writes labels.csv."""
    with open(path, "w", encoding="ascii") as file:
        file.write("start,end,label\n")
        for start, end, label in parts:
            file.write(f"{start:.2f},{end:.2f},{label}\n")


def encode(film: Film, path: pathlib.Path) -> None:
    """Writes the clip, with options that make the encoder's output reproducible."""
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(FPS), "-i", "-"]
    color = ["-vf", "scale=out_color_matrix=bt601:out_range=tv", "-pix_fmt", "yuv420p"]
    color += ["-colorspace", "smpte170m", "-color_range", "tv"]
    codec = ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "slower", "-crf", "29", "-g", str(FPS)]
    reproducible = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    sink = ["-movflags", "+faststart", "-f", "mp4", str(path)]
    command = [find_tool("ffmpeg", "ffmpeg"), "-y", "-v", "error", *source, *color, *codec, *reproducible, *sink]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        try:
            for number in range(film.frame_count):
                encoder.stdin.write(film.frame(number).tobytes())
            encoder.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg has failed; its exit code is checked below
    if encoder.returncode != 0:
        raise ClipError("ffmpeg could not encode the clip")


def make(options: argparse.Namespace) -> None:
    """Makes the clip or the stills. Files appear in the output folder only when all of them are complete."""
    find_tool("rsvg-convert", "librsvg2-bin")
    if options.stills is None:
        find_tool("ffmpeg", "ffmpeg")
    film = Film()
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".making-") as name:
        folder = pathlib.Path(name)
        if options.stills is not None:
            step = max(1, round(options.stills * FPS))
            for number in range(0, film.frame_count, step):
                Image.fromarray(film.frame(number)).save(folder / f"still-{number / FPS:05.2f}.png")
        else:
            encode(film, folder / "demo.mp4")
            write_labels(folder / "labels.csv", film.scenes)
        files = sorted(folder.iterdir())
        for file in files:
            os.replace(file, options.out / file.name)
    if options.stills is None:
        size = (options.out / "demo.mp4").stat().st_size
        print(f"demo.mp4: {film.duration:.1f} s, {(size + 500) // 1000} kB; labels.csv")
    else:
        print(f"{len(files)} stills in {options.out}")


def main() -> int:
    """Makes the clip and returns the exit code."""
    try:
        make(parse_arguments(sys.argv[1:]))
    except (ClipError, OSError) as error:
        print(f"make_clip.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the pictures of the load-time probe, `crates/catdog-core/src/classifier/probe_pictures.rgb`.

The file has twelve pictures of 64 x 64 pixels, one after another, as bytes R, G, B without a header. Nine are from the
sample data of scikit-image 0.18.3, all CC0 or in the public domain; three are frames of the project's demo clip.

    pip download --no-deps --no-binary :all: scikit-image==0.18.3
    tar xzf scikit-image-0.18.3.tar.gz scikit-image-0.18.3/skimage/data
    PYTHONPATH=python python3 -m probe.make_pictures scikit-image-0.18.3/skimage/data

It needs Pillow and the program ffmpeg.
"""

import argparse
import io
import subprocess
from pathlib import Path

from PIL import Image

SIDE = 64
ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "crates/catdog-core/src/classifier/probe_pictures.rgb"
CLIP = ROOT / "models/demo/demo.mp4"

# File and box (left, top, right, bottom; None for the largest centered square) of each sample picture.
#
# astronaut, hubble_deep_field: NASA, public domain. chelsea: Stefan van der Walt, CC0. coffee: Rachel Michetti, CC0.
# rocket: SpaceX, CC0. ihc: public domain. retina: Andreas Maier and others, CC0.
SAMPLES: list[tuple[str, tuple[int, int, int, int] | None]] = [
    ("astronaut.png", None),
    ("astronaut.png", (130, 0, 320, 190)),
    ("chelsea.png", None),
    ("chelsea.png", (100, 40, 300, 240)),
    ("coffee.png", None),
    ("rocket.jpg", None),
    ("hubble_deep_field.jpg", None),
    ("ihc.png", None),
    ("retina.jpg", None),
]
# Times in the demo clip, in seconds: the empty room, the cat, the dog.
FRAMES = [0.5, 4.0, 8.5]


def square(picture: Image.Image, box: tuple[int, int, int, int] | None) -> Image.Image:
    """Returns the part of the picture in the box, at the size of the probe."""
    if box is None:
        width, height = picture.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    return picture.convert("RGB").crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def clip_frame(seconds: float) -> Image.Image:
    """Returns the frame of the demo clip at this time."""
    command = ["ffmpeg", "-v", "error", "-ss", str(seconds), "-i", str(CLIP)]
    command += ["-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-"]
    return Image.open(io.BytesIO(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, help="the folder skimage/data of scikit-image 0.18.3")
    parser.add_argument("--preview", type=Path, help="also write a PNG with all pictures in a row")
    arguments = parser.parse_args()
    pictures = [square(Image.open(arguments.data / name), box) for name, box in SAMPLES]
    pictures += [square(clip_frame(seconds), None) for seconds in FRAMES]
    TARGET.write_bytes(b"".join(picture.tobytes() for picture in pictures))
    if arguments.preview:
        row = Image.new("RGB", (SIDE * len(pictures), SIDE))
        for index, picture in enumerate(pictures):
            row.paste(picture, (SIDE * index, 0))
        row.save(arguments.preview)


if __name__ == "__main__":
    main()

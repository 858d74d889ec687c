"""Makes masks of the things in photos with a semantic segmentation model, for models/train --masks.

    target/train-venv/bin/python python/masks.py --model deeplab.tflite --data DATA --out MASKS \\
      --classes cats=8,dogs=12,neither=3+10+13+15+17

The model is a .tflite file that maps a picture (1, height, width, 3) of uint8 pixels to the class number of each pixel
(1, height, width). The numbers above are those of PASCAL VOC, with which DeepLabv3 models are trained: 8 is cat, 12 is
dog, and 3, 10, 13, 15 and 17 are bird, cow, horse, person and sheep. MASKS gets a PNG for each photo with a usable
mask: MASKS/train/cats/1.png for DATA/train/cats/1.jpg. What exists is not made again.
"""

import argparse
import io
import pathlib
import sys
from typing import Any

import numpy as np
from PIL import Image

from catdog_train import dataset
from catdog_train.dataset import InputError

# A thing that covers less of the photo has too few pixels to be shown larger; one that covers more has no outline.
MIN_SHARE, MAX_SHARE = 0.03, 0.9
# Pixels of other classes that are things, as a share of those of the class. With more, the model is unsure what it is.
MAX_OTHER = 0.1
SIDE = 256  # of a mask, in pixels


def groups(text: str) -> dict[str, list[int]]:
    """Parses `cats=8,neither=3+10` to {"cats": [8], "neither": [3, 10]}."""
    found = {}
    for part in text.split(","):
        name, _, numbers = part.partition("=")
        try:
            found[name] = [int(number) for number in numbers.split("+")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected folder=number+number: {part}") from None
    return found


def mask_of(classes: np.ndarray, wanted: list[int], others: list[int]) -> np.ndarray | None:
    """Returns the mask (height, width), true where the thing is; None if it is not usable.

    `classes` has the class number of each pixel; `wanted` are those of the thing, `others` those of things of the other
    class folders.
    """
    inside = np.isin(classes, wanted)
    other = np.isin(classes, [number for number in others if number not in wanted])
    usable = MIN_SHARE < inside.mean() < MAX_SHARE and other.mean() < MAX_OTHER * inside.mean()
    return inside if usable else None


class Segmentation:
    """A segmentation model in the LiteRT interpreter."""

    def __init__(self, file: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self.interpreter = Interpreter(model_path=file)
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"--model: {file} cannot be run: {str(error).splitlines()[0]}") from None
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        shape, result = self.input["shape"], self.output["shape"]
        fits = len(shape) == 4 and shape[3] == 3 and self.input["dtype"] == np.uint8
        if not fits or len(result) != 3:
            raise InputError(
                f"--model: {file} maps {shape.tolist()} to {result.tolist()}; expected uint8 pixels "
                "[1, height, width, 3] to class numbers [1, height, width]"
            )

    def classes_of(self, image: Image.Image) -> np.ndarray:
        """Returns the class number of each pixel of a photo, stretched to the size of the model."""
        _, height, width, _ = self.input["shape"]
        pixels = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        self.interpreter.set_tensor(self.input["index"], pixels[None])
        self.interpreter.invoke()
        classes: np.ndarray = self.interpreter.get_tensor(self.output["index"])[0]
        return classes


def make_masks(options: argparse.Namespace, model: Any) -> tuple[int, int]:
    """Writes the masks. Returns the numbers of photos and of masks."""
    photos = masks = 0
    things = [number for numbers in options.classes.values() for number in numbers]
    for folder in dataset.data_folders(options.data):
        for name, wanted in options.classes.items():
            for photo in sorted((folder / name).glob("*")) if (folder / name).is_dir() else []:
                if photo.suffix.lower() not in dataset.SUFFIXES:
                    continue
                photos += 1
                target = dataset.place_of_mask(photo, pathlib.Path(options.out))
                if target.exists():
                    masks += 1
                    continue
                try:
                    # Upright, as the training reads it.
                    encoded = dataset.read_image(dataset.ImageFile(photo, 0, ""), SIDE).encoded
                    classes = model.classes_of(Image.open(io.BytesIO(encoded)))
                except dataset.UNREADABLE as error:
                    print(f"skipped: {photo} cannot be read: {error}")
                    continue
                mask = mask_of(classes, wanted, things)
                if mask is None:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                picture = Image.fromarray((255 * mask).astype(np.uint8))
                picture.resize((SIDE, SIDE), Image.Resampling.BOX).save(target)
                masks += 1
            print(f"{folder.name}/{name}: {masks} masks of {photos} photos so far", flush=True)
    return photos, masks


def main() -> int:
    """Makes the masks and returns the exit code: 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="masks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="the segmentation model (.tflite)")
    parser.add_argument("--data", required=True, metavar="DIR", help="the data folder, as for models/train")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the masks")
    parser.add_argument("--classes", required=True, type=groups, help="the class numbers of each class folder")
    options = parser.parse_args()
    try:
        photos, masks = make_masks(options, Segmentation(options.model))
    except InputError as error:
        print(f"masks: {error}", file=sys.stderr)
        return 2
    print(f"{masks} masks of {photos} photos")
    return 0

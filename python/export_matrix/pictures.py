"""Draws the pictures of the matrix: one shape on a background of smooth noise.

The class depends on the color, the shape and the absolute pixel values. A wrong channel order confuses red and blue, a
wrong range of the input confuses black, gray and white. All pictures come from a seeded generator.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 160, 120
COLOR_CLASSES = ("red disc", "red cross", "blue disc", "black square", "gray square", "white square")
GRAY_CLASSES = ("black disc", "white disc", "white cross", "black square", "gray square", "white square")
# The classes that a model of one score separates, of the tuples above: below zero, above zero.
BINARY = {"color": (3, 5), "gray": (3, 5)}
TEST_PICTURES = 24


class Pictures(NamedTuple):
    """Pictures of a task, with their classes."""

    images: list[Image.Image]
    classes: np.ndarray


def background(random: np.random.Generator) -> np.ndarray:
    """Returns smooth noise around a random gray, with a faint tint: (HEIGHT, WIDTH, 3) in 0..255."""
    base = random.uniform(50, 205)
    values = np.full((HEIGHT, WIDTH, 3), base) + random.uniform(-12, 12, 3)
    for cells, strength in ((2, 18), (5, 12), (24, 8)):
        coarse = random.normal(0, strength * 0.3, (cells, cells, 3)) + random.normal(0, strength, (cells, cells, 1))
        small = Image.fromarray(np.clip(coarse + 128, 0, 255).astype(np.uint8))
        values += np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32) - 128
    return np.clip(values, 0, 255)


def color_of(name: str, random: np.random.Generator) -> np.ndarray:
    """Returns a shade of the named color, red, green and blue in 0..255."""
    low, high = {
        "red": ((190, 0, 0), (255, 50, 50)),
        "blue": ((0, 0, 190), (50, 50, 255)),
        "black": ((0, 0, 0), (22, 22, 22)),
        "gray": ((118, 118, 118), (138, 138, 138)),
        "white": ((235, 235, 235), (255, 255, 255)),
    }[name]
    return random.uniform(low, high)


def shape_mask(shape: str, random: np.random.Generator) -> np.ndarray:
    """Returns the coverage of the shape at a random place: (HEIGHT, WIDTH) in 0..1."""
    size = random.uniform(0.5, 0.7) * HEIGHT
    left, top = random.uniform(4, WIDTH - size - 4), random.uniform(4, HEIGHT - size - 4)
    mask = Image.new("L", (WIDTH * 2, HEIGHT * 2))
    draw = ImageDraw.Draw(mask)
    box = [2 * left, 2 * top, 2 * (left + size), 2 * (top + size)]
    if shape == "disc":
        draw.ellipse(box, fill=255)
    elif shape == "square":
        draw.rectangle(box, fill=255)
    else:
        third = 2 * size / 3
        draw.rectangle([box[0], box[1] + third, box[2], box[3] - third], fill=255)
        draw.rectangle([box[0] + third, box[1], box[2] - third, box[3]], fill=255)
    return np.asarray(mask.resize((WIDTH, HEIGHT), Image.Resampling.BOX), np.float32) / 255


def draw_picture(name: str, random: np.random.Generator) -> Image.Image:
    """Returns a picture of the class with this name."""
    color, shape = name.split()
    mask = shape_mask(shape, random)[:, :, None]
    ground = background(random)
    # A shape that is as bright as its background has no visible edge.
    while abs(ground.mean() - color_of(color, random).mean()) < 35:
        ground = background(random)
    pixels = ground * (1 - mask) + (color_of(color, random) + random.normal(0, 3, ground.shape)) * mask
    return Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def make(classes: Sequence[str], count: int, seed: int) -> Pictures:
    """Returns `count` pictures; each class has the same share."""
    random = np.random.default_rng(seed)
    numbers = np.arange(count) % len(classes)
    return Pictures([draw_picture(classes[int(number)], random) for number in numbers], numbers)


def classes_of(task: str) -> tuple[str, ...]:
    """Returns the classes of the task "color" or "gray"."""
    return COLOR_CLASSES if task == "color" else GRAY_CLASSES


def test_pictures(task: str) -> Pictures:
    """Returns the pictures on which a task is compared."""
    return make(classes_of(task), TEST_PICTURES, seed=2 if task == "color" else 3)


def training_pictures(task: str, count: int) -> Pictures:
    """Returns the pictures with which the networks of a task are trained."""
    return make(classes_of(task), count, seed=20 if task == "color" else 30)


def resized(images: Sequence[Image.Image], size: int, gray: bool) -> np.ndarray:
    """Returns the pictures stretched to size x size with Pillow's antialiased bilinear filter: uint8, NHWC."""
    mode = "L" if gray else "RGB"
    arrays = [np.asarray(i.convert(mode).resize((size, size), Image.Resampling.BILINEAR), np.uint8) for i in images]
    pixels = np.stack(arrays)
    return pixels[..., None] if gray else pixels


def save(pictures: Pictures, folder: pathlib.Path) -> list[str]:
    """Writes the pictures as PNG files and returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:02d}.png" for number in range(len(pictures.images))]
    for name, image in zip(names, pictures.images):
        image.save(folder / name)
    return names

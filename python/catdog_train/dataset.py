"""Reads images from class folders and splits them into a training and a validation set.

A data folder has one class folder per class. Class folders with the same name in several data folders are the same
class. Every image is decoded once when it is read, so that a damaged file is reported at the start and does not end
the training after an hour. Images stay in memory as encoded bytes (JPEG or PNG); images much larger than the input of
the network are downscaled first.

The split depends on file names only, so that the same folders are always split the same way. Images whose names
differ only in a number at the end (`burst_1.jpg`, `burst_2.jpg`) form a group of at most MAX_GROUP images and go to
the same set: a validation set of frames next to those of the training set would overrate every model.
"""

import collections
import fnmatch
import hashlib
import io
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from PIL import Image, ImageOps

# A folder with this name holds the initial weights of the network and is not a class folder.
BACKBONE = "backbone"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
MAX_GROUP = 20
# Images larger than this multiple of the input size are downscaled when they are read. Random crops stay sharp.
MAX_SCALE = 2.5
EXIF_ORIENTATION = 0x0112


class InputError(Exception):
    """An input that the user has to change. The message is one line that names it and says what to do."""


class ImageFile(NamedTuple):
    """An image of the data set. Images with the same label and group go to the same part of the split."""

    path: pathlib.Path
    label: int
    group: str


class Task(NamedTuple):
    """The data of a training: encoded images with their labels, for both parts of the split."""

    class_names: list[str]
    background: int | None  # the label of the class that shows none of the others
    images: list[bytes]
    labels: list[int]
    validation_images: list[bytes]
    validation_labels: list[int]


def data_folders(folder: str) -> list[pathlib.Path]:
    """Returns the folders that contain the class folders: `folder`, or its sub-folders `train` and `train_extra`."""
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise InputError(f"there is no folder {root}")
    parts = [root / name for name in ("train", "train_extra")]
    return [part for part in parts if part.is_dir() and list_folder(part)[0]] or [root]


def list_folder(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the sorted sub-folders and the sorted files of `folder`, without hidden ones."""
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]


def find_images(
    folders: Iterable[pathlib.Path], exclude: Sequence[str] = ()
) -> tuple[list[ImageFile], list[str], list[pathlib.Path]]:
    """Returns the images below `folders`, the class names and the files that are not images, all sorted.

    `exclude` has patterns of images to skip, as `class/file`. Raises InputError for a folder without class folders, a
    class folder without images or with sub-folders, and fewer than two classes.
    """
    by_class: dict[str, list[pathlib.Path]] = collections.defaultdict(list)
    skipped: list[pathlib.Path] = []
    for folder in folders:
        class_folders = [p for p in list_folder(folder)[0] if p.name != BACKBONE]
        if not class_folders:
            raise InputError(f"{folder} has no sub-folders; put the images of each class into a folder of its own")
        for class_folder in class_folders:
            images, other = images_of_class(class_folder)
            skipped += other
            names = ((p, f"{class_folder.name}/{p.name}") for p in images)
            by_class[class_folder.name] += [
                p for p, name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)
            ]
    if len(by_class) < 2:
        raise InputError(
            f"there is only one class, {next(iter(by_class))}; a classifier needs at least two sub-folders"
        )
    classes = sorted(by_class)
    found = [image for label, name in enumerate(classes) for image in grouped(by_class[name], label)]
    return found, classes, skipped


def images_of_class(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the images and the other files of a class folder."""
    deeper, files = list_folder(folder)
    if deeper:
        raise InputError(f"{deeper[0]} is a folder inside a class folder; move its images to {folder}")
    images = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not images:
        raise InputError(f"{folder} contains no images ({', '.join(sorted(SUFFIXES))})")
    return images, [p for p in files if p.suffix.lower() not in SUFFIXES]


def grouped(paths: Sequence[pathlib.Path], label: int) -> list[ImageFile]:
    """Returns the images of one class with their groups: the file name without a number at its end."""
    stems = [re.sub(r"\d+$", "", p.stem) for p in paths]
    sizes = collections.Counter(stems)
    return [
        ImageFile(path, label, stem if stem and sizes[stem] <= MAX_GROUP else path.stem)
        for path, stem in zip(paths, stems)
    ]


def split(images: Sequence[ImageFile], share: float) -> tuple[list[ImageFile], list[ImageFile]]:
    """Returns (training, validation). About `share` of the groups of each class go to validation, at least one."""
    training: list[ImageFile] = []
    validation: list[ImageFile] = []
    for label in sorted({image.label for image in images}):
        own = [image for image in images if image.label == label]
        lowest = min(split_key(image) for image in own)
        for image in own:
            key = split_key(image)
            (validation if key < share or key == lowest else training).append(image)
        if not any(image.label == label for image in training):
            raise InputError(f"{own[0].path.parent} has too few images for training and validation; add some")
    return training, validation


def split_key(image: ImageFile) -> float:
    """Returns a number in 0..1 that depends only on class and group."""
    digest = hashlib.sha256(f"{image.path.parent.name}/{image.group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read_image(file: ImageFile, size: int) -> bytes:
    """Returns the image as JPEG or PNG bytes in RGB, its shorter side at most MAX_SCALE * `size` pixels.

    Raises InputError for a file that cannot be decoded.
    """
    try:
        raw = file.path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about malformed EXIF data, which does not affect the pixels
            image: Image.Image = Image.open(io.BytesIO(raw))
            kind, mode = image.format, image.mode
            rotated = image.getexif().get(EXIF_ORIENTATION, 1) != 1
            image.load()
            scale = MAX_SCALE * size / min(image.size)
            if kind in ("JPEG", "PNG") and mode == "RGB" and scale >= 1 and not rotated:
                return raw
            image = ImageOps.exif_transpose(image).convert("RGB")
            if scale < 1:
                width, height = (max(1, round(n * scale)) for n in image.size)
                image = image.resize((width, height), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{file.path} cannot be read: {error}; remove or replace it") from None
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def fingerprint(*parts: Sequence[ImageFile]) -> str:
    """Returns a hash of the file names in each part of a split. Equal hashes mean an equal split."""
    names = ["\n".join(f"{image.path.parent.name}/{image.path.name}" for image in part) for part in parts]
    return hashlib.sha256("\n\n".join(names).encode()).hexdigest()


def write(path: pathlib.Path, content: bytes | Callable[[pathlib.Path], object]) -> None:
    """Writes a file atomically. `content` is its bytes, or a function that writes them to the path it is given."""
    temporary = path.with_name("part-" + path.name)
    if callable(content):
        content(temporary)
    else:
        temporary.write_bytes(content)
    # The data has to reach the disk before the new name does: a power cut could otherwise leave an empty file.
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)

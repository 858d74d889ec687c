"""Pictures in folders -> training and validation sets.

A data folder holds one sub-folder for each class; the same sub-folder name in several data folders is the same
class. Pictures are checked once, when they are read, so that a damaged one is a line at the start and not an
exception after an hour. They stay in memory as they are stored (JPEG or PNG); photos much larger than the network's
input are scaled down first.

The split is by name, not by chance: the same folder is split the same way again. Pictures whose names differ in the
last number only (`burst_1.jpg`, `burst_2.jpg`) are kept together where there are at most `LARGEST_GROUP` of them: a
validation set of the next frames of what was trained on would find every model good.
"""

import collections
import fnmatch
import hashlib
import io
import os
import pathlib
import re
import warnings

from PIL import Image, ImageOps

BACKBONE = "backbone"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
LARGEST_GROUP = 20
# Pictures larger than this many times the input are scaled down when they are read: random crops are still sharp.
LARGEST_SCALE = 2.5


class BadInput(Exception):
    """Something the user has to change: one line that names it and says what to do."""


Picture = collections.namedtuple("Picture", "path label group")
# Class names in order, the label of the class that shows none of the others (or None), and for both parts of the
# split the pictures as stored bytes with their labels.
Task = collections.namedtuple("Task", "labels background raws targets validation_raws validation_targets")


def data_folders(folder):
    """The folders of class sub-folders below `folder`: itself, or its `train` and `train_extra`."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}")
    parts = [folder / name for name in ("train", "train_extra")]
    return [part for part in parts if part.is_dir() and inside(part)[0]] or [folder]


def inside(folder):
    """(folders, files) in `folder`, sorted, without those that are hidden."""
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]


def find(folders, exclude=()):
    """All pictures below `folders`, sorted, the class names, sorted, and the files that are no pictures: three lists.

    `exclude`: patterns of pictures to leave out, as `class/file`. A folder BACKBONE is no class. Raises BadInput for a
    folder without classes or pictures, for one inside a class, and for fewer than two classes.
    """
    by_class, others = collections.defaultdict(list), []
    for folder in folders:
        classes = [p for p in inside(folder)[0] if p.name != BACKBONE]
        if not classes:
            raise BadInput(f"{folder} has no sub-folders: put the pictures of each class into one of its own")
        for sub in classes:
            deeper, files = inside(sub)
            if deeper:
                raise BadInput(f"{deeper[0]} is a folder inside a class: put its pictures into {sub} itself")
            pictures = [p for p in files if p.suffix.lower() in SUFFIXES]
            if not pictures:
                raise BadInput(f"{sub} holds no pictures ({', '.join(sorted(SUFFIXES))})")
            others += [p for p in files if p.suffix.lower() not in SUFFIXES]
            names = ((p, f"{sub.name}/{p.name}") for p in pictures)
            by_class[sub.name] += [p for p, name in names if not any(fnmatch.fnmatchcase(name, e) for e in exclude)]
    if len(by_class) < 2:
        raise BadInput(f"there is one class only, {next(iter(by_class))}: a classifier needs two or more sub-folders")
    classes = sorted(by_class)
    pictures = []
    for label, name in enumerate(classes):
        stems = [re.sub(r"\d+$", "", p.stem) for p in by_class[name]]
        sizes = collections.Counter(stems)
        pictures += [
            Picture(path, label, stem if stem and sizes[stem] <= LARGEST_GROUP else path.stem)
            for path, stem in zip(by_class[name], stems)
        ]
    return pictures, classes, others


def split(pictures, share):
    """(training, validation): about `share` of the groups of each class go to validation, at least one of each."""
    training, validation = [], []
    for label in sorted({p.label for p in pictures}):
        own = [p for p in pictures if p.label == label]
        lowest = min(place(p) for p in own)
        for p in own:
            (validation if place(p) < share or place(p) == lowest else training).append(p)
        if not any(p.label == label for p in training):
            raise BadInput(f"{own[0].path.parent} holds too few pictures to train and to validate with: add some")
    return training, validation


def place(picture):
    """A number in 0..1 that depends on class and group only."""
    digest = hashlib.sha256(f"{picture.path.parent.name}/{picture.group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read(picture, size):
    """The picture as JPEG or PNG bytes in RGB, its shorter side at most LARGEST_SCALE * `size` pixels.

    Raises BadInput for a file that cannot be decoded.
    """
    try:
        raw = picture.path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF data, which says nothing about the pixels
            image = Image.open(io.BytesIO(raw))
            kind, mode, turned = image.format, image.mode, image.getexif().get(0x0112, 1) != 1
            image.load()
            scale = LARGEST_SCALE * size / min(image.size)
            if kind in ("JPEG", "PNG") and mode == "RGB" and scale >= 1 and not turned:
                return raw
            image = ImageOps.exif_transpose(image).convert("RGB")
            if scale < 1:
                image = image.resize([max(1, round(n * scale)) for n in image.size], Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"{picture.path} cannot be read: {error}; remove or replace it") from None
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def fingerprint(*parts):
    """Of the names in each part of a split: whether a later run has the same."""
    names = ["\n".join(f"{p.path.parent.name}/{p.path.name}" for p in part) for part in parts]
    return hashlib.sha256("\n\n".join(names).encode()).hexdigest()


def write(path, content):
    """All or nothing: bytes, or what `content`, a function, writes into the file it is given."""
    temporary = path.with_name("part-" + path.name)
    if callable(content):
        content(temporary)
    else:
        temporary.write_bytes(content)
    # On the disk before its name is: a power cut else leaves the name of an empty file.
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)

"""Pictures in folders -> training and validation sets.

A data folder holds one sub-folder for each class; the same sub-folder name in several data folders is the same
class. Pictures are checked once, when they are read, so that a damaged one is a line at the start and not an
exception after an hour. They stay in memory as they are stored (JPEG or PNG); photos much larger than the network's
input are scaled down first.

The split is by name, not by chance: the same picture is on the same side whatever else is in the folder. Pictures
whose names differ in digits only (`burst_1.jpg`, `burst_2.jpg`) are kept together where there are at most
`LARGEST_GROUP` of them: a validation set of the next frames of what was trained on would find every model good.
"""

import collections
import hashlib
import io
import pathlib
import re
import warnings

from PIL import Image, ImageOps

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
    parts = [folder / name for name in ("train", "train_extra") if (folder / name).is_dir()]
    return parts or [folder]


def find(folders, exclude=()):
    """All pictures below `folders`, sorted, and the class names, sorted: (pictures, classes).

    `exclude` names pictures to leave out, as `class/file`. Raises BadInput for a folder without classes or
    pictures, and for fewer than two classes.
    """
    by_class = collections.defaultdict(list)
    for folder in folders:
        classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        if not classes:
            raise BadInput(f"{folder} has no sub-folders: put the pictures of each class into one of its own")
        for sub in classes:
            files = sorted(p for p in sub.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            if not files:
                raise BadInput(f"{sub} holds no pictures ({', '.join(sorted(SUFFIXES))})")
            by_class[sub.name] += [p for p in files if f"{sub.name}/{p.name}" not in exclude]
    if len(by_class) < 2:
        raise BadInput(f"there is one class only, {next(iter(by_class))}: a classifier needs two or more sub-folders")
    classes = sorted(by_class)
    pictures = []
    for label, name in enumerate(classes):
        stems = [re.sub(r"[\d_]+", "", p.stem) for p in by_class[name]]
        sizes = collections.Counter(stems)
        pictures += [
            Picture(path, label, stem if stem and sizes[stem] <= LARGEST_GROUP else path.stem)
            for path, stem in zip(by_class[name], stems)
        ]
    return pictures, classes


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
    digest = hashlib.sha256(f"{picture.label}/{picture.group}".encode()).digest()
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


def write(path, content):
    """All or nothing."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.replace(path)

"""Reads images from class folders and zip files, and splits them into a training and a validation set.

A data folder may also have boxes of what the images show (`boxes.csv`), and masks may lie in a folder of their own.

A data folder has one class folder or zip file per class, or projects of Teachable Machine (archives.py). Class folders
with the same name in several data folders, and zip files of this name, are the same class. Every image is decoded once
when it is read, so that a damaged file is reported at the start and does not end the training after an hour. Images
stay in memory as encoded bytes (JPEG or PNG); images much larger than the input of the network are downscaled first.

The same images are always split the same way. Images whose names differ only in a number at the end (`burst_1.jpg`,
`burst_2.jpg`), and images that are nearly the same, form a group and go to the same set: a validation set of images
next to those of the training set would overrate every model. Each class has validation images, a dozen if it can: a
smaller number says nothing about the model.
"""

import collections
import csv
import fnmatch
import hashlib
import io
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from catdog_train import archives, similar
from catdog_train.errors import InputError

# A folder with this name holds the initial weights of the network and is not a class folder.
BACKBONE = "backbone"
# A folder with this name holds photos of `catdog collect` that the user has not sorted yet.
TO_SORT = "to-sort"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
MAX_GROUP = 20
# Validation images that each class has at least, or a third of its images if it has few. Of twelve right answers, the
# true share is 76 % or more (95 % interval, Wilson); of one, it is 21 % or more.
MIN_VALIDATION = 12
# A damaged file is skipped. If a larger share of the files is damaged, something else is wrong.
MAX_DAMAGED = 0.1
# Images larger than this multiple of the input size are downscaled when they are read. Random crops stay sharp.
MAX_SCALE = 2.5
EXIF_ORIENTATION = 0x0112
# What Pillow raises for a file that cannot be decoded.
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


# The box of a thing as shares of the image: left, top, right, bottom.
Box = tuple[float, float, float, float]
# The header of a file of boxes. Its rows have a path below the data folder (`cats/1.jpg`), the class, and the left and
# upper edge, width and height as shares of the image.
BOXES_FILE, BOXES_HEADER = "boxes.csv", ["file", "label", "x", "y", "w", "h"]


class ImageFile(NamedTuple):
    """An image of the data set. Images with the same label and group go to the same set.

    The last two parts of the path are the class folder and the file. The path of an image in an archive is made up: it
    is below the path of the archive.
    """

    path: pathlib.Path
    label: int
    group: str
    member: archives.Member | None = None  # where the image is, if it is in an archive
    box: Box | None = None  # around all things in the image
    mask: pathlib.Path | None = None  # an image that is white where the thing is


class Photo(NamedTuple):
    """An image that was read."""

    file: ImageFile
    encoded: bytes  # JPEG or PNG
    thumbnail: np.ndarray  # of similar.thumbnail()


class Split(NamedTuple):
    """The photos of both sets, and what the user should know about them, as sentences."""

    training: list[Photo]
    validation: list[Photo]
    notes: list[str]


class Task(NamedTuple):
    """The data of a training: encoded images with their labels, for both parts of the split."""

    class_names: list[str]
    background: int | None  # the label of the class that shows none of the others
    images: list[bytes]
    labels: list[int]
    validation_images: list[bytes]
    validation_labels: list[int]
    boxes: list[Box | None]  # of the training images
    masks: list[bytes | None]
    targets: np.ndarray | None = None  # probabilities by a teacher, one row per training image
    times: list[int] | None = None  # how often an epoch shows each training image; None: once


def data_folders(folder: str) -> list[pathlib.Path]:
    """Returns the folders that contain the classes: `folder`, or its sub-folders `train`, `train_extra` and so on if
    there is one named `train`. `folder` can also be an archive."""
    root = pathlib.Path(folder)
    if root.is_file() and is_archive(root):
        return [root]
    if not root.is_dir():
        raise InputError(f"there is no folder {root}, and no file of this name that ends in .zip or .tm")
    if not (root / "train").is_dir():
        return [root]
    return [part for part in list_folder(root)[0] if part.name.startswith("train") and any(classes_in(part))] or [root]


def is_archive(path: pathlib.Path) -> bool:
    """Returns true for the name of an archive."""
    return path.suffix.lower() in archives.SUFFIXES


def classes_in(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the class folders and the archives in a data folder."""
    folders, files = list_folder(folder)
    return [p for p in folders if p.name not in (BACKBONE, TO_SORT)], [p for p in files if is_archive(p)]


def list_folder(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the sorted sub-folders and the sorted files of `folder`, without hidden ones."""
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]


def find_images(
    folders: Iterable[pathlib.Path],
    exclude: Sequence[str] = (),
    held_back: Container[str] = (),
    masks: pathlib.Path | None = None,
) -> tuple[list[ImageFile], list[str], list[pathlib.Path]]:
    """Returns the images below `folders`, the class names and the files that are not images, all sorted.

    `exclude` has patterns of images to skip, as `class/file`; `held_back` has names of the same form. `masks` is a
    folder with a PNG for each image that has a mask, in sub-folders like those of the data: `train/cats/1.png` for
    `train/cats/1.jpg`. Raises InputError for a folder without class folders, a class folder without images or with
    sub-folders, an archive that cannot be used, and fewer than two classes.
    """
    by_class: dict[str, list[ImageFile]] = collections.defaultdict(list)
    skipped: list[pathlib.Path] = []
    boxes: dict[pathlib.Path, Box] = {}
    for folder in folders:
        boxes |= read_boxes(folder / BOXES_FILE)
        for class_name, images, other in classes_of(folder):
            skipped += other
            names = ((image, f"{class_name}/{image.path.name}") for image in images)
            by_class[class_name] += [
                image
                for image, name in names
                if name not in held_back and not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)
            ]
    if len(by_class) < 2:
        raise InputError(
            f"there is only one class, {next(iter(by_class))}; a classifier needs at least two sub-folders or zip "
            "files, each with the images of one class"
        )
    classes = sorted(by_class)
    found = [image for label, name in enumerate(classes) for image in grouped(by_class[name], label)]
    annotated = [image._replace(box=boxes.get(image.path), mask=mask_of(image.path, masks)) for image in found]
    return annotated, classes, skipped


def classes_of(folder: pathlib.Path) -> Iterator[tuple[str, list[ImageFile], list[pathlib.Path]]]:
    """Returns the name, the images and the other files of each class folder in a data folder, and of each class in its
    archives. The data folder can also be an archive."""
    class_folders, archive_files = classes_in(folder) if folder.is_dir() else ([], [folder])
    if not class_folders and not archive_files:
        raise InputError(
            f"{folder} has no sub-folders and no .zip or .tm files; put the images of each class into a folder of its "
            "own"
        )
    for class_folder in class_folders:
        images, other = images_of_class(class_folder)
        yield class_folder.name, [ImageFile(path, 0, "") for path in images], other
    for archive in archive_files:
        found = archives.contents(archive, SUFFIXES)
        own = {archive_class.name for archive_class in found.classes}
        for class_folder in class_folders:
            if class_folder.name in found.folders - own:
                raise InputError(
                    f"{archive} has images in a folder {class_folder.name}, which is also beside it; a zip file holds "
                    "the images of one class: unpack it or move it away"
                )
        for name, members in found.classes:
            yield name, [ImageFile(archive / name / file, 0, "", members[file]) for file in members], []
        yield next(iter(own)), [], [archive / file for file in found.skipped]


def mask_of(image: pathlib.Path, masks: pathlib.Path | None) -> pathlib.Path | None:
    """Returns the mask of an image, or None if there is none."""
    if masks is None:
        return None
    mask = place_of_mask(image, masks)
    return mask if mask.is_file() else None


def place_of_mask(image: pathlib.Path, masks: pathlib.Path) -> pathlib.Path:
    """Returns where the mask of an image is in the folder `masks`."""
    return masks / image.parent.parent.name / image.parent.name / f"{image.stem}.png"


def read_boxes(file: pathlib.Path) -> dict[pathlib.Path, Box]:
    """Returns for each image of a file of boxes the box around all its boxes; empty if there is no such file."""
    if not file.is_file():
        return {}
    found: dict[pathlib.Path, Box] = {}
    with open(file, newline="") as rows:
        reader = csv.DictReader(rows)
        if reader.fieldnames != BOXES_HEADER:
            raise InputError(f"{file}: the first line is not {','.join(BOXES_HEADER)}")
        for row in reader:
            try:
                x, y, w, h = (float(row[name]) for name in BOXES_HEADER[2:])
            except (TypeError, ValueError):
                raise InputError(f"{file}, line {reader.line_num}: x, y, w and h are not numbers") from None
            path = file.parent / row["file"]
            left, top, right, bottom = found.get(path, (1.0, 1.0, 0.0, 0.0))
            found[path] = (min(left, x), min(top, y), max(right, x + w), max(bottom, y + h))
    return found


def read_held_back(file: str | None) -> set[str]:
    """Returns the images of a list that the training leaves out, as `class/file`. The list has lines of class, tab and
    path, like those of models/evaluate."""
    if file is None:
        return set()
    try:
        lines = pathlib.Path(file).read_text().splitlines()
    except OSError as error:
        raise InputError(f"--hold-back: {file} cannot be read: {error.strerror}") from None
    paths = [pathlib.PurePath(line.partition("\t")[2]) for line in lines]
    if not all(len(path.parts) > 1 for path in paths):
        raise InputError(f"--hold-back: {file} has a line that is not a class, a tab and a path")
    return {f"{path.parent.name}/{path.name}" for path in paths}


def images_of_class(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the images and the other files of a class folder."""
    deeper, files = list_folder(folder)
    if deeper:
        raise InputError(f"{deeper[0]} is a folder inside a class folder; move its images to {folder}")
    images = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not images:
        raise InputError(f"{folder} contains no images ({', '.join(sorted(SUFFIXES))})")
    return images, [p for p in files if p.suffix.lower() not in SUFFIXES]


def grouped(images: Sequence[ImageFile], label: int) -> list[ImageFile]:
    """Returns the images of one class with their label and groups: the file name without a number at its end."""
    stems = [re.sub(r"\d+$", "", image.path.stem) for image in images]
    sizes = collections.Counter(stems)
    return [
        image._replace(label=label, group=stem if stem and sizes[stem] <= MAX_GROUP else image.path.stem)
        for image, stem in zip(images, stems)
    ]


def split(photos: Sequence[Photo], share: float) -> Split:
    """Splits the photos of each class. About `share` of its groups go to validation, and at least MIN_VALIDATION photos
    or a third of them.

    Raises InputError for a class with fewer than three photos.
    """
    result = Split([], [], [])
    pairs = similar.similar_pairs(np.array([photo.thumbnail for photo in photos]))
    result.notes.extend(note_of_classes(photos, pairs))
    for label in sorted({photo.file.label for photo in photos}):
        own = [index for index, photo in enumerate(photos) if photo.file.label == label]
        folder = photos[own[0]].file.path.parent
        if len(own) < 3:
            raise InputError(f"{folder} has {len(own)} images; a class needs at least 3, and 50 to be of use")
        groups, is_burst = groups_of_class(photos, own, pairs)
        if is_burst:
            result.notes.append(
                f"most images of {folder.name} are nearly the same, so the measured quality is too good; add photos "
                "from other places, distances and days"
            )
        chosen = validation_groups(folder.name, groups, share)
        for name, indices in groups.items():
            part = result.validation if name in chosen else result.training
            part.extend(photos[index] for index in indices)
    for part in (result.training, result.validation):
        part.sort(key=lambda photo: (photo.file.label, photo.file.path))
    return result


def groups_of_class(
    photos: Sequence[Photo], own: Sequence[int], pairs: Iterable[tuple[int, int]]
) -> tuple[dict[str, list[int]], bool]:
    """Returns the groups of the photos `own` of one class, and whether most photos are in one group.

    Such a group is cut into runs of a sixth of the class in the order of the file names, because a group that is not
    cut could not be split. The first photo after a cut is similar to the last one before it.
    """
    position = {index: place for place, index in enumerate(own)}
    inside = [(position[a], position[b]) for a, b in pairs if a in position and b in position]
    names = similar.joined([photos[index].file.group for index in own], inside)
    groups: dict[str, list[int]] = collections.defaultdict(list)
    for name, index in zip(names, own):
        groups[name].append(index)
    largest = max(len(indices) for indices in groups.values())
    cut: dict[str, list[int]] = {}
    run = max(1, len(own) // 6)
    for name, indices in groups.items():
        if len(indices) <= max(run, len(own) // 3):
            cut[name] = indices
            continue
        for start in range(0, len(indices), run):
            cut[f"{name}/{start}"] = indices[start : start + run]
    return cut, len(own) >= 2 * MIN_VALIDATION and largest > len(own) // 2


def validation_groups(folder: str, groups: dict[str, list[int]], share: float) -> set[str]:
    """Returns the names of the groups of one class that go to validation, never more than half of its photos unless
    there are only large groups."""
    total = sum(map(len, groups.values()))
    wanted = max(1, min(MIN_VALIDATION, total // 3))
    by_key = sorted(groups, key=lambda name: split_key(folder, name))
    chosen = [name for name in by_key if split_key(folder, name) < share]
    count = sum(len(groups[name]) for name in chosen)
    for name in by_key:
        if name not in chosen and count < wanted and count + len(groups[name]) <= max(total // 2, 1):
            chosen.append(name)
            count += len(groups[name])
    while count > total // 2 and len(chosen) > 1:
        count -= len(groups[chosen.pop()])
    return set(chosen or [min(groups, key=lambda name: len(groups[name]))])


def note_of_classes(photos: Sequence[Photo], pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Returns a sentence about photos of two classes that are nearly the same, if there are any."""
    files = [(photos[a].file, photos[b].file) for a, b in pairs]
    mixed = [(a.path, b.path) for a, b in files if a.label != b.label]
    if not mixed:
        return []
    (first, second), more = mixed[0], f", and {len(mixed) - 1} more pairs" if len(mixed) > 1 else ""
    return [f"{first} and {second}{more} are nearly the same, but in two classes; remove the wrong ones"]


def split_key(folder: str, group: str) -> float:
    """Returns a number in 0..1 that depends only on class and group."""
    digest = hashlib.sha256(f"{folder}/{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read_images(files: Sequence[ImageFile], size: int) -> tuple[list[Photo], list[str]]:
    """Reads all images. Returns them, and a message for each damaged file.

    Raises InputError if more than MAX_DAMAGED of the files of a class are damaged.
    """
    photos: list[Photo] = []
    damaged: dict[pathlib.Path, list[str]] = collections.defaultdict(list)
    counts = collections.Counter(file.path.parent for file in files)
    for file in files:
        try:
            photos.append(read_image(file, size))
        except UNREADABLE as error:
            damaged[file.path.parent].append(f"{file.path} cannot be read: {error}")
    for folder, messages in damaged.items():
        if len(messages) > max(1, MAX_DAMAGED * counts[folder]):
            raise InputError(f"{messages[0]}; {len(messages)} of {counts[folder]} images of {folder} are damaged")
    return photos, [message for messages in damaged.values() for message in messages]


def read_image(file: ImageFile, size: int) -> Photo:
    """Reads an image as JPEG or PNG bytes in RGB, upright, its shorter side at most MAX_SCALE * `size` pixels.

    Raises what Pillow raises for a file that cannot be decoded.
    """
    raw = bytes_of(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about malformed EXIF data, which does not affect the pixels
        image: Image.Image = Image.open(io.BytesIO(raw))
        kind, mode = image.format, image.mode
        rotated = image.getexif().get(EXIF_ORIENTATION, 1) != 1
        image.load()
        scale = MAX_SCALE * size / min(image.size)
        if kind in ("JPEG", "PNG") and mode == "RGB" and scale >= 1 and not rotated:
            return Photo(file, raw, similar.thumbnail(image))
        image = ImageOps.exif_transpose(image).convert("RGB")
        if scale < 1:
            width, height = (max(1, round(n * scale)) for n in image.size)
            image = image.resize((width, height), Image.Resampling.BOX)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0)
    return Photo(file, out.getvalue(), similar.thumbnail(image))


def bytes_of(file: ImageFile) -> bytes:
    """Returns the bytes of an image file. Raises OSError if they cannot be read."""
    return archives.read(file.member) if file.member else file.path.read_bytes()


def fingerprint(*parts: Sequence[Photo]) -> str:
    """Returns a hash of the file names in each part of a split. Equal hashes mean an equal split."""
    paths = [[photo.file.path for photo in part] for part in parts]
    names = ["\n".join(f"{path.parent.name}/{path.name}" for path in part) for part in paths]
    return hashlib.sha256("\n\n".join(names).encode()).hexdigest()


def write_validation_list(path: pathlib.Path, files: Sequence[ImageFile], names: Sequence[str]) -> None:
    """Writes the validation images as lines of class name, tab and absolute path.

    Images in archives are written to class folders in a folder that is named after the list, without its suffix.
    """
    taken: dict[pathlib.Path, set[str]] = collections.defaultdict(set)
    lines = []
    for file in files:
        place = file.path
        if file.member:
            folder = path.with_suffix("") / file.path.parent.name
            name = archives.unique(file.path.stem, file.path.suffix, taken[folder])
            taken[folder].add(name)
            place = folder / name
            folder.mkdir(parents=True, exist_ok=True)
            write(place, bytes_of(file))
        lines.append(f"{names[file.label]}\t{place.resolve()}\n")
    write(path, "".join(lines).encode("utf-8", "surrogateescape"))


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

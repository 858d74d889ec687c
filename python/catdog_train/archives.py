"""Reads images from zip files, such as those of Google's Teachable Machine.

A zip file holds the images of one class, at any depth, and is named after it: `mug.zip`, or `mug-samples.zip` as
"Download Samples" of Teachable Machine names it. A project file (`project.tm`, "Download project as file") is a zip
file with the images of all classes, named `mug-!-0.jpg`, and a `manifest.json` that says which kind of project it is.

Members are read into memory, one at a time. No name from an archive becomes a path: plain() makes the names of classes
and images from them. The limits below are checked before anything is decompressed, and a member whose size is not the
declared one counts as damaged.
"""

import functools
import json
import pathlib
import re
import struct
import zipfile
import zlib
from collections.abc import Collection
from typing import NamedTuple

from catdog_train.errors import InputError

PROJECT_SUFFIX = ".tm"
SUFFIXES = {".zip", PROJECT_SUFFIX}
MANIFEST = "manifest.json"
# Between the class and the number of a sample, in the file names of a project.
SAMPLE = re.compile(r"(?P<name>.+)-!-(?P<number>\d+)\.\w+", re.DOTALL)
# What follows the name of the class in the name of a zip file; browsers number a second download.
SAMPLES = re.compile(r"-samples( ?\(\d+\)|[- ]\d+)?$", re.IGNORECASE)
# Characters that end a line or cannot be seen.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# The largest archives and members, uncompressed, that are read. A sample of Teachable Machine has about 10 kB.
MAX_MEMBERS = 100_000
MAX_BYTES = 4 * 2**30
MAX_MEMBER_BYTES = 64 * 2**20
MAX_MANIFEST_BYTES = 2**20
# Longest name of a class or an image, in bytes. File systems allow 255.
MAX_NAME_BYTES = 100
ENCRYPTED = 0x1  # in the flags of a member
# What zipfile raises for damaged archives.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # also NotImplementedError
)
REMEDY = "download the samples of each class instead and give --data the folder with these zip files"


class Member(NamedTuple):
    """A file in an archive."""

    archive: pathlib.Path
    entry: zipfile.ZipInfo


class ArchiveClass(NamedTuple):
    """The images of one class in an archive, by names that are unique in it, in the order of the archive."""

    name: str
    images: dict[str, Member]


class Contents(NamedTuple):
    """What an archive holds."""

    classes: list[ArchiveClass]
    folders: set[str]  # the names of all folders of images
    skipped: list[str]  # the other files


def contents(archive: pathlib.Path, suffixes: Collection[str]) -> Contents:
    """Returns the images of an archive; they are files with one of the `suffixes`.

    Raises InputError for an archive that cannot be read, that exceeds the limits, or that has no images.
    """
    entries = files_in(archive)
    images = [entry for entry in entries if suffix_of(entry) in suffixes]
    check_images(archive, images)
    if is_project(archive, entries):
        by_class = samples_of_project(archive, entries, images)
    else:
        by_class = {plain(SAMPLES.sub("", archive.stem)): images}
    if not images:
        raise InputError(
            f"{archive} contains no images ({', '.join(sorted(suffixes))}); a zip file holds the images of one class"
        )
    folders = {parts_of(entry)[-2] for entry in images if len(parts_of(entry)) > 1}
    classes = [ArchiveClass(name, named(archive, found)) for name, found in by_class.items()]
    used = {entry for found in by_class.values() for entry in found}
    return Contents(
        classes, folders, [shown(entry) for entry in entries if entry not in used and not is_manifest(entry)]
    )


def read(member: Member) -> bytes:
    """Returns the bytes of a file in an archive. Raises OSError if they are damaged."""
    try:
        with opened(member.archive).open(member.entry) as file:
            # With a size, no more than this size is decompressed, whatever the archive holds.
            data = file.read(member.entry.file_size)
    except DAMAGE as error:
        raise OSError(f"the archive is damaged: {error}") from error
    if len(data) != member.entry.file_size:
        raise OSError(f"the archive is damaged: {len(data)} of {member.entry.file_size} bytes")
    return data


@functools.lru_cache(maxsize=8)
def opened(archive: pathlib.Path) -> zipfile.ZipFile:
    """Returns the opened archive. Opening it reads its whole directory, so it stays open for the next member."""
    return zipfile.ZipFile(archive)


def files_in(archive: pathlib.Path) -> list[zipfile.ZipInfo]:
    """Returns the files of an archive, without hidden ones and those that macOS adds."""
    try:
        entries = opened(archive).infolist()
    except DAMAGE as error:
        remedy = REMEDY if archive.suffix.lower() == PROJECT_SUFFIX else "download or pack it again"
        raise InputError(f"{archive} cannot be read: {error}; {remedy}") from None
    if len(entries) > MAX_MEMBERS:
        raise InputError(f"{archive} has {len(entries)} files; at most {MAX_MEMBERS} are read: split it")
    # The name of a folder ends in a slash.
    return [entry for entry in entries if parts_of(entry)[-1] and not is_hidden(entry)]


def is_project(archive: pathlib.Path, entries: list[zipfile.ZipInfo]) -> bool:
    """Returns true for a project of Teachable Machine, also if its suffix was changed to `.zip`."""
    if archive.suffix.lower() == PROJECT_SUFFIX:
        return True
    return any(map(is_manifest, entries)) and any(sample_of(parts_of(entry)) for entry in entries)


def sample_of(parts: list[str]) -> str | None:
    """Returns the class of a sample in a project by the path of its file, or None for another file."""
    found = SAMPLE.fullmatch("/".join(parts))
    return found["name"] if found else None


def shown(entry: zipfile.ZipInfo) -> str:
    """Returns the name of a member on one line."""
    return CONTROL.sub("?", entry.filename)


def parts_of(entry: zipfile.ZipInfo) -> list[str]:
    """Returns the folders and the file name of a member. Some programs for Windows write backslashes."""
    return entry.filename.replace("\\", "/").split("/")


def suffix_of(entry: zipfile.ZipInfo) -> str:
    """Returns the suffix of a member, in lower case."""
    return pathlib.PurePosixPath(parts_of(entry)[-1]).suffix.lower()


def is_hidden(entry: zipfile.ZipInfo) -> bool:
    """Returns true for hidden files, and for the folder in which macOS keeps the attributes of files."""
    return any(part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in parts_of(entry))


def is_manifest(entry: zipfile.ZipInfo) -> bool:
    """Returns true for the manifest of a project."""
    return parts_of(entry)[-1] == MANIFEST


def check_images(archive: pathlib.Path, images: list[zipfile.ZipInfo]) -> None:
    """Raises InputError if images are too large, encrypted or compressed in another way than usual."""
    total = sum(entry.file_size for entry in images)
    if total > MAX_BYTES:
        raise InputError(
            f"{archive} has {total / 2**30:.1f} GB of images, uncompressed; at most {MAX_BYTES >> 30} GB are read: "
            "split it"
        )
    for entry in images:
        if entry.file_size > MAX_MEMBER_BYTES:
            raise InputError(
                f"{archive}: {shown(entry)} has {entry.file_size / 2**20:.0f} MB, uncompressed; at most "
                f"{MAX_MEMBER_BYTES >> 20} MB are read: make it smaller or remove it"
            )
        if entry.flag_bits & ENCRYPTED:
            raise InputError(f"{archive}: {shown(entry)} is encrypted; pack the images again without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{archive}: {shown(entry)} is compressed with method {entry.compress_type}; pack the images again "
                "with the method Deflate"
            )


def samples_of_project(
    archive: pathlib.Path, entries: list[zipfile.ZipInfo], images: list[zipfile.ZipInfo]
) -> dict[str, list[zipfile.ZipInfo]]:
    """Returns the images of each class of a project. Raises InputError if it is not a project of images."""
    # Of several manifests, that of the project is the outermost.
    manifest = min(filter(is_manifest, entries), key=lambda entry: len(parts_of(entry)), default=None)
    if manifest is None:
        raise InputError(f"{archive} has no {MANIFEST}, so it is not a project of Teachable Machine; {REMEDY}")
    kind = kind_of_project(archive, manifest)
    if kind != "image":
        raise InputError(f"{archive} is a project of type {kind!r}; only image projects can be trained")
    # The classes of a project whose folder was packed again are inside this folder. The name of a class can have a
    # slash.
    depth = len(parts_of(manifest)) - 1
    by_class: dict[str, list[zipfile.ZipInfo]] = {}
    for entry in images:
        name = sample_of(parts_of(entry)[depth:])
        if name is not None:
            by_class.setdefault(plain(name), []).append(entry)
    if not by_class:
        raise InputError(f"{archive} has no samples, which are named like mug-!-0.jpg; {REMEDY}")
    return by_class


def kind_of_project(archive: pathlib.Path, manifest: zipfile.ZipInfo) -> object:
    """Returns the type in the manifest of a project: `image`, `audio` or `pose`."""
    try:
        if manifest.file_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"it has {manifest.file_size} bytes")
        content = json.loads(read(Member(archive, manifest)))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{archive}: {shown(manifest)} cannot be read: {error}; {REMEDY}") from None
    return content.get("type") if isinstance(content, dict) else None


def named(archive: pathlib.Path, entries: list[zipfile.ZipInfo]) -> dict[str, Member]:
    """Returns the files by unique names: those in the archive without folders, and without the class of a sample."""
    found: dict[str, Member] = {}
    for entry in entries:
        name, suffix = parts_of(entry)[-1], suffix_of(entry)
        sample = SAMPLE.fullmatch(name)
        stem = sample["number"] if sample else name[: -len(suffix)]
        found[unique(plain(stem), suffix, found)] = Member(archive, entry)
    return found


def unique(stem: str, suffix: str, taken: Collection[str]) -> str:
    """Returns a file name that is not in `taken`: `stem` and `suffix`, and a number between them if necessary."""
    name, number = f"{stem}{suffix}", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def plain(text: str) -> str:
    """Returns a text as the name of a file or folder: without slashes, line breaks and leading dots, and not long."""
    cleaned = re.sub(r"^\.+|[/\\]", "_", CONTROL.sub("_", text).strip())
    return cleaned.encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore").strip() or "_"

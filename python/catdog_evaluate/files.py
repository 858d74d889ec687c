"""Finds the files to classify and writes the result files."""

import os
import pathlib
from collections.abc import Mapping

from catdog_evaluate.errors import UnusableError, warn

# Files that are not images or videos, but lie next to them in many data sets.
SKIPPED_SUFFIXES = {".txt", ".csv", ".json", ".jsonl", ".md"}
# A folder with this name holds photos of `catdog collect` that the user has not sorted yet.
TO_SORT = "to-sort"


def is_skipped(path: pathlib.Path) -> bool:
    """Returns true for hidden files and for those with a suffix of SKIPPED_SUFFIXES."""
    return path.name.startswith(".") or path.suffix.lower() in SKIPPED_SUFFIXES


def files_of_class(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the sorted images and videos of one class folder. Raises UnusableError for a folder inside it."""
    files = []
    for path in sorted(folder.iterdir()):
        if is_skipped(path):
            continue
        if path.is_dir():
            raise UnusableError(f"{path} is a folder; images have to lie directly in the folder of their class")
        files.append(path)
    return files


def files_by_prefix(directory: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """Returns the files of a folder by class: the part of their names before the first underscore."""
    classes: dict[str, list[pathlib.Path]] = {}
    for path in files_of_class(directory):
        name, underscore, _ = path.name.partition("_")
        if not (name and underscore):
            raise UnusableError(f"{path} has no class; move it to a class folder, or rename it to cat_{path.name}")
        classes.setdefault(name, []).append(path)
    return classes


def files_of_list(listing: pathlib.Path, root: pathlib.Path | None) -> dict[str, list[pathlib.Path]]:
    """Returns the files in a list with lines of class, tab and path. A relative path is relative to `root`, or to the
    list if it is None."""
    classes: dict[str, list[pathlib.Path]] = {}
    for number, line in enumerate(listing.read_text("utf-8", "surrogateescape").splitlines(), 1):
        name, tab, path = line.partition("\t")
        if not (name and tab and path):
            raise UnusableError(f"{listing}, line {number}: expected a class, a tab and a path")
        classes.setdefault(name, []).append((root or listing.parent) / path)
    return classes


def read_conditions(
    table: pathlib.Path | None, directory: pathlib.Path, root: pathlib.Path | None
) -> dict[str, dict[str, str]]:
    """Returns the value of each condition by its name, for each file of a table with tabs, of which the first line
    names the columns; the first column is `file`. The files are named as classify() names them; `directory` and `root`
    are those of find_classes()."""
    if table is None:
        return {}
    try:
        header, *lines = [line.split("\t") for line in table.read_text("utf-8", "surrogateescape").splitlines() if line]
    except (OSError, ValueError) as error:
        raise UnusableError(f"{table} cannot be read: {error}") from None
    if header[0] != "file" or len(header) < 2:
        raise UnusableError(f"{table}: the first line must be `file` and the names of the conditions, between tabs")
    found = {}
    start = (root or directory.parent) if directory.is_file() else pathlib.Path()
    for number, cells in enumerate(lines, 2):
        if len(cells) != len(header):
            raise UnusableError(f"{table}, line {number}: {len(cells)} columns, expected {len(header)}")
        found[str(start / cells[0])] = dict(zip(header[1:], cells[1:]))
    return found


def find_classes(directory: pathlib.Path, root: pathlib.Path | None = None) -> dict[str, list[pathlib.Path]]:
    """Returns the files of each class folder, or of each file name prefix if there are no class folders. `directory`
    can also be a list of files, as models/train writes it, whose relative paths start at `root`.

    Raises UnusableError for a folder without images and for fewer than two classes.
    """
    try:
        if directory.is_file():
            return checked(directory, files_of_list(directory, root))
        visible = [path for path in sorted(directory.iterdir()) if not path.name.startswith(".")]
        folders = [path for path in visible if path.is_dir() and path.name != TO_SORT]
        if folders:
            classes = {path.name: files_of_class(path) for path in folders}
            loose = sum(not path.is_dir() and not is_skipped(path) for path in directory.iterdir())
            if loose:
                warn(f"{loose} file{'s' if loose > 1 else ''} beside the class folders in {directory}: skipped")
        else:
            classes = files_by_prefix(directory)
    except OSError as error:
        raise UnusableError(f"{error.filename}: {error.strerror}") from error
    return checked(directory, classes)


def checked(directory: pathlib.Path, classes: dict[str, list[pathlib.Path]]) -> dict[str, list[pathlib.Path]]:
    """Returns `classes`. Raises UnusableError if there are fewer than two, or one of them has no files."""
    if not classes:
        raise UnusableError(f"{directory} is empty; expected one folder of images per class")
    for name, files in classes.items():
        if not files:
            raise UnusableError(f"{directory / name} contains no images")
    if len(classes) == 1:
        raise UnusableError(f"{directory} has only one class, {next(iter(classes))}; at least two are needed")
    return classes


def write_files(files: Mapping[pathlib.Path, bytes]) -> None:
    """Writes all files or none. Each one is renamed to its name after all were written."""
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in files}
    try:
        for path, part in parts.items():
            if path.is_dir():
                raise UnusableError(f"{path} is a folder; a file of this name cannot be written")
            part.write_bytes(files[path])
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)

"""Computes the numbers of the evaluation from the results of all frames."""

import collections
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

# The names of the background class, which stands for none of the other classes.
BACKGROUND_NAMES = ("neither", "none", "other", "background", "nothing")
UNKNOWN = "unknown"
# Bins of the confidence, for the calibration error.
BINS = 15
# The most classes in a confusion matrix: the thousand of ImageNet would not be readable.
MAX_COLUMNS = 12


class FrameResult(TypedDict):
    """The result of the element for one frame."""

    label: str
    accepted: bool  # whether a class was accepted, i.e. its confidence reached the threshold
    top: str  # the top-1 class, accepted or not
    confidence: float  # of the top-1 class
    confidences: dict[str, float]
    element_ms: float
    inference_ms: float | None


class Row(FrameResult):
    """The result of one frame and the frame's origin."""

    file: str
    frame: int
    folder: str


# The label of each class folder. None stands for a folder that is no class of the model.
Folders = Mapping[str, str | None]


def is_background(label: str | None) -> bool:
    """Returns true for a name of the background class."""
    return label is not None and label.casefold() in BACKGROUND_NAMES


def match_folders(folders: Iterable[str], labels: Sequence[str]) -> dict[str, str | None]:
    """Returns the label of each class folder, or None if the model has no such class."""
    matched = {}
    for folder in folders:
        name = folder.casefold()
        same = [label for label in labels if label.casefold() == name]
        plural = [label for label in labels if label.casefold() + "s" == name]
        background = [label for label in labels if is_background(label) and name in BACKGROUND_NAMES]
        matched[folder] = next(iter(same + plural + background), None)
    return matched


def reports_class(row: Row) -> bool:
    """Returns true if the row reports a class other than the background."""
    return row["accepted"] and not is_background(row["label"])


def is_right(row: Row, folders: Folders) -> bool:
    """Returns true if the label is right for the folder. For the background, any row without a class is right."""
    label = folders[row["folder"]]
    if label is None or is_background(label):
        return not reports_class(row)
    return row["accepted"] and row["label"] == label


def share(answers: Iterable[bool]) -> dict[str, float] | None:
    """Returns the share of true answers with its 95 % interval (Wilson, 1927), or None without answers."""
    values = list(answers)
    n, k, z = len(values), sum(values), 1.959964
    if n == 0:
        return None
    p = k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return {"count": k, "of": n, "share": p, "low": max(0.0, low), "high": min(1.0, high)}


def reliability(rows: Iterable[Row], folders: Folders) -> list[dict[str, Any]]:
    """Returns, per bin of the top-1 confidence, the number of rows, how many are right, and the mean confidence."""
    bins: list[dict[str, Any]] = [{"rows": 0, "right": 0, "confidence": 0.0} for _ in range(BINS)]
    for row in rows:
        # A bin excludes its lower and includes its upper limit, as in Guo et al. 2017.
        b = bins[min(BINS - 1, max(0, math.ceil(row["confidence"] * BINS) - 1))]
        b["rows"] += 1
        b["right"] += row["top"] == folders[row["folder"]]
        b["confidence"] += row["confidence"]
    for b in bins:
        b["confidence"] = b["confidence"] / b["rows"] if b["rows"] else None
    return bins


def calibration_error(bins: Sequence[Mapping[str, Any]]) -> float:
    """Returns the expected calibration error (ECE) of the bins."""
    total = sum(b["rows"] for b in bins)
    return sum(abs(b["right"] - b["rows"] * b["confidence"]) for b in bins if b["rows"]) / total


def brier(rows: Iterable[Row], folders: Folders) -> float:
    """Returns the Brier score (1950): the squared errors summed over the classes, averaged over the rows."""
    return statistics.fmean(
        sum((p - (label == folders[row["folder"]])) ** 2 for label, p in row["confidences"].items()) for row in rows
    )


def confusion(rows: Iterable[Row], folders: Folders, labels: Sequence[str]) -> dict[str, Any]:
    """Returns the confusion matrix: per class folder, how often each label occurred.

    If the model has many classes, the rare ones are added up in a column "(others)".
    """
    counts: dict[str, collections.Counter[str | None]] = {folder: collections.Counter() for folder in folders}
    for row in rows:
        counts[row["folder"]][row["label"] if row["accepted"] else None] += 1
    total = sum(counts.values(), collections.Counter[str | None]())
    columns = list(dict.fromkeys(label for label in folders.values() if label is not None))
    more = [label for label in labels if label not in columns]
    if len(labels) > MAX_COLUMNS:
        more = sorted((label for label in more if total[label]), key=lambda label: -total[label])
    columns += more[: max(0, MAX_COLUMNS - len(columns))]
    cells = {folder: [count[label] for label in columns] for folder, count in counts.items()}
    titles = list(columns)
    if len(columns) < len(labels):
        titles.append("(others)")
        for folder, count in counts.items():
            cells[folder].append(count.total() - count[None] - sum(cells[folder]))
    titles.append(UNKNOWN)
    for folder, count in counts.items():
        cells[folder].append(count[None])
    return {"columns": titles, "rows": cells}


def files_with_frames(rows: Iterable[Row]) -> set[str]:
    """Returns the files that have more than one frame."""
    return {row["file"] for row in rows if row["frame"] > 0}


def times(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Returns the times of stills and of clips. The first frame of a clip is left out, as it includes the warm-up."""
    clip_files = files_with_frames(rows)
    kinds = {
        "stills": [row for row in rows if row["file"] not in clip_files],
        "clips": [row for row in rows if row["file"] in clip_files and row["frame"] > 0],
    }
    found: dict[str, dict[str, Any]] = {}
    for kind, some in kinds.items():
        if not some:
            continue
        element = sorted(row["element_ms"] for row in some)
        inference = [row["inference_ms"] for row in some if row["inference_ms"] is not None]
        median = statistics.median(element)
        found[kind] = {
            "frames": len(some),
            "element_median_ms": median,
            "element_p90_ms": element[math.ceil(0.9 * len(element)) - 1],
            "inference_median_ms": statistics.median(inference) if inference else None,
            "frames_per_second": 1000 / median,
        }
    return found


def summarize(rows: Sequence[Row], folders: Folders, labels: Sequence[str]) -> dict[str, Any]:
    """Returns all numbers of the report."""
    by_folder = {folder: [row for row in rows if row["folder"] == folder] for folder in folders}
    named = {folder: label for folder, label in folders.items() if label is not None and not is_background(label)}
    bins = reliability(rows, folders)

    def best_without_background(row: Row) -> str:
        confidence: Callable[[str], float] = row["confidences"].__getitem__
        return max((label for label in row["confidences"] if not is_background(label)), key=confidence)

    return {
        "frames": len(rows),
        "files": len({row["file"] for row in rows}),
        "right": {folder: share(is_right(row, folders) for row in by_folder[folder]) for folder in folders},
        "right_of_all": share(is_right(row, folders) for row in rows),
        "ignoring_neither": {
            folder: share(best_without_background(row) == label for row in by_folder[folder])
            for folder, label in named.items()
        },
        "false_claims": {
            folder: share(reports_class(row) for row in by_folder[folder]) for folder in folders if folder not in named
        },
        "missed": share(not reports_class(row) for folder in named for row in by_folder[folder]),
        "accuracy": share(row["top"] == folders[row["folder"]] for row in rows),
        "ece": calibration_error(bins),
        "brier": brier(rows, folders),
        "confusion": confusion(rows, folders, labels),
        "reliability": bins,
        "time": times(rows),
    }


def by_condition(
    rows: Sequence[Row], folders: Folders, conditions: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Returns, per condition and value, the shares of the rows with a class: right, another class, neither or unknown.

    `conditions` has the value of each condition by its name, per file. Values are in the order in which they occur.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if folders[row["folder"]] is None or is_background(folders[row["folder"]]):
            continue
        for condition, value in conditions.get(row["file"], {}).items():
            groups.setdefault((condition, value), []).append(row)
    names = list(dict.fromkeys(condition for condition, _ in groups))
    return [
        {
            "condition": condition,
            "value": value,
            "right": share(is_right(row, folders) for row in some),
            "other": share(reports_class(row) and not is_right(row, folders) for row in some),
            "missed": share(not reports_class(row) for row in some),
        }
        for (condition, value), some in sorted(groups.items(), key=lambda group: names.index(group[0][0]))
    ]


def clips(rows: Iterable[Row], folders: Folders) -> list[dict[str, Any]]:
    """Returns, per file with several frames, the share of right frames and the number of label changes."""
    all_rows = list(rows)
    clip_files = files_with_frames(all_rows)
    by_file: dict[str, list[Row]] = {}
    for row in all_rows:
        if row["file"] in clip_files:
            by_file.setdefault(row["file"], []).append(row)
    return [
        {
            "file": file,
            "folder": frames[0]["folder"],
            "frames": len(frames),
            "right": sum(is_right(row, folders) for row in frames) / len(frames),
            "changes": sum(a["label"] != b["label"] for a, b in itertools.pairwise(frames)),
        }
        for file, frames in by_file.items()
    ]

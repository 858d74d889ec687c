"""Formats the evaluation as text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catdog_evaluate.summary import BINS, UNKNOWN, Folders, is_background


def shortened(names: Sequence[str], limit: int = 20) -> str:
    """Returns the first `limit` names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def joined(names: Iterable[str]) -> str:
    """Returns the names as "a, b and c", or "all classes" if there are more than four."""
    listed = list(names)
    if len(listed) > 4:
        return "all classes"
    return ", ".join(listed[:-1]) + " and " + listed[-1] if len(listed) > 1 else listed[0]


def percent(value: float) -> str:
    """Returns a share as a percentage."""
    return f"{100 * value:.1f} %"


def share_columns(part: Mapping[str, float]) -> list[str]:
    """Returns the table cells of one share: the share, its interval, and the counts."""
    return [
        percent(part["share"]),
        f"{100 * part['low']:.1f} to {100 * part['high']:.1f}",
        f"{part['count']} of {part['of']}",
    ]


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Returns the rows of a table as lines; the first `left` columns are left-aligned, the others right-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def report(result: Mapping[str, Any]) -> str:
    """Returns the whole report."""
    numbers, folders = result["summary"], result["folders"]
    lines = [
        f"model {result['model']}: {shortened(result['labels'])}; threshold {result['threshold']:g}",
        f"{numbers['files']} files, {numbers['frames']} frames",
        "",
        *aligned(folder_table(numbers, folders), 2),
        "",
        *aligned(quality_table(numbers, folders, result["threshold"])),
        "",
    ]
    matrix = numbers["confusion"]
    cells = [[folder, *map(str, counts)] for folder, counts in matrix["rows"].items()]
    lines += aligned([["confusion", *matrix["columns"]], *cells])
    if result.get("conditions"):
        lines += ["", *aligned(condition_table(result["conditions"]), 2)]
    if result["clips"]:
        lines += ["", *aligned(clip_table(result["clips"]), 2)]
        lines.append("Frames of one clip are not independent: the intervals above are too narrow for them.")
    lines += ["", *aligned(time_table(numbers["time"]))]
    return "\n".join(lines)


def folder_table(numbers: Mapping[str, Any], folders: Folders) -> list[list[str]]:
    """Returns the table of right frames per class folder."""
    table = [["folder", "right is", "frames", "right", "95 %", ""]]
    for folder, label in folders.items():
        wanted = label or UNKNOWN
        if is_background(label):
            wanted += f" or {UNKNOWN}"
        elif label is None:
            wanted += " (no class of the model)"
        part = numbers["right"][folder]
        table.append([folder, wanted, str(part["of"]), *share_columns(part)])
    part = numbers["right_of_all"]
    table.append(["all", "", str(part["of"]), *share_columns(part)])
    return table


def quality_table(numbers: Mapping[str, Any], folders: Folders, threshold: float) -> list[list[str]]:
    """Returns the table of the quality measures."""
    table = [
        [f"{folder} called {folders[folder]} ignoring neither", *share_columns(part)]
        for folder, part in numbers["ignoring_neither"].items()
    ]
    table += [
        [f"{folder} called something with confidence >= {threshold:g}", *share_columns(part)]
        for folder, part in numbers["false_claims"].items()
    ]
    if numbers["missed"]:
        names = joined(numbers["ignoring_neither"])
        table.append([f"{names} called neither or unknown", *share_columns(numbers["missed"])])
    table.append(["overall accuracy (top-1 class, accepted or not)", *share_columns(numbers["accuracy"])])
    table.append([f"calibration error (ECE, {BINS} bins)", f"{numbers['ece']:.4f}", "", ""])
    table.append(["Brier score (0 to 2)", f"{numbers['brier']:.4f}", "", ""])
    return table


def condition_table(conditions: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Returns the table of summary.by_condition()."""
    rows = [
        [
            part["condition"],
            part["value"],
            *share_columns(part["right"]),
            percent(part["other"]["share"]),
            percent(part["missed"]["share"]),
        ]
        for part in conditions
    ]
    return [["condition", "", "right", "95 %", "", "another class", "neither or unknown"], *rows]


def clip_table(clips: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Returns the table of the files with several frames."""
    rows = [
        [clip["file"], clip["folder"], str(clip["frames"]), percent(clip["right"]), str(clip["changes"])]
        for clip in clips
    ]
    return [["clip", "folder", "frames", "right", "label changes"], *rows]


def time_table(times: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Returns the table of times."""
    names = {"stills": "stills (first frame of a pipeline)", "clips": "clips (without the first frame)"}
    table = [["time in the element", "median", "p90", "of which inference", "frames/s"]]
    for kind, time in times.items():
        inference = time["inference_median_ms"]
        table.append(
            [
                names[kind],
                f"{time['element_median_ms']:.2f} ms",
                f"{time['element_p90_ms']:.2f} ms",
                "-" if inference is None else f"{inference:.2f} ms",
                f"{time['frames_per_second']:.1f}",
            ]
        )
    return table

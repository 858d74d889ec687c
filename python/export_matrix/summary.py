"""Writes the results of the matrix as JSON and Markdown. Everything in the page is computed from the JSON values."""

import collections
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from export_matrix import verdicts
from export_matrix.verdicts import Verdict

Row = Mapping[str, Any]
# Differing pictures that the page lists for one model; the JSON file has all.
LISTED_PICTURES = 2
METHOD = "[Benchmarks](../../../docs/design/benchmarks.md#matrix-of-exported-models)"


def row(entry: Mapping[str, Any], run: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Returns what the JSON file stores about a model."""
    return {
        "name": entry["name"],
        "values": entry["values"],
        "input": entry["input"],
        "accuracy": entry["accuracy"],
        "same_with": entry.get("same_with"),
        **verdict._asdict(),
        "range": run["range"],
        "warnings": run["warnings"],
        "error": run["error"],
    }


def result(rows: Sequence[Row], not_exported: Mapping[str, str], machine: str) -> dict[str, Any]:
    """Returns the whole result."""
    good = sum(row["verdict"] in verdicts.GOOD for row in rows)
    right, compared = sum(row["right"] for row in rows), sum(row["compared"] for row in rows)
    return {
        "machine": machine,
        "models": len(rows),
        "good": good,
        "pictures": compared,
        "pictures_right": right,
        "passed": good >= verdicts.REQUIRED * len(rows) and right >= verdicts.REQUIRED * compared,
        "not_exported": dict(not_exported),
        "rows": list(rows),
    }


def headline(result: Mapping[str, Any]) -> str:
    """Returns the result in one line."""
    return (
        f"{result['good']} of {result['models']} models are good ({result['good'] / result['models']:.1%}); "
        f"{result['pictures_right']} of {result['pictures']} pictures are right "
        f"({result['pictures_right'] / max(result['pictures'], 1):.1%})"
    )


def group_table(rows: Sequence[Row], factor: str) -> list[str]:
    """Returns a table with one line per value of a factor, and the number of models with each verdict."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for one in rows:
        counts[one["values"][factor]][one["verdict"]] += 1
    lines = [
        f"| {factor} | models | good | {' | '.join(verdicts.VERDICTS)} |",
        f"|---|---|---|{'---|' * len(verdicts.VERDICTS)}",
    ]
    for value, count in counts.items():
        good = sum(count[verdict] for verdict in verdicts.GOOD)
        cells = [str(count[verdict] or "") for verdict in verdicts.VERDICTS]
        lines.append(f"| {value} | {count.total()} | {good} | {' | '.join(cells)} |")
    return [*lines, ""]


def refusals(rows: Sequence[Row]) -> Iterable[str]:
    """Yields the models that are refused, or whose process crashes."""
    for one in rows:
        if one["verdict"] in ("refused", "crashed", "refused as expected"):
            yield f"- `{one['name']}` ({one['verdict']}): {one['error']}"


def disagreements(rows: Sequence[Row]) -> Iterable[str]:
    """Yields the models with a wrong class."""
    for one in rows:
        if one["differences"]:
            shown = "; ".join(one["differences"][:LISTED_PICTURES])
            yield f"- `{one['name']}` ({one['verdict']}): {len(one['differences'])} pictures; {shown}"


def false_ranges(rows: Sequence[Row]) -> Iterable[str]:
    """Yields the models that are fed with a wrong range."""
    for one in rows:
        if one["false_range"]:
            yield f"- `{one['name']}` ({one['verdict']}): {one['false_range']}"


def off_confidences(rows: Sequence[Row]) -> Iterable[str]:
    """Yields the models whose classes are right and whose confidences are not."""
    for one in rows:
        if one["verdict"] == "right" and one["confidence_error"] > verdicts.CONFIDENCE_TOLERANCE:
            yield f"- `{one['name']}`: differs by up to {one['confidence_error']:.2f}"


def page(result: Mapping[str, Any]) -> str:
    """Returns the Markdown page."""
    rows = result["rows"]
    unexported = (f"- `{name}`: {reason}" for name, reason in result["not_exported"].items())
    sections = (
        ("Refused models", refusals(rows)),
        ("Wrong classes", disagreements(rows)),
        ("False choices of the input range", false_ranges(rows)),
        ("Confidences that differ although every class is right", off_confidences(rows)),
        ("Combinations that the converter does not export", unexported),
    )
    lines = [
        "# Matrix of exported models",
        "",
        f"Made by `scripts/export-matrix.sh`. {METHOD} describes the method,",
        "[export-matrix.json](export-matrix.json) contains every model.",
        "",
        f"{result['machine']}.",
        "",
        f"**{headline(result)}.**",
        "",
        "Right: the class of every picture is that of the interpreter. Warned and refused as expected: the file does",
        "not contain what a caller needs, and a message says so.",
        "",
    ]
    for factor in verdicts.factors():
        lines += group_table(rows, factor)
    for title, entries in sections:
        listed = list(entries)
        lines += [f"## {title}", "", *(listed or ["None."]), ""]
    return "\n".join(lines)


def write(result: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Writes export-matrix.json and export-matrix.md."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    (folder / "export-matrix.json").write_text(text, encoding="utf-8")
    (folder / "export-matrix.md").write_text(page(result), encoding="utf-8")

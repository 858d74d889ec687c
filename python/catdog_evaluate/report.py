"""Writes the evaluation as a Markdown page with plots."""

from collections.abc import Mapping
from typing import Any

from catdog_evaluate import text, verdict


def page(result: Mapping[str, Any], plots: Mapping[str, bytes]) -> str:
    """Returns the page. `plots` has the plots that lie beside it, by file name."""
    numbers, folders = result["summary"], result["folders"]
    matrix = numbers["confusion"]
    lines = [
        f"# {result['model']}",
        "",
        f"{numbers['files']} files, {numbers['frames']} frames, through catdogfilter {result['plugin']} with the "
        f"threshold {result['threshold']:g}.",
        "",
        "## Verdict",
        "",
        *verdict_lines(result),
        "",
        "## Right answers",
        "",
        *table(text.folder_table(numbers, folders)),
        "",
        "## Quality",
        "",
        *table([["measure", "value", "95 %", ""], *text.quality_table(numbers, folders, result["threshold"])]),
        "",
        "## Labels by folder",
        "",
        *table(
            [["folder", *matrix["columns"]], *([name, *map(str, row)] for name, row in matrix["rows"].items())],
        ),
    ]
    titles = {
        "mistakes.png": "Mistakes, the most confident first",
        "confusion.png": "Labels by folder",
        "reliability.png": "Confidence and share of right answers",
        "precision-recall.png": "Precision and recall for all thresholds",
    }
    for name, title in titles.items():
        if name in plots:
            lines += ["", f"![{title}]({name})"]
    return "\n".join(lines) + "\n"


def verdict_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns the sentences of the verdict as a list."""
    found = verdict.sentences(result)
    return [f"- {sentence[0].upper()}{sentence[1:]}." for sentence in found] or [
        "Nothing that would disappoint was found."
    ]


def table(rows: list[list[str]]) -> list[str]:
    """Returns rows of cells as a Markdown table whose first row is the header."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]

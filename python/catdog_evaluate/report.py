"""The content of the report about a model, as parts of a page."""

from collections.abc import Mapping
from typing import Any

from catdog_evaluate import text, verdict
from catdog_evaluate.document import Block, Bullets, Figure, Heading, Paragraph, Table


def content(result: Mapping[str, Any], plots: Mapping[str, bytes]) -> list[Block]:
    """Returns the parts of the page. `plots` has the plots as PNG files, by file name."""
    numbers, folders = result["summary"], result["folders"]
    matrix = numbers["confusion"]
    header, *rows = text.folder_table(numbers, folders)
    quality = text.quality_table(numbers, folders, result["threshold"])
    texts = figure_texts(numbers)
    detailed = {"mistakes.png"}
    figures = {name: Figure(name, *texts[name], plots[name], name in detailed) for name in texts if name in plots}

    def part(title: str, *names: str) -> list[Block]:
        shown = [figures[name] for name in names if name in figures]
        return [Heading(2, title), *shown] if shown else []

    return [
        Heading(1, result["model"]),
        Paragraph(
            f"{numbers['files']} files, {numbers['frames']} frames, through catdogfilter {result['plugin']} with the "
            f"threshold {result['threshold']:g}."
        ),
        Heading(2, "Verdict"),
        verdict_of(result),
        *part("Mistakes", "mistakes.png"),
        Heading(2, "Right answers"),
        Table([[*header[:-1], "count"], *rows], left=2),
        Heading(2, "Quality"),
        Table([["measure", "value", "95 %", "count"], *quality]),
        Heading(2, "Labels by folder"),
        Table([["folder", *matrix["columns"]], *([name, *map(str, row)] for name, row in matrix["rows"].items())]),
        *([figures["confusion.png"]] if "confusion.png" in figures else []),
        *conditions_of(result),
        *part("Confidence", "reliability.png", "precision-recall.png"),
    ]


def conditions_of(result: Mapping[str, Any]) -> list[Block]:
    """Returns the table of the shares by condition, if they were asked for."""
    if not result.get("conditions"):
        return []
    return [Heading(2, "By condition"), Table(text.condition_table(result["conditions"]), left=2)]


def verdict_of(result: Mapping[str, Any]) -> Block:
    """Returns the sentences of the verdict."""
    found = verdict.sentences(result)
    if not found:
        return Paragraph("Nothing that would disappoint was found.")
    return Bullets([f"{sentence[0].upper()}{sentence[1:]}." for sentence in found])


def figure_texts(numbers: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Returns the caption of each plot and the text that replaces it, by file name."""
    return {
        "mistakes.png": (
            "Images with a wrong label or none, the most confident first: folder, label and confidence.",
            "Sheet of the images that got a wrong label or none.",
        ),
        "confusion.png": (
            "Labels by folder, colored by the share of the folder.",
            "Matrix with the numbers of the table above.",
        ),
        "reliability.png": (
            "Confidence and share of right answers. Above the line, the model is better than it says.",
            f"Bars of the share of right answers for each confidence. The calibration error is {numbers['ece']:.3f}.",
        ),
        "precision-recall.png": (
            "Precision and recall of each class for all thresholds.",
            "Curves of the precision of each class over its recall. The best is a line at precision 1.",
        ),
    }

"""Draws the plots of the evaluation with matplotlib."""

import functools
import io
import math
import pathlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from catdog_evaluate.errors import UnusableError, warn
from catdog_evaluate.summary import BINS, UNKNOWN, Folders, Row, is_right

# The most images on the sheet of mistakes, and how many of them are in a row.
MAX_MISTAKES = 24
MISTAKES_PER_ROW = 6
# Fonts for characters that the font of matplotlib lacks, and the files of Debian's packages that have them. Matplotlib
# keeps a list of fonts and does not see those that are installed later.
MORE_FONTS = {"Noto Sans CJK JP": pathlib.Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")}


def load_matplotlib() -> Any:
    """Returns pyplot, configured to need no display."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import font_manager, pyplot
    except ImportError as error:
        raise UnusableError("--plots needs matplotlib: apt-get install python3-matplotlib python3-numpy") from error
    installed = {name: file for name, file in MORE_FONTS.items() if file.is_file()}
    for file in installed.values():
        font_manager.fontManager.addfont(file)
    matplotlib.rcParams.update(
        {
            "figure.dpi": 120,
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.family": ["DejaVu Sans", *installed],
        }
    )
    return pyplot


def plots(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns the plots as PNG files, by name. The background is white, so that they are legible on dark pages too."""
    pyplot = load_matplotlib()
    return {
        f"{name}.png": png(pyplot, draw(pyplot, result))
        for name, draw in (
            ("confusion", draw_confusion),
            ("precision-recall", draw_precision_recall),
            ("reliability", draw_reliability),
        )
    }


def mistakes(result: Mapping[str, Any], directory: pathlib.Path) -> dict[str, bytes]:
    """Returns the sheet of the mistakes as a PNG file, by name; empty if there are none. `directory` has the images."""
    pyplot = load_matplotlib()
    figure = draw_mistakes(pyplot, result, directory)
    return {"mistakes.png": png(pyplot, figure)} if figure else {}


def png(pyplot: Any, figure: Any) -> bytes:
    """Returns a figure as a PNG file, and closes it."""
    data = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Without the name of the software, equal plots are equal files.
        figure.savefig(data, format="png", facecolor="white", bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)
    for text in {str(warning.message) for warning in caught}:
        if text.startswith("Glyph"):
            warn_of_font()
        else:
            warn(text)
    return data.getvalue()


@functools.cache
def warn_of_font() -> None:
    """Says once that characters are missing, where matplotlib would list each of them for each plot."""
    warn("the font of the plots lacks characters of the class names; install fonts-noto-cjk, or rename the classes")


def draw_confusion(pyplot: Any, result: Mapping[str, Any]) -> Any:
    """Draws the confusion matrix, colored by the share within each row."""
    matrix = result["summary"]["confusion"]
    folders = list(matrix["rows"])
    parts = [[cell / sum(cells) for cell in cells] for cells in matrix["rows"].values()]
    columns = len(matrix["columns"])
    figure, axes = pyplot.subplots(figsize=(max(4.5, 1.5 + 0.8 * columns), max(2.6, 1.2 + 0.55 * len(folders))))
    axes.imshow(parts, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, (cells, part) in enumerate(zip(matrix["rows"].values(), parts)):
        for j in range(columns):
            color = "white" if part[j] > 0.55 else "black"
            label = f"{cells[j]}\n{100 * part[j]:.1f} %"
            axes.text(j, i, label, ha="center", va="center", fontsize=8, color=color)
    slanted = {"rotation": 45, "ha": "right"} if columns > 6 else {}
    axes.set_xticks(range(columns), matrix["columns"], **slanted)
    axes.set_yticks(range(len(folders)), folders)
    axes.tick_params(length=0)
    axes.set_xlabel(f"label (threshold {result['threshold']:g})")
    axes.set_ylabel("folder")
    axes.set_title(f"Labels of the images, {result['model']}")
    return figure


def precision_recall(rows: Iterable[Row], folders: Folders, label: str) -> tuple[list[float], list[float], float]:
    """Returns the recalls and precisions for a decreasing threshold on `label`, and the average precision."""
    scored = sorted(
        ((row["confidences"].get(label, 0.0), folders[row["folder"]] == label) for row in rows), reverse=True
    )
    wanted = sum(right for _, right in scored)
    recalls: list[float] = []
    precisions: list[float] = []
    average, hits = 0.0, 0
    for n, (score, right) in enumerate(scored, 1):
        hits += right
        if n < len(scored) and scored[n][0] == score:
            continue  # no threshold separates equal scores
        average += (hits / wanted - (recalls[-1] if recalls else 0.0)) * hits / n
        recalls.append(hits / wanted)
        precisions.append(hits / n)
    return recalls, precisions, average


def draw_precision_recall(pyplot: Any, result: Mapping[str, Any]) -> Any:
    """Draws the precision-recall curve of each class against the others."""
    figure, axes = pyplot.subplots(figsize=(5, 4))
    labels = list(dict.fromkeys(label for label in result["folders"].values() if label is not None))
    for label in labels:
        recalls, precisions, average = precision_recall(result["pictures"], result["folders"], label)
        legend = f"{label} (average precision {average:.3f})"
        axes.step([0, *recalls], [precisions[0], *precisions], where="pre", label=legend)
    title = f"{result['model']}: each class against the others"
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8 if len(labels) < 8 else 6, ncols=1 + (len(labels) > 12))
    return figure


def draw_reliability(pyplot: Any, result: Mapping[str, Any]) -> Any:
    """Draws the reliability diagram: the share of right frames per bin of the confidence."""
    bins = [b for b in enumerate(result["summary"]["reliability"]) if b[1]["rows"]]
    figure, (axes, counts) = pyplot.subplots(2, 1, figsize=(5, 4.6), sharex=True, height_ratios=(3, 1))
    middles = [(i + 0.5) / BINS for i, _ in bins]
    shares = [b["right"] / b["rows"] for _, b in bins]
    axes.bar(middles, shares, width=0.9 / BINS, color="#4c78a8", label="right")
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--", label="perfect calibration")
    title = f"{result['model']}: calibration of the confidence\nECE {result['summary']['ece']:.3f}"
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right", title=title)
    axes.legend(loc="upper left", fontsize=8)
    counts.bar(middles, [b["rows"] for _, b in bins], width=0.9 / BINS, color="#888888")
    counts.set(xlabel="confidence of the top-1 class", ylabel="frames")
    return figure


def draw_mistakes(pyplot: Any, result: Mapping[str, Any], directory: pathlib.Path) -> Any:
    """Draws the images that got a wrong label or none, the most confident first; None if there are none that can be
    drawn. Of a video, only its label counts, as its frames are not decoded here."""
    rows = [row for row in result["pictures"] if not is_right(row, result["folders"])]
    rows.sort(key=lambda row: (not row["accepted"], -row["confidence"]))
    drawn = []
    for row in rows:
        image = read_image(directory / row["file"]) if row["frame"] == 0 else None
        if image is not None:
            drawn.append((row, image))
        if len(drawn) == MAX_MISTAKES:
            break
    if not drawn:
        return None
    columns = min(len(drawn), MISTAKES_PER_ROW)
    lines = math.ceil(len(drawn) / columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(1.9 * columns, 2.2 * lines), squeeze=False)
    for place in axes.flat:
        place.axis("off")
    for place, (row, image) in zip(axes.flat, drawn):
        place.imshow(image)
        label = row["label"] if row["accepted"] else f"{UNKNOWN} ({row['top']})"
        place.set_title(f"{row['folder']}: {label}\n{100 * row['confidence']:.0f} %", fontsize=7)
    return figure


def read_image(path: pathlib.Path) -> Any:
    """Returns a small upright RGB image; None if Pillow cannot read the file."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    upright.thumbnail((240, 240))
    return upright

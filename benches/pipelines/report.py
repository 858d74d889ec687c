"""Writes the results of a measurement as JSON, Markdown and SVG. Everything is computed from the JSON values."""

import hashlib
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drawing.svg import Drawing
from pipelines import measuring
from pipelines.measuring import Spread

OURS, OTHERS, LIMIT = "#1f83d6", "#8a8f98", "#c9a227"
# The start of the link from a results folder, benches/results/NAME, to the section about a method.
METHOD = "[Benchmarks](../../../docs/design/benchmarks.md"
# The table cell of a measure that a peer does not have.
NO_VALUE = "\N{EN DASH}"
BOLD = ' font-weight="bold"'

Result = Mapping[str, Any]


def file_digest(path: pathlib.Path) -> dict[str, str]:
    """Returns the name and the SHA-256 of a file."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write(folder: pathlib.Path, name: str, result: Result, text: str, drawing: Drawing) -> None:
    """Writes the three files NAME.json, NAME.md and NAME.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.svg").write_text(str(drawing), encoding="utf-8")


def rounds(result: Result) -> str:
    """Returns the number of rounds as text."""
    return f"{result['rounds']} round{'' if result['rounds'] == 1 else 's'}"


def median(spread: Spread, digits: int) -> str:
    """Returns the median as text."""
    return f"{spread['median']:.{digits}f}"


def percent(spread: Spread | None) -> str:
    """Returns the median as a percentage, or a dash without a value."""
    return f"{100 * spread['median']:.0f} %" if spread else NO_VALUE


def ranged(spread: Spread | None, digits: int) -> str:
    """Returns "median (p10 to p90)", or a dash without a value."""
    if spread is None:
        return NO_VALUE
    return f"{spread['median']:.{digits}f} ({spread['p10']:.{digits}f} to {spread['p90']:.{digits}f})"


# --- whole pipelines -----------------------------------------------------------------------------


def pipelines_text(result: Result) -> str:
    """Returns the Markdown page of compare.py."""
    rows = {(row["input"], row["peer"]): row for row in result["summary"]}
    labels = {peer["name"]: peer["label"] for peer in result["peers"]}
    references = [
        f"{what} to: {labels[result[name]]}."
        for what, name in (("Ratios", "against"), ("Called alike", "alike_to"))
        if result[name]
    ]
    lines = [
        "# Whole pipelines",
        "",
        f"Made by `{result['command']}`. {METHOD}#whole-pipelines-compared-with-peers) describes the method,",
        "[pipelines.json](pipelines.json) contains every run.",
        "",
        f"{measuring.describe(result['machine'])}.",
        "",
        f"Model: `{result['model']['file']}`. {result['frames']} frames of {' and '.join(result['clips'])}, "
        f"{rounds(result)}; median (p10 to p90).",
        *([" ".join(references)] if references else []),
    ]
    for one in result["inputs"]:
        lines += [
            "",
            f"## {one['label']}",
            "",
            "| | frames/s | ratio | CPU ms a frame | ratio | with start-up | peak RSS, MB | called alike |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(peer_cells(peer, rows[one['name'], peer['name']]))} |" for peer in result["peers"]]
    if result["absent"]:
        lines += ["", "## Left out", ""]
        lines += [f"- {peer['label']}: {peer['why']}" for peer in result["absent"]]
    return "\n".join([*lines, ""])


def peer_cells(peer: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """Returns the table cells of one peer."""
    label = f"**{peer['label']}**" if peer["ours"] else peer["label"]
    if peer["classifies"] == "some":
        label += f" ({row['inferences_per_second']['median']:.0f} inferences/s)"
    return [
        label,
        ranged(row["fps"], 0),
        ranged(row.get("ratio"), 2),
        ranged(row["cpu_ms"], 2),
        ranged(row.get("cpu_ratio"), 2),
        f"{row['program_cpu_ms']['median']:.2f}",
        f"{row['peak_rss_kib']['median'] / 1024:.0f}",
        percent(row.get("agreement")),
    ]


def pipelines_drawing(result: Result) -> Drawing:
    """Draws one row per peer and one column per input. A column ends at the fastest peer that classifies every frame;
    an arrow marks faster ones."""
    rows = {(row["input"], row["peer"]): row for row in result["summary"]}
    left, top, row_height, gap = 330, 62, 24, 70
    column = 190
    width = left + len(result["inputs"]) * (column + gap)
    height = top + row_height * len(result["peers"]) + 12
    drawing = Drawing(width, height)
    drawing.text(left - 12, 22, "frames per second", "end", "faint")
    drawing.text(left - 12, 42, f"median, p10 to p90, {rounds(result)}", "end", "faint")
    every = [peer["name"] for peer in result["peers"] if peer["classifies"] == "all"]
    for number, one in enumerate(result["inputs"]):
        x = left + number * (column + gap)
        drawing.text(x, 42, one["label"], extra=BOLD)
        fastest = max((rows[one["name"], name]["fps"]["p90"] for name in every), default=1)
        for line, peer in enumerate(result["peers"]):
            fps = rows[one["name"], peer["name"]]["fps"]
            y = top + line * row_height
            ends = {key: x + column * min(value / fastest, 1) for key, value in fps.items()}
            drawing.bar(x, y, max(ends["median"] - x, 1), row_height - 8, color_of(peer))
            middle = y + (row_height - 8) / 2
            beyond = fps["median"] > fastest
            if not beyond:
                drawing.line(ends["p10"], middle, ends["p90"], middle, width=1.5)
            drawing.text(max(ends.values()) + 5, middle + 4.5, f"{fps['median']:.0f}{' →' if beyond else ''}")
        drawing.line(x, top - 6, x, height - 10, "grid")
    for line, peer in enumerate(result["peers"]):
        drawing.text(left - 12, top + line * row_height + 13, peer["label"], "end")
    return drawing


def color_of(peer: Mapping[str, Any]) -> str:
    """Returns the fill of a peer's bar. Peers that do not classify every frame show a limit, not a peer."""
    if peer["classifies"] != "all":
        return LIMIT
    return OURS if peer["ours"] else OTHERS


# --- many streams in one process -------------------------------------------------------------------


def scale_text(result: Result) -> str:
    """Returns the Markdown page of scale.py."""
    lines = [
        "# Many streams in one process",
        "",
        f"Made by `{result['command']}`. {METHOD}#many-streams-in-one-process) describes the method,",
        "[scale.json](scale.json) contains every run.",
        "",
        f"{measuring.describe(result['machine'])}.",
        "",
        f"Model: `{result['model']['file']}`. Each stream: 640x480 I420, 30 frames per second, live. "
        f"{result['seconds']:g} s each, {rounds(result)}; medians (p10 to p90). In brackets: the sources alone.",
        "",
        "| streams | frames/s | inferences/s | of each stream, least to most | skipped/s | CPUs used | "
        "CPU ms per inference | late ms, p99 | late ms, most | RSS, MB | of each stream after the first | "
        "frames lost |",
        f"|{'---|' * 12}",
    ]
    first = result["summary"][0]
    lines += [f"| {' | '.join(map(str, stream_cells(first, row)))} |" for row in result["summary"]]
    return "\n".join([*lines, ""])


def stream_cells(first: Result, row: Result) -> list[object]:
    """Returns the table cells for one number of streams; `first` is the first row of the table."""
    filtered, alone = row["filtered"], row["alone"]
    least, most = filtered["least_inferences_per_second"], filtered["most_inferences_per_second"]
    return [
        row["streams"],
        median(filtered["frames_per_second"], 0),
        ranged(filtered["inferences_per_second"], 0),
        f"{median(least, 1)} to {median(most, 1)}",
        median(filtered["skipped_per_second"], 0),
        f"{ranged(filtered['cpu'], 2)} [{median(alone['cpu'], 2)}]",
        ranged(row["cpu_ms_an_inference"], 2),
        *(f"{median(filtered[late], 1)} [{median(alone[late], 1)}]" for late in ("late_p99_ms", "late_max_ms")),
        f"{filtered['rss_kib']['median'] / 1024:.0f} [{alone['rss_kib']['median'] / 1024:.0f}]",
        memory_per_stream(first, row),
        row["lost"],
    ]


def memory_per_stream(first: Result, row: Result) -> str:
    """Returns the memory in MB of each stream that `row` has more than `first`, without the source."""
    if row is first:
        return NO_VALUE
    less, more = (one["filtered"]["rss_kib"]["median"] - one["alone"]["rss_kib"]["median"] for one in (first, row))
    return f"{(more - less) / (row['streams'] - first['streams']) / 1024:.2f}"


class Series(NamedTuple):
    """One curve: the measure `name` of the variant `what` ("filtered" or "alone"), divided by `unit`."""

    label: str
    color: str
    what: str
    name: str
    unit: int = 1

    def value(self, row: Result) -> float:
        """Returns the value for one number of streams."""
        return row[self.what][self.name]["median"] / self.unit


def with_and_without(name: str, unit: int = 1) -> list[Series]:
    """Returns the curves of a measure for the sources alone and with catdogfilter."""
    return [
        Series("sources", OTHERS, "alone", name, unit),
        Series("with catdogfilter", OURS, "filtered", name, unit),
    ]


PANEL_WIDTH, PANEL_HEIGHT, PANEL_LEFT, PANEL_GAP, PANEL_TOP = 200, 180, 52, 62, 64


def scale_drawing(result: Result) -> Drawing:
    """Draws four measures over the number of streams. Both axes are linear, so that linear growth is a line."""
    frames = Series("frames", LIMIT, "filtered", "frames_per_second")
    inferences = Series("inferences", OURS, "filtered", "inferences_per_second")
    panels = (
        ("per second", [frames, inferences]),
        ("CPUs used", with_and_without("cpu")),
        ("late, ms (p99)", with_and_without("late_p99_ms")),
        ("memory, MB", with_and_without("rss_kib", 1024)),
    )
    width = PANEL_LEFT + len(panels) * (PANEL_WIDTH + PANEL_GAP)
    drawing = Drawing(width, PANEL_TOP + PANEL_HEIGHT + 56)
    for number, (title, series) in enumerate(panels):
        draw_panel(drawing, PANEL_LEFT + number * (PANEL_WIDTH + PANEL_GAP), title, series, result["summary"])
    return drawing


def draw_panel(drawing: Drawing, x0: float, title: str, series: Sequence[Series], rows: Sequence[Result]) -> None:
    """Draws one measure; `x0` is the left end of its axis."""
    y0 = PANEL_TOP + PANEL_HEIGHT
    most_streams = rows[-1]["streams"]
    drawing.text(x0, 22, title, extra=BOLD)
    top_value = round_up(max(one.value(row) for row in rows for one in series))
    for share in (0, 0.5, 1):
        y = y0 - PANEL_HEIGHT * share
        drawing.line(x0, y, x0 + PANEL_WIDTH, y, "grid")
        drawing.text(x0 - 6, y + 4, f"{top_value * share:g}", "end", "faint")
    for place, one in enumerate(series):
        points = [(row["streams"] / most_streams, one.value(row) / top_value) for row in rows]
        drawing.curve([(x0 + PANEL_WIDTH * x, y0 - PANEL_HEIGHT * y) for x, y in points], one.color, dots=True)
        drawing.bar(x0 + place * 98, 34, 10, 10, one.color)
        drawing.text(x0 + place * 98 + 14, 43, one.label, shade="faint", extra=' font-size="11"')
    # The labels of small numbers of streams would overlap.
    for streams in [row["streams"] for row in rows if row["streams"] * 8 >= most_streams]:
        drawing.text(x0 + PANEL_WIDTH * streams / most_streams, y0 + 18, streams, "middle", "faint")
    drawing.text(x0 + PANEL_WIDTH / 2, y0 + 38, "streams", "middle", "faint")


def round_up(value: float) -> float:
    """Returns the smallest of the numbers 1, 2, 5, 10, 20, ... (and their tenths) that is not below `value`."""
    step = 10 ** math.floor(math.log10(value))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= value)

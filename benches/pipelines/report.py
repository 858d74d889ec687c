"""The JSON, Markdown and SVG of a measurement, from its numbers alone."""

import hashlib
import json
import math

from bench import measuring
from svg import Drawing

OURS, OTHERS, FLOOR = "#1f83d6", "#8a8f98", "#c9a227"


def file_digest(path):
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write(folder, name, result, text, drawing):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.svg").write_text(str(drawing), encoding="utf-8")


# --- whole pipelines -----------------------------------------------------------------------------

def pipelines_text(result):
    rows = {(row["input"], row["peer"]): row for row in result["summary"]}
    labels = {peer["name"]: peer["label"] for peer in result["peers"]}
    bases = [f"{what} to: {labels[result[name]]}."
             for what, name in (("Ratios", "against"), ("Called alike", "alike_to")) if result[name]]
    lines = [
        "# Whole pipelines",
        "",
        f"Made by `{result['command']}`; [README.md](README.md#whole-pipelines-against-others) has the method,",
        "[pipelines.json](pipelines.json) every run.",
        "",
        f"{measuring.about(result['machine'])}.",
        "",
        f"Model: `{result['model']['file']}`. {result['frames']} frames of {' and '.join(result['clips'])}, "
        f"{rounds(result)}; median (p10 to p90).",
        *([" ".join(bases)] if bases else []),
    ]
    for one in result["inputs"]:
        lines += [
            "", f"## {one['label']}", "",
            "| | frames/s | ratio | CPU ms a frame | ratio | with start-up | peak RSS, MB | called alike |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for peer in result["peers"]:
            row = rows[one["name"], peer["name"]]
            label = f"**{peer['label']}**" if peer["ours"] else peer["label"]
            if peer["classifies"] == "some":
                label += f" ({row['inferences_per_second']['median']:.0f} inferences/s)"
            cells = [label, ranged(row["fps"], 0), ranged(row.get("ratio"), 2), ranged(row["cpu_ms"], 2),
                     ranged(row.get("cpu_ratio"), 2), f"{row['program_cpu_ms']['median']:.2f}",
                     f"{row['peak_rss_kib']['median'] / 1024:.0f}", percent(row.get("agreement"))]
            lines.append(f"| {' | '.join(cells)} |")
    if result["absent"]:
        lines += ["", "## Left out", ""]
        lines += [f"- {peer['label']}: {peer['why']}" for peer in result["absent"]]
    return "\n".join([*lines, ""])


def rounds(result):
    return f"{result['rounds']} round{'' if result['rounds'] == 1 else 's'}"


def median(spread, digits):
    return f"{spread['median']:.{digits}f}"


def percent(spread):
    return f"{100 * spread['median']:.0f} %" if spread else "–"


def ranged(spread, digits):
    if spread is None:
        return "–"
    return f"{spread['median']:.{digits}f} ({spread['p10']:.{digits}f} to {spread['p90']:.{digits}f})"


def pipelines_drawing(result):
    """A row for each peer, a column for each input. Columns are as wide as the fastest that classifies every frame."""
    rows = {(row["input"], row["peer"]): row for row in result["summary"]}
    left, top, row_height, gap = 330, 62, 24, 70
    column = 190
    width = left + len(result["inputs"]) * (column + gap)
    height = top + row_height * len(result["peers"]) + 12
    drawing = Drawing(width, height)
    drawing.text(left - 12, 22, "frames a second", "end", "faint")
    drawing.text(left - 12, 42, f"median, p10 to p90, {rounds(result)}", "end", "faint")
    every = [peer["name"] for peer in result["peers"] if peer["classifies"] == "all"]
    for number, one in enumerate(result["inputs"]):
        x = left + number * (column + gap)
        drawing.text(x, 42, one["label"], extra=' font-weight="bold"')
        most = max((rows[one["name"], name]["fps"]["p90"] for name in every), default=1)
        for line, peer in enumerate(result["peers"]):
            fps = rows[one["name"], peer["name"]]["fps"]
            y = top + line * row_height
            at = {key: x + column * min(value / most, 1) for key, value in fps.items()}
            drawing.bar(x, y, max(at["median"] - x, 1), row_height - 8, color_of(peer))
            middle = y + (row_height - 8) / 2
            beyond = fps["median"] > most
            if not beyond:
                drawing.line(at["p10"], middle, at["p90"], middle, width=1.5)
            drawing.text(max(at.values()) + 5, middle + 4.5, f"{fps['median']:.0f}{' →' if beyond else ''}")
        drawing.line(x, top - 6, x, height - 10, "grid")
    for line, peer in enumerate(result["peers"]):
        drawing.text(left - 12, top + line * row_height + 13, peer["label"], "end")
    return drawing


def color_of(peer):
    if peer["classifies"] != "all":
        return FLOOR
    return OURS if peer["ours"] else OTHERS


# --- many streams in one process -------------------------------------------------------------------

def scale_text(result):
    lines = [
        "# Many streams in one process",
        "",
        f"Made by `{result['command']}`; [README.md](README.md#many-streams-in-one-process) has the method,",
        "[scale.json](scale.json) every run.",
        "",
        f"{measuring.about(result['machine'])}.",
        "",
        f"Model: `{result['model']['file']}`. Each stream: 640x480 I420, 30 frames a second, live. "
        f"{result['seconds']:g} s each, {rounds(result)}; medians (p10 to p90). In brackets: the sources alone.",
        "",
        "| streams | frames/s | inferences/s | of each stream, least to most | skipped/s | processors used | "
        "CPU ms an inference | late ms, p99 | late ms, most | RSS, MB | of each stream after the first | frames lost |",
        f"|{'---|' * 12}",
    ]
    first = result["summary"][0]
    for row in result["summary"]:
        with_filter, alone = row["filtered"], row["alone"]
        cells = [
            row["streams"], median(with_filter["frames_per_second"], 0),
            ranged(with_filter["inferences_per_second"], 0),
            f"{median(with_filter['least_inferences_per_second'], 1)} to "
            f"{median(with_filter['most_inferences_per_second'], 1)}",
            median(with_filter["skipped_per_second"], 0),
            f"{ranged(with_filter['cpu'], 2)} [{median(alone['cpu'], 2)}]", ranged(row["cpu_ms_an_inference"], 2),
            *(f"{median(with_filter[late], 1)} [{median(alone[late], 1)}]" for late in ("late_p99_ms", "late_max_ms")),
            f"{with_filter['rss_kib']['median'] / 1024:.0f} [{alone['rss_kib']['median'] / 1024:.0f}]",
            more_memory(first, row), row["lost"],
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def more_memory(first, row):
    """Of each stream beyond those of the first row, without its source."""
    if row is first:
        return "–"
    before, now = (one["filtered"]["rss_kib"]["median"] - one["alone"]["rss_kib"]["median"] for one in (first, row))
    return f"{(now - before) / (row['streams'] - first['streams']) / 1024:.2f}"


def scale_drawing(result):
    """Straight lines are linear growth: both axes are."""
    rows = result["summary"]
    both = lambda name, unit=1: [("sources", OTHERS, "alone", name, unit),  # noqa: E731
                                 ("with catdogfilter", OURS, "filtered", name, unit)]
    panels = (
        ("a second", [("frames", FLOOR, "filtered", "frames_per_second", 1),
                      ("inferences", OURS, "filtered", "inferences_per_second", 1)]),
        ("processors used", both("cpu")),
        ("late, ms (p99)", both("late_p99_ms")),
        ("memory, MB", both("rss_kib", 1024)),
    )
    wide, high, left, gap, top = 200, 180, 52, 62, 64
    drawing = Drawing(left + len(panels) * (wide + gap), top + high + 56)
    most_streams = rows[-1]["streams"]
    for number, (title, series) in enumerate(panels):
        x0, y0 = left + number * (wide + gap), top + high
        drawing.text(x0, 22, title, extra=' font-weight="bold"')
        most = round_up(max(row[what][name]["median"] / unit for row in rows for _, _, what, name, unit in series))
        for share in (0, 0.5, 1):
            y = y0 - high * share
            drawing.line(x0, y, x0 + wide, y, "grid")
            drawing.text(x0 - 6, y + 4, f"{most * share:g}", "end", "faint")
        for place, (label, color, what, name, unit) in enumerate(series):
            points = [(row["streams"] / most_streams, row[what][name]["median"] / unit / most) for row in rows]
            drawing.curve([(x0 + wide * x, y0 - high * y) for x, y in points], color, dots=True)
            drawing.bar(x0 + place * 98, 34, 10, 10, color)
            drawing.text(x0 + place * 98 + 14, 43, label, shade="faint", extra=' font-size="11"')
        labelled = [row["streams"] for row in rows if row["streams"] * 8 >= most_streams]
        for streams in labelled:
            drawing.text(x0 + wide * streams / most_streams, y0 + 18, streams, "middle", "faint")
        drawing.text(x0 + wide / 2, y0 + 38, "streams", "middle", "faint")
    return drawing


def round_up(value):
    """The next 1, 2 or 5 with zeros."""
    step = 10 ** math.floor(math.log10(value))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= value)

"""Numbers, text and drawings of what evaluate.py has measured. models/evaluate has the manual.

Rows are frames: dictionaries with file, frame, folder, label, believed, top, confidence, confidences,
element_ms and inference_ms. `folders` says which label a folder stands for; None is none of the classes.
"""

import collections
import io
import math
import statistics

# Names of the class that claims nothing
NEITHER = ("neither", "none", "other", "background", "nothing")
UNKNOWN = "unknown"
BINS = 15
# A confusion matrix as wide as ImageNet helps nobody.
MOST_COLUMNS = 12


class Missing(Exception):
    """A Python package is not there."""


# --- what belongs to what ----------------------------------------------------------------------------

def is_neither(label):
    return label is not None and label.casefold() in NEITHER


def match(folders, labels):
    """{folder: label, or None where the model has no such class}."""
    matched = {}
    for folder in folders:
        name = folder.casefold()
        same = [label for label in labels if label.casefold() == name]
        plural = [label for label in labels if label.casefold() + "s" == name]
        neither = [label for label in labels if is_neither(label) and name in NEITHER]
        matched[folder] = next(iter(same + plural + neither), None)
    return matched


def claims(row):
    """Whether the row says that something is there."""
    return row["believed"] and not is_neither(row["label"])


def is_right(row, folders):
    label = folders[row["folder"]]
    if label is None or is_neither(label):
        return not claims(row)
    return row["believed"] and row["label"] == label


# --- numbers -----------------------------------------------------------------------------------------

def share(answers):
    """How many are true, with the 95 % interval of Wilson (1927)."""
    answers = list(answers)
    n, k, z = len(answers), sum(answers), 1.959964
    if n == 0:
        return None
    p = k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return {"count": k, "of": n, "share": p, "low": max(0.0, low), "high": min(1.0, high)}


def reliability(rows, folders):
    """Of each bin of the confidence of the best class: rows, how many are right, mean confidence."""
    bins = [{"rows": 0, "right": 0, "confidence": 0.0} for _ in range(BINS)]
    for row in rows:
        # a bin is open below and closed above, as in Guo et al. 2017
        b = bins[min(BINS - 1, max(0, math.ceil(row["confidence"] * BINS) - 1))]
        b["rows"] += 1
        b["right"] += row["top"] == folders[row["folder"]]
        b["confidence"] += row["confidence"]
    for b in bins:
        b["confidence"] = b["confidence"] / b["rows"] if b["rows"] else None
    return bins


def calibration_error(bins):
    total = sum(b["rows"] for b in bins)
    return sum(abs(b["right"] - b["rows"] * b["confidence"]) for b in bins if b["rows"]) / total


def brier(rows, folders):
    """Brier (1950): squared differences summed over the classes, mean of the rows."""
    return statistics.fmean(
        sum((p - (label == folders[row["folder"]])) ** 2 for label, p in row["confidences"].items())
        for row in rows
    )


def confusion(rows, folders, labels):
    """Counts of what the rows of each folder were labelled."""
    counts = {folder: collections.Counter() for folder in folders}
    for row in rows:
        counts[row["folder"]][row["label"] if row["believed"] else None] += 1
    total = sum(counts.values(), collections.Counter())
    columns = list(dict.fromkeys(label for label in folders.values() if label is not None))
    more = [label for label in labels if label not in columns]
    if len(labels) > MOST_COLUMNS:
        more = sorted((label for label in more if total[label]), key=lambda label: -total[label])
    columns += more[: max(0, MOST_COLUMNS - len(columns))]
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


def several(rows):
    """The files with more than one frame."""
    return {row["file"] for row in rows if row["frame"] > 0}


def times(rows):
    """Of stills and of clips. The first frame of a clip is left out, for it includes the set-up."""
    videos = several(rows)
    kinds = {
        "stills": [row for row in rows if row["file"] not in videos],
        "clips": [row for row in rows if row["file"] in videos and row["frame"] > 0],
    }
    found = {}
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


def summary(rows, folders, labels):
    of = {folder: [row for row in rows if row["folder"] == folder] for folder in folders}
    named = {folder: label for folder, label in folders.items() if label is not None and not is_neither(label)}
    bins = reliability(rows, folders)

    def best_named(row):
        return max((label for label in row["confidences"] if not is_neither(label)), key=row["confidences"].get)

    return {
        "frames": len(rows),
        "files": len({row["file"] for row in rows}),
        "right": {folder: share(is_right(row, folders) for row in of[folder]) for folder in folders},
        "right_of_all": share(is_right(row, folders) for row in rows),
        "ignoring_neither": {folder: share(best_named(row) == label for row in of[folder])
                             for folder, label in named.items()},
        "false_claims": {folder: share(claims(row) for row in of[folder])
                         for folder in folders if folder not in named},
        "missed": share(not claims(row) for folder in named for row in of[folder]),
        "accuracy": share(row["top"] == folders[row["folder"]] for row in rows),
        "ece": calibration_error(bins),
        "brier": brier(rows, folders),
        "confusion": confusion(rows, folders, labels),
        "reliability": bins,
        "time": times(rows),
    }


def clips(rows, folders):
    """Of each file with several frames: how many are right, and how often the label changes."""
    videos, found = several(rows), {}
    for row in rows:
        if row["file"] in videos:
            found.setdefault(row["file"], []).append(row)
    return [
        {
            "file": file,
            "folder": frames[0]["folder"],
            "frames": len(frames),
            "right": sum(is_right(row, folders) for row in frames) / len(frames),
            "changes": sum(a["label"] != b["label"] for a, b in zip(frames, frames[1:])),
        }
        for file, frames in found.items()
    ]


# --- text ----------------------------------------------------------------------------------------------

def shortened(names, most=20):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def joined(names):
    names = list(names)
    if len(names) > 4:
        return "all classes"
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def percent(value):
    return f"{100 * value:.1f} %"


def shares(part):
    """Columns of one share."""
    return [percent(part["share"]), f"{100 * part['low']:.1f} to {100 * part['high']:.1f}",
            f"{part['count']} of {part['of']}"]


def aligned(rows, left=1):
    """Lines of cells, the first `left` of them flush left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) if i < left else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]


def text(result):
    """The report."""
    numbers, folders = result["summary"], result["folders"]
    lines = [f"model {result['model']}: {shortened(result['labels'])}; threshold {result['threshold']:g}",
             f"{numbers['files']} files, {numbers['frames']} frames", ""]

    table = [["folder", "right is", "frames", "right", "95 %", ""]]
    for folder, label in folders.items():
        wanted = label or UNKNOWN
        if is_neither(label):
            wanted += f" or {UNKNOWN}"
        elif label is None:
            wanted += " (no class of the model)"
        part = numbers["right"][folder]
        table.append([folder, wanted, str(part["of"]), *shares(part)])
    part = numbers["right_of_all"]
    table.append(["all", "", str(part["of"]), *shares(part)])
    lines += [*aligned(table, 2), ""]

    table = [[f"{folder} called {folders[folder]} ignoring neither", *shares(part)]
             for folder, part in numbers["ignoring_neither"].items()]
    table += [[f"{folder} called something with confidence >= {result['threshold']:g}", *shares(part)]
              for folder, part in numbers["false_claims"].items()]
    if numbers["missed"]:
        table.append([f"{joined(numbers['ignoring_neither'])} called neither or unknown", *shares(numbers["missed"])])
    table.append(["overall accuracy (best class, believed or not)", *shares(numbers["accuracy"])])
    table.append([f"calibration error (ECE, {BINS} bins)", f"{numbers['ece']:.4f}", "", ""])
    table.append(["Brier score (0 to 2)", f"{numbers['brier']:.4f}", "", ""])
    lines += [*aligned(table), ""]

    matrix = numbers["confusion"]
    lines += aligned([["confusion", *matrix["columns"]],
                      *([folder, *map(str, cells)] for folder, cells in matrix["rows"].items())])

    if result["clips"]:
        table = [["clip", "folder", "frames", "right", "label changes"]]
        table += [[clip["file"], clip["folder"], str(clip["frames"]), percent(clip["right"]), str(clip["changes"])]
                  for clip in result["clips"]]
        lines += ["", *aligned(table, 2),
                  "Frames of one clip are not independent: the intervals above are too narrow for them."]

    table = [["time in the element", "median", "p90", "of which inference", "frames/s"]]
    for kind, time in numbers["time"].items():
        name = {"stills": "stills (first frame of a pipeline)", "clips": "clips (but for the first frame)"}[kind]
        inference = time["inference_median_ms"]
        table.append([name, f"{time['element_median_ms']:.2f} ms", f"{time['element_p90_ms']:.2f} ms",
                      "-" if inference is None else f"{inference:.2f} ms", f"{time['frames_per_second']:.1f}"])
    lines += ["", *aligned(table)]
    return "\n".join(lines)


# --- drawings ------------------------------------------------------------------------------------------

def load_matplotlib():
    """pyplot, without a display."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise Missing("--plots needs matplotlib: apt-get install python3-matplotlib python3-numpy") from error
    matplotlib.rcParams.update({"figure.dpi": 120, "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False, "font.family": "DejaVu Sans"})
    return pyplot


def drawings(result):
    """{name: PNG}; on white, which is legible on a dark page too."""
    pyplot = load_matplotlib()
    found = {}
    for name, draw in (("confusion", draw_confusion), ("precision-recall", draw_precision_recall),
                       ("reliability", draw_reliability)):
        figure = draw(pyplot, result)
        data = io.BytesIO()
        # without the version of matplotlib: the same picture has the same bytes
        figure.savefig(data, format="png", facecolor="white", bbox_inches="tight", metadata={"Software": None})
        pyplot.close(figure)
        found[f"{name}.png"] = data.getvalue()
    return found


def draw_confusion(pyplot, result):
    matrix = result["summary"]["confusion"]
    folders = list(matrix["rows"])
    parts = [[cell / sum(cells) for cell in cells] for cells in matrix["rows"].values()]
    columns = len(matrix["columns"])
    figure, axes = pyplot.subplots(figsize=(max(4.5, 1.5 + 0.8 * columns), max(2.6, 1.2 + 0.55 * len(folders))))
    axes.imshow(parts, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, (cells, part) in enumerate(zip(matrix["rows"].values(), parts)):
        for j in range(columns):
            axes.text(j, i, f"{cells[j]}\n{100 * part[j]:.1f} %", ha="center", va="center", fontsize=8,
                      color="white" if part[j] > 0.55 else "black")
    slanted = {"rotation": 45, "ha": "right"} if columns > 6 else {}
    axes.set_xticks(range(columns), matrix["columns"], **slanted)
    axes.set_yticks(range(len(folders)), folders)
    axes.tick_params(length=0)
    axes.set_xlabel(f"label (threshold {result['threshold']:g})")
    axes.set_ylabel("folder")
    axes.set_title(f"What {result['model']} called the pictures")
    return figure


def precision_recall(rows, folders, label):
    """Recalls and precisions as the threshold for `label` falls, and the average precision."""
    scored = sorted(((row["confidences"].get(label, 0.0), folders[row["folder"]] == label) for row in rows),
                    reverse=True)
    wanted = sum(right for _, right in scored)
    recalls, precisions, average, hits = [], [], 0.0, 0
    for n, (score, right) in enumerate(scored, 1):
        hits += right
        if n < len(scored) and scored[n][0] == score:
            continue  # equal ones come together
        average += (hits / wanted - (recalls[-1] if recalls else 0.0)) * hits / n
        recalls.append(hits / wanted)
        precisions.append(hits / n)
    return recalls, precisions, average


def draw_precision_recall(pyplot, result):
    figure, axes = pyplot.subplots(figsize=(5, 4))
    labels = list(dict.fromkeys(label for label in result["folders"].values() if label is not None))
    for label in labels:
        recalls, precisions, average = precision_recall(result["pictures"], result["folders"], label)
        axes.step([0, *recalls], [precisions[0], *precisions], where="pre",
                  label=f"{label} (average precision {average:.3f})")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision",
             title=f"{result['model']}: each class against the rest")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8 if len(labels) < 8 else 6, ncols=1 + (len(labels) > 12))
    return figure


def draw_reliability(pyplot, result):
    bins = [b for b in enumerate(result["summary"]["reliability"]) if b[1]["rows"]]
    figure, (axes, counts) = pyplot.subplots(2, 1, figsize=(5, 4.6), sharex=True, height_ratios=(3, 1))
    middles = [(i + 0.5) / BINS for i, _ in bins]
    axes.bar(middles, [b["right"] / b["rows"] for _, b in bins], width=0.9 / BINS, color="#4c78a8", label="right")
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--", label="as right as confident")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right",
             title=f"{result['model']}: is it as right as it is confident?\nECE {result['summary']['ece']:.3f}")
    axes.legend(loc="upper left", fontsize=8)
    counts.bar(middles, [b["rows"] for _, b in bins], width=0.9 / BINS, color="#888888")
    counts.set(xlabel="confidence of the best class", ylabel="frames")
    return figure

"""Draws the plots of the report as SVG files."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from study.fit import Fit
from study.machine import PI_5, Cache
from study.plan import ENGINES, MODELS, Variant
from study.working_set import WorkingSet

COLORS = {"keras-predict": "#d95f02", "keras-call": "#e6ab02", "litert": "#1b9e77", "catdogfilter": "#7570b3"}
MARKS = {"keras": "o", "float32": "s", "dynamic": "^", "int8": "D"}


def draw(
    out: pathlib.Path,
    records: Sequence[Mapping[str, Any]],
    fits: Mapping[Variant, Mapping[str, Fit]],
    working_sets: Mapping[str, WorkingSet],
    sizes: Mapping[str, int],
    caches: Sequence[Cache],
) -> list[str]:
    """Writes the plots into the folder. Returns their names; none without matplotlib."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return []
    matplotlib.rcParams.update({"svg.hashsalt": "catdog", "axes.spines.top": False, "axes.spines.right": False})
    figures = {
        "time-per-picture.svg": draw_times(pyplot, records, fits),
        "working-set.svg": draw_working_sets(pyplot, working_sets, caches),
        "sizes.svg": draw_sizes(pyplot, sizes),
    }
    for name, figure in figures.items():
        figure.savefig(out / name, bbox_inches="tight", facecolor="white", metadata={"Date": None})
        pyplot.close(figure)
    return list(figures)


def label_of(variant: Variant) -> str:
    """A short name for a legend."""
    return ENGINES[variant.engine] + ("" if variant.model == "keras" else f", {variant.model}")


def draw_times(pyplot: Any, records: Sequence[Mapping[str, Any]], fits: Mapping[Variant, Mapping[str, Fit]]) -> Any:
    """Time of a picture over the number of pictures per run: points are processes, lines are the fits."""
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for variant, found in fits.items():
        if variant.threads != 1:
            continue
        own = [r for r in records if (r["engine"], r["model"], r["threads"]) == tuple(variant)]
        counts = [r["count"] for r in own]
        style = {"color": COLORS[variant.engine], "marker": MARKS[variant.model]}
        each = [1000 * r["wall_s"] / r["count"] for r in own]
        axes.plot(counts, each, linestyle="", alpha=0.4, markersize=4, **style)
        line = sorted(set(counts))
        values = [1000 * found["wall_s"].each(n) for n in line]
        axes.plot(line, values, label=label_of(variant), **style)
    axes.set(xscale="log", yscale="log", xlabel="pictures per run", ylabel="ms a picture, start included (1 thread)")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    axes.grid(True, which="major", alpha=0.3)
    return figure


def draw_working_sets(pyplot: Any, working_sets: Mapping[str, WorkingSet], caches: Sequence[Cache]) -> Any:
    """Bytes that each operator touches, and the sizes of caches."""
    figure, rows = pyplot.subplots(len(working_sets), 1, figsize=(8, 2.6 * len(working_sets)), squeeze=False)
    for (name, used), axes in zip(working_sets.items(), rows[:, 0]):
        below = [0.0] * len(used.operators)
        for part, color in (("weights", "#1b9e77"), ("inputs", "#7570b3"), ("outputs", "#e6ab02")):
            heights = [getattr(operator, part) / 1024 for operator in used.operators]
            axes.bar(range(len(heights)), heights, bottom=below, color=color, label=part, width=0.9)
            below = [a + b for a, b in zip(below, heights)]
        # The first level is a line at the bottom for every model.
        for found, style, owner in ((caches, "--", "here"), (PI_5, ":", "Pi 5")):
            for cache in (cache for cache in found if cache.level > 1 and cache.bytes / 1024 < 2 * max(below)):
                axes.axhline(cache.bytes / 1024, linestyle=style, color="black", linewidth=0.8)
                where = {"xy": (1.01, cache.bytes / 1024), "xycoords": ("axes fraction", "data")}
                axes.annotate(f"L{cache.level} {owner}", fontsize=8, va="center", annotation_clip=False, **where)
        axes.set(title=f"{MODELS[name]}: {used.weights / 1e6:.2f} MB of weights", ylabel="KB")
    rows[-1, 0].set(xlabel="operators in the order in which they run")
    rows[0, 0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def draw_sizes(pyplot: Any, sizes: Mapping[str, int]) -> Any:
    """The sizes of the files."""
    figure, axes = pyplot.subplots(figsize=(8, 2.5))
    names = {"trained": "Keras with optimizer", **MODELS}
    found = sorted(sizes.items(), key=lambda item: item[1])
    bars = axes.barh([names[name] for name, _ in found], [size / 1e6 for _, size in found], color="#1b9e77")
    axes.bar_label(bars, fmt=" %.1f")
    axes.set(xlabel="MB")
    return figure

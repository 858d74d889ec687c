"""Writes numbers, names and tables for the report."""

import math
from collections.abc import Sequence

from study.fit import Estimate
from study.plan import ENGINES, MODELS, Variant


def name_of(variant: Variant) -> str:
    """What a reader calls a variant."""
    model = "" if variant.model == "keras" else f", {MODELS[variant.model].removeprefix('LiteRT, ')}"
    return f"{ENGINES[variant.engine]}{model}, {variant.threads} thread{'s' if variant.threads > 1 else ''}"


def number(value: float) -> str:
    """Returns a number with three digits, and large ones with a unit."""
    if not math.isfinite(value):
        return "never"
    for limit, factor, unit in ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g}"


def with_interval(estimate: Estimate, factor: float = 1) -> str:
    """Returns a number with its interval."""
    value, low, high = (number(part * factor) for part in estimate)
    return f"{value} ({low} to {high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]

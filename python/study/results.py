"""Everything that a study has found, and the lines through it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from study import graph
from study.accuracy import Accuracy
from study.counters import COUNTERS
from study.fit import Fit, fit
from study.machine import Cache
from study.plan import ENGINES, MODELS, Variant
from study.working_set import WorkingSet


class Results(NamedTuple):
    """Everything that was measured."""

    settings: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    simulated: Sequence[Mapping[str, Any]]
    # Bytes of each version; `trained` is the Keras file with the state of the optimizer.
    sizes: Mapping[str, int]
    # What prepare.json says; empty without Keras.
    facts: Mapping[str, Any]
    working_sets: Mapping[str, WorkingSet]
    graphs: Mapping[str, graph.Graph]
    right: Mapping[str, Accuracy]
    missing: Sequence[str]


Fits = dict[Variant, dict[str, Fit]]


def all_fits(records: Sequence[Mapping[str, Any]]) -> Fits:
    """Returns the fit of each quantity of each variant."""
    grouped: dict[Variant, dict[str, dict[int, list[float]]]] = {}
    quantities = ["wall_s", "cpu_s", "page_faults", "peak_bytes", *(counter.name for counter in COUNTERS)]
    for record in records:
        variant = Variant(record["engine"], record["model"], record["threads"])
        for name in quantities:
            if name in record:
                counts = grouped.setdefault(variant, {}).setdefault(name, {})
                counts.setdefault(record["count"], []).append(record[name])
    return {
        variant: {name: fit(runs) for name, runs in found.items() if len(runs) > 1}
        for variant, found in sorted(grouped.items(), key=lambda item: order(item[0]))
    }


def order(variant: Variant) -> tuple[int, int, int]:
    """The order of the tables."""
    return variant.threads, list(ENGINES).index(variant.engine), list(MODELS).index(variant.model)


def as_json(found: Fit) -> dict[str, Any]:
    """Returns a fit for JSON, which has no infinite numbers."""

    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    parts = {name: [finite(x) for x in getattr(found, name)] for name in ("start", "per_image", "break_even")}
    return parts | {"residual": found.residual}


def caches(settings: Mapping[str, Any]) -> list[Cache]:
    """Returns the caches of the machine that was measured."""
    return [Cache(**cache) for cache in settings["machine"]["caches"]]

"""Chooses the runs: which engine classifies how many pictures, how often, in which order."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

COUNTS = (1, 3, 10, 30, 100, 300, 1000)
QUICK_COUNTS = (1, 30, 100)
REPETITIONS, QUICK_REPETITIONS = 10, 3
# No plan goes without runs of this many pictures: with less, the cost of a picture disappears in the noise of the
# start.
NEEDED_COUNT = 30

ENGINES = {
    "keras-predict": "Keras, model.predict (batches of 32)",
    "keras-call": "Keras, model(x)",
    "litert": "LiteRT interpreter (Python)",
    "catdogfilter": "catdogfilter (GStreamer)",
}
MODELS = {
    "keras": "Keras",
    "float32": "LiteRT, float32",
    "dynamic": "LiteRT, dynamic range",
    "int8": "LiteRT, int8",
}


class Variant(NamedTuple):
    """What is measured."""

    engine: str
    model: str
    threads: int

    @property
    def key(self) -> str:
        """The name in files."""
        return f"{self.engine} {self.model} {self.threads}"


class Step(NamedTuple):
    """A run that is planned."""

    variant: Variant
    pictures: int
    repetition: int
    # The counters of perf that this run is for, as an index of the groups; -1 for time only.
    group: int = -1


def variants(models: Iterable[str], engines: Iterable[str], threads: Sequence[int]) -> list[Variant]:
    """Returns what can be measured with these models and engines."""
    chosen, known = set(models), set(engines)
    pairs = [
        (engine, model)
        for engine in ENGINES
        for model in MODELS
        if engine in known and model in chosen and (model == "keras") == engine.startswith("keras")
    ]
    return [Variant(engine, model, count) for count in threads for engine, model in pairs]


def counts_within(
    costs: Mapping[Variant, tuple[float, float]], counts: Sequence[int], repetitions: int, seconds: float
) -> tuple[dict[Variant, list[int]], float]:
    """Returns the numbers of pictures for each variant, and how long all runs will take, in seconds.

    `costs` has the seconds of the start and of a picture. As long as the plan takes longer than `seconds`, the most
    expensive number of pictures above NEEDED_COUNT is left out.
    """
    chosen = {variant: list(counts) for variant in costs}

    def cost(variant: Variant, count: int) -> float:
        start, picture = costs[variant]
        return repetitions * (start + picture * count)

    def total() -> float:
        return sum(cost(variant, count) for variant, found in chosen.items() for count in found)

    while total() > seconds:
        largest = [(cost(v, found[-1]), v) for v, found in chosen.items() if found[-1] > NEEDED_COUNT]
        if not largest:
            break
        chosen[max(largest)[1]].pop()
    return chosen, total()


def steps(chosen: Mapping[Variant, Sequence[int]], repetitions: int, groups: int, seed: int) -> list[Step]:
    """Returns all runs in random order, so that a machine that gets warmer or busier is unfair to none.

    With counters, the runs are spread over their groups.
    """
    found = [
        Step(variant, count, repetition, repetition % groups if groups else -1)
        for variant, counts in chosen.items()
        for count in counts
        for repetition in range(repetitions * max(1, groups))
    ]
    random.Random(seed).shuffle(found)
    return found

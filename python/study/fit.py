"""Separates what a process costs at its start from what each image costs.

A process that classifies N images costs start + per_image * N: seconds, instructions, cache misses. The start is the
import of libraries, the loading of the model and the first call; per_image is the inference. Both come from processes
with different N, and the costs of one process alone tell neither.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# Resampled data sets from which the intervals come, and the share of them that an interval contains.
RESAMPLES = 2000
SHARE = 0.95


class Estimate(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Fit(NamedTuple):
    """The result of fit(), in the unit of the runs."""

    start: Estimate
    per_image: Estimate
    # The number of images that cost as much as the start. With ten times as many, the start is a tenth of an image's
    # share. Infinite if an image costs nothing.
    break_even: Estimate
    # The largest distance of a median from the line, as a share of the median. Large if the costs are no line.
    residual: float

    def each(self, pictures: int) -> float:
        """Returns what one of `pictures` costs in a process, with its part of the start."""
        return self.start.value / pictures + self.per_image.value


def line(counts: np.ndarray, medians: np.ndarray) -> tuple[float, float]:
    """Returns start and cost per image of the line through the medians, whose squared distances relative to the medians
    are the smallest: a run of 1,000 images is not more exact, in percent, than a run of one."""
    weights = 1 / np.maximum(np.abs(medians), 1e-12)
    columns = np.stack([np.ones_like(counts), counts], 1) * weights[:, None]
    (start, per_image), *_ = np.linalg.lstsq(columns, medians * weights, rcond=None)
    return float(start), float(per_image)


def fit(runs: Mapping[int, Sequence[float]], seed: int = 7, resamples: int = RESAMPLES) -> Fit:
    """Fits the line to the costs of processes, by their number of images.

    The intervals are percentiles of fits to resampled processes (Efron, "Bootstrap methods: another look at the
    jackknife", 1979). Raises ValueError for fewer than two numbers of images.
    """
    counts = np.array(sorted(runs), float)
    if len(counts) < 2:
        raise ValueError("a line needs runs with two numbers of images")
    samples = [np.asarray(runs[int(count)], float) for count in counts]
    medians = np.array([np.median(sample) for sample in samples])
    start, per_image = line(counts, medians)
    random = np.random.default_rng(seed)
    resampled = [
        line(counts, np.array([np.median(random.choice(sample, len(sample))) for sample in samples]))
        for _ in range(resamples)
    ]
    starts, slopes = np.array(resampled).T
    predicted = start + per_image * counts
    residual = float(np.max(np.abs(predicted - medians) / np.maximum(np.abs(medians), 1e-12)))
    return Fit(
        interval(start, starts),
        interval(per_image, slopes),
        interval(ratio(start, per_image), [ratio(*pair) for pair in resampled]),
        residual,
    )


def ratio(start: float, per_image: float) -> float:
    """Returns the number of images that cost as much as the start."""
    return start / per_image if per_image > 0 else float("inf")


def interval(value: float, resampled: Sequence[float] | np.ndarray) -> Estimate:
    """Returns the estimate with the percentiles of the resampled ones."""
    # The nearest rank, because the mean of two infinite values is not a number.
    ordered = np.sort(np.asarray(resampled, float))
    ends = [round(share * (len(ordered) - 1)) for share in ((1 - SHARE) / 2, (1 + SHARE) / 2)]
    return Estimate(value, float(ordered[ends[0]]), float(ordered[ends[1]]))

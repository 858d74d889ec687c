"""The quality measures of a model, and the temperature that calibrates its confidence. Needs NumPy only.

`logits` are (images, classes), `labels` the true class of each image. Shares are 0..1.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# The default of the element's class-confidence-threshold, below which no class is reported.
THRESHOLD = 0.7
# Validation images that each class must have before a temperature is fitted.
MIN_IMAGES = 8
# The bounds of a temperature. Networks that are trained with label smoothing need 0.5 to 2.
TEMPERATURES = (0.25, 4.0)
# Rounds in which a bias can move by 1.
BIAS_ROUNDS = 12
# Parts of the cross-validation.
FOLDS = 4


class Calibration(NamedTuple):
    """The divisor of the logits that calibrates the confidence, and why it was chosen, as a clause."""

    temperature: float
    reason: str
    warning: str | None = None


def calibrate(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Chooses the divisor of the logits by the validation images, if there are enough of them.

    A temperature is only as good as the images that it is fitted to: with one image per class, the best one makes every
    confidence as low as the rate of errors could be. So it is 1 for fewer than MIN_IMAGES images per class, and where a
    temperature that is fitted to a part of the images does not improve the other part (cross-validation).
    """
    smallest = int(np.bincount(labels, minlength=logits.shape[1]).min())
    if smallest < MIN_IMAGES:
        return Calibration(1.0, f"not fitted, because a class has only {smallest} validation images")
    gain = cross_validated_gain(logits, labels)
    if gain <= 0:
        return Calibration(1.0, "not fitted, because it would not improve the confidence of other images")
    best = best_temperature(logits, labels)
    low, high = TEMPERATURES
    temperature = min(max(best, low), high)
    if temperature == best:
        return Calibration(best, f"fitted to {len(labels)} validation images")
    change = "divides" if best > high else "multiplies"
    return Calibration(
        temperature,
        f"at its limit, because {best:.3g} would fit best",
        f"the confidence does not fit the share of right answers: calibration {change} the scores by the limit of "
        f"{max(temperature, 1 / temperature):g}; the validation images may differ from the training images",
    )


def cross_validated_gain(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns by how much the negative log likelihood of images decreases with the temperature that was fitted to
    others, each class with the same weight."""
    fold = np.empty(len(labels), int)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        fold[own] = np.arange(len(own)) % FOLDS
    weights = class_weights(labels, logits.shape[1])
    gains = []
    for part in range(FOLDS):
        fitted, other = fold != part, fold == part
        temperature = best_temperature(logits[fitted], labels[fitted])
        before = negative_log_likelihood(logits[other], labels[other], weights)
        gains.append(before - negative_log_likelihood(logits[other] / temperature, labels[other], weights))
    return float(np.mean(gains))


def class_weights(labels: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Returns one weight per class, such that all classes count equally whatever their number of images."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / classes / counts).astype(np.float32)


def best_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the divisor of the logits that minimizes the negative log likelihood (Guo et al., ICML 2017), each class
    with the same weight.

    The target probability of the true class is (n + 1) / (n + 2) for a class with n images, as in Platt
    ("Probabilistic outputs for support vector machines", 1999). Otherwise ten correct images out of ten would make
    the model certain of everything.
    """
    classes = logits.shape[1]
    weights = class_weights(labels, classes)
    counts = np.bincount(labels, minlength=classes)
    certainty = ((counts + 1) / (counts + 2))[labels]
    wanted = np.repeat((1 - certainty)[:, None] / (classes - 1), classes, 1)
    wanted[np.arange(len(labels)), labels] = certainty

    def loss(temperature: float) -> float:
        likelihood = wanted * np.log(probabilities(logits / temperature) + 1e-9)
        return -np.average(likelihood.sum(1), weights=weights[labels])

    return float(min(np.geomspace(0.1, 10, 321), key=loss))


def best_biases(logits: np.ndarray, labels: np.ndarray, background: int) -> np.ndarray:
    """Returns what to add to the logits of each class so that the negative log likelihood is smallest, each class with
    the same weight and together with a temperature; 0 for the background class.

    The logits of a last layer at each place are the largest of many, more or less, so that their level is arbitrary,
    and the mean of the weights of several networks moves it.
    """
    classes = logits.shape[1]
    weights = class_weights(labels, classes)
    biases = np.zeros(classes)
    others = [label for label in range(classes) if label != background]

    def loss(label: int, bias: float, temperature: float) -> float:
        moved = logits + np.where(np.arange(classes) == label, bias, biases)
        return negative_log_likelihood(moved / temperature, labels, weights)

    for _ in range(BIAS_ROUNDS):
        temperature = best_temperature(logits + biases, labels)
        for label in others:
            steps = biases[label] + np.linspace(-1, 1, 41)
            biases[label] = steps[np.argmin([loss(label, bias, temperature) for bias in steps])]
    return biases


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Returns the negative log likelihood of the labels; `weights` has one number per class."""
    p = probabilities(logits)[np.arange(len(labels)), labels]
    return float(-np.average(np.log(p + 1e-9), weights=weights[labels]))


def log_mean_exp(logits: np.ndarray) -> np.ndarray:
    """Maps logits at places (n, height, width, classes) to those of the images (n, classes)."""
    largest = logits.max((1, 2), keepdims=True)
    return np.log(np.exp(logits - largest).mean((1, 2))) + largest[:, 0, 0]


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of each row."""
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def measures(logits: np.ndarray, labels: np.ndarray, background: int | None) -> dict[str, Any]:
    """Returns the measures of the model card."""
    p = probabilities(logits)
    top, confidence = p.argmax(1), p.max(1)
    found: dict[str, Any] = {"right": [float((top[labels == k] == k).mean()) for k in range(p.shape[1])]}
    found["ece"] = calibration_error(confidence, top == labels)
    found["nll"] = negative_log_likelihood(logits, labels, np.ones(p.shape[1]))
    if background is not None:
        things = np.delete(p, background, 1)
        order = np.delete(np.arange(p.shape[1]), background)
        thing, nothing = labels != background, labels == background
        best_thing = order[things.argmax(1)]
        found["right_ignoring_background"] = [float((best_thing[labels == k] == k).mean()) for k in order]
        found["false_claims"] = float(((top != background) & (confidence >= THRESHOLD))[nothing].mean())
        found["missed"] = float(((top == background) | (confidence < THRESHOLD))[thing].mean())
    return found


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Returns the expected calibration error: the mean of |confidence - share right| over the bins, weighted by their
    size."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    parts = [(index == b) for b in range(bins)]
    return float(sum(abs(confidence[m].mean() - right[m].mean()) * m.mean() for m in parts if m.any()))


def summary(logits: np.ndarray, labels: np.ndarray, background: int | None) -> str:
    """Returns the measures as one line of text."""
    shown = []
    for name, value in measures(logits, labels, background).items():
        values = value if isinstance(value, list) else [value]
        shown.append(f"{name} " + " ".join(f"{v:.4f}" for v in values))
    return ", ".join(shown)

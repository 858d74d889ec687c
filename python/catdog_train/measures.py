"""The quality measures of a model, and the temperature that calibrates its confidence. Needs NumPy only.

`logits` are (images, classes), `labels` the true class of each image. Shares are 0..1.
"""

from typing import Any

import numpy as np

# The default of the element's class-confidence-threshold, below which no class is reported.
THRESHOLD = 0.7


def best_temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Returns the divisor of the logits that minimizes the negative log likelihood (Guo et al., ICML 2017).

    The target probability of the true class is (n + 1) / (n + 2) for a class with n images, as in Platt
    ("Probabilistic outputs for support vector machines", 1999). Otherwise ten correct images out of ten would make
    the model certain of everything.
    """
    classes = logits.shape[1]
    counts = np.bincount(labels, minlength=classes)
    certainty = ((counts + 1) / (counts + 2))[labels]
    wanted = np.repeat((1 - certainty)[:, None] / (classes - 1), classes, 1)
    wanted[np.arange(len(labels)), labels] = certainty

    def loss(temperature: float) -> float:
        likelihood = wanted * np.log(probabilities(logits / temperature) + 1e-9)
        return -np.average(likelihood.sum(1), weights=weights[labels])

    return min(np.geomspace(0.1, 10, 321), key=loss)


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Returns the negative log likelihood of the labels; `weights` has one number per class."""
    p = probabilities(logits)[np.arange(len(labels)), labels]
    return float(-np.average(np.log(p + 1e-9), weights=weights[labels]))


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

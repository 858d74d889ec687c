"""What a model is judged by, and the temperature that makes its confidence honest. NumPy only.

`logits` are (pictures, classes), `targets` the right class of each picture. Shares are 0..1.
"""

import numpy as np

# The element's default class-confidence-threshold: below it nothing is claimed.
THRESHOLD = 0.7


def best_temperature(logits, targets, weights):
    """The divisor of the logits that makes the targets most likely (Guo et al., ICML 2017).

    The targets are not quite certain, the less so the fewer there are: (n + 1) / (n + 2) for n pictures of a class, as
    Platt ("Probabilistic outputs for support vector machines", 1999) has it. Ten right ones out of ten do not make a
    model sure of everything.
    """
    classes = logits.shape[1]
    counts = np.bincount(targets, minlength=classes)
    sure = ((counts + 1) / (counts + 2))[targets]
    wanted = np.repeat((1 - sure)[:, None] / (classes - 1), classes, 1)
    wanted[np.arange(len(targets)), targets] = sure

    def loss(temperature):
        likelihood = wanted * np.log(probabilities(logits / temperature) + 1e-9)
        return -np.average(likelihood.sum(1), weights=weights[targets])

    return min(np.geomspace(0.1, 10, 321), key=loss)


def negative_log_likelihood(logits, targets, weights):
    p = probabilities(logits)[np.arange(len(targets)), targets]
    return -np.average(np.log(p + 1e-9), weights=weights[targets])


def probabilities(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def measures(logits, targets, background):
    """What the model card reports, on the validation pictures; shares are 0..1."""
    p = probabilities(logits)
    top, confidence = p.argmax(1), p.max(1)
    found = {"right": [float((top[targets == k] == k).mean()) for k in range(p.shape[1])]}
    found["ece"] = calibration_error(confidence, top == targets)
    found["nll"] = float(negative_log_likelihood(logits, targets, np.ones(p.shape[1])))
    if background is not None:
        things = np.delete(p, background, 1)
        order = np.delete(np.arange(p.shape[1]), background)
        thing, nothing = targets != background, targets == background
        named = order[things.argmax(1)]
        found["right_ignoring_background"] = [float((named[targets == k] == k).mean()) for k in order]
        found["false_claims"] = float(((top != background) & (confidence >= THRESHOLD))[nothing].mean())
        found["missed"] = float(((top == background) | (confidence < THRESHOLD))[thing].mean())
    return found


def calibration_error(confidence, right, bins=15):
    """Expected calibration error: the mean over bins of |confidence - share right|, weighted by their size."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    parts = [(index == b) for b in range(bins)]
    return float(sum(abs(confidence[m].mean() - right[m].mean()) * m.mean() for m in parts if m.any()))


def summary(logits, targets, background):
    shown = []
    for name, value in measures(logits, targets, background).items():
        values = value if isinstance(value, list) else [value]
        shown.append(f"{name} " + " ".join(f"{v:.4f}" for v in values))
    return ", ".join(shown)

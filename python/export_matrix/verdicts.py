"""Judges the results of one model of the matrix."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from export_matrix import specs
from export_matrix.specs import Spec

# The share of models, and of pictures, that has to be right.
REQUIRED = 0.99
# Above this difference, the confidence of the best class counts as off: a second softmax makes 0.48 of 0.99.
CONFIDENCE_TOLERANCE = 0.1
# Black and white of the input may differ by this share of the range: 8-bit tensors round.
RANGE_TOLERANCE = 0.02

GOOD = ("right", "warned", "refused as expected")
VERDICTS = (*GOOD, "wrong", "refused", "crashed")

# Mean and standard deviation of pixel values 0..255 for each range that a correct caller feeds.
FED = {
    "raw": ((0.0,) * 3, (1.0,) * 3),
    "unit": ((0.0,) * 3, (255.0,) * 3),
    "centered": ((127.5,) * 3, (127.5,) * 3),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


class Verdict(NamedTuple):
    """The result of one model."""

    verdict: str
    # Pictures with the right class, and pictures that were compared.
    right: int
    compared: int
    # One line per picture that differs.
    differences: list[str]
    # The largest difference of a confidence, over the pictures with the right class.
    confidence_error: float
    # What catdogfilter feeds for black and white, and its reason; and what is right. Empty if they agree.
    false_range: str


def tolerated(spec: Spec) -> dict[str, str]:
    """Returns what may end the run of a model without a right answer: "warning" or "error", and a part of its text.

    These are facts that no file contains: whether a float input takes -1..1 or 0..1 or is normalized with mean and
    standard deviation of ImageNet, the size of the pictures for an open input, and which of two outputs is the row of
    scores if no activation tells it. A fixed batch of several pictures may be refused.
    """
    allowed = {}
    if spec.range in ("centered", "unit", "imagenet") and spec.metadata == "none":
        allowed["warning"] = r"does not define the range of its float input"
    if spec.layout == "open-size":
        sizes = allowed.get("warning", "") and "|" + allowed["warning"]
        allowed |= {"warning": r"has no fixed size" + sizes, "error": r"height|width|size"}
    if spec.layout == "batch4":
        allowed["error"] = r"batch"
    if spec.layout == "features-too" and spec.kind.startswith("logit"):
        allowed["error"] = r"(\d|several) outputs"
    return allowed


def is_right(spec: Spec, entry: Mapping[str, Any], result: Mapping[str, Any], top: int) -> bool:
    """Returns whether catdogfilter displays the right class: its name, or its number if no source has its name."""
    named = spec.metadata != "none" or spec.labels not in ("none", "foreign", "background")
    if named:
        return entry["classes"][top] in str(result["label"])
    return bool(result["index"] == top)


def expected_elements(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Returns what black and white become in the input of a correct caller, for each channel."""
    means, stds = FED[entry["range"]]
    scale, zero_point = entry["input"]["quantization"]
    normalization = list(zip(means, stds))
    if entry["task"] == "gray":
        normalization = [(sum(means) / 3, sum(stds) / 3)]
    limits = {"int8": (-128, 127), "uint8": (0, 255)}.get(entry["input"]["type"])
    pairs = []
    for mean, std in normalization:
        values = [(pixel - mean) / std for pixel in (0, 255)]
        if limits:
            values = [min(max(round(v / scale) + zero_point, limits[0]), limits[1]) for v in values]
        pairs.append((values[0], values[1]))
    return pairs


def false_range(entry: Mapping[str, Any], chosen: str | None) -> str:
    """Compares the range that catdogfilter logs with that of a correct caller."""
    if not chosen:
        return ""
    number = r"(-?[0-9.]+?(?:e-?[0-9]+)?)"
    # The reason follows in parentheses, as do the names of three channels.
    ranges = re.split(r" \((?!red|green|blue)", chosen)[0]
    found = [(float(a), float(b)) for a, b in re.findall(rf"{number}\.\.{number}(?=[ ,]|$)", ranges)]
    expected = expected_elements(entry)
    if not found:
        return f"chosen {chosen}: not understood"
    for position, (black, white) in enumerate(expected):
        got = found[min(position, len(found) - 1)]
        tolerance = RANGE_TOLERANCE * abs(white - black)
        if abs(got[0] - black) > tolerance or abs(got[1] - white) > tolerance:
            right = ", ".join(f"{b:.4g}..{w:.4g}" for b, w in dict.fromkeys(expected))
            return f"chosen {chosen}; right {right}"
    return ""


def judge(entry: Mapping[str, Any], run: Mapping[str, Any]) -> Verdict:
    """Judges a run of a model."""
    spec = Spec(**entry["values"])
    allowed = tolerated(spec)
    results: Sequence[Mapping[str, Any]] = run["results"]
    count = len(entry["pictures"])
    error = run["error"]
    if error is None and len(results) != count:
        error = f"{len(results)} results for {count} pictures"
    if error is not None:
        expected = "error" in allowed and re.search(allowed["error"], error)
        verdict = "crashed" if run.get("crashed") else "refused as expected" if expected else "refused"
        compared = 0 if expected else sum(entry["decided"])
        return Verdict(verdict, 0, compared, [], 0.0, "")
    right, compared, differences, confidence_error = 0, 0, [], 0.0
    for position, result in enumerate(results):
        if not entry["decided"][position]:
            continue
        compared += 1
        top, confidence = entry["top"][position], entry["confidence"][position]
        if is_right(spec, entry, result, top):
            right += 1
            confidence_error = max(confidence_error, abs((result["confidence"] or 0) - confidence))
        else:
            differences.append(
                f"{entry['task']}/{entry['pictures'][position]:02d}.png: {result['label']} (class {result['index']}, "
                f"{result['confidence']}), interpreter: {entry['classes'][top]} (class {top}, {confidence})"
            )
    verdict = "right" if right == compared else "wrong"
    warned = "warning" in allowed and any(re.search(allowed["warning"], text) for text in run["warnings"])
    if verdict == "wrong" and warned:
        verdict, right, compared = "warned", 0, 0
    return Verdict(verdict, right, compared, differences, round(confidence_error, 4), false_range(entry, run["range"]))


def factors() -> tuple[str, ...]:
    """Returns the factors by which the report groups the models."""
    return (*specs.FACTORS, "metadata")

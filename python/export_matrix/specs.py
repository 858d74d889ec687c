"""The models of the matrix: what varies, which combinations exist, and which of them are built.

The set is not the full product. Every pair of values of two factors occurs in at least one model, the products of range
and type and of range and layout are complete, and further models cover metadata, labels files and published
architectures.
"""

import dataclasses
import itertools
import random
from collections.abc import Iterable, Iterator, Mapping

# How the graph ends.
KINDS = (
    "softmax",
    "logits",
    "sigmoid-one",
    "logit-one",
    "multi-label",
    "log-softmax",
    "softmax-slice",
    "softmax-reverse",
    "softmax-gather",
    "tta-mean",
)
# The types of weights, activations, and of input and output.
TYPES = ("float32", "float16", "dynamic", "int8-inside", "int8", "uint8", "int16x8")
# Where pixel values are scaled, and to which range: inside of the graph (the caller feeds 0..255), or outside.
INSIDE = {"rescale255": "unit", "rescale127": "centered", "normalization": "standardized"}
OUTSIDE = {"centered": "centered", "unit": "unit", "raw": "raw", "imagenet": "imagenet"}
RANGES = (*INSIDE, *OUTSIDE)
LAYOUTS = (
    "nhwc",
    "nchw",
    "gray",
    "gray-nchw",
    "open-size",
    "open-batch",
    "batch4",
    "half-io",
    "features-too",
)
# The shape of the scores: [1, N], [1, 1, 1, N], [N], [1, N, 1, 1].
SHAPES = ("row", "row4d", "flat", "column")
SIGNATURES = ("with", "without", "stale")
SMALL = ("plain", "normalized", "depthwise")
# Published architectures, with the range that their documentation names and the type of file that they are built as.
PUBLISHED = {
    "mobilenetv2": ("centered", ("float32", "float16", "dynamic", "int8-inside", "int8", "uint8")),
    "mobilenetv3": ("raw", ("float32", "float16", "dynamic", "int8")),
    "efficientnet": ("raw", ("float16", "int8")),
}
# The labels file next to the model. `permuted`: each line starts with the index of its class, in another order.
# `background`: a first line for a class that the model does not have. `foreign`: the number of lines is wrong.
LABELS = ("none", "plain", "indexed")
ODD_LABELS = ("permuted", "background", "foreign", "colon", "one-based")
# The normalization in TFLite metadata. `true` is that of the training, `bytes` is mean 0 and std 1 (AutoML Vision Edge
# writes it for 8-bit models that take pixel values), `half` is 127.5 and 127.5 on an 8-bit model of another scale.
METADATA = ("none", "true", "bytes", "half")


@dataclasses.dataclass(frozen=True)
class Spec:
    """One model of the matrix."""

    kind: str = "softmax"
    type: str = "float32"
    range: str = "rescale255"
    layout: str = "nhwc"
    shape: str = "row"
    signature: str = "with"
    architecture: str = "plain"
    labels: str = "plain"
    metadata: str = "none"
    file: str = "model.tflite"

    @property
    def name(self) -> str:
        """A name that tells the values which differ from the most common model."""
        common = Spec()
        parts = [self.kind, self.type, self.range, self.layout]
        for field in ("shape", "signature", "architecture", "labels", "metadata"):
            value = getattr(self, field)
            if value != getattr(common, field):
                parts.append(value if field in ("shape", "architecture") else f"{field}={value}")
        if self.file != common.file:
            parts.append(f"file={self.file.removesuffix('.tflite').replace(' ', '+')}")
        return "_".join(parts)

    @property
    def scale(self) -> str:
        """The scaling of the pixels with which the network is trained."""
        return {**INSIDE, **OUTSIDE}[self.range]

    @property
    def gray(self) -> bool:
        """The input has one channel."""
        return self.layout.startswith("gray")

    @property
    def channels_first(self) -> bool:
        """The channels come before height and width."""
        return self.layout.endswith("nchw")

    @property
    def one_score(self) -> bool:
        """The model has a single score."""
        return self.kind.endswith("-one")

    @property
    def integer_input(self) -> bool:
        """The input tensor stores integers."""
        return self.type in ("int8", "uint8")

    @property
    def exists(self) -> bool:
        """Whether the combination can be exported."""
        return not any(
            (
                # The converter does not change a float16 tensor at the edge into an integer one.
                self.layout == "half-io" and self.type not in ("float32", "float16", "dynamic"),
                # Gray networks are trained with one architecture.
                self.gray and self.architecture != "normalized",
                # [N] has no room for several pictures.
                self.shape == "flat" and self.layout in ("open-batch", "batch4"),
                # Only a graph whose uint8 edges are QUANTIZE operators has tensors on both sides of them.
                self.signature == "stale" and self.type != "uint8",
            )
        )


FACTORS: Mapping[str, tuple[str, ...]] = {
    "kind": KINDS,
    "type": TYPES,
    "range": RANGES,
    "layout": LAYOUTS,
    "shape": SHAPES,
    "signature": SIGNATURES,
    "architecture": SMALL,
    "labels": LABELS,
}

# Two values of two factors.
Pair = tuple[tuple[str, str], tuple[str, str]]


def pairs_of(spec: Spec) -> set[Pair]:
    """Returns every pair of values that occurs in `spec`."""
    values = [(factor, getattr(spec, factor)) for factor in FACTORS]
    return set(itertools.combinations(values, 2))


def possible_pairs() -> set[Pair]:
    """Returns every pair of values that some model can have."""
    possible = set()
    for (first, first_values), (second, second_values) in itertools.combinations(FACTORS.items(), 2):
        for a, b in itertools.product(first_values, second_values):
            if completion({first: a, second: b}, random.Random(0)) is not None:
                possible.add(((first, a), (second, b)))
    return possible


def completion(fixed: Mapping[str, str], choose: random.Random) -> Spec | None:
    """Returns a random model with the `fixed` values that can exist, or None if 200 attempts find none."""
    for _ in range(200):
        spec = Spec(**{factor: fixed.get(factor) or choose.choice(values) for factor, values in FACTORS.items()})
        if spec.exists:
            return spec
    return None


def pairwise() -> list[Spec]:
    """Returns models in which every possible pair of values occurs: a greedy choice from random candidates."""
    choose = random.Random(7)
    missing = possible_pairs()
    chosen = []
    while missing:
        first, second = sorted(missing)[0]
        candidates = [spec for spec in (completion(dict((first, second)), choose) for _ in range(60)) if spec]
        best = max(candidates, key=lambda spec: len(pairs_of(spec) & missing))
        missing -= pairs_of(best)
        chosen.append(best)
    return chosen


def core() -> Iterator[Spec]:
    """Yields the product of range and type, with a softmax and the usual layout."""
    for number, (range_, type_) in enumerate(itertools.product(RANGES, TYPES)):
        yield Spec(range=range_, type=type_, architecture=SMALL[number % len(SMALL)])


def layouts() -> Iterator[Spec]:
    """Yields the product of layout and range, with a softmax and float32."""
    for layout, range_ in itertools.product(LAYOUTS, RANGES):
        yield Spec(layout=layout, range=range_, architecture="normalized")


def published() -> Iterator[Spec]:
    """Yields the published architectures. The scores of every second model are logits."""
    for architecture, (range_, types) in PUBLISHED.items():
        for number, type_ in enumerate(types):
            yield Spec(kind=KINDS[number % 2], range=range_, type=type_, architecture=architecture)


def with_metadata() -> Iterator[Spec]:
    """Yields models with TFLite metadata."""
    for range_ in ("centered", "unit", "raw", "imagenet", "rescale255"):
        for type_ in ("float32", "int8", "uint8"):
            yield Spec(range=range_, type=type_, architecture="normalized", metadata="true", labels="none")
    for range_ in ("centered", "unit", "rescale127"):
        for type_ in ("int8", "uint8"):
            yield Spec(range=range_, type=type_, metadata="bytes", labels="none")
    for type_ in ("int8", "uint8"):
        yield Spec(range="rescale255", type=type_, metadata="half", labels="none")


def with_labels() -> Iterator[Spec]:
    """Yields models with unusual labels files and file names."""
    for type_, range_ in (("float32", "rescale127"), ("uint8", "centered")):
        for labels in ODD_LABELS:
            yield Spec(type=type_, range=range_, labels=labels, architecture="depthwise")
    for kind in ("sigmoid-one", "logit-one"):
        for labels in ("none", "plain", "indexed"):
            yield Spec(kind=kind, labels=labels, range="rescale127", architecture="normalized")
    yield Spec(range="centered", architecture="depthwise", labels="indexed", file="model_unquant.tflite")
    yield Spec(range="rescale255", architecture="depthwise", type="dynamic", file="converted_tflite quantized.tflite")
    yield Spec(range="rescale127", architecture="normalized", type="float16", file="modèle-éléphant.tflite")


def matrix() -> list[Spec]:
    """Returns all models, each once, in the order in which they are built."""
    every: Iterable[Spec] = itertools.chain(core(), with_metadata(), with_labels(), pairwise(), layouts(), published())
    unique = list(dict.fromkeys(every))
    assert all(spec.exists for spec in unique)
    assert len({spec.name for spec in unique}) == len(unique)
    return unique

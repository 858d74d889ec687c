"""Finds photos that are nearly the same, such as frames of a burst, or copies in another size or another light.

A photo is described by a thumbnail of 16 x 16 pixels without its mean color. Two photos are nearly the same if their
thumbnails correlate: light and contrast do not matter, the place of things does.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

# Photos whose thumbnails correlate at least so much are nearly the same. Of the 11,894 photos of the project's own
# training data, 91 have such a neighbor; of 24 pairs that a person looked at, 21 were copies of one photo and three
# were landscapes with the horizon at the same height. From 0.92 to 0.95, half of the pairs are landscapes.
MIN_CORRELATION = 0.95
SIDE = 16
# Standard deviation of the pixels below which a photo is so plain that only noise is left of it.
MIN_CONTRAST = 5.0
# Photos that are compared with all others at a time.
BLOCK = 512


def thumbnail(image: Image.Image) -> np.ndarray:
    """Returns the thumbnail of an image as a vector of length 1; of length 0 if the image is too plain to have one."""
    pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    centered = (pixels - pixels.mean((0, 1))).reshape(-1)
    deviation = centered.std()
    if deviation < MIN_CONTRAST:
        return np.zeros_like(centered)
    return centered / np.linalg.norm(centered)


def similar_pairs(thumbnails: np.ndarray) -> list[tuple[int, int]]:
    """Returns the pairs of photos (lower index, higher index), sorted, that are nearly the same. `thumbnails` has a
    row per photo."""
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(thumbnails), BLOCK):
        correlations = thumbnails[start : start + BLOCK] @ thumbnails[start:].T
        for row, column in np.argwhere(correlations >= MIN_CORRELATION):
            if row < column:
                pairs.append((start + int(row), start + int(column)))
    return sorted(pairs)


def joined(groups: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Returns the group of each photo after the groups of each pair were joined. A joined group has the first of its
    names."""
    parents: dict[str, str] = {}

    def root(group: str) -> str:
        while (parent := parents.get(group, group)) != group:
            group = parent
        return group

    for first, second in pairs:
        low, high = sorted((root(groups[first]), root(groups[second])))
        parents[high] = low
    return [root(group) for group in groups]

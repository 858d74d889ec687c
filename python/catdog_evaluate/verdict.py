"""Says in plain words whether a model would disappoint its user, and what to do.

Every sentence is about what the element reports at its threshold, because that is what its user sees.
"""

from collections.abc import Mapping
from typing import Any

from catdog_evaluate.summary import Folders, Row, is_background, is_right, reports_class

# Shares of a class folder below which a user would be disappointed.
MIN_RIGHT = 0.9
MIN_SHOWN = 0.85
# A single image says nothing about a class.
FEWEST = 2
# More wrong labels than this share, on images without any of the classes.
MAX_FALSE_CLAIMS = 0.05
# Images of a class below which its share of right answers is a guess.
MIN_IMAGES = 30
# A calibration error above this means that the confidence says little.
MAX_CALIBRATION_ERROR = 0.1


def sentences(result: Mapping[str, Any]) -> list[str]:
    """Returns what would disappoint, each with a remedy; empty if nothing would."""
    folders: Folders = result["folders"]
    rows: list[Row] = result["pictures"]
    found: list[str] = []
    for folder, label in folders.items():
        own = [row for row in rows if row["folder"] == folder]
        if label is None or is_background(label):
            found += of_background(folder, own)
        else:
            found += of_class(folder, label, own, folders)
    if not any(label is None or is_background(label) for label in folders.values()):
        found.append(
            "no image shows none of the classes, so nothing is known about false alarms: add a folder 'neither' with "
            "photos of the room, of hands and of other things"
        )
    if result["summary"]["ece"] > MAX_CALIBRATION_ERROR:
        found.append(
            "the confidence differs from the share of right answers by "
            f"{percent(result['summary']['ece'])} on average: do not rely on class-confidence-threshold, or train with "
            "more photos"
        )
    small = [folder for folder, part in result["summary"]["right"].items() if part["of"] < MIN_IMAGES]
    if small:
        part = result["summary"]["right"][small[0]]
        found.append(
            f"{part['of']} images of {small[0]} are few: the true share of right answers is between "
            f"{percent(part['low'])} and {percent(part['high'])}; evaluate with photos of another day"
        )
    return found


def of_class(folder: str, label: str, rows: list[Row], folders: Folders) -> list[str]:
    """Returns the sentences about the images of a class."""
    total = len(rows)
    unknown = sum(not row["accepted"] for row in rows)
    wrong = [row for row in rows if row["accepted"] and not is_right(row, folders)]
    found = []
    if total - unknown < MIN_SHOWN * total and unknown >= FEWEST:
        unsure = sum(not row["accepted"] and row["top"] == label for row in rows)
        found.append(
            f"{unknown} of {total} images of {folder} get no label, because the confidence is below the threshold "
            f"({unsure} of them would be right): add photos of {label} like these, or lower class-confidence-threshold"
        )
    if len(wrong) > (1 - MIN_RIGHT) * total and len(wrong) >= FEWEST:
        other = most_frequent(row["label"] for row in wrong)
        found.append(
            f"{len(wrong)} of {total} images of {folder} get a wrong label, most often {other}: add photos of {label} "
            f"and of {other} in the same places and light"
        )
    return found


def of_background(folder: str, rows: list[Row]) -> list[str]:
    """Returns the sentence about images that show none of the classes."""
    claims = [row for row in rows if reports_class(row)]
    if len(claims) <= MAX_FALSE_CLAIMS * len(rows) or len(claims) < FEWEST:
        return []
    other = most_frequent(row["label"] for row in claims)
    return [
        f"{len(claims)} of {len(rows)} images of {folder} are called something, most often {other}: add photos to the "
        f"folder of the background class that look like {other}"
    ]


def most_frequent(labels: Any) -> str:
    """Returns the most frequent label, the first in the alphabet of equally frequent ones."""
    counted: dict[str, int] = {}
    for label in labels:
        counted[label] = counted.get(label, 0) + 1
    return min(counted, key=lambda label: (-counted[label], label))


def percent(share: float) -> str:
    """Returns a share as a percentage without decimals."""
    return f"{100 * share:.0f} %"

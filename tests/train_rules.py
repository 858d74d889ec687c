"""Tests of the rules of the training that need no network: how photos are split, when the confidence is calibrated,
and what the evaluation says about a model.

Run by scripts/test.sh.
"""

import base64
import html.parser
import io
import itertools
import pathlib
import re
import sys
import tempfile
import unittest
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from catdog_evaluate import markdown, report, summary, verdict, webpage
from catdog_evaluate.files import find_classes
from catdog_train import dataset, measures, similar
from catdog_train.dataset import InputError, Photo

RANDOM = np.random.default_rng(11)


def scene() -> Image.Image:
    """Returns a picture of large colored patches, unlike all others."""
    patches = RANDOM.integers(0, 256, (5, 5, 3), np.uint8)
    return Image.fromarray(patches).resize((120, 90), Image.Resampling.BICUBIC)


class Folders:
    """Class folders with photos in a temporary folder."""

    def __init__(self, test: unittest.TestCase) -> None:
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def add(self, folder: str, image: Image.Image, name: str | None = None, **options: Any) -> pathlib.Path:
        """Writes an image. Without a name, it gets one that forms no group with others."""
        place = self.root / folder
        place.mkdir(exist_ok=True)
        path = place / (name or f"{len(list(place.iterdir()))}x.png")
        image.save(path, **options)
        return path

    def fill(self, folder: str, count: int) -> None:
        """Writes different images."""
        for _ in range(count):
            self.add(folder, scene())

    def read(self) -> list[Photo]:
        """Returns all photos."""
        files, _, _ = dataset.find_images([self.root])
        return dataset.read_images(files, 32)[0]

    def split(self, share: float = 0.1) -> dataset.Split:
        """Returns the split of all photos."""
        return dataset.split(self.read(), share)


def counts(photos: list[Photo]) -> dict[str, int]:
    """Returns the number of photos of each class folder."""
    names = [photo.file.path.parent.name for photo in photos]
    return {name: names.count(name) for name in sorted(set(names))}


class Split(unittest.TestCase):
    """The split into training and validation images."""

    def test_each_class_has_a_dozen_validation_images_or_a_third(self) -> None:
        for own, other, wanted in ((15, 40, {"a": 5, "b": 12}), (6, 3, {"a": 2, "b": 1})):
            folders = Folders(self)
            folders.fill("a", own)
            folders.fill("b", other)
            split = folders.split()
            self.assertEqual(counts(split.validation), wanted)
            self.assertEqual(len(split.training) + len(split.validation), own + other)
            self.assertEqual(split.notes, [])

    def test_the_share_counts_where_it_is_more(self) -> None:
        folders = Folders(self)
        folders.fill("a", 80)
        folders.fill("b", 80)
        found = counts(folders.split(share=0.4).validation)
        self.assertTrue(all(20 <= count <= 40 for count in found.values()), found)

    def test_images_that_are_nearly_the_same_stay_together(self) -> None:
        folders = Folders(self)
        folders.fill("a", 30)
        for index in range(15):
            image = scene()
            folders.add("b", image, f"first{index}x.png")
            darker = image.point(lambda value: int(0.6 * value)).resize((64, 48))
            folders.add("b", darker, f"second{index}x.jpg", quality=60)
        split = folders.split()
        for part in (split.training, split.validation):
            names = [photo.file.path.stem for photo in part if photo.file.path.parent.name == "b"]
            self.assertEqual(
                {name.removeprefix("first") for name in names if name.startswith("first")},
                {name.removeprefix("second") for name in names if name.startswith("second")},
            )

    def test_a_class_of_nearly_equal_images_is_cut_into_runs_and_noted(self) -> None:
        folders = Folders(self)
        folders.fill("a", 30)
        image = scene()
        for index in range(30):
            folders.add("b", image.rotate(0.2 * index), f"{index:02}x.png")
        split = folders.split()
        self.assertEqual(counts(split.validation)["b"], 10)
        held_back = sorted(int(p.file.path.stem[:2]) for p in split.validation if p.file.path.parent.name == "b")
        neighbors = sum(b == a + 1 for a, b in itertools.pairwise(held_back))
        self.assertGreaterEqual(neighbors, 8, "the images are in two runs")
        self.assertEqual(len(split.notes), 1)
        self.assertIn("most images of b are nearly the same", split.notes[0])

    def test_one_image_in_two_classes_is_noted(self) -> None:
        folders = Folders(self)
        folders.fill("a", 12)
        folders.fill("b", 12)
        image = scene()
        folders.add("a", image, "same.png")
        folders.add("b", image, "same.png")
        (note,) = folders.split().notes
        self.assertIn("a/same.png", note)
        self.assertIn("in two classes", note)

    def test_a_class_with_two_images_is_refused(self) -> None:
        folders = Folders(self)
        folders.fill("a", 12)
        folders.fill("b", 2)
        with self.assertRaisesRegex(InputError, "b has 2 images; a class needs at least 3"):
            folders.split()


class Collected(unittest.TestCase):
    """The folder that `catdog collect` writes."""

    def test_photos_that_are_not_sorted_yet_are_no_class(self) -> None:
        folders = Folders(self)
        folders.fill("cat", 3)
        folders.fill("dog", 3)
        (folders.root / "to-sort" / "cat").mkdir(parents=True)
        folders.fill("to-sort/cat", 1)
        (folders.root / "collected.jsonl").write_text("{}\n")
        _, classes, skipped = dataset.find_images([folders.root])
        self.assertEqual((classes, skipped), (["cat", "dog"], []))
        self.assertEqual(list(find_classes(folders.root)), ["cat", "dog"])


class Reading(unittest.TestCase):
    """Damaged, turned and plain images."""

    def test_a_damaged_image_is_skipped_and_many_are_an_error(self) -> None:
        folders = Folders(self)
        folders.fill("a", 12)
        folders.fill("b", 12)
        damaged = folders.root / "b" / "0x.png"
        damaged.write_bytes(damaged.read_bytes()[:200])
        files, _, _ = dataset.find_images([folders.root])
        photos, messages = dataset.read_images(files, 32)
        self.assertEqual(len(photos), 23)
        self.assertEqual(len(messages), 1)
        self.assertTrue(messages[0].startswith(f"{damaged} cannot be read: "), messages)
        for index in (1, 2):
            (folders.root / "b" / f"{index}x.png").write_text("no image")
        with self.assertRaisesRegex(InputError, "3 of 12 images of .*b are damaged"):
            dataset.read_images(files, 32)

    def test_a_turned_photo_is_read_upright(self) -> None:
        folders = Folders(self)
        turned = Image.Exif()
        turned[0x0112] = 6
        image = Image.new("RGB", (40, 20), "red")
        image.paste("blue", (0, 0, 20, 20))
        folders.add("a", image, "turned.jpg", exif=turned)
        (photo,) = read_all(folders)
        upright = Image.open(io.BytesIO(photo.encoded))
        self.assertEqual(upright.size, (20, 40))
        red, _, blue = upright.getpixel((10, 5))  # type: ignore[misc]
        self.assertGreater(blue, red)

    def test_plain_images_are_similar_to_nothing(self) -> None:
        plain = []
        for color in ("red", "red", "blue"):
            image = Image.new("RGB", (64, 64), color)
            image.paste((8, 8, 8), (0, 0, 2, 2))  # dust on the lens, at the same place
            plain.append(similar.thumbnail(image))
        self.assertEqual(similar.similar_pairs(np.array(plain)), [])


def read_all(folders: Folders) -> list[Photo]:
    """Returns the photos of one class."""
    paths = sorted((folders.root / "a").iterdir())
    return [dataset.read_image(dataset.ImageFile(path, 0, path.stem), 32) for path in paths]


def answers(right: int, wrong: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logits and labels of two classes, of which each has `right` right and `wrong` wrong answers. The best
    class leads by `margin`."""
    labels = np.repeat([0, 1], right + wrong)
    is_right = np.tile(np.arange(right + wrong) < right, 2)
    best = np.where(is_right, labels, 1 - labels)
    # Interleaved, so that each part of the cross-validation has mistakes.
    order = np.argsort(np.tile(np.arange(right + wrong) % max(1, (right + wrong) // max(1, wrong)), 2), kind="stable")
    return (margin * np.eye(2)[best])[order], labels[order]


class Biases(unittest.TestCase):
    """The levels of the logits of each class."""

    def test_the_levels_that_were_moved_are_found(self) -> None:
        random = np.random.default_rng(4)
        labels = np.repeat([0, 1, 2], 400)
        # Normal distributions of the same width: the logits that follow from Bayes' theorem are linear.
        x = random.normal(size=(1200, 3)) + 2.0 * np.eye(3)[labels]
        logits = 2.0 * x
        moved = logits + np.array([3.0, -5.0, 1.5])
        biases = measures.best_biases(moved, labels, 2)
        self.assertEqual(biases[2], 0)
        np.testing.assert_allclose(biases, [-1.5, 6.5, 0], atol=0.35)
        right = (logits.argmax(1) == labels).mean()
        self.assertAlmostEqual(((moved + biases).argmax(1) == labels).mean(), right, delta=0.01)


class Calibration(unittest.TestCase):
    """The temperature of the confidence."""

    def test_few_images_leave_the_confidence_as_it_is(self) -> None:
        for count in (1, 4, 7):
            found = measures.calibrate(*answers(count, 0, 5.0))
            self.assertEqual(found.temperature, 1.0)
            self.assertIn(f"only {count} validation images", found.reason)

    def test_right_answers_alone_do_not_lower_the_confidence(self) -> None:
        found = measures.calibrate(*answers(12, 0, 5.0))
        self.assertEqual(found.temperature, 1.0)

    def test_the_temperature_gives_the_share_of_right_answers(self) -> None:
        for margin in (8.0, 1.0):
            logits, labels = answers(180, 20, margin)
            found = measures.calibrate(logits, labels)
            confidence = measures.probabilities(logits / found.temperature).max(1)
            self.assertAlmostEqual(float(confidence.mean()), 0.9, delta=0.01)
            self.assertIsNone(found.warning)

    def test_a_temperature_at_its_limit_is_a_warning(self) -> None:
        found = measures.calibrate(*answers(130, 70, 40.0))
        self.assertEqual(found.temperature, 4.0)
        self.assertIn("the confidence does not fit", str(found.warning))


def row(folder: str, top: str, confidence: float) -> dict[str, Any]:
    """Returns the result of an image."""
    accepted = confidence >= 0.7
    others = [label for label in ("mug", "keys", "neither") if label != top]
    confidences = {top: confidence} | dict.fromkeys(others, (1 - confidence) / 2)
    return {
        "file": f"{folder}/x.jpg",
        "frame": 0,
        "folder": folder,
        "label": top if accepted else "unknown",
        "accepted": accepted,
        "top": top,
        "confidence": confidence,
        "confidences": confidences,
        "element_ms": 1.0,
        "inference_ms": 0.5,
    }


def result(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns what an evaluation of the rows finds."""
    labels = ["keys", "mug", "neither"]
    folders = summary.match_folders(dict.fromkeys(entry["folder"] for entry in rows), labels)
    typed: Any = rows
    return {
        "model": "m.tflite",
        "labels": labels,
        "threshold": 0.7,
        "plugin": "0.1.0",
        "folders": folders,
        "summary": summary.summarize(typed, folders, labels),
        "clips": [],
        "pictures": rows,
    }


GOOD = [row(folder, folder, 0.97) for folder in ("mug", "keys", "neither") for _ in range(40)]


class Verdict(unittest.TestCase):
    """The sentences about a model."""

    def only(self, rows: list[dict[str, Any]]) -> str:
        """Returns the only sentence."""
        (sentence,) = verdict.sentences(result(rows))
        return sentence

    def test_a_good_model_gets_no_sentence(self) -> None:
        self.assertEqual(verdict.sentences(result(GOOD)), [])

    def test_images_below_the_threshold_are_named_with_the_class(self) -> None:
        rows = [*GOOD[:30], *(row("mug", "mug", 0.6) for _ in range(10)), *GOOD[40:]]
        self.assertTrue(self.only(rows).startswith("10 of 40 images of mug get no label"), self.only(rows))
        self.assertIn("(10 of them would be right): add photos of mug", self.only(rows))

    def test_confused_classes_are_named(self) -> None:
        rows = [*GOOD[:34], *(row("mug", "keys", 0.9) for _ in range(6)), *GOOD[40:]]
        self.assertIn("6 of 40 images of mug get a wrong label, most often keys", self.only(rows))

    def test_false_alarms_are_named(self) -> None:
        rows = [*GOOD[:117], *(row("neither", "mug", 0.9) for _ in range(3))]
        self.assertIn("3 of 40 images of neither are called something, most often mug", self.only(rows))

    def test_a_missing_background_class_is_named(self) -> None:
        self.assertIn("add a folder 'neither'", self.only(GOOD[:80]))

    def test_few_images_are_named_with_the_interval(self) -> None:
        rows = [*GOOD[:12], *GOOD[40:]]
        # 12 of 12: Wilson's interval begins at 12 / (12 + 1.96^2).
        wanted = "12 images of mug are few: the true share of right answers is between 76 % and 100 %"
        self.assertIn(wanted, self.only(rows))


class Elements(html.parser.HTMLParser):
    """Reads a page with the parser of the standard library."""

    VOID = ("meta", "img")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: list[list[list[str]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data: str) -> None:
        if not self.open:
            return
        self.texts[self.open[-1]][-1] += data
        if self.open[-1] in ("th", "td"):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Returns the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.found if name == tag]


class Page(unittest.TestCase):
    """The report as Markdown and as HTML."""

    def setUp(self) -> None:
        rows = [*GOOD[:30], *(row("mug", "mug", 0.6) for _ in range(10)), *GOOD[40:]]
        self.result = result(rows) | {"model": '<b>|&".tflite'}
        self.blocks = report.content(self.result, {"mistakes.png": b"one", "reliability.png": b"two"})
        self.web = webpage.page(self.blocks)
        self.elements = Elements(self.web)

    def test_markdown_has_the_verdict_and_the_plots(self) -> None:
        page = markdown.page(self.blocks)
        self.assertIn("- 10 of 40 images of mug get no label", page)
        self.assertIn("](mistakes.png)", page)
        self.assertNotIn("confusion.png", page)
        self.assertIn("| keys | keys | 40 | 100.0 % |", page)
        self.assertIn("Nothing that would disappoint was found.", markdown.page(report.content(result(GOOD), {})))

    def test_both_formats_have_the_same_content(self) -> None:
        page = markdown.page(self.blocks)
        headings = [line.lstrip("# ") for line in page.splitlines() if line.startswith("#")]
        self.assertEqual(headings, self.elements.texts["h1"] + self.elements.texts["h2"])
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in page.splitlines()
            if line.startswith("|") and "---" not in line
        ]
        self.assertEqual(rows, [cells for table in self.elements.tables for cells in table])
        for text in self.elements.texts["li"] + self.elements.texts["p"] + self.elements.texts["figcaption"]:
            self.assertIn(text, page)

    def test_the_web_page_is_one_file_that_loads_nothing(self) -> None:
        self.assertEqual(self.elements.open, [])
        images = [base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,")) for image in self.images()]
        self.assertEqual(images, [b"one", b"two"])
        self.assertNotRegex(self.web, r"https?:|//|url\(|@import|<script|<link")
        (policy,) = [meta["content"] for meta in self.elements.all("meta") if "http-equiv" in meta]
        self.assertEqual(policy, "default-src 'none'; img-src data:; style-src 'unsafe-inline'")
        self.assertEqual(self.elements.texts["title"], ['<b>|&".tflite'])

    def images(self) -> list[dict[str, str | None]]:
        """Returns the attributes of the images."""
        return self.elements.all("img")

    def test_the_web_page_is_accessible(self) -> None:
        (page,) = self.elements.all("html")
        self.assertEqual(page["lang"], "en")
        self.assertTrue(all(image["alt"] for image in self.images()))
        self.assertEqual(len(self.elements.texts["h1"]), 1)
        ids = [attributes.get("id") for tag, attributes in self.elements.found if tag in ("h1", "h2")]
        self.assertEqual(len(ids), len(set(ids)))
        regions = [region for region in self.elements.all("div") if region.get("role") == "region"]
        self.assertEqual(len(regions), len(self.elements.tables) + 1, "the tables and the sheet of mistakes scroll")
        for labeled in regions + self.elements.all("table"):
            self.assertIn(labeled["aria-labelledby"], ids)
        self.assertTrue(all(region["tabindex"] == "0" for region in regions))
        scopes = [header["scope"] for header in self.elements.all("th")]
        for table in self.elements.tables:
            self.assertTrue(all(table[0]), f"a column without a name: {table[0]}")
        columns = sum(len(table[0]) for table in self.elements.tables)
        self.assertEqual(scopes.count("col"), columns)
        self.assertEqual(scopes.count("row"), sum(len(table) - 1 for table in self.elements.tables))


if __name__ == "__main__":
    unittest.main()

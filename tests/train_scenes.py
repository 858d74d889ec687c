"""Tests of the parts of the training that compose scenes and read annotations and weights. They need no network.

Run by scripts/test.sh.
"""

import argparse
import io
import pathlib
import pickle
import struct
import sys
import tempfile
import unittest

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from catdog_train import compose, dataset, masks, measures, torch_file
from catdog_train.dataset import InputError

RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (20, 20, 230)
BACKGROUND = 2


def png(image: Image.Image) -> bytes:
    """Returns an image as PNG."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def disc(label: int, color: tuple[int, int, int]) -> compose.CutOut:
    """Returns a thing: a disc of one color in a gray photo, with its mask."""
    y, x = np.mgrid[:200, :200]
    inside = (x - 120) ** 2 + (y - 90) ** 2 < 60**2
    photo = np.where(inside[..., None], color, (128, 128, 128)).astype(np.uint8)
    return compose.CutOut(png(Image.fromarray(photo)), png(Image.fromarray((255 * inside).astype(np.uint8))), label)


GRASS = [png(Image.new("RGB", (320, 240), GREEN)), png(Image.new("RGB", (240, 320), (30, 180, 40)))]


def scenes(cut_outs: list[compose.CutOut], count: int) -> list[compose.Scene]:
    """Returns composed scenes."""
    return [compose.compose(cut_outs, [], GRASS, BACKGROUND, [5, index], 1.0) for index in range(count)]


def pixels(scene: compose.Scene) -> np.ndarray:
    """Returns the pixels of a scene."""
    return np.asarray(Image.open(io.BytesIO(scene.encoded)).convert("RGB"), np.float32)


class Compose(unittest.TestCase):
    """Composed scenes."""

    def test_the_thing_is_inside_its_box_and_nowhere_else(self) -> None:
        checked = 0
        for scene in scenes([disc(0, RED)], 60):
            self.assertIn(scene.label, (0, BACKGROUND))
            self.assertEqual(scene.box is None, scene.label == BACKGROUND)
            image = pixels(scene)
            redness = image[..., 0] - image[..., 1]
            if scene.box is None or redness.max() < 110:
                continue  # without a thing, at night, or against the light
            height, width = redness.shape
            left, top, right, bottom = scene.box
            self.assertTrue(0 <= left < right <= 1 and 0 <= top < bottom <= 1, scene.box)
            rows, columns = np.nonzero(redness > 80)
            # A wide lens and motion move things by up to a tenth of the frame.
            self.assertGreater(columns.mean() / width, left - 0.1)
            self.assertLess(columns.mean() / width, right + 0.1)
            self.assertGreater(rows.mean() / height, top - 0.1)
            self.assertLess(rows.mean() / height, bottom + 0.1)
            checked += 1
        self.assertGreater(checked, 25)

    def test_the_mask_shows_where_the_thing_is(self) -> None:
        checked = 0
        for scene in scenes([disc(0, RED)], 60):
            self.assertEqual(scene.mask is None, scene.label == BACKGROUND)
            image = pixels(scene)
            redness = image[..., 0] - image[..., 1]
            if scene.mask is None or redness.max() < 150:
                continue  # without a thing, at night, in motion, or against the light
            mask = np.asarray(Image.open(io.BytesIO(scene.mask)))
            self.assertEqual(mask.shape, redness.shape)
            red, masked = redness > 75, mask > 127
            self.assertGreater((red & masked).sum() / (red | masked).sum(), 0.6)
            checked += 1
        self.assertGreater(checked, 20)

    def test_things_have_many_sizes(self) -> None:
        heights = [s.box[3] - s.box[1] for s in scenes([disc(0, RED)], 80) if s.box]
        self.assertLess(np.quantile(heights, 0.2), 0.25)
        self.assertGreater(np.quantile(heights, 0.8), 0.45)

    def test_a_replaced_thing_is_painted_over(self) -> None:
        frame, box = compose.vacated(disc(1, BLUE), np.random.default_rng(2), 1.0)
        height, width = frame.shape[:2]
        left, _, right, bottom = (round(side * size) for side, size in zip(box, (width, height, width, height)))
        self.assertAlmostEqual((right - left) / width, 0.6, delta=0.02)
        self.assertAlmostEqual(bottom / height, 0.75, delta=0.02)
        # The disc had a blue of 230 and a red of 20; around it, all colors are 128.
        self.assertLess(np.abs(frame.mean((0, 1)) - 128).max(), 4)
        self.assertLess(np.abs(frame - 128).max(), 60)

    def test_the_same_seed_gives_the_same_scene(self) -> None:
        cut_outs = [disc(0, RED), disc(1, BLUE)]
        self.assertEqual(scenes(cut_outs, 5), scenes(cut_outs, 5))
        first, second = scenes(cut_outs, 2)
        self.assertNotEqual(first, second)

    def test_outlines_and_things_of_the_background_have_its_label_and_no_box(self) -> None:
        made = scenes([disc(BACKGROUND, RED)], 40)
        self.assertEqual({(scene.label, scene.box) for scene in made}, {(BACKGROUND, None)})
        red = sum((pixels(scene)[..., 0] - pixels(scene)[..., 1]).max() > 60 for scene in made)
        self.assertTrue(10 <= red <= 34, "some scenes have the thing, others its outline only")

    def test_a_squashed_photo_is_stretched_back(self) -> None:
        thing, mask = compose.piece(disc(0, RED), np.random.default_rng(1), 1.5)
        self.assertEqual(thing.shape[:2], mask.shape)
        self.assertAlmostEqual(thing.shape[1] / thing.shape[0], 1.5, delta=0.05)


class Annotations(unittest.TestCase):
    """Boxes, masks and lists of images that are left out."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("train/a/1.png", "train/a/2.png", "train_more/a/3.png", "train/b/1.png", "other/b/9.png"):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(path)

    def names(self, **options: object) -> dict[str, dataset.ImageFile]:
        """Returns the images that are found, by their path below the data folder."""
        folders = dataset.data_folders(str(self.root))
        files, _, _ = dataset.find_images(folders, **options)  # type: ignore[arg-type]
        return {str(file.path.relative_to(self.root)): file for file in files}

    def test_all_folders_that_begin_with_train_are_read(self) -> None:
        self.assertEqual(set(self.names()), {"train/a/1.png", "train/a/2.png", "train/b/1.png", "train_more/a/3.png"})

    def test_a_box_contains_all_boxes_of_the_image(self) -> None:
        rows = ["file,label,x,y,w,h", "a/1.png,a,0.1,0.2,0.3,0.4", "a/1.png,a,0.5,0.1,0.25,0.125"]
        (self.root / "train/boxes.csv").write_text("\n".join(rows) + "\n")
        found = self.names()
        self.assertIsNone(found["train/b/1.png"].box)
        np.testing.assert_allclose(found["train/a/1.png"].box or (), (0.1, 0.1, 0.75, 0.6))
        not_a_number = f"{rows[0]}\na/1.png,a,1,2,x,3\n"
        for text, message in (("x,y\n", "the first line is not file,label"), (not_a_number, "line 2")):
            (self.root / "train/boxes.csv").write_text(text)
            with self.assertRaisesRegex(InputError, message):
                self.names()

    def test_a_mask_has_the_place_of_its_image(self) -> None:
        masks = self.root / "masks"
        (masks / "train/a").mkdir(parents=True)
        Image.new("L", (8, 8), 255).save(masks / "train/a/2.png")
        found = self.names(masks=masks)
        self.assertEqual([name for name, file in found.items() if file.mask], ["train/a/2.png"])

    def test_images_of_the_list_are_left_out(self) -> None:
        listing = self.root / "list.tsv"
        listing.write_text("a\ttrain/a/2.png\nb\t/elsewhere/b/7.png\n")
        found = self.names(held_back=dataset.read_held_back(str(listing)))
        self.assertEqual(set(found), {"train/a/1.png", "train/b/1.png", "train_more/a/3.png"})
        listing.write_text("a train/a/2.png\n")
        with self.assertRaisesRegex(InputError, "not a class, a tab and a path"):
            dataset.read_held_back(str(listing))


def torch_bytes(weights: dict[str, np.ndarray], function: str = "torch._utils\n_rebuild_tensor_v2") -> bytes:
    """Returns a file as PyTorch 1.5 wrote it, made of the opcodes of pickle (protocol 2)."""
    pairs = b""
    for key, (name, value) in enumerate(weights.items()):
        reference = b"(" + b"".join(
            (
                pickle.dumps("storage", 2)[2:-1],
                b"ctorch\nFloatStorage\n",
                pickle.dumps(str(key), 2)[2:-1],
                pickle.dumps("cpu", 2)[2:-1],
                pickle.dumps(value.size, 2)[2:-1],
                b"N",
            )
        )
        strides = tuple(step // 4 for step in np.ascontiguousarray(value).strides)
        arguments = b"".join(pickle.dumps(part, 2)[2:-1] for part in (0, value.shape, strides, False))
        tensor = b"c" + function.encode() + b"\n(" + reference + b"tQ" + arguments + b"NtR"
        pairs += pickle.dumps(name, 2)[2:-1] + tensor
    ordered = b"\x80\x02ccollections\nOrderedDict\n)R(" + pairs + b"u."
    header = b"".join(pickle.dumps(part, 2) for part in (torch_file.MAGIC, 1001, {"little_endian": True}))
    keys = pickle.dumps([str(key) for key in range(len(weights))], 2)
    storages = b"".join(struct.pack("<q", v.size) + v.astype("<f4").tobytes() for v in weights.values())
    return header + ordered + keys + storages


class TorchFile(unittest.TestCase):
    """Files of PyTorch."""

    def setUp(self) -> None:
        weight = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
        self.weights = {"a.weight": weight, "a.bias": np.array([7.0, 8.0], np.float32)}

    def test_tensors_have_their_names_shapes_and_values(self) -> None:
        found = torch_file.read(io.BytesIO(torch_bytes(self.weights)))
        self.assertEqual(list(found), list(self.weights))
        for name, value in self.weights.items():
            np.testing.assert_array_equal(found[name], value)

    def test_a_file_that_would_run_code_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "it contains os.system, expected tensors only"):
            torch_file.read(io.BytesIO(torch_bytes(self.weights, "os\nsystem")))

    def test_damaged_files_are_refused(self) -> None:
        whole = torch_bytes(self.weights)
        for data in (b"", b"PK\x03\x04", whole[:-4], whole[: len(whole) // 2], pickle.dumps(1) * 5):
            with self.assertRaises(ValueError):
                torch_file.read(io.BytesIO(data))


class RedIsOne:
    """Stands in for a segmentation model: red pixels have the class 1, blue ones 2, all others 0."""

    def classes_of(self, image: Image.Image) -> np.ndarray:
        """Returns the class of each pixel."""
        pixels = np.asarray(image.convert("RGB"), np.int32)
        red, blue = (pixels[..., channel] - pixels[..., 1] > 100 for channel in (0, 2))
        return np.where(red, 1, np.where(blue, 2, 0))


class Masks(unittest.TestCase):
    """Masks by a segmentation model."""

    def test_a_mask_that_is_too_small_too_large_or_unsure_is_not_usable(self) -> None:
        classes = np.zeros((10, 10), int)
        classes[2:6, 2:6] = 8
        found = masks.mask_of(classes, [8], [8, 12])
        assert found is not None
        self.assertEqual(found.sum(), 16)
        for rows, value in ((slice(0, 10), 8), (slice(6, 8), 12)):
            other = classes.copy()
            other[rows] = value
            self.assertIsNone(masks.mask_of(other, [8], [8, 12]))
        self.assertIsNone(masks.mask_of(np.eye(10, dtype=int)[:, :] * 8 * (np.arange(10) < 2), [8], [8]))
        # What is a thing of no class folder, such as the person who holds the cat, does not matter.
        classes[7:9] = 15
        self.assertIsNotNone(masks.mask_of(classes, [8], [8, 12]))

    def test_masks_lie_where_the_training_looks_for_them(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for folder, color in (("reds", RED), ("blues", BLUE)):
                place = root / "photos" / folder
                place.mkdir(parents=True)
                photo = Image.new("RGB", (64, 48), GREEN)
                photo.paste(color, (10, 10, 30, 40))
                photo.save(place / "1.png")
                Image.new("RGB", (64, 48), GREEN).save(place / "2.png")
            options = argparse.Namespace(
                data=str(root / "photos"), out=str(root / "masks"), classes=masks.groups("reds=1,blues=2")
            )
            self.assertEqual(masks.make_masks(options, RedIsOne()), (4, 2))
            self.assertEqual(masks.make_masks(options, RedIsOne()), (4, 2))
            files, _, _ = dataset.find_images([root / "photos"], masks=root / "masks")
            with_mask = {f"{file.path.parent.name}/{file.path.name}" for file in files if file.mask}
            self.assertEqual(with_mask, {"reds/1.png", "blues/1.png"})

    def test_the_mask_of_a_turned_photo_is_upright(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "photos/reds").mkdir(parents=True)
            turned = Image.Exif()
            turned[0x0112] = 6  # stored on its left side
            photo = Image.new("RGB", (64, 64), GREEN)
            photo.paste(RED, (0, 0, 20, 64))
            photo.save(root / "photos/reds/1.jpg", exif=turned, quality=95)
            options = argparse.Namespace(
                data=str(root / "photos"), out=str(root / "masks"), classes=masks.groups("reds=1")
            )
            self.assertEqual(masks.make_masks(options, RedIsOne()), (1, 1))
            mask = np.asarray(Image.open(root / "masks/photos/reds/1.png"))
            # Upright, the red part is at the top.
            self.assertGreater(mask[:64].mean(), 200)
            self.assertLess(mask[128:].mean(), 20)


class Places(unittest.TestCase):
    """The logits of an image from those of its places."""

    def test_one_place_of_many_is_not_averaged_away(self) -> None:
        logits = np.zeros((1, 6, 6, 2))
        logits[0, 3, 3] = (12.0, 0.0)
        np.testing.assert_allclose(measures.log_mean_exp(logits), [[12 - np.log(36), 0.0]], atol=1e-3)

    def test_large_logits_do_not_overflow(self) -> None:
        np.testing.assert_allclose(measures.log_mean_exp(np.full((1, 2, 2, 1), 2000.0)), [[2000.0]])


if __name__ == "__main__":
    unittest.main()

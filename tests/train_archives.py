"""Tests of the archives that the training reads: zip files of one class, and projects of Teachable Machine.

The layouts are those of files that Teachable Machine 2.4 wrote. Run by scripts/test.sh.
"""

import io
import pathlib
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Mapping
from unittest import mock

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from catdog_train import archives, dataset
from catdog_train.dataset import InputError

RANDOM = np.random.default_rng(3)
MANIFEST = b'{"type":"image","version":"2.4.10","appdata":{"publishResults":{},"trainEpochs":50}}'


def picture() -> bytes:
    """Returns a JPEG file of large colored patches, unlike all others."""
    out = io.BytesIO()
    patches = Image.fromarray(RANDOM.integers(0, 256, (5, 5, 3), np.uint8))
    patches.resize((64, 48), Image.Resampling.BICUBIC).save(out, "JPEG")
    return out.getvalue()


class Archives(unittest.TestCase):
    """Data folders with archives."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(archives.opened.cache_clear)
        self.root = pathlib.Path(folder.name, "data")
        self.root.mkdir()

    def pack(self, name: str, files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> pathlib.Path:
        """Writes an archive to the data folder."""
        path = self.root / name
        with zipfile.ZipFile(path, "w", compression) as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        return path

    def samples(self, name: str, count: int = 3) -> dict[str, bytes]:
        """Writes a zip file as Teachable Machine names its members, and returns them."""
        files = {f"{index}.jpg": picture() for index in range(count)}
        self.pack(name, files)
        return files

    def folder(self, name: str, count: int = 3) -> None:
        """Writes a class folder."""
        (self.root / name).mkdir()
        for index in range(count):
            (self.root / name / f"{index}.jpg").write_bytes(picture())

    def found(self, *data: pathlib.Path) -> dict[str, list[str]]:
        """Returns the file names of the images of each class."""
        folders = [part for path in data or [self.root] for part in dataset.data_folders(str(path))]
        files, names, self.skipped = dataset.find_images(folders)
        self.files, self.names = files, names
        return {name: [file.path.name for file in files if file.label == label] for label, name in enumerate(names)}

    def refused(self, pattern: str, *data: pathlib.Path) -> None:
        """Fails unless the data is refused with one line."""
        with self.assertRaisesRegex(InputError, pattern) as caught:
            self.found(*data)
        self.assertNotIn("\n", str(caught.exception))


class ZipFiles(Archives):
    """Zip files of one class."""

    def test_the_class_is_named_after_the_file(self) -> None:
        for file, name in (
            ("mug-samples.zip", "mug"),
            ("Class 1-samples.zip", "Class 1"),
            ("Tasse à café-samples.zip", "Tasse à café"),
            ("グー-samples (1).zip", "グー"),
            ("pen-samples(2).zip", "pen"),
            ("key-samples 2.zip", "key"),
            ("free-samples-box.ZIP", "free-samples-box"),
        ):
            self.samples(file)
            self.assertEqual(archives.contents(self.root / file, {".jpg"}).classes[0].name, name)
        self.assertEqual(len(self.found()), 7)

    def test_images_at_any_depth_are_read_in_the_order_of_the_file(self) -> None:
        self.samples("keys-samples.zip")
        files = {
            "10.jpg": b"a",
            "2.jpg": b"b",
            "mug/2.JPG": b"c",
            "mug\\deeper\\3.png": b"d",
            "__MACOSX/mug/._2.jpg": b"e",
            ".hidden.jpg": b"f",
            "mug/.thumbnails/2.jpg": b"g",
            "mug/about\n.txt": b"h",
            "folder.jpg/": b"",
            "without a name": b"i",
        }
        path = self.pack("mug.zip", files)
        path.write_bytes(path.read_bytes().replace(b"without", b"\0ithout"))  # zipfile reads names up to a NUL
        self.assertEqual(self.found()["mug"], ["10.jpg", "2.jpg", "2-2.jpg", "3.png"])
        self.assertEqual([dataset.bytes_of(file) for file in self.files if file.label == 1], [b"a", b"b", b"c", b"d"])
        self.assertEqual(self.skipped, [self.root / "mug.zip" / "mug/about?.txt"])

    def test_folders_and_zip_files_of_one_class_are_joined(self) -> None:
        self.folder("mug", 4)
        self.samples("mug-samples.zip", 3)
        self.samples("keys.zip", 2)
        found = self.found()
        self.assertEqual({name: len(files) for name, files in found.items()}, {"keys": 2, "mug": 7})
        self.assertEqual(len({file.path for file in self.files}), 9)

    def test_files_can_be_given_one_by_one(self) -> None:
        self.samples("mug.zip")
        self.samples("keys.zip")
        self.samples("pen.zip")
        self.assertEqual(list(self.found(self.root / "mug.zip", self.root / "keys.zip")), ["keys", "mug"])
        self.refused("only one class, pen; .* zip files, each with the images of one class", self.root / "pen.zip")

    def test_a_zip_file_is_split_like_its_folder(self) -> None:
        parts = []
        for kind in ("folders", "archives"):
            if kind == "folders":
                self.folder("a", 30)
                self.folder("b", 30)
            else:
                for name in ("a", "b"):
                    folder = self.root / name
                    files = sorted(folder.iterdir())
                    self.pack(f"{name}-samples.zip", {file.name: file.read_bytes() for file in files})
                    for file in files:
                        file.unlink()
                    folder.rmdir()
            self.found()
            photos, damaged = dataset.read_images(self.files, 32)
            self.assertEqual(damaged, [])
            split = dataset.split(photos, 0.2)
            parts.append([(p.file.label, p.file.path.name, p.encoded) for p in split.validation])
        self.assertEqual(parts[0], parts[1])

    def test_validation_images_are_written_below_the_list(self) -> None:
        mug = self.samples("mug-samples.zip")
        more = self.samples("mug-samples (1).zip", 1)
        self.folder("keys", 1)
        self.pack("..-!-.zip", {"../../../escaped.jpg": picture()})  # hidden
        self.pack("x-samples.zip", {"../../../escaped.jpg": picture(), "/tmp/absolute.jpg": picture()})
        self.assertEqual(self.found()["x"], ["escaped.jpg", "absolute.jpg"])
        out = self.root.parent / "out"
        out.mkdir()
        dataset.write_validation_list(out / "validation.tsv", self.files, ["Keys", "Mug", "X"])
        lines = [line.split("\t") for line in (out / "validation.tsv").read_text().splitlines()]
        self.assertEqual([name for name, _ in lines], ["Keys", *4 * ["Mug"], "X", "X"])
        below = [str(pathlib.Path(path).relative_to(out / "validation")) for _, path in lines[1:]]
        names = ["mug/0.jpg", "mug/0-2.jpg", "mug/1.jpg", "mug/2.jpg", "x/absolute.jpg", "x/escaped.jpg"]
        self.assertEqual(sorted(below), sorted(names))
        self.assertEqual(lines[0][1], str(self.root / "keys/0.jpg"))
        written = [pathlib.Path(path).read_bytes() for _, path in lines[1:5]]
        self.assertEqual(sorted(written), sorted([*mug.values(), *more.values()]))
        self.assertEqual({path.name for path in self.root.parent.iterdir()}, {"data", "out"})

    def test_a_copy_of_the_folder_beside_it_is_refused(self) -> None:
        self.folder("mug")
        self.folder("keys")
        self.pack("photos.zip", {"mug/0.jpg": picture(), "keys/0.jpg": picture()})
        self.refused("photos.zip has images in a folder (mug|keys), which is also beside it; .* unpack it or move it")

    def test_files_that_are_not_usable_are_refused(self) -> None:
        self.folder("mug")
        self.pack("converted_keras.zip", {"keras_model.h5": b"x", "labels.txt": b"0 a"})
        self.refused(r"converted_keras.zip contains no images \(.bmp, .jpeg, .jpg, .png, .webp\)")
        (self.root / "converted_keras.zip").write_text("not a zip file")
        archives.opened.cache_clear()
        self.refused("converted_keras.zip cannot be read: .*; download or pack it again")
        self.refused("no folder .*none.zip, and no file of this name", self.root / "none.zip")
        self.refused("no folder .*0.jpg, and no file", self.root / "mug/0.jpg")

    def test_limits_are_checked_before_anything_is_read(self) -> None:
        self.folder("mug")
        self.pack("keys.zip", {f"{index}.jpg": bytes(2000) for index in range(10)}, zipfile.ZIP_DEFLATED)
        with mock.patch.object(archives, "read", side_effect=AssertionError):
            for limit, value, pattern in (
                ("MAX_MEMBERS", 9, "keys.zip has 10 files; at most 9 are read: split it"),
                ("MAX_BYTES", 19_999, "keys.zip has 0.0 GB of images, uncompressed; at most 0 GB are read: split it"),
                ("MAX_MEMBER_BYTES", 1_999, "keys.zip: 0.jpg has 0 MB, uncompressed; at most 0 MB are read: make"),
            ):
                with mock.patch.object(archives, limit, value):
                    self.refused(pattern)
                with mock.patch.object(archives, limit, value + 1):
                    self.found()

    def test_a_wrong_size_is_damage_and_is_not_decompressed(self) -> None:
        # The directory and the header of the file say 100 bytes; there are 50 MB.
        path = self.pack("keys.zip", {"0.jpg": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
        size, wrong = (50_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
        content = path.read_bytes()
        self.assertEqual(content.count(size), 2)
        path.write_bytes(content.replace(size, wrong))
        self.samples("mug.zip", 2)
        self.found()
        photos, damaged = dataset.read_images(self.files, 32)
        self.assertEqual(len(photos), 2)
        self.assertEqual(len(damaged), 1)
        self.assertIn("keys.zip/keys/0.jpg cannot be read: the archive is damaged: ", damaged[0])

    def test_encrypted_and_unusually_compressed_images_are_refused(self) -> None:
        self.folder("mug")
        path = self.pack("keys.zip", {"0.jpg": b"x"})
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(content)
        self.refused("keys.zip: 0.jpg is encrypted; pack the images again without a password")
        archives.opened.cache_clear()
        self.pack("keys.zip", {"0.jpg": b"x"}, zipfile.ZIP_BZIP2)
        self.refused("keys.zip: 0.jpg is compressed with method 12; .* Deflate")


class Projects(Archives):
    """Projects of Teachable Machine."""

    def project(self, name: str = "project.tm", manifest: bytes | None = MANIFEST, prefix: str = "") -> pathlib.Path:
        """Writes a project with three classes."""
        classes = {"グー": 2, "Class 1": 3, "on/off": 1}
        files = {f"{prefix}{name}-!-{i}.jpg": picture() for name, count in classes.items() for i in range(count)}
        if manifest is not None:
            files[f"{prefix}manifest.json"] = manifest
        return self.pack(name, files)

    WANTED = (("Class 1", ["0.jpg", "1.jpg", "2.jpg"]), ("on_off", ["0.jpg"]), ("グー", ["0.jpg", "1.jpg"]))

    def test_samples_are_named_after_their_class(self) -> None:
        self.assertEqual(self.found(self.project()), dict(self.WANTED))
        photos, damaged = dataset.read_images(self.files, 32)
        self.assertEqual((len(photos), damaged, self.skipped), (6, [], []))

    def test_a_project_can_be_renamed_or_packed_again(self) -> None:
        self.assertEqual(self.found(self.project("renamed.zip")), dict(self.WANTED))
        self.assertEqual(self.found(self.project("again.zip", prefix="project/")), dict(self.WANTED))

    def test_a_project_lies_beside_folders_and_zip_files(self) -> None:
        self.project()
        self.folder("Class 1", 2)
        self.samples("グー-samples.zip", 4)
        self.assertEqual({k: len(v) for k, v in self.found().items()}, {"Class 1": 5, "on_off": 1, "グー": 6})

    def test_other_projects_are_refused_with_a_remedy(self) -> None:
        for name, manifest, pattern in (
            ("a.tm", b'{"type":"audio"}', "a.tm is a project of type 'audio'; only image projects can be trained"),
            ("b.tm", b"[]", "b.tm is a project of type None"),
            ("c.tm", b"{", "c.tm: manifest.json cannot be read: .*; download the samples of each class"),
            ("d.tm", b"[" * 100_000, "d.tm: manifest.json cannot be read: "),
            ("e.tm", b'"' + bytes(2_000_000), "e.tm: manifest.json cannot be read: it has 2000001 bytes"),
            ("f.tm", None, "f.tm has no manifest.json, so it is not a project of Teachable Machine; download the"),
        ):
            self.refused(pattern, self.project(name, manifest))
        self.pack("g.tm", {"manifest.json": MANIFEST, "0.jpg": picture()})
        self.refused("g.tm has no samples, which are named like mug-!-0.jpg; download the", self.root / "g.tm")
        (self.root / "h.tm").write_text("text")
        self.refused("h.tm cannot be read: .*; download the samples of each class instead", self.root / "h.tm")


class Names(unittest.TestCase):
    """Names of files and classes that come from archives."""

    def test_no_name_leaves_its_folder(self) -> None:
        for text in ("..", ".", "", " ", "/", "../..", "a/../b", "\\..\\x", "a\0b", "\u2028", "é" * 300, "..hidden"):
            name = archives.plain(text)
            self.assertNotRegex(name, r"[/\\\x00-\x1f\u2028]")
            self.assertFalse(name.startswith("."), name)
            self.assertTrue(1 <= len(name.encode()) <= 100, name)
            self.assertEqual(len((f"x{name}").splitlines()), 1)


if __name__ == "__main__":
    unittest.main()

"""Tests of examples/archive/dask_archive.py: real workers, the program catdog, and an S3 server on this machine.

Run by tests/shell/archive.sh, which sets CATDOG to the program, CLIP to a video of some seconds, and PYTHONPATH to
the folder of the example.
"""

import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import Any

import dask_archive
import pyarrow.parquet
from dask_archive import Job

PROGRAM, CLIP = os.environ["CATDOG"], pathlib.Path(os.environ["CLIP"])
BUCKET = "recordings"


def rows(folder: pathlib.Path) -> dict[str, list[tuple[float, str]]]:
    """Returns the times and the labels of all results in a folder, by the names of the videos without ranges."""
    found: dict[str, list[tuple[float, str]]] = {}
    for file in folder.glob("videos/**/*.parquet"):
        name = str(file.relative_to(folder / "videos")).removesuffix(".parquet").partition("@")[0]
        table = pyarrow.parquet.read_table(file).to_pydict()
        found.setdefault(name, []).extend(zip(table["time"], table["label"]))
    return {name: sorted(table) for name, table in found.items()}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the example with the program."""
    words = [sys.executable, str(dask_archive.__file__), "--program", PROGRAM, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)


class Folders(unittest.TestCase):
    """Videos and results in folders."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.videos = self.folder / "in"
        (self.videos / "b").mkdir(parents=True)

    def copies(self, count: int) -> None:
        """Makes some videos."""
        for number in range(count):
            (self.videos / f"b/{number}.mp4").write_bytes(CLIP.read_bytes())

    def test_workers_and_one_process_have_the_same_results(self) -> None:
        """Two workers, and a long video that is divided."""
        self.copies(3)
        (self.videos / "text.mp4").write_text("text")
        options = ["--every", "0.5"]
        alone = [PROGRAM, "archive", str(self.videos), "--out", str(self.folder / "alone"), *options]
        self.assertEqual(subprocess.run(alone, check=False, stderr=subprocess.DEVNULL).returncode, 3)
        done = run(str(self.videos), "--out", str(self.folder / "many"), "--", *options, "--split", "5")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("text.mp4: it is not a video", done.stderr)
        self.assertIn("10 of 10", done.stdout)
        self.assertEqual(len(list((self.folder / "many/videos/b").iterdir())), 9)
        self.assertEqual(rows(self.folder / "many"), rows(self.folder / "alone"))
        failures = pyarrow.parquet.read_table(self.folder / "many/failures.parquet").to_pydict()
        self.assertEqual(failures["video"], ["text.mp4"])
        # Again: only the video that cannot be read is tried.
        done = run(str(self.videos), "--out", str(self.folder / "many"), "--", *options, "--split", "5")
        self.assertIn("1 of 1", done.stdout)

    def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(self) -> None:
        """The work of the worker is done by others; files that were there stay as they are."""
        from distributed import Client, LocalCluster

        self.copies(12)
        out = self.folder / "out"
        job = Job(str(self.videos), str(out), ["--every", "0.2"], PROGRAM)
        written: dict[str, int] = {}
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            workers = client.run(os.getpid)

            def kill() -> None:
                deadline = time.monotonic() + 120
                while len(list(out.glob("videos/b/*.parquet"))) < 4 and time.monotonic() < deadline:
                    time.sleep(0.02)
                written.update({str(file): file.stat().st_mtime_ns for file in out.glob("videos/b/*.parquet")})
                os.kill(next(iter(workers.values())), signal.SIGKILL)

            killer = threading.Thread(target=kill, daemon=True)
            killer.start()
            failed = dask_archive.run(client, job)
            killer.join()
        self.assertEqual(failed, {})
        self.assertGreaterEqual(len(written), 4)
        self.assertLess(len(written), 12)
        found = rows(out)
        self.assertEqual(len(found), 12)
        self.assertEqual(len({tuple(table) for table in found.values()}), 1)
        for file, modified in written.items():
            self.assertEqual(pathlib.Path(file).stat().st_mtime_ns, modified, file)

    def test_a_worker_without_the_program_is_named(self) -> None:
        """Without the program, and without GStreamer."""
        self.copies(1)
        broken = self.folder / "catdog"
        broken.write_text("#!/bin/sh\necho 'libgstreamer-1.0.so.0: cannot open shared object file' >&2; exit 127\n")
        broken.chmod(0o755)
        for program, reason in ((str(broken), "libgstreamer-1.0.so.0"), ("/nowhere/catdog", "/nowhere/catdog")):
            done = run(str(self.videos), "--out", str(self.folder / "out"), "--program", program)
            self.assertEqual(done.returncode, 1, done.stderr)
            message = done.stderr.strip().splitlines()[-1]
            self.assertIn(f"dask_archive: {socket.gethostname()}: ", message)
            self.assertIn(reason, message)
            self.assertIn("install catdog and GStreamer there", message)

    def test_another_model_is_named(self) -> None:
        """The program refuses to replace its results."""
        self.copies(1)
        out = self.folder / "out"
        first = run(str(self.videos), "--out", str(out), "--", "--every", "2")
        self.assertEqual(first.returncode, 0, first.stderr)
        other = run(str(self.videos), "--out", str(out), "--", "--every", "2", "--model", "built-in:nano")
        self.assertEqual(other.returncode, 1)
        self.assertIn("results of another model", other.stderr)


class Store(unittest.TestCase):
    """Videos and results in an object store: the S3 server of moto."""

    server: Any
    store: Any

    @classmethod
    def setUpClass(cls) -> None:
        import fsspec
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server.start()
        host, port = cls.server.get_host_and_port()
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        cls.store = fsspec.filesystem("s3", use_listings_cache=False)
        cls.store.mkdir(BUCKET)
        for name in ("a/1.mp4", "2.mp4"):
            cls.store.pipe_file(f"{BUCKET}/in/{name}", CLIP.read_bytes())
        cls.store.pipe_file(f"{BUCKET}/in/text.mp4", b"text")
        cls.store.pipe_file(f"{BUCKET}/in/notes.txt", b"text")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def archive(self, out: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs the example on the bucket."""
        return run(f"s3://{BUCKET}/in", "--out", f"s3://{BUCKET}/{out}", "--", "--every", "1", *options)

    def test_results_are_written_into_the_store_once(self) -> None:
        """The second run leaves them as they are."""
        done = self.archive("out")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("text.mp4: it is not a video", done.stderr)
        results = [f"{BUCKET}/out/videos/2.mp4.parquet", f"{BUCKET}/out/videos/a/1.mp4.parquet"]
        self.assertEqual(sorted(self.store.find(f"{BUCKET}/out/videos")), results)
        for file in results:
            with self.store.open(file, "rb") as opened:
                table = pyarrow.parquet.read_table(opened).to_pydict()
            self.assertEqual(table["time"], [float(second) for second in range(14)])
            self.assertEqual(table["label"][5], "cat")
        with self.store.open(f"{BUCKET}/out/failures.parquet", "rb") as opened:
            self.assertEqual(pyarrow.parquet.read_table(opened).to_pydict()["video"], ["text.mp4"])
        before = [self.store.modified(file) for file in results]
        time.sleep(1.1)  # S3 tells seconds
        self.assertEqual(self.archive("out").returncode, 3)
        self.assertEqual([self.store.modified(file) for file in results], before)
        other = self.archive("out", "--model", "built-in:nano")
        self.assertIn("results of another model", other.stderr)
        self.assertEqual([self.store.modified(file) for file in results], before)

    def test_a_store_that_refuses_is_named(self) -> None:
        """A bucket that is not there, for the results."""
        done = run(f"s3://{BUCKET}/in", "--out", "s3://no-such-bucket/out", "--", "--every", "1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the store does not take its results", done.stderr)


class Errors(unittest.TestCase):
    """Stores that answer with errors."""

    def setUp(self) -> None:
        wait = dask_archive.STORE_WAIT
        dask_archive.STORE_WAIT = 0.01
        self.addCleanup(setattr, dask_archive, "STORE_WAIT", wait)

    def test_an_error_is_tried_again_and_a_missing_file_is_not(self) -> None:
        """Three times at most."""
        left: list[Exception] = []

        def action() -> str:
            if left:
                raise left.pop(0)
            return "found"

        left.extend([OSError()] * 2)
        self.assertEqual(dask_archive.again(action), "found")
        left.extend([OSError()] * 3)
        self.assertRaises(OSError, dask_archive.again, action)
        left.append(FileNotFoundError())
        self.assertRaises(FileNotFoundError, dask_archive.again, action)
        self.assertEqual(left, [])


class Options(unittest.TestCase):
    """Options of catdog."""

    def test_the_worker_does_not_divide_again(self) -> None:
        """Both spellings."""
        for options in (["--split", "60", "--every", "1"], ["--every", "1", "--split=60"]):
            self.assertEqual(dask_archive.without_split(options), ["--every", "1"])

    def test_options_of_the_example_are_refused(self) -> None:
        """They would come twice."""
        for options in (["--range", "0-10"], ["--jobs=4"], ["--every", "1", "-o", "x"]):
            self.assertIsNotNone(dask_archive.refused(options, "folder"), options)
        self.assertIsNone(dask_archive.refused(["--split", "60", "--every", "1"], "folder"))
        self.assertEqual(dask_archive.refused(["--split", "60"], "s3://bucket/in"), "--split")
        done = run("in", "--out", "out", "--", "--range", "0-10")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--range cannot be used here", done.stderr)


if __name__ == "__main__":
    unittest.main()

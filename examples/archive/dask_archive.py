#!/usr/bin/env python3
"""Classifies an archive of videos on many machines: Dask distributes the videos, and `catdog archive` classifies them.

    pip install -r requirements.txt
    python dask_archive.py recordings --out results -- --every 1
    python dask_archive.py s3://bucket/recordings --out s3://bucket/results --scheduler tcp://10.0.0.1:8786 -- --every 1

Without --scheduler, it starts a worker for each processor of this machine. Options after -- go to `catdog archive`.
All workers need the program catdog, and the folders under the same paths. The same command continues a run that was
stopped, whatever stopped it: what is finished is left as it is.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".wmv", ".flv",
          ".3gp", ".ogv")  # fmt: skip
# Exit codes of catdog.
DONE, UNREADABLE = 0, 3
# How often a store is asked again, and the seconds before it.
STORE_RETRIES, STORE_WAIT = 3, 2.0


class Unit(NamedTuple):
    """A piece of work: a video, or a range of its time."""

    # The path, or in an object store the path inside the folder.
    video: str
    # The value of --range; None is the whole video.
    range: str | None
    # Bytes of the video.
    size: int


class Job(NamedTuple):
    """What all units share."""

    # Folder or URL of the videos and of the results.
    source: str
    out: str
    # Options of `catdog archive`.
    options: list[str]
    # The program.
    program: str


class WorkerError(RuntimeError):
    """This machine cannot classify anything."""


def is_store(place: str) -> bool:
    """Returns whether a place is a URL, such as s3://bucket/folder."""
    return "://" in place


def catdog(job: Job, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `catdog archive`. Raises WorkerError if the program does not start.

    The program ends with the worker: Linux sends it a signal when its parent ends.
    """
    command = [job.program, *(["archive"] if words != ("--version",) else []), *words]
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise WorkerError(f"{socket.gethostname()}: {job.program} does not start: {error}") from None
    # The loader and setpriv exit with 127 if a library or the program is missing.
    if done.returncode == 127:
        reason = last_line(done.stderr)
        raise WorkerError(
            f"{socket.gethostname()}: {job.program} does not start: {reason}; install catdog and GStreamer there, or "
            "name the program with --program"
        )
    return done


def last_line(text: str) -> str:
    """Returns the last line of an output."""
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def check(job: Job) -> str | None:
    """Returns why this machine cannot classify anything; None if it can."""
    try:
        done = catdog(job, "--help")
    except WorkerError as error:
        return str(error)
    if done.returncode != DONE:
        return f"{socket.gethostname()}: {job.program} has no `archive`: {last_line(done.stderr)}"
    return None


def units(job: Job) -> list[Unit]:
    """Returns the units of a folder that have no results yet, or all videos of an object store, the largest first."""
    if is_store(job.source):
        store, folder = open_store(job.source)
        found = store.find(folder, detail=True)
        names = {path.removeprefix(folder).lstrip("/"): info["size"] for path, info in found.items()}
        units = [Unit(name, None, size) for name, size in names.items() if name.lower().endswith(VIDEOS)]
    else:
        done = catdog(job, job.source, "--root", job.source, "--out", job.out, "--print-units", *job.options)
        if done.returncode not in (DONE, UNREADABLE):
            raise SystemExit(f"dask_archive: {last_line(done.stderr)}")
        if done.stderr:
            print(done.stderr.rstrip(), file=sys.stderr, flush=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        units = [Unit(line["video"], line["range"], line["bytes"]) for line in lines]
    return sorted(units, key=lambda unit: (-unit.size, unit.video, unit.range or ""))


def open_store(url: str) -> tuple[Any, str]:
    """Returns the file system of a URL and the path in it. Its credentials and options come from the environment and
    from fsspec's configuration."""
    import fsspec

    store, path = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    return store, path.rstrip("/")


def classify(unit: Unit, job: Job) -> str | None:
    """Classifies a unit. Returns None if its results are there, or else why the video cannot be classified.

    Raises WorkerError if this machine cannot do it; Dask then tries it again, perhaps on another one.
    """
    if is_store(job.source):
        return classify_remote(unit, job)
    # --split has made this unit; the range says the rest.
    options = without_split(job.options)
    words = [unit.video, "--root", job.source, "--out", job.out, "--jobs", "1", *options]
    done = catdog(job, *words, *(["--range", unit.range] if unit.range else []))
    return outcome(done)


def outcome(done: subprocess.CompletedProcess[str]) -> str | None:
    """Returns why a video cannot be classified. Raises WorkerError for other errors of the program."""
    if done.returncode == DONE:
        return None
    if done.returncode == UNREADABLE:
        # Before the reason, there may be warnings; after it is the summary.
        lines = [line.removeprefix("catdog: ") for line in done.stderr.splitlines() if line.startswith("catdog: ")]
        return lines[-2] if len(lines) > 1 else "it cannot be read"
    raise WorkerError(f"{socket.gethostname()}: {last_line(done.stderr)}")


def without_split(options: list[str]) -> list[str]:
    """Returns the options without `--split SECONDS`."""
    kept, skip = [], False
    for option in options:
        if not skip and not option.startswith("--split="):
            if option != "--split":
                kept.append(option)
        skip = option == "--split" and not skip
    return kept


def refused(options: list[str], source: str) -> str | None:
    """Returns the first option that this program sets itself, or that makes no sense here; None if there is none."""
    own = ["--range", "--jobs", "--shard", "--root", "--out", "-o", "--print-units", "--files-from"]
    if is_store(source):
        own.append("--split")
    return next((option for option in options if option.split("=")[0] in own), None)


def classify_remote(unit: Unit, job: Job) -> str | None:
    """Classifies a video of an object store: downloads it and the results that may be there, and uploads new ones."""
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        video, results = scratch / "in" / unit.video, scratch / "out/videos" / f"{unit.video}.parquet"
        try:
            source, folder = open_store(job.source)
            fetch(source, f"{folder}/{unit.video}", video)
            out, out_folder = open_store(job.out)
            remote = f"{out_folder}/videos/{unit.video}.parquet"
            # Results of this video, model and options are left as they are.
            with contextlib.suppress(FileNotFoundError):
                fetch(out, remote, results)
        except Exception as error:  # Each store has errors of its own.
            return f"{unit.video}: the store does not give it: {error}"
        before = results.stat().st_mtime_ns if results.exists() else None
        words = [str(video), "--root", str(scratch / "in"), "--out", str(scratch / "out"), "--jobs", "1"]
        reason = outcome(catdog(job, *words, *without_split(job.options)))
        if reason is not None or results.stat().st_mtime_ns == before:
            return reason and reason.replace(f"{scratch}/in/", "")
        try:
            # An object of S3 is there as a whole, or not at all.
            again(lambda: out.put_file(str(results), remote))
        except Exception as error:
            return f"{unit.video}: the store does not take its results: {error}"
    return None


def fetch(store: Any, remote: str, local: pathlib.Path) -> None:
    """Downloads a file with its time of modification. Raises FileNotFoundError if there is none."""
    local.parent.mkdir(parents=True, exist_ok=True)
    modified = again(lambda: store.modified(remote)).timestamp()
    again(lambda: store.get_file(remote, str(local)))
    os.utime(local, (modified, modified))


def again(action: Any) -> Any:
    """Returns what an action on a store returns. It is tried again after errors, but not if a file is missing."""
    for attempt in range(STORE_RETRIES):
        try:
            return action()
        except FileNotFoundError:
            raise
        except Exception:
            if attempt + 1 == STORE_RETRIES:
                raise
            time.sleep(STORE_WAIT * 2**attempt)
    raise AssertionError("unreachable")


def write_failures(job: Job, failed: dict[str, str]) -> None:
    """Writes failures.parquet into an object store; in a folder, catdog writes it."""
    import pyarrow
    import pyarrow.parquet

    out, folder = open_store(job.out)
    path = f"{folder}/failures.parquet"
    if not failed:
        if out.exists(path):
            out.rm_file(path)
        return
    version = catdog(job, "--version").stdout.split()[-1:]
    rows = pyarrow.table({"video": list(failed), "reason": list(failed.values()), "catdog": version * len(failed)})
    with out.open(path, "wb") as file:
        pyarrow.parquet.write_table(rows, file)


@contextlib.contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Yields a client of the scheduler, or of new worker processes on this machine."""
    from distributed import Client, LocalCluster

    if scheduler:
        with Client(scheduler) as client:
            yield client
        return
    local = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    with local, Client(local) as client:
        yield client


def run(client: Any, job: Job) -> dict[str, str]:
    """Classifies everything. Returns why videos failed, by their names."""
    from distributed import as_completed

    problems = sorted({reason for reason in client.run(check, job).values() if reason})
    if problems:
        raise SystemExit("dask_archive: " + "\n".join(problems))
    todo = units(job)
    total, done, started, failed = sum(unit.size for unit in todo), 0, time.monotonic(), {}
    # A unit whose worker dies is given to another one, a few times (distributed.scheduler.allowed-failures).
    futures = client.map(classify, todo, job=job, retries=2, pure=False)
    by_key = {future.key: unit for future, unit in zip(futures, todo)}
    completed = as_completed(futures)
    # A future that is kept would be computed again if the worker dies that has its result.
    del futures
    for number, future in enumerate(completed, 1):
        unit = by_key[future.key]
        name = unit.video if unit.range is None else f"{unit.video}@{unit.range}"
        reason = future.result() if future.status == "finished" else str(future.exception())
        if reason is not None:
            failed[name] = reason
            print(f"dask_archive: {reason}", file=sys.stderr, flush=True)
        done += unit.size
        left = (time.monotonic() - started) / max(done, 1) * (total - done)
        print(f"{number} of {len(todo)}, about {left / 60:.0f} minutes left: {name}", flush=True)
    return failed


def main() -> int:
    """Runs the program; returns the exit code."""
    arguments = sys.argv[1:]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder or URL of the videos")
    parser.add_argument("--out", required=True, help="folder or URL of the results")
    parser.add_argument("--scheduler", help="address of a Dask scheduler (default: workers on this machine)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="workers on this machine (%(default)s)")
    parser.add_argument("--program", default="catdog", help="the program on the workers (%(default)s)")
    options = parser.parse_args(arguments[:at])
    if is_store(options.source) != is_store(options.out):
        parser.error("videos and results are both in folders or both in object stores")
    places = (options.source, options.out)
    if option := refused(arguments[at + 1 :], options.source):
        parser.error(f"{option} cannot be used here")
    source, out = (place.rstrip("/") if is_store(place) else os.path.abspath(place) for place in places)
    job = Job(source, out, arguments[at + 1 :], options.program)
    with cluster(options.scheduler, options.workers) as client:
        failed = run(client, job)
    if is_store(job.out):
        write_failures(job, failed)
    return UNREADABLE if failed else DONE


if __name__ == "__main__":
    sys.exit(main())

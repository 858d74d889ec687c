"""Runs programs as child processes with a time limit, measures their CPU time, and summarizes many runs."""

import argparse
import datetime
import importlib.metadata
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Interval between two checks whether a child has ended, in seconds.
POLL_INTERVAL = 0.02

# Median, 10th and 90th percentile of a measure.
Spread = dict[str, float]


def log(line: str) -> None:
    """Prints one line on stderr."""
    print(line, file=sys.stderr, flush=True)


def results_folder() -> pathlib.Path:
    """Returns the folder for the results of this day and machine, such as 2026-11-23-x86-64-2-cores."""
    machine = platform.machine().replace("_", "-")
    return ROOT / "benches" / "results" / f"{datetime.date.today()}-{machine}-{os.cpu_count()}-cores"


class MeasurementError(Exception):
    """A measurement is not possible. The message is one line that says why."""


class WrongResultError(MeasurementError):
    """A program ended without an error and did not do its work."""


def main(measure: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> None:
    """Runs a measurement; ends the process with a message on failure."""
    # SystemExit lets run() end its child first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        measure(options)
    except (MeasurementError, OSError) as error:
        sys.exit(f"bench: {error}")


def run(command: Sequence[str], limit: float) -> tuple[str, float]:
    """Runs a program. Returns its stdout and its CPU time in seconds.

    Raises MeasurementError if it fails or does not end within `limit` seconds. Only the child itself is killed then:
    none of the measured programs starts processes.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT)
        status, usage = None, None
        try:
            until = time.monotonic() + limit
            while status is None and time.monotonic() < until:
                status, usage = wait4(child, os.WNOHANG)
                if status is None:
                    time.sleep(POLL_INTERVAL)
        finally:
            late = status is None
            if late:
                os.kill(child.pid, signal.SIGKILL)
                status, usage = wait4(child, 0)
        if late or usage is None:
            raise MeasurementError(f"did not end within {limit} s")
        if status != 0:
            err.seek(0)
            lines = [line.strip() for line in err if line.strip() and not line.startswith("INFO:")]
            raise MeasurementError(lines[-1] if lines else f"ended with status {status}")
        out.seek(0)
        return out.read(), usage.ru_utime + usage.ru_stime


def wait4(child: subprocess.Popen[bytes], options: int) -> tuple[int | None, Any]:
    """Returns the exit code and the resource usage of a child, or (None, None) if it runs.

    Popen.wait() would consume the status, and the resource usage with it.
    """
    pid, status, usage = os.wait4(child.pid, options)
    if pid == 0:
        return None, None
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage


def spread(values: Sequence[float]) -> Spread:
    """Returns the median and the interpolated 10th and 90th percentiles."""
    if len(values) == 1:
        return {"median": values[0], "p10": values[0], "p90": values[0]}
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return {"median": statistics.median(values), "p10": tenths[0], "p90": tenths[8]}


def command_line(parser: argparse.ArgumentParser, options: argparse.Namespace, names: Sequence[str]) -> str:
    """Returns the command of this run with the options `names`, which exclude files and folders of this machine."""
    words = [parser.prog]
    for name in names:
        value = getattr(options, name)
        if value is True:
            words.append(f"--{name}")
        elif value != parser.get_default(name):
            words += [f"--{name}", str(value)]
    return " ".join(words)


def first_value(path: str, key: str) -> str | None:
    """Returns the value of the first line of a file that starts with `key`, or None."""
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line[len(key) :].strip(' \t:="') for line in lines if line.startswith(key)), None)


def output_of(*command: str) -> str | None:
    """Returns the stdout of a command, or None if it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def package_version(package: str) -> str | None:
    """Returns the version of an installed Python package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """Returns the hardware and software of this machine, without its name or folders."""
    packages = ("ai-edge-litert", "mediapipe", "opencv-contrib-python", "numpy")
    memory_kib = int((first_value("/proc/meminfo", "MemTotal") or "0").split()[0])
    gstreamer = output_of("gst-inspect-1.0", "--version") or ""
    return {
        "cpu": first_value("/proc/cpuinfo", "model name")
        or first_value("/proc/device-tree/model", "")
        or platform.machine(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / 2**20),
        "os": first_value("/etc/os-release", "PRETTY_NAME"),
        "gstreamer": gstreamer.partition("GStreamer ")[2].split("\n")[0],
        "python": platform.python_version(),
        "packages": {package: package_version(package) for package in packages},
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        # A load well above 0 means that other programs ran and the results are doubtful.
        "load_before": round(os.getloadavg()[0], 2),
    }


def describe(machine: Mapping[str, Any]) -> str:
    """Returns machine() as one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}, GStreamer {machine['gstreamer']}, "
        f"Python {machine['python']}{', ' if versions else ''}{versions}; catdog {machine['commit']}; "
        f"{machine['date']}, load before: {machine['load_before']}"
    )

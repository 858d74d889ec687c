"""Programs run as children within a time limit, what they used, and the numbers that are made of many runs."""

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

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Between two looks at whether a child has ended (seconds)
NAP = 0.02


def tell(line):
    print(line, file=sys.stderr, flush=True)


class Failed(Exception):
    """Nothing can be said; the text says why, in one line."""


class Wrong(Failed):
    """A program ended well, and did not do what it was started for."""


def main(measure, given):
    # Told to stop, a program that runs is ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        measure(given)
    except (Failed, OSError) as failure:
        sys.exit(f"bench: {failure}")


def run(command, limit):
    """(stdout, seconds of processor time) of a program that ends well within `limit` seconds.

    Only the child itself is ever ended: nothing that is measured here starts another.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT)
        status = None
        try:
            until = time.monotonic() + limit
            while status is None and time.monotonic() < until:
                status, usage = waited(child, os.WNOHANG)
                if status is None:
                    time.sleep(NAP)
        finally:
            late = status is None
            if late:
                os.kill(child.pid, signal.SIGKILL)
                status, usage = waited(child, 0)
        if late:
            raise Failed(f"did not end within {limit} s")
        if status != 0:
            err.seek(0)
            said = [line.strip() for line in err if line.strip() and not line.startswith("INFO:")]
            raise Failed(said[-1] if said else f"ended with status {status}")
        out.seek(0)
        return out.read(), usage.ru_utime + usage.ru_stime


def waited(child, options):
    """Popen's own wait would take the status, and with it the usage."""
    pid, status, usage = os.wait4(child.pid, options)
    if pid == 0:
        return None, None
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage


def spread(values):
    """Median, and the 10th and 90th percentile, between neighbours in proportion."""
    if len(values) == 1:
        return {"median": values[0], "p10": values[0], "p90": values[0]}
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return {"median": statistics.median(values), "p10": tenths[0], "p90": tenths[8]}


def command(parser, given, names):
    """What was typed, as far as it is no file or folder of this machine."""
    words = [parser.prog]
    for name in names:
        value = getattr(given, name)
        if value is True:
            words.append(f"--{name}")
        elif value != parser.get_default(name):
            words += [f"--{name}", str(value)]
    return " ".join(words)


def machine():
    """Where and with what it ran; nothing that names the machine or its folders."""
    def first(path, key):
        try:
            lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        return next((line[len(key):].strip(" \t:=\"") for line in lines if line.startswith(key)), None)

    def said(*command):
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    def version(package):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    packages = ("ai-edge-litert", "mediapipe", "opencv-contrib-python", "numpy")
    memory = int(first("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cpu": first("/proc/cpuinfo", "model name") or first("/proc/device-tree/model", "") or platform.machine(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20),
        "os": first("/etc/os-release", "PRETTY_NAME"),
        "gstreamer": (said("gst-inspect-1.0", "--version") or "").partition("GStreamer ")[2].split("\n")[0],
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
        "commit": said("git", "describe", "--always", "--dirty"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        # what else ran: a figure well above 0 makes the others doubtful
        "load_before": round(os.getloadavg()[0], 2),
    }


def about(machine):
    """One sentence of it, for people."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}, GStreamer {machine['gstreamer']}, "
            f"Python {machine['python']}{', ' if versions else ''}{versions}; catdog {machine['commit']}; "
            f"{machine['date']}, load before: {machine['load_before']}")

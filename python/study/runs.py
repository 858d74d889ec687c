"""Starts the processes of the runs and counts what they cost."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from study import counters
from study.errors import StudyError
from study.plan import Step, Variant

# A run that takes longer, in seconds, has stalled. Keras takes minutes in valgrind.
TIMEOUT, SIMULATION_TIMEOUT = 600, 3600


class Setup(NamedTuple):
    """Where everything is."""

    # A file for each version of the model, its pictures as NAME.npy, and picture.rgba.
    work: pathlib.Path
    # The Python interpreter with TensorFlow; None without Keras.
    keras_python: str | None
    # Width and height of the input.
    width: int
    height: int


def command(setup: Setup, variant: Variant, count: int) -> list[str]:
    """Returns the command of a run."""
    suffix = "keras" if variant.model == "keras" else "tflite"
    file = str(setup.work / f"{variant.model}.{suffix}")
    if variant.engine == "catdogfilter":
        size = [f"width={setup.width}", f"height={setup.height}"]
        frame = ["filesrc", f"location={setup.work / 'picture.rgba'}", "!", "rawvideoparse", "format=rgba", *size]
        # Every frame gets one inference and no closer look.
        element = ["catdogfilter", f"model-file={file}", "mode=sync", "second-look=false", f"threads={variant.threads}"]
        pipeline = [*frame, "!", "imagefreeze", f"num-buffers={count}", "!", *element, "!", "fakesink", "sync=false"]
        return ["gst-launch-1.0", "-q", *pipeline]
    python = setup.keras_python if variant.engine.startswith("keras") else sys.executable
    assert python is not None
    words = [variant.engine, file, str(setup.work / f"{variant.model}.npy"), str(count), str(variant.threads)]
    return [python, "-m", "study.worker", *words]


def environment() -> dict[str, str]:
    """Returns the environment of the runs."""
    folder = str(pathlib.Path(__file__).parent.parent)
    return os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}


def run(setup: Setup, step: Step, events: Mapping[str, str], groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Runs a step. Returns its record: the step, seconds, CPU seconds, peak memory in bytes, page faults, counters.

    Raises StudyError with the message of the process if it fails.
    """
    words = command(setup, step.variant, step.pictures)
    out = setup.work / "perf.txt"
    names = groups[step.group] if step.group >= 0 else []
    if names:
        words = [*counters.perf_command(events, names, out), *words]
    costs = measured(words, step.variant, setup.work / "costs.json")
    if names:
        costs |= counters.read_perf(out, events, names)
    kind = {"count": step.pictures, "repetition": step.repetition, "group": step.group}
    return {**step.variant._asdict(), **kind, **costs}


def measured(words: Sequence[str], variant: Variant, costs: pathlib.Path, timeout: int = TIMEOUT) -> dict[str, Any]:
    """Runs a command, for `timeout` seconds at most. Returns wall and CPU time, memory and page faults, and what a
    worker says about its loop. The file `costs` is overwritten.

    Raises StudyError with the message of the process if it fails.
    """
    launcher = [sys.executable, "-I", "-S", str(pathlib.Path(__file__).parent / "launch.py"), str(costs), str(timeout)]
    done = subprocess.run(
        [*launcher, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode:
        # LiteRT writes a line of information to stderr.
        reason = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("INFO")]
        late = f"it was ended, perhaps after {timeout} s"
        raise StudyError(f"{variant.key} failed: {reason[-1] if reason else late}")
    lines = done.stdout.strip().splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return {**json.loads(costs.read_text()), **said}


def simulated(setup: Setup, variant: Variant, few: int, more: int) -> dict[str, Any]:
    """Runs a variant in valgrind with two numbers of pictures. Returns the counters of the start and of a picture.

    The processes run at the same time on all cores, because a simulation counts the same whatever else runs. Raises
    StudyError if one fails: valgrind does not know all instructions of all processors.
    """

    def count(tool: str, pictures: int) -> dict[str, float]:
        out = setup.work / f"{tool}-{pictures}.txt"
        words = [*counters.simulator_command(tool, out), *command(setup, variant, pictures)]
        measured(words, variant, out.with_suffix(".json"), SIMULATION_TIMEOUT)
        try:
            return counters.parse_simulated(tool, out.read_text())
        except (OSError, ValueError) as error:
            raise StudyError(f"{variant.key}: {error}") from None

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        tasks = {(tool, n): pool.submit(count, tool, n) for tool in counters.SIMULATORS for n in (few, more)}
    first, second = (
        {name: value for tool in counters.SIMULATORS for name, value in tasks[tool, n].result().items()}
        for n in (few, more)
    )
    per_image = {name: (second[name] - first[name]) / (more - few) for name in first}
    start = {name: first[name] - few * per_image[name] for name in first}
    return {**variant._asdict(), "counts": [few, more], "per_image": per_image, "start": start}


def end_last_line(file: pathlib.Path) -> None:
    """Ends a line that was cut off when the study was stopped, so that the next record has a line of its own."""
    text = file.read_text() if file.exists() else ""
    if text and not text.endswith("\n"):
        file.write_text(text + "\n")


def read_records(file: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the records of a file; a last line that was cut off is ignored."""
    if not file.exists():
        return []
    found = []
    for text in file.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found

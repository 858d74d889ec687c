"""Measures whole programs that classify the same files with the same model. scripts/bench.sh starts this program and
documents its options.

Each run is a new process (peer.py). In each round every peer runs once; the order rotates by one per round, so that
disturbances affect all peers, and ratios are computed within a round. A peer that does not classify every frame once,
or whose classes differ from those of the others for many frames, fails the measurement: it did not do its work.
"""

import argparse
import collections
import dataclasses
import importlib.util
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pipelines import inputs, measuring, modelfile, report
from pipelines.inputs import Input

# Limit for one run, in seconds.
RUN_TIMEOUT = 180
# The least share of frames with the same class as the reference peer. Peers scale differently, so that a few frames
# may differ.
MIN_AGREEMENT = 0.8
SMOKE = {"rounds": 1, "frames": 12, "inputs": "raw-480p,mjpeg-1080p"}

Run = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Peer:
    """A program to measure. It is left out if one of `modules` (Python) or `elements` (GStreamer) is not installed.

    `classifies` is "all", "none" or "some": how many of the frames it classifies. `model` is "same" for the model that
    all peers share, "another" for a different one, and "odd" if the peer runs the shared model with other results,
    which are then not checked.
    """

    name: str
    label: str
    modules: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    classifies: str = "all"
    model: str = "same"

    def missing(self) -> list[str]:
        """Returns the modules and elements that are not installed."""
        modules = [name for name in self.modules if importlib.util.find_spec(name) is None]
        return modules + [name for name in self.elements if not has_element(name)]

    @property
    def ours(self) -> bool:
        """True for the peers that run catdogfilter."""
        return "catdogfilter" in self.elements


OURS = ("catdogfilter",)
PEERS = (
    Peer("decode", "GStreamer, without a model", classifies="none"),
    Peer("opencv-decode", "OpenCV, without a model", ("cv2",), classifies="none"),
    Peer("python-loop", "Python: OpenCV, then LiteRT", ("cv2", "ai_edge_litert")),
    Peer("appsink", "GStreamer, appsink, LiteRT in a Python thread", ("ai_edge_litert",)),
    Peer("mediapipe", "MediaPipe ImageClassifier, fed by OpenCV", ("cv2", "mediapipe")),
    Peer("opencv-dnn", "OpenCV DNN (model turned to float)", ("cv2", "ai_edge_litert")),
    # In GStreamer 1.28.8 its scores differ from those of the interpreter for the same input tensor.
    Peer("tfliteinference", "GStreamer's tfliteinference", (), ("tfliteinference",), model="odd"),
    Peer("nnstreamer", "NNStreamer's tensor_filter", (), ("tensor_filter",)),
    Peer("catdog", "catdogfilter", (), OURS),
    Peer("catdog-queue", "queue ! catdogfilter", (), OURS),
    Peer("catdog-threads", "queue ! catdogfilter threads=0", (), OURS),
    Peer("catdog-off", "queue ! catdogfilter optimize=off", (), OURS),
    Peer("catdog-own", "queue ! catdogfilter, built-in model", (), OURS, model="another"),
    Peer("catdog-async", "catdogfilter mode=async, not every frame", (), OURS, classifies="some"),
)


def parse_arguments() -> argparse.Namespace:
    """Returns the checked options."""
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, default=measuring.ROOT / "models" / "catdog.tflite")
    parser.add_argument("--clips", type=inputs.Clip.parse, nargs="+", default=inputs.demo_clips())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--peers", default=",".join(peer.name for peer in PEERS))
    parser.add_argument("--inputs", default=",".join(one.name for one in inputs.INPUTS))
    parser.add_argument("--against", default="python-loop")
    parser.add_argument("--out", type=pathlib.Path, default=measuring.results_folder())
    parser.add_argument("--files", type=pathlib.Path, default=measuring.ROOT / "target" / "bench")
    parser.add_argument("--smoke", action="store_true")
    if "--smoke" in sys.argv:
        parser.set_defaults(**SMOKE)
    options = parser.parse_args()
    shown = ("smoke", "rounds", "frames", "peers", "inputs", "against")
    options.command = measuring.command_line(parser, options, shown)
    options.peers = chosen(parser, PEERS, options.peers, "peer")
    options.inputs = chosen(parser, inputs.INPUTS, options.inputs, "input")
    if options.against not in [peer.name for peer in PEERS if peer.classifies == "all"]:
        parser.error(f"--against {options.against}: expected a peer that classifies every frame")
    if options.rounds < 1 or options.frames < 2:
        parser.error("expected at least one round and two frames")
    for file in (options.model, *(clip.file for clip in options.clips)):
        if not file.is_file():
            parser.error(f"there is no file {file}")
    return options


Named = TypeVar("Named", Peer, Input)


def chosen(parser: argparse.ArgumentParser, available: Sequence[Named], names: str, what: str) -> list[Named]:
    """Returns the peers or inputs of a comma-separated list."""
    by_name = {one.name: one for one in available}
    unknown = [name for name in names.split(",") if name not in by_name]
    if unknown:
        parser.error(f"no such {what}: {', '.join(unknown)} (expected: {', '.join(by_name)})")
    return [by_name[name] for name in names.split(",")]


def measure(options: argparse.Namespace) -> None:
    """Runs the measurement and writes its results."""
    machine = measuring.machine()
    size = modelfile.input_size(options.model)
    files = {one.name: one.make(options.files, options.clips, options.frames) for one in options.inputs}
    jobs = {
        one.name: {
            "file": str(files[one.name]),
            "kind": one.kind,
            "width": one.width,
            "height": one.height,
            "frames": options.frames,
            "model": str(options.model.resolve()),
            "size": size,
        }
        for one in options.inputs
    }
    present, absent = find_peers(options, jobs[options.inputs[0].name])
    runs: list[Run] = []
    for one in options.inputs:
        inputs.read_into_cache(files[one.name])
        runs += run_rounds(one, present, jobs[one.name], options.rounds)
        reference = compare_classes(one, present, runs, options.against)
    against = options.against if any(peer.name == options.against for peer in present) else None
    result = {
        "what": "whole pipelines",
        "machine": machine,
        "command": options.command,
        "rounds": options.rounds,
        "frames": options.frames,
        "model": report.file_digest(options.model),
        "against": against,
        "alike_to": reference,
        "clips": [str(clip) for clip in options.clips],
        "inputs": [{"name": one.name, "label": one.label} for one in options.inputs],
        "peers": [describe_peer(peer) for peer in present],
        "absent": [{"name": peer.name, "label": peer.label, "why": why} for peer, why in absent],
        "summary": summarize(options.inputs, present, runs, against),
        "runs": [{key: value for key, value in run.items() if key != "classes"} for run in runs],
    }
    report.write(options.out, "pipelines", result, report.pipelines_text(result), report.pipelines_drawing(result))


def describe_peer(peer: Peer) -> dict[str, Any]:
    """Returns a peer as JSON values."""
    return {
        "name": peer.name,
        "label": peer.label,
        "classifies": peer.classifies,
        "ours": peer.ours,
        "model": peer.model,
    }


def run_rounds(one: Input, peers: Sequence[Peer], job: Mapping[str, Any], rounds: int) -> list[Run]:
    """Returns the runs of all peers on one input."""
    runs = []
    for number in range(rounds):
        offset = number % len(peers)
        for peer in [*peers[offset:], *peers[:offset]]:
            runs.append({"input": one.name, "peer": peer.name, "round": number, **run_peer(peer, job)})
            measuring.log(f"{one.name}, round {number + 1} of {rounds}: {peer.name} {runs[-1]['fps']:.1f} frames/s")
    return runs


def find_peers(options: argparse.Namespace, job: Mapping[str, Any]) -> tuple[list[Peer], list[tuple[Peer, str]]]:
    """Returns the peers that can run, and the others with the reason.

    Each peer runs once, which also reads its files into the page cache. catdogfilter has to run. In a smoke test the
    trial is skipped, so that a peer that fails is an error.
    """
    present: list[Peer] = []
    absent: list[tuple[Peer, str]] = []
    for peer in options.peers:
        missing = peer.missing()
        if missing and peer.ours:
            raise measuring.MeasurementError(
                "GStreamer does not find or load catdogfilter; see `gst-inspect-1.0 catdogfilter`"
            )
        if missing:
            absent.append((peer, f"not installed ({', '.join(missing)})"))
            continue
        if not options.smoke:
            try:
                run_peer(peer, job)
            except measuring.MeasurementError as error:
                if peer.ours or isinstance(error, measuring.WrongResultError):
                    raise
                absent.append((peer, str(error).replace(f"{measuring.ROOT}/", "")))
                continue
        present.append(peer)
    for peer, why in absent:
        measuring.log(f"{peer.name} is left out: {why}")
    return present, absent


def has_element(name: str) -> bool:
    """Returns true if GStreamer has the element."""
    # Without --exists, which also requires the version of GStreamer itself.
    try:
        measuring.run(["gst-inspect-1.0", name], RUN_TIMEOUT)
    except measuring.MeasurementError:
        return False
    return True


def run_peer(peer: Peer, job: Mapping[str, Any]) -> Run:
    """Runs a peer once and returns its checked results.

    Raises WrongResultError if it did not classify the frames that it should.
    """
    try:
        command = [sys.executable, "-m", "pipelines.peer", peer.name, json.dumps(job)]
        output, cpu = measuring.run(command, RUN_TIMEOUT)
    except measuring.MeasurementError as error:
        raise measuring.MeasurementError(f"{peer.name}: {error}") from error
    result = json.loads(output)
    expected = {"all": [job["frames"]], "none": [0], "some": range(1, job["frames"] + 1)}[peer.classifies]
    if result["frames"] != job["frames"] or result["inferences"] not in expected:
        raise measuring.WrongResultError(
            f"{peer.name} had {result['frames']} frames and classified {result['inferences']} "
            f"of the {job['frames']} of {pathlib.Path(job['file']).name}"
        )
    if result["seconds"] <= 0:
        raise measuring.WrongResultError(f"{peer.name} measured no time between its first and last result")
    intervals = result["frames"] - 1
    result["histogram"] = dict(sorted(collections.Counter(result["classes"].replace("-", "")).items()))
    if peer.classifies == "all" and sum(result["histogram"].values()) != job["frames"]:
        raise measuring.WrongResultError(f"{peer.name} has no class for some of the frames that it classified")
    return {
        **result,
        "fps": intervals / result["seconds"],
        "inferences_per_second": result["inferences"] / result["frames"] * intervals / result["seconds"],
        "cpu_ms": 1000 * result["cpu_seconds"] / intervals,
        "program_cpu_ms": 1000 * cpu / result["frames"],
    }


def compare_classes(one: Input, peers: Sequence[Peer], runs: Sequence[Run], against: str) -> str | None:
    """Adds the agreement to each run: the share of frames with the same class as the reference peer.

    Returns the reference peer: `against`, else the first peer that can be compared.
    """
    same = [peer.name for peer in peers if peer.classifies == "all" and peer.model == "same"]
    if not same:
        return None
    reference = against if against in same else same[0]
    compared = same + [peer.name for peer in peers if peer.model == "odd"]
    expected = next(run["classes"] for run in runs if run["input"] == one.name and run["peer"] == reference)
    for run in runs:
        if run["input"] == one.name and run["peer"] in compared:
            alike = sum(a == b for a, b in zip(run["classes"], expected))
            run["agreement"] = alike / len(expected)
            if run["agreement"] < MIN_AGREEMENT and run["peer"] in same:
                raise measuring.MeasurementError(
                    f"{run['peer']} agrees with {reference} on only {alike} of {len(expected)} frames of {one.name}"
                )
    return reference


def summarize(
    all_inputs: Sequence[Input], peers: Sequence[Peer], runs: Sequence[Run], against: str | None
) -> list[dict[str, Any]]:
    """Returns one row per input and peer: the spread of each measure, and the ratios to `against`."""
    rows = []
    for one in all_inputs:
        base = {run["round"]: run for run in runs if (run["input"], run["peer"]) == (one.name, against)}
        for peer in peers:
            own = [run for run in runs if (run["input"], run["peer"]) == (one.name, peer.name)]
            row = {"input": one.name, "peer": peer.name, "histogram": own[0]["histogram"]}
            for what in ("fps", "inferences_per_second", "cpu_ms", "program_cpu_ms", "peak_rss_kib", "agreement"):
                if what in own[0]:
                    row[what] = measuring.spread([run[what] for run in own])
            if base and peer.classifies == "all":
                for ratio, what in (("ratio", "fps"), ("cpu_ratio", "cpu_ms")):
                    row[ratio] = measuring.spread([run[what] / base[run["round"]][what] for run in own])
            rows.append(row)
    return rows


if __name__ == "__main__":
    measuring.main(measure, parse_arguments())

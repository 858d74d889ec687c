"""Whole programs that classify the same files with the same model, in turn. scripts/bench.sh starts it, and has the
manual.

Each run is a program started afresh (peer.py). In a round every peer has its turn, in the next the order is moved on by
one, so that what the machine does otherwise meets all of them; ratios are made within a round. A peer that did not
classify every frame once, or calls most frames otherwise than the others, is an error: it did not do the work.
"""

import argparse
import collections
import dataclasses
import importlib.util
import json
import pathlib
import sys

from bench import inputs, measuring, model, report

# Of one program (seconds)
LIMIT = 180
# Same model, other scaling: fewer frames called alike than this, and a peer has not seen them.
LEAST_AGREEMENT = 0.8
SMOKE = {"rounds": 1, "frames": 12, "inputs": "raw-480p,mjpeg-1080p"}


@dataclasses.dataclass(frozen=True)
class Peer:
    """`modules` and `elements` are what it needs to be installed; `classifies`: all frames, none, or some of them.

    `model`: the one that all get, or another; one that is not run as others run it is "odd", and not compared.
    """

    name: str
    label: str
    modules: tuple = ()
    elements: tuple = ()
    classifies: str = "all"
    model: str = "same"

    def missing(self):
        lacks = [name for name in self.modules if importlib.util.find_spec(name) is None]
        return lacks + [name for name in self.elements if not has_element(name)]

    @property
    def ours(self):
        return "catdogfilter" in self.elements


OURS = ("catdogfilter",)
PEERS = (
    Peer("decode", "GStreamer, without a model", classifies="none"),
    Peer("opencv-decode", "OpenCV, without a model", ("cv2",), classifies="none"),
    Peer("python-loop", "Python: OpenCV, then LiteRT", ("cv2", "ai_edge_litert")),
    Peer("appsink", "GStreamer, appsink, LiteRT in a Python thread", ("ai_edge_litert",)),
    Peer("mediapipe", "MediaPipe ImageClassifier, fed by OpenCV", ("cv2", "mediapipe")),
    Peer("opencv-dnn", "OpenCV DNN (model turned to float)", ("cv2", "ai_edge_litert")),
    # GStreamer 1.28.8: other scores of the very tensor that the interpreter calls rightly
    Peer("tfliteinference", "GStreamer's tfliteinference", (), ("tfliteinference",), model="odd"),
    Peer("nnstreamer", "NNStreamer's tensor_filter", (), ("tensor_filter",)),
    Peer("catdog", "catdogfilter", (), OURS),
    Peer("catdog-queue", "queue ! catdogfilter", (), OURS),
    Peer("catdog-threads", "queue ! catdogfilter threads=0", (), OURS),
    Peer("catdog-off", "queue ! catdogfilter optimize=off", (), OURS),
    Peer("catdog-own", "queue ! catdogfilter, built-in model", (), OURS, model="another"),
    Peer("catdog-async", "catdogfilter mode=async, not every frame", (), OURS, classifies="some"),
)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, default=measuring.ROOT / "models" / "catdog.tflite")
    parser.add_argument("--clips", type=inputs.Clip.named, nargs="+", default=inputs.bundled_clips())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--peers", default=",".join(peer.name for peer in PEERS))
    parser.add_argument("--inputs", default=",".join(one.name for one in inputs.INPUTS))
    parser.add_argument("--against", default="python-loop")
    parser.add_argument("--out", type=pathlib.Path, default=measuring.ROOT / "docs" / "benchmarks")
    parser.add_argument("--files", type=pathlib.Path, default=measuring.ROOT / "target" / "bench")
    parser.add_argument("--smoke", action="store_true")
    if "--smoke" in sys.argv:
        parser.set_defaults(**SMOKE)
    given = parser.parse_args()
    given.command = measuring.command(parser, given, ("smoke", "rounds", "frames", "peers", "inputs", "against"))
    given.peers = chosen(parser, PEERS, given.peers, "peer")
    given.inputs = chosen(parser, inputs.INPUTS, given.inputs, "input")
    if given.against not in [peer.name for peer in PEERS if peer.classifies == "all"]:
        parser.error(f"--against {given.against}: no peer that classifies every frame")
    if given.rounds < 1 or given.frames < 2:
        parser.error("at least one round and two frames")
    for file in (given.model, *(clip.file for clip in given.clips)):
        if not file.is_file():
            parser.error(f"there is no file {file}")
    return given


def chosen(parser, all_of_them, names, what):
    by_name = {one.name: one for one in all_of_them}
    unknown = [name for name in names.split(",") if name not in by_name]
    if unknown:
        parser.error(f"no such {what}: {', '.join(unknown)} (there are: {', '.join(by_name)})")
    return [by_name[name] for name in names.split(",")]


def measure(given):
    machine = measuring.machine()
    size = model.input_size(given.model)
    files = {one.name: one.made(given.files, given.clips, given.frames) for one in given.inputs}

    def job(one):
        return {"file": str(files[one.name]), "kind": one.kind, "width": one.width, "height": one.height,
                "frames": given.frames, "model": str(given.model.resolve()), "size": size}

    there, absent = present(given, job(given.inputs[0]))
    runs = []
    for one in given.inputs:
        inputs.read(files[one.name])
        for number in range(given.rounds):
            turn = number % len(there)
            for peer in there[turn:] + there[:turn]:
                runs.append({"input": one.name, "peer": peer.name, "round": number, **once(peer, job(one))})
                measuring.tell(f"{one.name}, round {number + 1} of {given.rounds}: "
                               f"{peer.name} {runs[-1]['fps']:.1f} frames/s")
        alike = compare(one, there, runs, given.against)
    against = given.against if any(peer.name == given.against for peer in there) else None
    result = {
        "what": "whole pipelines",
        "machine": machine,
        "command": given.command,
        "rounds": given.rounds, "frames": given.frames, "model": report.file_digest(given.model), "against": against,
        "alike_to": alike,
        "clips": [str(clip) for clip in given.clips],
        "inputs": [{"name": one.name, "label": one.label} for one in given.inputs],
        "peers": [{"name": peer.name, "label": peer.label, "classifies": peer.classifies, "ours": peer.ours,
                   "model": peer.model} for peer in there],
        "absent": [{"name": peer.name, "label": peer.label, "why": why} for peer, why in absent],
        "summary": summary(given.inputs, there, runs, against),
        "runs": [{key: value for key, value in run.items() if key != "classes"} for run in runs],
    }
    report.write(given.out, "pipelines", result, report.pipelines_text(result), report.pipelines_drawing(result))


def present(given, job):
    """Those that can run, and why the others cannot. Each is tried once, which also brings its files into memory."""
    there, absent = [], []
    for peer in given.peers:
        missing = peer.missing()
        if missing and peer.ours:
            raise measuring.Failed("GStreamer finds no catdogfilter, or cannot load it: "
                                   "see `gst-inspect-1.0 catdogfilter`")
        if missing:
            absent.append((peer, f"not installed ({', '.join(missing)})"))
            continue
        # Ours has to run. A smoke test wants to know if any does not.
        if not given.smoke:
            try:
                once(peer, job)
            except measuring.Failed as failure:
                if peer.ours or isinstance(failure, measuring.Wrong):
                    raise
                absent.append((peer, str(failure).replace(f"{measuring.ROOT}/", "")))
                continue
        there.append(peer)
    for peer, why in absent:
        measuring.tell(f"{peer.name} is left out: {why}")
    return there, absent


def has_element(name):
    # --exists would also ask for a version of at least GStreamer's own
    try:
        measuring.run(["gst-inspect-1.0", name], LIMIT)
    except measuring.Failed:
        return False
    return True


def once(peer, job):
    """One run of one program, checked."""
    try:
        said, cpu = measuring.run([sys.executable, "-m", "bench.peer", peer.name, json.dumps(job)], LIMIT)
    except measuring.Failed as failure:
        raise measuring.Failed(f"{peer.name}: {failure}") from failure
    told = json.loads(said)
    wanted = {"all": [job["frames"]], "none": [0], "some": range(1, job["frames"] + 1)}[peer.classifies]
    if told["frames"] != job["frames"] or told["inferences"] not in wanted:
        raise measuring.Wrong(f"{peer.name} had {told['frames']} frames and classified {told['inferences']} "
                              f"of the {job['frames']} of {pathlib.Path(job['file']).name}")
    if told["seconds"] <= 0:
        raise measuring.Wrong(f"{peer.name} took no time")
    between = told["frames"] - 1
    told["histogram"] = dict(sorted(collections.Counter(told["classes"].replace("-", "")).items()))
    if peer.classifies == "all" and sum(told["histogram"].values()) != job["frames"]:
        raise measuring.Wrong(f"{peer.name} has no class for some of the frames that it classified")
    return {
        **told,
        "fps": between / told["seconds"],
        "inferences_per_second": told["inferences"] / told["frames"] * between / told["seconds"],
        "cpu_ms": 1000 * told["cpu_seconds"] / between,
        "program_cpu_ms": 1000 * cpu / told["frames"],
    }


def compare(one, there, runs, against):
    """Adds to each run how many frames it calls as `against` does, else as the first that can be compared; says which
    that is.
    """
    same = [peer.name for peer in there if peer.classifies == "all" and peer.model == "same"]
    if not same:
        return None
    base = against if against in same else same[0]
    compared = same + [peer.name for peer in there if peer.model == "odd"]
    expected = next(run["classes"] for run in runs if run["input"] == one.name and run["peer"] == base)
    for run in runs:
        if run["input"] == one.name and run["peer"] in compared:
            alike = sum(a == b for a, b in zip(run["classes"], expected))
            run["agreement"] = alike / len(expected)
            if run["agreement"] < LEAST_AGREEMENT and run["peer"] in same:
                raise measuring.Failed(f"{run['peer']} calls {alike} of {len(expected)} frames of {one.name} "
                                       f"as {base} does")
    return base


def summary(all_inputs, there, runs, against):
    rows = []
    for one in all_inputs:
        base = {run["round"]: run for run in runs if (run["input"], run["peer"]) == (one.name, against)}
        for peer in there:
            mine = [run for run in runs if (run["input"], run["peer"]) == (one.name, peer.name)]
            row = {"input": one.name, "peer": peer.name, "histogram": mine[0]["histogram"]}
            for what in ("fps", "inferences_per_second", "cpu_ms", "program_cpu_ms", "peak_rss_kib", "agreement"):
                if what in mine[0]:
                    row[what] = measuring.spread([run[what] for run in mine])
            if base and peer.classifies == "all":
                for ratio, what in (("ratio", "fps"), ("cpu_ratio", "cpu_ms")):
                    row[ratio] = measuring.spread([run[what] / base[run["round"]][what] for run in mine])
            rows.append(row)
    return rows


if __name__ == "__main__":
    measuring.main(measure, arguments())

"""Measures how many live streams one process can run. scripts/bench.sh --scale starts this program and documents its
options.

Each measurement is a new process (cameras.py) with a number of live sources: once with a catdogfilter for each source,
once with the sources alone, in alternating order. The cost of the sources is subtracted. Lost and late frames are
results and not errors: they are listed in the table.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines import measuring, report

# Seconds that a process may need in addition to the measured time, to start and to end.
MARGIN = 90
WARM_UP = 1.5
FIELDS = ("frames_per_second", "cpu", "rss_kib", "late_p50_ms", "late_p99_ms", "late_max_ms")
INFERENCE_FIELDS = (
    "inferences_per_second",
    "least_inferences_per_second",
    "most_inferences_per_second",
    "skipped_per_second",
    "invoke_ms",
)
SMOKE = {"rounds": 1, "streams": "1,2", "seconds": 1.0}

Run = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    """Returns the checked options."""
    parser = argparse.ArgumentParser(prog="scripts/bench.sh --scale", description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, default=measuring.ROOT / "models" / "catdog.tflite")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", default="1,2,4,8,16,32,64")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=pathlib.Path, default=measuring.results_folder())
    # scripts/bench.sh passes it to both programs; this one has no input files.
    parser.add_argument("--files", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true")
    if "--smoke" in sys.argv:
        parser.set_defaults(**SMOKE)
    options = parser.parse_args()
    options.command = measuring.command_line(parser, options, ("smoke", "rounds", "streams", "seconds"))
    try:
        options.streams = sorted({int(count) for count in options.streams.split(",")})
    except ValueError:
        parser.error(f"--streams takes numbers, for example 1,2,4, not {options.streams}")
    if options.rounds < 1 or options.seconds <= 0 or options.streams[0] < 1:
        parser.error("expected at least one round, at least one stream, and more than 0 seconds")
    if not options.model.is_file():
        parser.error(f"there is no file {options.model}")
    return options


def measure(options: argparse.Namespace) -> None:
    """Runs the measurement and writes its results."""
    machine = measuring.machine()
    runs: list[Run] = []
    for number in range(options.rounds):
        for streams in options.streams:
            variants = [("filtered", str(options.model.resolve())), ("alone", None)]
            for name, model in variants if number % 2 == 0 else reversed(variants):
                job = {"streams": streams, "warm": WARM_UP, "seconds": options.seconds, "model": model}
                result = run_streams(job)
                runs.append({"streams": streams, "what": name, "round": number, **result})
                measuring.log(
                    f"round {number + 1} of {options.rounds}, {streams} streams {name}: "
                    f"{result['inferences_per_second']:.0f} inferences/s, {result['cpu']:.2f} processors"
                )
    everything = {
        "what": "many streams in one process",
        "machine": machine,
        "command": options.command,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "model": report.file_digest(options.model),
        "summary": [summarize(streams, runs) for streams in options.streams],
        "runs": runs,
    }
    report.write(options.out, "scale", everything, report.scale_text(everything), report.scale_drawing(everything))


def run_streams(job: Mapping[str, Any]) -> Run:
    """Runs one measurement and returns its results."""
    try:
        command = [sys.executable, "-m", "pipelines.cameras", json.dumps(job)]
        output, cpu = measuring.run(command, job["seconds"] + MARGIN)
    except measuring.MeasurementError as error:
        raise measuring.MeasurementError(f"{job['streams']} streams: {error}") from error
    result = json.loads(output)
    if result["frames_per_second"] <= 0 or (job["model"] and result["inferences_per_second"] <= 0):
        raise measuring.MeasurementError(f"{job['streams']} streams: no frames or no inferences")
    return {**result, "program_cpu_seconds": cpu}


def summarize(streams: int, runs: Sequence[Run]) -> dict[str, Any]:
    """Returns the spreads for one number of streams. The cost of the sources in the same round is subtracted from the
    CPU time per inference."""
    own = [run for run in runs if run["streams"] == streams]
    filtered = sorted((run for run in own if run["what"] == "filtered"), key=lambda run: run["round"])
    alone = sorted((run for run in own if run["what"] == "alone"), key=lambda run: run["round"])

    def spreads(some: Sequence[Run], names: Sequence[str]) -> dict[str, measuring.Spread]:
        return {name: measuring.spread([run[name] for run in some]) for name in names}

    cpu = [(one["cpu"] - other["cpu"], one["inferences_per_second"]) for one, other in zip(filtered, alone)]
    return {
        "streams": streams,
        "filtered": spreads(filtered, FIELDS + INFERENCE_FIELDS),
        "alone": spreads(alone, FIELDS),
        "cpu_ms_an_inference": measuring.spread([1000 * seconds / inferences for seconds, inferences in cpu]),
        # This is a sum over all rounds and not a median, so that a single lost frame is visible.
        "lost": sum(run["frames_given"] - run["frames_out"] for run in filtered),
        "disordered": sum(run["disordered"] for run in filtered),
    }


if __name__ == "__main__":
    measuring.main(measure, parse_arguments())

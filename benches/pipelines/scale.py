"""How many live streams one process carries. scripts/bench.sh --scale starts it, and has the manual.

Each measurement is a program started afresh (cameras.py): so many live sources, once with a catdogfilter behind each
and once alone, in turn; what the sources take is taken off. Whether a frame was lost or came late is a result, not an
error: it stands in the table.
"""

import argparse
import json
import pathlib
import sys

from bench import measuring, report

# Beside the time that is measured, for starting and ending (seconds)
MARGIN = 90
WARM = 1.5
FIELDS = ("frames_per_second", "cpu", "rss_kib", "late_p50_ms", "late_p99_ms", "late_max_ms")
INFERENCE_FIELDS = ("inferences_per_second", "least_inferences_per_second", "most_inferences_per_second",
                    "skipped_per_second", "invoke_ms")
SMOKE = {"rounds": 1, "streams": "1,2", "seconds": 1.0}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh --scale", description=__doc__)
    parser.add_argument("--model", type=pathlib.Path, default=measuring.ROOT / "models" / "catdog.tflite")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", default="1,2,4,8,16,32,64")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=pathlib.Path, default=measuring.ROOT / "docs" / "benchmarks")
    parser.add_argument("--files", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true")
    if "--smoke" in sys.argv:
        parser.set_defaults(**SMOKE)
    given = parser.parse_args()
    given.command = measuring.command(parser, given, ("smoke", "rounds", "streams", "seconds"))
    try:
        given.streams = sorted({int(count) for count in given.streams.split(",")})
    except ValueError:
        parser.error(f"--streams takes numbers, as in 1,2,4, not {given.streams}")
    if given.rounds < 1 or given.seconds <= 0 or given.streams[0] < 1:
        parser.error("at least one round and one stream, and more than no time")
    if not given.model.is_file():
        parser.error(f"there is no file {given.model}")
    return given


def measure(given):
    machine = measuring.machine()
    runs = []
    for number in range(given.rounds):
        for streams in given.streams:
            ways = [("filtered", str(given.model.resolve())), ("alone", None)]
            for name, model in ways if number % 2 == 0 else reversed(ways):
                told = once({"streams": streams, "warm": WARM, "seconds": given.seconds, "model": model})
                runs.append({"streams": streams, "what": name, "round": number, **told})
                measuring.tell(f"round {number + 1} of {given.rounds}, {streams} streams {name}: "
                               f"{told['inferences_per_second']:.0f} inferences/s, {told['cpu']:.2f} processors")
    result = {
        "what": "many streams in one process",
        "machine": machine,
        "command": given.command,
        "rounds": given.rounds, "seconds": given.seconds, "model": report.file_digest(given.model),
        "summary": [summary(streams, runs) for streams in given.streams],
        "runs": runs,
    }
    report.write(given.out, "scale", result, report.scale_text(result), report.scale_drawing(result))


def once(job):
    try:
        said, cpu = measuring.run([sys.executable, "-m", "bench.cameras", json.dumps(job)], job["seconds"] + MARGIN)
    except measuring.Failed as failure:
        raise measuring.Failed(f"{job['streams']} streams: {failure}") from failure
    told = json.loads(said)
    if told["frames_per_second"] <= 0 or (job["model"] and told["inferences_per_second"] <= 0):
        raise measuring.Failed(f"{job['streams']} streams: nothing came")
    return {**told, "program_cpu_seconds": cpu}


def summary(streams, runs):
    """Of one number of streams. What an inference takes is without the sources of the same round."""
    mine = [run for run in runs if run["streams"] == streams]
    filtered = sorted((run for run in mine if run["what"] == "filtered"), key=lambda run: run["round"])
    alone = sorted((run for run in mine if run["what"] == "alone"), key=lambda run: run["round"])

    def spreads(runs, names):
        return {name: measuring.spread([run[name] for run in runs]) for name in names}

    cpu = [(one["cpu"] - other["cpu"], one["inferences_per_second"]) for one, other in zip(filtered, alone)]
    return {
        "streams": streams,
        "filtered": spreads(filtered, FIELDS + INFERENCE_FIELDS),
        "alone": spreads(alone, FIELDS),
        "cpu_ms_an_inference": measuring.spread([1000 * seconds / inferences for seconds, inferences in cpu]),
        # over all rounds: one frame is one too many
        "lost": sum(run["frames_given"] - run["frames_out"] for run in filtered),
        "disordered": sum(run["disordered"] for run in filtered),
    }


if __name__ == "__main__":
    measuring.main(measure, arguments())

"""Runs many live streams in one process: `python -m pipelines.cameras JOB`. scale.py starts this program.

JOB is JSON: the number of `streams`, each 640x480 at 30 frames/s; `warm` and `seconds`, the durations before and of the
measurement; and the `model`, or null to run the sources alone. The program prints one line of JSON.

The lateness of a frame is the time from its timestamp to its arrival at the sink, both by the clock of the pipeline.
The sinks do not wait for the timestamps.
"""

import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.peer import TIMEOUT, load_gstreamer, quoted, start, wait_for_end

RATE = 30


def main() -> None:
    """Runs the streams and prints the measurement."""
    job = json.loads(sys.argv[1])
    gst = load_gstreamer()
    frames = math.ceil((job["warm"] + job["seconds"] + 1) * RATE)
    pipeline = gst.parse_launch(" ".join(stream(job, number, frames) for number in range(job["streams"])))
    sinks = [Sink(gst, pipeline, number) for number in range(job["streams"])]
    start(gst, pipeline)
    # The first frames wait until the model is loaded.
    until = time.monotonic() + TIMEOUT
    while not all(sink.lateness for sink in sinks) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(job["warm"])
    before = snapshot(pipeline, job, sinks)
    time.sleep(job["seconds"])
    after = snapshot(pipeline, job, sinks)
    wait_for_end(gst, pipeline)
    end = snapshot(pipeline, job, sinks)
    pipeline.set_state(gst.State.NULL)
    print(json.dumps(result(job, frames, sinks, before, after, end)))


def stream(job: Mapping[str, Any], number: int, frames: int) -> str:
    """Returns the description of one stream. Its source repeats a still image, which costs almost no time."""
    catdog = ""
    if job["model"]:
        catdog = f"! catdogfilter name=filter{number} model-file={quoted(job['model'])} post-messages=none overlay=none"
    return (
        f"videotestsrc is-live=true pattern=smpte100 num-buffers={frames} ! "
        f"video/x-raw,format=I420,width=640,height=480,framerate={RATE}/1 {catdog} ! "
        f"fakesink name=sink{number} sync=false async=false"
    )


class Sink:
    """Counts the frames that reach a sink, and how many are out of order; records the lateness of each (ns)."""

    def __init__(self, gst: Any, pipeline: Any, number: int) -> None:
        self.lateness: list[int] = []
        self.disordered = 0
        self.last_pts = -1

        def count(_pad: Any, info: Any) -> Any:
            pts = info.get_buffer().pts
            self.lateness.append(pipeline.get_clock().get_time() - pipeline.get_base_time() - pts)
            self.disordered += pts <= self.last_pts
            self.last_pts = pts
            return gst.PadProbeReturn.OK

        pipeline.get_by_name(f"sink{number}").get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, count)


def snapshot(pipeline: Any, job: Mapping[str, Any], sinks: Sequence[Sink]) -> dict[str, Any]:
    """Returns all counters at this moment; those of the elements and sinks have one number per stream."""
    stats = [
        pipeline.get_by_name(f"filter{number}").get_property("stats")
        for number in range(job["streams"])
        if job["model"]
    ]
    counters = {name: [one.get_value(name) for one in stats] for name in ("frames", "inferences", "skipped")}
    invoke_times = [one.get_value("invoke-p50") for one in stats]
    return {
        **counters,
        "invoke_p50": max(invoke_times, default=0),
        "out": [len(sink.lateness) for sink in sinks],
        "time": time.perf_counter(),
        "cpu": time.process_time(),
        "rss_kib": rss_kib(),
    }


def rss_kib() -> int:
    """Returns the resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def result(
    job: Mapping[str, Any],
    frames: int,
    sinks: Sequence[Sink],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    end: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the measurement between the snapshots `before` and `after`; frames are counted up to `end`."""
    seconds = after["time"] - before["time"]

    def increase(name: str) -> list[int]:
        return [b - a for a, b in zip(before[name], after[name])]

    measured = zip(sinks, before["out"], after["out"])
    late = sorted(ns / 1e6 for sink, first, last in measured for ns in sink.lateness[first:last])
    inferences = [count / seconds for count in increase("inferences")]
    return {
        "frames_given": frames * job["streams"],
        "frames_in": sum(end["frames"]) if job["model"] else frames * job["streams"],
        "frames_out": sum(end["out"]),
        "disordered": sum(sink.disordered for sink in sinks),
        "frames_per_second": sum(increase("out")) / seconds,
        "inferences_per_second": sum(inferences),
        "least_inferences_per_second": min(inferences, default=0),
        "most_inferences_per_second": max(inferences, default=0),
        "skipped_per_second": sum(increase("skipped")) / seconds,
        "invoke_ms": after["invoke_p50"] / 1e6,
        "cpu": (after["cpu"] - before["cpu"]) / seconds,
        "late_p50_ms": late[len(late) // 2],
        "late_p99_ms": late[len(late) * 99 // 100],
        "late_max_ms": late[-1],
        "rss_kib": after["rss_kib"],
    }


if __name__ == "__main__":
    main()

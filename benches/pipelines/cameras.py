"""Many live streams in one process, as one program: `python -m bench.cameras JOB`. scale.py starts it.

JOB is JSON: how many `streams`, each 640x480 at 30 frames a second; `warm` and `seconds`, how long before and while it
is measured; the `model`, or null: the sources alone. On stdout comes one line of JSON.

A frame is late by what lies between the time that its source gave it and the moment in which it reaches the sink, both
by the clock of the pipeline. The sinks do not wait.
"""

import json
import math
import os
import sys
import time

from bench.peer import PATIENCE, gstreamer, quoted, start, wait_for_end

RATE = 30


def main():
    job = json.loads(sys.argv[1])
    gst = gstreamer()
    frames = math.ceil((job["warm"] + job["seconds"] + 1) * RATE)
    pipeline = gst.parse_launch(" ".join(stream(job, number, frames) for number in range(job["streams"])))
    sinks = [Sink(gst, pipeline, number) for number in range(job["streams"])]
    start(gst, pipeline)
    # the first frames wait for the model to be loaded
    until = time.monotonic() + PATIENCE
    while not all(sink.late for sink in sinks) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(job["warm"])
    before = reading(pipeline, job, sinks)
    time.sleep(job["seconds"])
    after = reading(pipeline, job, sinks)
    wait_for_end(gst, pipeline)
    end = reading(pipeline, job, sinks)
    pipeline.set_state(gst.State.NULL)
    print(json.dumps(told(job, frames, sinks, before, after, end)))


def stream(job, number, frames):
    """The source repeats a still picture, which costs it next to nothing; the model does not know that."""
    catdog = ""
    if job["model"]:
        catdog = f"! catdogfilter name=filter{number} model-file={quoted(job['model'])} post-messages=none overlay=none"
    return (f"videotestsrc is-live=true pattern=smpte100 num-buffers={frames} ! "
            f"video/x-raw,format=I420,width=640,height=480,framerate={RATE}/1 {catdog} ! "
            f"fakesink name=sink{number} sync=false async=false")


class Sink:
    """Counts the frames that come out, in order or not, and how late each is (ns)."""

    def __init__(self, gst, pipeline, number):
        self.late, self.disordered, self.last = [], 0, -1

        def seen(_pad, info):
            pts = info.get_buffer().pts
            self.late.append(pipeline.get_clock().get_time() - pipeline.get_base_time() - pts)
            self.disordered += pts <= self.last
            self.last = pts
            return gst.PadProbeReturn.OK

        pipeline.get_by_name(f"sink{number}").get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, seen)


def reading(pipeline, job, sinks):
    stats = [pipeline.get_by_name(f"filter{number}").get_property("stats") for number in range(job["streams"])
             if job["model"]]
    counted = {name: [one.get_value(name) for one in stats] for name in ("frames", "inferences", "skipped")}
    invokes = [one.get_value("invoke-p50") for one in stats]
    return {**counted, "invoke_p50": max(invokes, default=0), "out": [len(sink.late) for sink in sinks],
            "time": time.perf_counter(), "cpu": time.process_time(), "rss_kib": rss_kib()}


def rss_kib():
    with open("/proc/self/statm", encoding="ascii") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def told(job, frames, sinks, before, after, end):
    seconds = after["time"] - before["time"]

    def grown(name):
        return [b - a for a, b in zip(before[name], after[name])]

    late = sorted(ns / 1e6 for sink, a, b in zip(sinks, before["out"], after["out"]) for ns in sink.late[a:b])
    inferences = [count / seconds for count in grown("inferences")]
    return {
        "frames_given": frames * job["streams"],
        "frames_in": sum(end["frames"]) if job["model"] else frames * job["streams"],
        "frames_out": sum(end["out"]),
        "disordered": sum(sink.disordered for sink in sinks),
        "frames_per_second": sum(grown("out")) / seconds,
        "inferences_per_second": sum(inferences),
        "least_inferences_per_second": min(inferences, default=0),
        "most_inferences_per_second": max(inferences, default=0),
        "skipped_per_second": sum(grown("skipped")) / seconds,
        "invoke_ms": after["invoke_p50"] / 1e6,
        "cpu": (after["cpu"] - before["cpu"]) / seconds,
        "late_p50_ms": late[len(late) // 2],
        "late_p99_ms": late[len(late) * 99 // 100],
        "late_max_ms": late[-1],
        "rss_kib": after["rss_kib"],
    }


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Draws when frames, inferences and labels came in a live run: docs/live-timeline.svg.

Usage: scripts/draw-timeline.py [--properties PROPERTIES] [--from SECONDS] [--to SECONDS] OUT.svg

The demo clip is played at its own pace through catdogfilter in mode=async. A frame is a tick at the time it leaves the
element; an inference a bar from the frame it was made of to the first frame that carries it; below are the label,
and the confidence of each class. Finds the plugin as every GStreamer program does (GST_PLUGIN_PATH).
"""

import argparse
import math
import pathlib
import sys
import warnings

from svg import Drawing

CLIP = pathlib.Path(__file__).resolve().parents[1] / "models" / "demo" / "demo.mp4"
COLORS = {"cat": "#d95f02", "dog": "#2f81c4", "neither": "#7a7a7a", "unknown": "#c8c8c8"}
WIDTH, LEFT, RIGHT = 960, 110, 20


def run(properties):
    """Of every frame: (pts, time it left, label, inference-pts or None, {class: confidence}), in seconds."""
    import gi

    # GValueArray is old, but what there is for arrays in a structure.
    warnings.simplefilter("ignore", DeprecationWarning)
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"filesrc location={CLIP} ! decodebin ! videoconvert ! identity sync=true ! "
        f"catdogfilter mode=async {properties} ! fakesink name=sink"
    )
    frames = []

    def seen(_pad, info):
        buffer = info.get_buffer()
        fields = buffer.get_custom_meta("GstCatdogMeta").get_structure()
        there, inferred = fields.get_uint64("inference-pts")
        labels, confidences = (fields.get_array(name)[1] for name in ("labels", "confidences"))
        frames.append((
            buffer.pts / Gst.SECOND,
            (pipeline.get_clock().get_time() - pipeline.get_base_time()) / Gst.SECOND,
            fields.get_string("label"),
            inferred / Gst.SECOND if there else None,
            {labels.get_nth(i): confidences.get_nth(i) for i in range(labels.n_values)},
        ))
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, seen)
    pipeline.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, ends)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(f"draw-timeline: {message.parse_error()[0].message if message else 'no end within a minute'}")
    return frames


def drawn(frames, start, end):
    shown = [frame for frame in frames if start <= frame[1] <= end]
    x = lambda time: LEFT + (WIDTH - LEFT - RIGHT) * (time - start) / (end - start)  # noqa: E731
    drawing = Drawing(WIDTH, 330)

    def row(y, words):
        drawing.text(LEFT - 10, y, words, "end")

    row(34, "frames")
    for frame in shown:
        drawing.line(x(frame[1]), 20, x(frame[1]), 40)

    row(80, "inferences")
    first = {}
    for frame in shown:
        first.setdefault(frame[3], frame)
    for count, (inferred, frame) in enumerate(first.items()):
        if inferred is None or inferred < start:
            continue
        wide = max(x(frame[1]) - x(inferred), 2)
        drawing.bar(x(inferred), 60 + 10 * (count % 2), wide, 8, COLORS["neither"])

    row(125, "label")
    for frame, after in zip(shown, [*shown[1:], None]):
        until = after[1] if after else end
        drawing.bar(x(frame[1]), 105, x(until) - x(frame[1]) + 0.5, 30, COLORS.get(frame[2], "#888"))
    for before, frame in zip([None, *shown], shown):
        if before is None or before[2] != frame[2]:
            drawing.text(x(frame[1]) + 5, 125, frame[2], shade=None, extra=' fill="white"')

    row(190, "confidence")
    for share in (0, 0.5, 1):
        y = 290 - 130 * share
        drawing.line(LEFT, y, WIDTH - RIGHT, y, "grid")
        row(y + 4, f"{100 * share:.0f} %")
    for name in ("neither", "cat", "dog"):
        drawing.curve([(x(f[1]), 290 - 130 * f[4].get(name, 0)) for f in shown if f[4]], COLORS[name])

    for second in range(math.ceil(start), math.floor(end) + 1):
        drawing.text(x(second), 318, f"{second} s", "middle")
    return str(drawing)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--properties", default="max-inference-rate=6")
    parser.add_argument("--from", dest="start", type=float, default=2.0)
    parser.add_argument("--to", dest="end", type=float, default=5.0)
    parser.add_argument("out", type=pathlib.Path)
    given = parser.parse_args()
    given.out.write_text(drawn(run(given.properties), given.start, given.end))


if __name__ == "__main__":
    main()

"""Draws the times of frames, inferences and labels in a live run: docs/images/live-timeline.svg.

Usage: PYTHONPATH=python /usr/bin/python3 -m drawing.timeline [--properties PROPERTIES] [--from SECONDS]
           [--to SECONDS] OUT.svg

The demo clip is played in real time through catdogfilter in mode=async. A tick marks the time at which a frame leaves
the element. A bar per inference reaches from the frame it was made of to the first frame with its result. Below are
the label and the confidence of each class. GStreamer finds the plugin through GST_PLUGIN_PATH.
"""

import argparse
import itertools
import math
import pathlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from drawing.svg import Drawing

CLIP = pathlib.Path(__file__).resolve().parents[2] / "models" / "demo" / "demo.mp4"
COLORS = {"cat": "#d95f02", "dog": "#2f81c4", "neither": "#7a7a7a", "unknown": "#c8c8c8"}
WIDTH, LEFT, RIGHT = 960, 110, 20


class Frame(NamedTuple):
    """A frame that left the element; times are in seconds."""

    pts: float
    time: float
    label: str
    inference_pts: float | None
    confidences: dict[str, float]


def run(properties: str) -> list[Frame]:
    """Plays the demo clip and returns its frames."""
    import gi

    # A GstValueArray reaches Python as a GValueArray, which GLib has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"filesrc location={CLIP} ! decodebin ! videoconvert ! identity sync=true ! "
        f"catdogfilter mode=async {properties} ! fakesink name=sink"
    )
    frames: list[Frame] = []

    def on_buffer(_pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        fields = buffer.get_custom_meta("GstCatdogMeta").get_structure()
        has_inference, inference_pts = fields.get_uint64("inference-pts")
        labels, confidences = (fields.get_array(name)[1] for name in ("labels", "confidences"))
        frames.append(
            Frame(
                buffer.pts / Gst.SECOND,
                (pipeline.get_clock().get_time() - pipeline.get_base_time()) / Gst.SECOND,
                fields.get_string("label"),
                inference_pts / Gst.SECOND if has_inference else None,
                {labels.get_nth(i): confidences.get_nth(i) for i in range(labels.n_values)},
            )
        )
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_buffer)
    pipeline.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, ends)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(f"timeline: {message.parse_error()[0].message if message else 'no end within a minute'}")
    return frames


def draw(frames: Sequence[Frame], start: float, end: float) -> str:
    """Returns the SVG document of the frames from `start` to `end`, in seconds."""
    shown = [frame for frame in frames if start <= frame.time <= end]
    drawing = Drawing(WIDTH, 330)

    def x(time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (time - start) / (end - start)

    row_title(drawing, 34, "frames")
    for frame in shown:
        drawing.line(x(frame.time), 20, x(frame.time), 40)
    draw_inferences(drawing, shown, start, x)
    draw_labels(drawing, shown, end, x)
    draw_confidences(drawing, shown, x)
    for second in range(math.ceil(start), math.floor(end) + 1):
        drawing.text(x(second), 318, f"{second} s", "middle")
    return str(drawing)


def row_title(drawing: Drawing, y: float, words: str) -> None:
    """Writes the title of a row, left of the figure."""
    drawing.text(LEFT - 10, y, words, "end")


def draw_inferences(drawing: Drawing, shown: Sequence[Frame], start: float, x: Callable[[float], float]) -> None:
    """Draws a bar per inference, on two lines alternately, because successive bars overlap."""
    row_title(drawing, 80, "inferences")
    first: dict[float | None, Frame] = {}
    for frame in shown:
        first.setdefault(frame.inference_pts, frame)
    for count, (inference_pts, frame) in enumerate(first.items()):
        if inference_pts is None or inference_pts < start:
            continue
        width = max(x(frame.time) - x(inference_pts), 2)
        drawing.bar(x(inference_pts), 60 + 10 * (count % 2), width, 8, COLORS["neither"])


def draw_labels(drawing: Drawing, shown: Sequence[Frame], end: float, x: Callable[[float], float]) -> None:
    """Draws a colored band of the labels, with the name where a label begins."""
    row_title(drawing, 125, "label")
    for frame, after in itertools.zip_longest(shown, shown[1:]):
        until = after.time if after else end
        drawing.bar(x(frame.time), 105, x(until) - x(frame.time) + 0.5, 30, COLORS.get(frame.label, "#888"))
    for before, frame in zip([None, *shown], shown):
        if before is None or before.label != frame.label:
            drawing.text(x(frame.time) + 5, 125, frame.label, shade=None, extra=' fill="white"')


def draw_confidences(drawing: Drawing, shown: Sequence[Frame], x: Callable[[float], float]) -> None:
    """Draws a curve per class."""
    row_title(drawing, 190, "confidence")
    for share in (0, 0.5, 1):
        y = 290 - 130 * share
        drawing.line(LEFT, y, WIDTH - RIGHT, y, "grid")
        row_title(drawing, y + 4, f"{100 * share:.0f} %")
    for name in ("neither", "cat", "dog"):
        points = [(x(f.time), 290 - 130 * f.confidences.get(name, 0)) for f in shown if f.confidences]
        drawing.curve(points, COLORS[name])


def main() -> None:
    """Plays the clip and writes the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--properties", default="max-inference-rate=6", help="of catdogfilter (%(default)s)")
    parser.add_argument("--from", dest="start", type=float, default=2.0, metavar="SECONDS", help="(%(default)s)")
    parser.add_argument("--to", dest="end", type=float, default=5.0, metavar="SECONDS", help="(%(default)s)")
    parser.add_argument("out", type=pathlib.Path, help="the SVG file to write")
    options = parser.parse_args()
    options.out.write_text(draw(run(options.properties), options.start, options.end))


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Draws when frames, inferences and labels came in a live run: docs/live-timeline.svg.

Usage: scripts/draw-timeline.py [--properties PROPERTIES] [--from SECONDS] [--to SECONDS] OUT.svg

The demo clip is played at its own pace through catdogfilter in mode=async. A frame is a tick at the time it leaves the
element; an inference a bar from the frame it was made of to the first frame that carries it; below are the label,
and the confidence of each class. Finds the plugin as every GStreamer program does (GST_PLUGIN_PATH).
"""

import argparse
import pathlib
import sys
import warnings

CLIP = pathlib.Path(__file__).resolve().parents[1] / "models" / "demo" / "demo.mp4"
COLORS = {"cat": "#d95f02", "dog": "#1b6ca8", "neither": "#7a7a7a", "unknown": "#c8c8c8"}
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
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="330" viewBox="0 0 {WIDTH} 330" '
        'font-family="sans-serif" font-size="13" shape-rendering="crispEdges">',
        f'<rect width="{WIDTH}" height="330" fill="white"/>',
    ]

    def text(y, words):
        parts.append(f'<text x="{LEFT - 10}" y="{y}" text-anchor="end">{words}</text>')

    text(34, "frames")
    parts += [f'<line x1="{x(f[1]):.1f}" x2="{x(f[1]):.1f}" y1="20" y2="40" stroke="black"/>' for f in shown]

    text(80, "inferences")
    first = {}
    for frame in shown:
        first.setdefault(frame[3], frame)
    for count, (inferred, frame) in enumerate(first.items()):
        if inferred is None or inferred < start:
            continue
        y = 60 + 10 * (count % 2)
        wide = max(x(frame[1]) - x(inferred), 2)
        parts.append(f'<rect x="{x(inferred):.1f}" y="{y}" width="{wide:.1f}" height="8" fill="#444"/>')

    text(125, "label")
    for frame, after in zip(shown, [*shown[1:], None]):
        until = after[1] if after else end
        parts.append(
            f'<rect x="{x(frame[1]):.1f}" y="105" width="{x(until) - x(frame[1]) + 0.5:.1f}" height="30" '
            f'fill="{COLORS.get(frame[2], "#888")}"/>'
        )
    changes = [frame for before, frame in zip([None, *shown], shown) if before is None or before[2] != frame[2]]
    parts += [f'<text x="{x(f[1]) + 5:.1f}" y="125" fill="white">{f[2]}</text>' for f in changes]

    text(190, "confidence")
    for share in (0, 0.5, 1):
        y = 290 - 130 * share
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        text(y + 4, f"{100 * share:.0f} %")
    for name in ("neither", "cat", "dog"):
        points = " ".join(f"{x(f[1]):.1f},{290 - 130 * f[4].get(name, 0):.1f}" for f in shown if f[4])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[name]}" stroke-width="2"/>')

    second = int(start) if start == int(start) else int(start) + 1
    while second <= end:
        parts.append(f'<text x="{x(second):.1f}" y="318" text-anchor="middle">{second} s</text>')
        second += 1
    return "\n".join([*parts, "</svg>", ""])


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

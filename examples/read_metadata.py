#!/usr/bin/python3
"""Reads the results of catdogfilter in Python: the metadata of buffers in a pad probe, and messages on the bus.

Usage: GST_PLUGIN_PATH=target/catdog python3 examples/read_metadata.py VIDEO [MODEL.tflite]

Prints one line per frame, and another one when the label changes. Needs PyGObject with GStreamer (Debian: python3-gi
gir1.2-gstreamer-1.0) and no file of catdog's sources.
"""

import signal
import sys
import warnings

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402 (require_version() has to come first)

# Without gst-python, a GstValueArray reaches Python as a GValueArray, which GLib has deprecated.
warnings.filterwarnings("ignore", "GObject.ValueArray", DeprecationWarning)
# The program ends without an error when the reader of the output ends (| head).
signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def print_line(line: str) -> None:
    """Prints a line with one write, because buffers and messages arrive in different threads."""
    sys.stdout.write(line + "\n")


def print_result(_pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    """Pad probe: prints the metadata of one buffer."""
    buffer = info.get_buffer()
    meta = buffer.get_custom_meta("GstCatdogMeta")
    if meta is None:
        print_line("a buffer without a result")
        return Gst.PadProbeReturn.OK
    result = meta.get_structure()
    _, confidence = result.get_double("confidence")
    _, fresh = result.get_boolean("fresh")
    # Arrays of the best classes and their confidences, best first; the property max-results limits their length.
    _, labels = result.get_array("labels")
    _, confidences = result.get_array("confidences")
    all_results = ", ".join(f"{labels.get_nth(i)} {confidences.get_nth(i):.2f}" for i in range(labels.n_values))
    time = f"{buffer.pts / Gst.SECOND:6.2f} s" if buffer.pts != Gst.CLOCK_TIME_NONE else "no time"
    how = "inferred" if fresh else "held"
    print_line(f"{time}  {result.get_string('label'):<12} {confidence:4.0%}  {how:<8}  [{all_results}]")
    return Gst.PadProbeReturn.OK


def on_message(_bus: Gst.Bus, message: Gst.Message, loop: GLib.MainLoop, failures: list[str]) -> bool:
    """Bus watch: prints label changes; ends the main loop at the end of the stream and on errors."""
    if message.type == Gst.MessageType.ELEMENT and message.get_structure().get_name() == "catdog":
        print_line(f"now: {message.get_structure().get_string('label')}")
    elif message.type == Gst.MessageType.EOS:
        loop.quit()
    elif message.type == Gst.MessageType.ERROR:
        failures.append(message.parse_error()[0].message)
        loop.quit()
    return True


def main(arguments: list[str]) -> None:
    """Runs the pipeline."""
    if len(arguments) not in (1, 2):
        sys.exit("usage: read_metadata.py VIDEO [MODEL.tflite]")
    video, *model = arguments

    Gst.init(None)
    pipeline = Gst.parse_launch(
        "filesrc name=file ! decodebin ! videoconvert ! queue ! catdogfilter name=catdog ! fakesink name=sink"
    )
    pipeline.get_by_name("file").set_property("location", video)
    for file in model:
        pipeline.get_by_name("catdog").set_property("model-file", file)
    sink_pad = pipeline.get_by_name("sink").get_static_pad("sink")
    sink_pad.add_probe(Gst.PadProbeType.BUFFER, print_result)

    loop = GLib.MainLoop()
    failures: list[str] = []
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message, loop, failures)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        loop.run()
    finally:
        pipeline.set_state(Gst.State.NULL)
    if failures:
        sys.exit(failures[0])


if __name__ == "__main__":
    main(sys.argv[1:])

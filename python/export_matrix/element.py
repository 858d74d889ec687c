"""Runs one model through catdogfilter: `python3 element.py MODEL PICTURE...`. Prints one JSON object.

This is a program of its own, so that a crash ends one model only, and so that it runs with the interpreter to which
the GStreamer bindings belong. It sets no property that tells anything about the model.
"""

import json
import sys
import warnings
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 (require_version() has to come first)

# Every result has to be that of its own picture, and every class a result; all of them are read.
PROPERTIES = "overlay=none smoothing=0 hold=0 class-confidence-threshold=0 max-results=1000 threads=1"
STALL_SECONDS = 60


def text_of(parsed: tuple[Any, str | None]) -> str:
    """Returns the text of an error or a warning. Elements written in Rust put it into the debug string."""
    error, debug = parsed
    _, _, text = (debug or "").partition("\n")
    return " ".join((text or error.message).split())


def result(buffer: Any) -> dict[str, Any]:
    """Returns the best class of the metadata of a buffer."""
    meta = buffer.get_custom_meta("GstCatdogMeta")
    if meta is None:
        return {"label": None, "index": None, "confidence": None}
    fields = meta.get_structure()
    labels, confidences = fields.get_array("labels")[1], fields.get_array("confidences")[1]
    return {
        "label": labels.get_nth(0) if labels.n_values else None,
        "index": fields.get_int("index").value,
        "confidence": round(confidences.get_nth(0), 4) if confidences.n_values else None,
    }


def push(source: Any, pictures: list[str]) -> None:
    """Pushes PNG files, one per second of stream time, and the end of the stream."""
    for number, picture in enumerate(pictures):
        with open(picture, "rb") as file:
            buffer = Gst.Buffer.new_wrapped(file.read())
        buffer.pts, buffer.duration = number * Gst.SECOND, Gst.SECOND
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")


def run(model: str, pictures: list[str]) -> dict[str, Any]:
    """Classifies the pictures in one pipeline."""
    pipeline = Gst.parse_launch(
        "appsrc name=source format=time caps=image/png,framerate=1/1 ! pngdec ! videoconvert ! "
        f"catdogfilter name=filter {PROPERTIES} ! fakesink name=sink"
    )
    pipeline.get_by_name("filter").set_property("model-file", model)
    results: list[dict[str, Any]] = []
    notes: list[str] = []

    def keep(_pad: Any, info: Any) -> Any:
        results.append(result(info.get_buffer()))
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, keep)
    pipeline.set_state(Gst.State.PLAYING)
    push(pipeline.get_by_name("source"), pictures)
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.WARNING
    error = None
    while True:
        message = pipeline.get_bus().timed_pop_filtered(STALL_SECONDS * Gst.SECOND, wanted)
        if message is None:
            error = f"no message for {STALL_SECONDS} s"
            break
        if message.type == Gst.MessageType.WARNING:
            notes.append(text_of(message.parse_warning()))
            continue
        if message.type == Gst.MessageType.ERROR:
            error = text_of(message.parse_error())
        break
    pipeline.set_state(Gst.State.NULL)
    return {"results": results, "warnings": notes, "error": error}


def main() -> None:
    """Runs the model that the arguments name."""
    # A GstValueArray reaches Python as a GValueArray, which GLib has deprecated.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    Gst.init(None)
    print(json.dumps(run(sys.argv[1], sys.argv[2:]), ensure_ascii=False))


if __name__ == "__main__":
    main()

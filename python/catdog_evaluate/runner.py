"""Runs files through catdogfilter. The result of a frame is the metadata that the element attaches to it."""

import os
import pathlib
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from catdog_evaluate.errors import UnusableError, warn
from catdog_evaluate.summary import FrameResult

# Seconds without a frame or a message after which a pipeline counts as stuck.
STALL_TIMEOUT = 60


def load_gstreamer() -> Any:
    """Returns the initialized module Gst. Raises UnusableError if it or the plugin is missing."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as error:
        raise UnusableError(
            "the Python bindings of GStreamer are missing: apt-get install python3-gi gir1.2-gstreamer-1.0"
        ) from error
    Gst.init(None)
    # A GstValueArray reaches Python as a GValueArray, which GLib has deprecated.
    warnings.filterwarnings("ignore", "GObject.ValueArray", DeprecationWarning)
    if Gst.ElementFactory.find("catdogfilter") is None:
        raise UnusableError("GStreamer does not find or load catdogfilter; see `gst-inspect-1.0 catdogfilter`")
    return Gst


class Runner:
    """Classifies files, each with a pipeline and an element of its own."""

    def __init__(self, gst: Any, model: str | None, labels: str | None, properties: Sequence[str] = ()) -> None:
        from gi.repository import GLib

        self.gst = gst
        self.glib_error = GLib.Error
        self.properties: dict[str, Any] = {"overlay": "none", "max-results": 2**32 - 1}
        if model:
            self.properties["model-file"] = model
        if labels:
            self.properties["labels-file" if os.path.isfile(labels) else "labels"] = labels
        element = gst.ElementFactory.make("catdogfilter")
        for name, text in (setting.split("=", 1) for setting in properties):
            self.properties[name] = self.parse_value(name, text)
        self.set_properties(element)
        self.threshold: float = element.get_property("class-confidence-threshold")
        self.unknown_label: str = element.get_property("unknown-label")
        self.plugin_version: str = gst.Registry.get().find_plugin("catdog").get_version()
        self.model: str | None = None  # the file name of the model; set by the first frame
        self.warned: set[str] = set()

    def parse_value(self, name: str, text: str) -> Any:
        """Returns the value of a property, parsed like gst-launch-1.0 does."""
        gst = self.gst
        pspec = gst.ElementFactory.make("catdogfilter").find_property(name)
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        try:
            # GStreamer would clamp a number that is out of range.
            if hasattr(pspec, "minimum") and not pspec.minimum <= float(text) <= pspec.maximum:
                raise ValueError(f"expected {pspec.minimum:g} to {pspec.maximum:g}")
            element = gst.parse_launch_full(f'catdogfilter {name}="{quoted}"', None, gst.ParseFlags.FATAL_ERRORS)
            return element.get_property(name)
        except (ValueError, TypeError, self.glib_error) as error:
            raise UnusableError(f"--set {name}={text}: {one_line(getattr(error, 'message', str(error)))}") from error

    def set_properties(self, element: Any) -> None:
        """Sets the properties of this run on an element."""
        for name, value in self.properties.items():
            element.set_property(name, value)

    def frames(self, path: pathlib.Path, limit: int | None = None) -> list[FrameResult]:
        """Returns the results of all frames of a file, or of at least the first `limit` frames."""
        gst = self.gst
        pipeline = gst.parse_launch(
            f"filesrc name=file ! {self.parser(path)}decodebin caps=video/x-raw(ANY) expose-all-streams=false ! "
            "videoconvert ! videoflip video-direction=auto ! catdogfilter name=filter ! fakesink"
        )
        pipeline.get_by_name("file").set_property("location", str(path))
        element = pipeline.get_by_name("filter")
        self.set_properties(element)

        entered: list[int] = []
        frames: list[FrameResult] = []
        failures: list[Exception] = []

        # Both probes run in the streaming thread. Between the two clock readings only the element works.
        def enter(_pad: Any, _info: Any) -> Any:
            entered.append(time.monotonic_ns())
            return gst.PadProbeReturn.OK

        def leave(_pad: Any, info: Any) -> Any:
            now = time.monotonic_ns()
            try:
                frames.append(self.result(info.get_buffer(), now - entered[-1]))
            except Exception as error:  # PyGObject would print the exception and continue
                failures.append(error)
            return gst.PadProbeReturn.OK

        element.get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, enter)
        element.get_static_pad("src").add_probe(gst.PadProbeType.BUFFER, leave)
        try:
            pipeline.set_state(gst.State.PLAYING)
            self.wait(path, pipeline.get_bus(), element, lambda: len(frames), limit)
        finally:
            pipeline.set_state(gst.State.NULL)
        if failures:
            raise failures[0]
        if not frames:
            raise UnusableError(f"{path} cannot be read: it contains no image")
        return frames

    def parser(self, path: pathlib.Path) -> str:
        """Returns the parser that reads the orientation of a JPEG file: decodebin alone does not."""
        with open(path, "rb") as file:
            jpeg = file.read(2) == b"\xff\xd8"
        return "jpegparse ! " if jpeg and self.gst.ElementFactory.find("jpegparse") else ""

    def wait(self, path: pathlib.Path, bus: Any, element: Any, count: Callable[[], int], limit: int | None) -> None:
        """Waits for the end of the file, or for `limit` frames."""
        gst = self.gst
        wanted = gst.MessageType.EOS | gst.MessageType.ERROR | gst.MessageType.WARNING
        seen, since = 0, time.monotonic()
        while limit is None or seen < limit:
            # Short waits, because Python handles Ctrl-C only between two of them.
            message = bus.timed_pop_filtered(100 * gst.MSECOND, wanted)
            if count() > seen:
                seen, since = count(), time.monotonic()
            if message is None:
                if time.monotonic() - since > STALL_TIMEOUT:
                    raise UnusableError(f"{path} cannot be read: no frame for {STALL_TIMEOUT} s")
            elif message.type == gst.MessageType.EOS:
                return
            elif message.type == gst.MessageType.WARNING:
                self.show_warning("catdogfilter" if message.src == element else str(path), message)
            else:
                raise self.error_of(path, message, from_filter=message.src == element)

    def show_warning(self, source: str, message: Any) -> None:
        """Prints a warning once. The element repeats warnings about its model for each file."""
        warning = f"{source}: {message_text(message.parse_warning())}"
        if warning not in self.warned:
            self.warned.add(warning)
            warn(warning)

    def error_of(self, path: pathlib.Path, message: Any, from_filter: bool) -> UnusableError:
        """Returns the exception for an error message."""
        if from_filter:
            # Before the first result, the error concerns the model and not the file.
            where = f"{path}: " if self.model else ""
            return UnusableError(f"{where}catdogfilter: {message_text(message.parse_error())}")
        error = message.parse_error()[0]
        text = one_line(error.message)
        if error.matches(self.gst.CoreError.quark(), self.gst.CoreError.MISSING_PLUGIN):
            text = "it contains no image, or GStreamer lacks a plugin for it"
        return UnusableError(f"{path} cannot be read: {text}")

    def result(self, buffer: Any, nanoseconds: int) -> FrameResult:
        """Returns the metadata of one buffer, and the time that it spent in the element."""
        meta = buffer.get_custom_meta("GstCatdogMeta")
        if meta is None:
            raise UnusableError("catdogfilter attached no result to a buffer")
        fields = meta.get_structure()
        labels, confidences = fields.get_array("labels")[1], fields.get_array("confidences")[1]
        by_label: dict[str, float] = {}
        for i in range(labels.n_values):
            # Classes with the same name are added: ImageNet has two called crane.
            name = labels.get_nth(i)
            by_label[name] = by_label.get(name, 0.0) + confidences.get_nth(i)
        has_time, inference = fields.get_uint64("inference-time")
        self.model = fields.get_string("model")
        return {
            "label": fields.get_string("label"),
            "accepted": fields.get_int("index").value >= 0,
            "top": labels.get_nth(0),
            # The confidence of the top-1 class. `hold` may still display another label.
            "confidence": confidences.get_nth(0),
            "confidences": by_label,
            "element_ms": nanoseconds / 1e6,
            "inference_ms": inference / 1e6 if has_time else None,
        }


def message_text(parsed: tuple[Any, str | None]) -> str:
    """Returns the text of a parsed error or warning. Elements written in Rust put it into the debug string."""
    error, debug = parsed
    _, _, text = (debug or "").partition("\n")
    return one_line(text or error.message)


def one_line(text: str) -> str:
    """Returns the text with all white space reduced to single spaces."""
    return " ".join(text.split())

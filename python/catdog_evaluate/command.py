"""Runs a folder of classes through catdogfilter and reports. models/evaluate starts it, and has the manual.

This part finds the files, runs the pipelines and writes; report.py makes numbers, text and drawings of
what came out. Nothing that the element does is done here: a frame's result is its metadata.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import time
import warnings

import report

# Not pictures; what lies beside them in many data sets
LEFT_OUT = {".txt", ".csv", ".json", ".md"}
# A pipeline that brings nothing for so long is stuck (seconds)
PATIENCE = 60


class Unusable(Exception):
    """What was given cannot be evaluated; the text says why, in one line."""


# --- the files -------------------------------------------------------------------------------------

def pictures_of(directory):
    """The files of one folder that are to be decoded, by name."""
    files = []
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() in LEFT_OUT:
            continue
        if path.is_dir():
            raise Unusable(f"{path} is a folder: pictures have to lie directly in the folder of their class")
        files.append(path)
    return files


def find_classes(directory):
    """{folder: files} of a folder of folders, or of files whose names start with their class."""
    try:
        folders = [path for path in sorted(directory.iterdir()) if path.is_dir() and not path.name.startswith(".")]
        if folders:
            classes = {path.name: pictures_of(path) for path in folders}
            loose = sum(1 for path in directory.iterdir()
                        if not (path.is_dir() or path.name.startswith(".") or path.suffix.lower() in LEFT_OUT))
            if loose:
                tell(f"{loose} file{'s' if loose > 1 else ''} beside the class folders in {directory}: left out")
        else:
            classes = {}
            for path in pictures_of(directory):
                name, underscore, _ = path.name.partition("_")
                if not (name and underscore):
                    raise Unusable(f"{path}: no class; put it in a folder of its class, or call it cat_{path.name}")
                classes.setdefault(name, []).append(path)
    except OSError as error:
        raise Unusable(f"{error.filename}: {error.strerror}") from error
    if not classes:
        raise Unusable(f"{directory} is empty: it should have a folder of pictures for each class")
    for name, files in classes.items():
        if not files:
            raise Unusable(f"{directory / name} has no pictures")
    if len(classes) == 1:
        raise Unusable(f"{directory} has one class only, {next(iter(classes))}: at least two are needed")
    return classes


# --- the element -------------------------------------------------------------------------------------

def load_gstreamer():
    """The Gst module, with the plugin."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as error:
        raise Unusable("PyGObject for GStreamer is missing: "
                       "apt-get install python3-gi gir1.2-gstreamer-1.0") from error
    Gst.init(None)
    # GLib calls GValueArray old, but that is what a GstValueArray reaches Python as
    warnings.filterwarnings("ignore", "GObject.ValueArray", DeprecationWarning)
    if Gst.ElementFactory.find("catdogfilter") is None:
        raise Unusable("GStreamer finds no catdogfilter, or cannot load it: see `gst-inspect-1.0 catdogfilter`")
    return Gst


class Runner:
    """Classifies files, each with a pipeline and an element of its own."""

    def __init__(self, gst, model, labels, properties=()):
        from gi.repository import GLib

        self.gst = gst
        self.glib_error = GLib.Error
        self.settings = {"overlay": "none", "max-results": 2**32 - 1}
        if model:
            self.settings["model-file"] = model
        if labels:
            self.settings["labels-file" if os.path.isfile(labels) else "labels"] = labels
        element = gst.ElementFactory.make("catdogfilter")
        self.set = {name: self.value_of(name, text)
                    for name, text in (setting.split("=", 1) for setting in properties)}
        self.set_up(element)
        self.threshold = element.get_property("class-confidence-threshold")
        self.unknown = element.get_property("unknown-label")
        self.plugin = gst.Registry.get().find_plugin("catdog").get_version()
        self.model = None
        self.warned = set()

    def value_of(self, name, text):
        """`text` as the property `name` takes it, read as gst-launch-1.0 does."""
        gst = self.gst
        pspec = gst.ElementFactory.make("catdogfilter").find_property(name)
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        try:
            # a number out of range would be taken for the nearest one in it
            if hasattr(pspec, "minimum") and not pspec.minimum <= float(text) <= pspec.maximum:
                raise ValueError(f"it may be {pspec.minimum:g} to {pspec.maximum:g}")
            element = gst.parse_launch_full(f'catdogfilter {name}="{quoted}"', None, gst.ParseFlags.FATAL_ERRORS)
            return element.get_property(name)
        except (ValueError, TypeError, self.glib_error) as error:
            raise Unusable(f"--set {name}={text}: {one_line(getattr(error, 'message', str(error)))}") from error

    def set_up(self, element):
        for name, value in (self.settings | self.set).items():
            element.set_property(name, value)

    def frames(self, path, most=None):
        """The results of one file: of all its frames, or of the first `most`."""
        gst = self.gst
        pipeline = gst.parse_launch(
            f"filesrc name=file ! {self.parser(path)}decodebin caps=video/x-raw(ANY) expose-all-streams=false ! "
            "videoconvert ! videoflip video-direction=auto ! catdogfilter name=filter ! fakesink"
        )
        pipeline.get_by_name("file").set_property("location", str(path))
        element = pipeline.get_by_name("filter")
        self.set_up(element)

        entered, frames, failures = [], [], []

        # Both in the streaming thread. Nothing is done between the two readings of the clock but by the element.
        def enter(_pad, _info):
            entered.append(time.monotonic_ns())
            return gst.PadProbeReturn.OK

        def leave(_pad, info):
            now = time.monotonic_ns()
            try:
                frames.append(self.result(info.get_buffer(), now - entered[-1]))
            except Exception as error:  # PyGObject would print it and go on
                failures.append(error)
            return gst.PadProbeReturn.OK

        element.get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, enter)
        element.get_static_pad("src").add_probe(gst.PadProbeType.BUFFER, leave)
        try:
            pipeline.set_state(gst.State.PLAYING)
            self.wait(path, pipeline.get_bus(), element, lambda: len(frames), most)
        finally:
            pipeline.set_state(gst.State.NULL)
        if failures:
            raise failures[0]
        if not frames:
            raise Unusable(f"{path} cannot be read: no picture came out of it")
        return frames

    def parser(self, path):
        """What tells how a photo was held: decodebin decodes JPEG without it."""
        with open(path, "rb") as file:
            jpeg = file.read(2) == b"\xff\xd8"
        return "jpegparse ! " if jpeg and self.gst.ElementFactory.find("jpegparse") else ""

    def wait(self, path, bus, element, count, most):
        """Until the end of the file, or `most` frames."""
        gst = self.gst
        wanted = gst.MessageType.EOS | gst.MessageType.ERROR | gst.MessageType.WARNING
        seen, since = 0, time.monotonic()
        while most is None or seen < most:
            # a short wait each time: only between two of them is a Ctrl-C heard
            message = bus.timed_pop_filtered(100 * gst.MSECOND, wanted)
            if count() > seen:
                seen, since = count(), time.monotonic()
            if message is None:
                if time.monotonic() - since > PATIENCE:
                    raise Unusable(f"{path} cannot be read: nothing came out of it for {PATIENCE} s")
            elif message.type == gst.MessageType.EOS:
                return
            elif message.type == gst.MessageType.WARNING:
                # the element says the same of its model for each file, and the first file is read twice
                name = "catdogfilter" if message.src == element else path
                warning = f"{name}: {text_of(message.parse_warning())}"
                if warning not in self.warned:
                    self.warned.add(warning)
                    tell(warning)
            elif message.src == element:
                where = f"{path}: " if self.model else ""
                raise Unusable(f"{where}catdogfilter: {text_of(message.parse_error())}")
            else:
                error = message.parse_error()[0]
                text = one_line(error.message)
                if error.matches(gst.CoreError.quark(), gst.CoreError.MISSING_PLUGIN):
                    text = "it has no picture, or GStreamer lacks the plugin for it"
                raise Unusable(f"{path} cannot be read: {text}")

    def result(self, buffer, nanoseconds):
        """What the element says of one buffer."""
        meta = buffer.get_custom_meta("GstCatdogMeta")
        if meta is None:
            raise Unusable("catdogfilter let a buffer pass without a result")
        fields = meta.get_structure()
        labels, confidences = fields.get_array("labels")[1], fields.get_array("confidences")[1]
        found = {}
        for i in range(labels.n_values):
            # two classes may have the same name (ImageNet has cranes twice)
            name = labels.get_nth(i)
            found[name] = found.get(name, 0.0) + confidences.get_nth(i)
        there, inference = fields.get_uint64("inference-time")
        self.model = fields.get_string("model")
        return {
            "label": fields.get_string("label"),
            "believed": fields.get_int("index").value >= 0,
            "top": labels.get_nth(0),
            # of the best, not of the one that is shown until another has won for long enough
            "confidence": confidences.get_nth(0),
            "confidences": found,
            "element_ms": nanoseconds / 1e6,
            "inference_ms": inference / 1e6 if there else None,
        }


def text_of(parsed):
    """The text of an error or a warning: an element written in Rust may have it in the part for debugging."""
    error, debug = parsed
    _, _, text = (debug or "").partition("\n")
    return one_line(text or error.message)


def one_line(text):
    return " ".join(text.split())


# --- the run -----------------------------------------------------------------------------------------

def tell(line):
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")  # over the progress
    print(f"evaluate: {line}", file=sys.stderr)


def progress(done, total, path):
    """One line that is written over, where somebody looks on."""
    if sys.stderr.isatty():
        text = f"{done}/{total} {path}" if path else ""
        sys.stderr.write("\r\x1b[K" + text[: os.get_terminal_size(sys.stderr.fileno()).columns - 1])
        sys.stderr.flush()


def classify(runner, directory, classes):
    """The rows of all files: each frame with where it comes from."""
    rows, total, done = [], sum(map(len, classes.values())), 0
    for folder, files in classes.items():
        for path in files:
            progress(done, total, path)
            for index, frame in enumerate(runner.frames(path)):
                rows.append({"file": str(path.relative_to(directory)), "frame": index, "folder": folder, **frame})
            done += 1
    progress(total, total, "")
    return rows


def evaluate(arguments):
    directory, plots = arguments.directory, arguments.plots
    if plots:
        if plots.resolve() == directory.resolve() or directory.resolve() in plots.resolve().parents:
            raise Unusable(f"--plots {plots} is in {directory}: the drawings would be taken for pictures next time")
        report.load_matplotlib()
    for target in (arguments.json and arguments.json.parent, plots if plots and plots.exists() else None):
        if target and not os.access(target, os.W_OK):
            raise Unusable(f"cannot write to {target}")

    classes = find_classes(directory)
    runner = Runner(load_gstreamer(), arguments.model, arguments.labels, arguments.properties)
    # A model or folders that do not fit are found now, not at the end of the first video.
    first = runner.frames(next(iter(classes.values()))[0], most=1)[0]
    labels = sorted(first["confidences"], key=str.casefold)
    folders = report.match(classes, labels)
    if not any(folders.values()):
        raise Unusable(f"no folder is a class of the model; folders: {', '.join(classes)}; "
                       f"classes: {report.shortened(labels)}")

    count = sum(map(len, classes.values()))
    tell(f"{count} files with {runner.model}")
    rows = classify(runner, directory, classes)
    result = {
        "model": runner.model,
        "labels": labels,
        "threshold": float(f"{runner.threshold:.6g}"),  # a float: 0.7, not 0.699999988
        "unknown_label": runner.unknown,
        "set": dict(setting.split("=", 1) for setting in arguments.properties),
        "plugin": runner.plugin,
        "gstreamer": ".".join(map(str, runner.gst.version()[:3])),
        "folders": folders,
    }
    result["summary"] = report.summary(rows, folders, labels)
    result["clips"] = report.clips(rows, folders)
    result["pictures"] = rows

    # all of them first, so that a failure leaves none
    files = {plots / name: data for name, data in report.drawings(result).items()} if plots else {}
    if arguments.json:
        # a link is followed: what it names is replaced
        files[arguments.json.resolve()] = (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode()
    if plots:
        plots.mkdir(parents=True, exist_ok=True)
    write(files)
    print(report.text(result))


def write(files):
    """All of {path: bytes}; each appears whole, by a rename, when all could be written."""
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in files}
    try:
        for path, part in parts.items():
            if path.is_dir():
                raise Unusable(f"{path} is a folder: it is in the way of a file")
            part.write_bytes(files[path])
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--model")
    parser.add_argument("--labels")
    parser.add_argument("--set", action="append", default=[], dest="properties")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--plots", type=pathlib.Path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # ends quietly when the reader of the report does (| head)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        evaluate(parser.parse_args())
    except (Unusable, report.Missing) as error:
        tell(error)
        return 2
    except OSError as error:
        tell(f"{error.filename}: {error.strerror}" if error.filename else error)
        return 2
    except KeyboardInterrupt:
        tell("stopped, nothing is written")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

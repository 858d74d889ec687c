"""One program that classifies one file, as a whole: `python -m bench.peer NAME JOB`. pipelines.py starts it.

JOB is JSON: `file`, its `kind` (raw, mjpeg or h264), `width`, `height` and number of `frames`; the `model`, and of that
`size`, the width and height of its input. What the program has to say is one line of JSON on stdout: the class of each
frame, when the first and the last result were there, how much processor time lay between them, and the most memory.

Each peer imports what it needs itself, so that none pays for another. All decode with what they come with, at its
defaults, and run the model on one thread.
"""

import json
import sys
import time

# Debian's Python packages, gi among them. A venv does not see them.
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
# A pipeline that brings nothing for so long is stuck (seconds).
PATIENCE = 60


def main():
    name, job = sys.argv[1], json.loads(sys.argv[2])
    run, arguments = PROGRAMS[name]
    results = Results()
    more = run(job, results, *arguments) or {}
    print(json.dumps({**results.told(), **more, "peak_rss_kib": peak_rss_kib()}))


class Results:
    """What came of each frame, and when. A frame without a class is one that was not classified."""

    def __init__(self):
        self.classes = []
        self.first = self.last = None

    def add(self, index):
        self.last = (time.perf_counter(), time.process_time())
        if self.first is None:
            self.first = self.last
        self.classes.append(index)

    def told(self):
        between = (0.0, 0.0) if self.first is None else [b - a for a, b in zip(self.first, self.last)]
        return {
            "frames": len(self.classes),
            "inferences": sum(index is not None for index in self.classes),
            "classes": "".join("-" if index is None else chr(ord("A") + index) for index in self.classes),
            "seconds": between[0],
            "cpu_seconds": between[1],
        }


def best_class(scores):
    """One score stands for two classes, the first below zero."""
    if len(scores) == 1:
        return int(scores[0] > 0)
    return max(range(len(scores)), key=scores.__getitem__)


def peak_rss_kib():
    """Of this program alone: the ru_maxrss of a child begins with what its parent had."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


# --- decoded by OpenCV ---------------------------------------------------------------------------

def opencv_frames(job, color=True):
    """Frames as the one who wrote the loop gets them: BGR from a video file, I420 from a raw one."""
    import cv2
    import numpy as np

    if job["kind"] == "raw":
        picture = np.empty((job["height"] * 3 // 2, job["width"]), np.uint8)
        with open(job["file"], "rb", buffering=0) as file:
            while file.readinto(picture) == picture.nbytes:
                yield cv2.cvtColor(picture, cv2.COLOR_YUV2RGB_I420) if color else picture
        return
    video = cv2.VideoCapture(job["file"], cv2.CAP_FFMPEG)
    while True:
        there, picture = video.read()
        if not there:
            return
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if color else picture


def opencv_decode(job, results):
    for _ in opencv_frames(job, color=False):
        results.add(None)


def interpreter(job):
    """A function from a picture in the size of the model's input to its class, by LiteRT's interpreter."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(job["model"], num_threads=1)
    model.allocate_tensors()
    (inlet,), (outlet,) = model.get_input_details(), model.get_output_details()
    if inlet["dtype"] != np.uint8:
        raise SystemExit("the model takes no uint8 picture: its normalisation is not known here")

    def classify(picture):
        model.set_tensor(inlet["index"], picture[None])
        model.invoke()
        return best_class(model.get_tensor(outlet["index"])[0])

    return classify


def python_loop(job, results):
    import cv2

    classify = interpreter(job)
    for picture in opencv_frames(job):
        results.add(classify(cv2.resize(picture, tuple(job["size"]))))


def mediapipe_task(job, results):
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=job["model"]))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for picture in opencv_frames(job):
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=picture)
            found = classifier.classify(image).classifications[0].categories
            # sorted by score; a single one is the score itself
            results.add(int(found[0].score > 0) if len(found) == 1 else found[0].index)


def opencv_dnn(job, results):
    import cv2
    import numpy as np

    from bench import floats

    with open(job["model"], "rb") as file:
        model, scale, zero_point = floats.in_floats(file.read())
    # counts for all of OpenCV: the model runs on no less than its resizing does
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromTFLite(np.frombuffer(model, np.uint8))
    for picture in opencv_frames(job):
        net.setInput(cv2.dnn.blobFromImage(picture, scale, tuple(job["size"]), [zero_point] * 3))
        results.add(best_class(net.forward().ravel()))


# --- decoded by GStreamer ------------------------------------------------------------------------

def gstreamer():
    # At the end: the venv's NumPy goes before Debian's.
    if DEBIAN_PACKAGES not in sys.path:
        sys.path.append(DEBIAN_PACKAGES)
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    return Gst


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def source(job):
    width, height = job["width"], job["height"]
    return {
        "raw": f"filesrc location={quoted(job['file'])} blocksize={width * height * 3 // 2} ! "
               f"rawvideoparse format=i420 width={width} height={height} framerate=30/1",
        "mjpeg": f"filesrc location={quoted(job['file'])} ! avidemux ! jpegdec",
        "h264": f"filesrc location={quoted(job['file'])} ! qtdemux ! h264parse ! avdec_h264",
    }[job["kind"]]


def scaled(gst, job):
    """As elements and programs want it that do not scale: the whole picture in the model's size, in RGB."""
    one = gst.ElementFactory.find("videoconvertscale")
    convert = "videoconvertscale add-borders=false" if one else "videoscale add-borders=false ! videoconvert"
    width, height = job["size"]
    return f"{convert} ! video/x-raw,format=RGB,width={width},height={height},pixel-aspect-ratio=1/1"


def start(gst, pipeline):
    """Some elements refuse without a message."""
    if pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
        message = pipeline.get_bus().pop_filtered(gst.MessageType.ERROR)
        raise SystemExit(message.parse_error().gerror.message if message else "the pipeline does not start")


def wait_for_end(gst, pipeline):
    message = pipeline.get_bus().timed_pop_filtered(PATIENCE * gst.SECOND, gst.MessageType.EOS | gst.MessageType.ERROR)
    if message is None or message.type == gst.MessageType.ERROR:
        raise SystemExit(message.parse_error().gerror.message if message else f"no end within {PATIENCE} s")


def through_gstreamer(job, results, middle, class_of):
    """A pipeline whose buffers are looked at as they reach the sink."""
    gst = gstreamer()
    # preroll would count the first frame late
    pipeline = gst.parse_launch(f"{source(job)} {middle(gst, job)} ! fakesink name=sink sync=false async=false")

    def seen(_pad, info):
        results.add(class_of(gst, info.get_buffer()))
        return gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, seen)
    start(gst, pipeline)
    wait_for_end(gst, pipeline)
    element = pipeline.get_by_name("filter")
    told = {}
    if element is not None:
        stats = element.get_property("stats")
        told = {"inferences": stats.get_value("inferences"), "optimization": stats.get_value("optimization")}
    pipeline.set_state(gst.State.NULL)
    return told


def gstreamer_decode(job, results):
    through_gstreamer(job, results, lambda _gst, _job: "", lambda _gst, _buffer: None)


def catdogfilter(job, results, before, properties, own_model=False):
    """Neither averaged nor held, so that each frame says its own class."""
    model = "" if own_model else f"model-file={quoted(job['model'])}"

    def class_of(_gst, buffer):
        fields = buffer.get_custom_meta("GstCatdogMeta").get_structure()
        there, index = fields.get_int("index")
        return index if there and fields.get_boolean("fresh").value else None

    def middle(_gst, _job):
        return (f"! {before} catdogfilter name=filter {model} {properties} post-messages=none overlay=none "
                "smoothing=0 hold=0 class-confidence-threshold=0")

    return through_gstreamer(job, results, middle, class_of)


def tfliteinference(job, results):
    """It wants a batch of one and a description beside the model. Its tensor is read as it comes: the decoders of
    GStreamer know no single score.
    """
    import pathlib
    import struct

    from bench.model import modelinfo, one_picture

    given = pathlib.Path(job["model"])
    model = pathlib.Path(job["file"]).parent / "tfliteinference" / given.name
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(one_picture(given.read_bytes()))
    model.with_name(f"{model.name}.modelinfo").write_text(modelinfo(model), encoding="utf-8")
    gstreamer()
    import gi

    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GstAnalytics

    def class_of(gst, buffer):
        tensor = GstAnalytics.buffer_get_tensor_meta(buffer).get(0)
        there, memory = tensor.data.map(gst.MapFlags.READ)
        if not there:
            return None
        # a copy, which the mapping may end before
        scores = struct.unpack(f"<{memory.size // 4}f", bytes(memory.data))
        tensor.data.unmap(memory)
        return best_class(scores)

    def middle(gst, _job):
        return f"! {scaled(gst, job)} ! queue ! tfliteinference threads=1 model-file={quoted(model)}"

    through_gstreamer(job, results, middle, class_of)


def nnstreamer(job, results):
    """Written from its documentation: no machine of ours had it."""
    import struct

    def class_of(gst, buffer):
        there, memory = buffer.map(gst.MapFlags.READ)
        if not there:
            return None
        scores = struct.unpack(f"<{memory.size // 4}f", bytes(memory.data))
        buffer.unmap(memory)
        return best_class(scores)

    def middle(gst, _job):
        return (f"! {scaled(gst, job)} ! queue ! tensor_converter ! "
                f"tensor_filter framework=tensorflow2-lite custom=NumThreads:1 model={quoted(job['model'])}")

    through_gstreamer(job, results, middle, class_of)


def appsink(job, results):
    """Frames come scaled from GStreamer, and wait for a second thread that runs the model."""
    import threading

    import numpy as np

    classify = interpreter(job)
    gst = gstreamer()
    pipeline = gst.parse_launch(f"{source(job)} ! {scaled(gst, job)} ! "
                                "appsink name=sink sync=false max-buffers=4 drop=false enable-last-sample=false")
    sink = pipeline.get_by_name("sink")
    width, height = job["size"]

    def pull():
        while (sample := sink.emit("try-pull-sample", PATIENCE * gst.SECOND)) is not None:
            buffer = sample.get_buffer()
            there, memory = buffer.map(gst.MapFlags.READ)
            if not there:
                raise SystemExit("a buffer cannot be mapped")
            # rows are padded to four bytes
            rows = np.frombuffer(memory.data, np.uint8).reshape(height, -1)
            results.add(classify(rows[:, : width * 3].reshape(height, width, 3)))
            buffer.unmap(memory)

    # not before: a sink that has not started has no samples for good
    start(gst, pipeline)
    thread = threading.Thread(target=pull)
    thread.start()
    wait_for_end(gst, pipeline)
    thread.join()
    pipeline.set_state(gst.State.NULL)


PROGRAMS = {
    "decode": (gstreamer_decode, ()),
    "opencv-decode": (opencv_decode, ()),
    "python-loop": (python_loop, ()),
    "appsink": (appsink, ()),
    "mediapipe": (mediapipe_task, ()),
    "opencv-dnn": (opencv_dnn, ()),
    "tfliteinference": (tfliteinference, ()),
    "nnstreamer": (nnstreamer, ()),
    "catdog": (catdogfilter, ("", "threads=1")),
    "catdog-queue": (catdogfilter, ("queue !", "threads=1")),
    "catdog-threads": (catdogfilter, ("queue !", "threads=0")),
    "catdog-off": (catdogfilter, ("queue !", "threads=1 optimize=off")),
    "catdog-own": (catdogfilter, ("queue !", "threads=1", True)),
    "catdog-async": (catdogfilter, ("", "threads=1 mode=async")),
}


if __name__ == "__main__":
    main()

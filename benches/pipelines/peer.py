"""Runs one program that classifies one file: `python -m pipelines.peer NAME JOB`. compare.py starts this program.

JOB is JSON: `file`, its `kind` (raw, mjpeg or h264), `width`, `height` and number of `frames`; the `model`, and `size`,
the width and height of the model's input. The program prints one line of JSON: the class of each frame, the wall-clock
and CPU time between the first and the last result, and the peak memory.

Each peer imports its own packages, so that no peer pays for those of another. Each decodes with the decoder that
belongs to it, with default settings, and runs the model on one thread.
"""

import json
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# Debian's Python packages, which include gi. A virtual environment does not see them.
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
# Seconds without an end after which a pipeline counts as stuck.
TIMEOUT = 60

Job = Mapping[str, Any]
# Returns the class of a frame from its pixels.
Classifier = Callable[[Any], int]


def main() -> None:
    """Runs the peer and prints its results."""
    name, job = sys.argv[1], json.loads(sys.argv[2])
    run, arguments = PROGRAMS[name]
    results = Results()
    statistics = run(job, results, *arguments) or {}
    print(json.dumps({**results.as_dict(), **statistics, "peak_rss_kib": peak_rss_kib()}))


class Results:
    """The class of each frame, and the times of the first and the last result."""

    def __init__(self) -> None:
        self.classes: list[int | None] = []
        self.first: tuple[float, float] | None = None
        self.last: tuple[float, float] | None = None

    def add(self, index: int | None) -> None:
        """Adds the class of the next frame; None if it was not classified."""
        self.last = (time.perf_counter(), time.process_time())
        if self.first is None:
            self.first = self.last
        self.classes.append(index)

    def as_dict(self) -> dict[str, Any]:
        """Returns the results as JSON values. `classes` has one letter per frame."""
        seconds, cpu_seconds = 0.0, 0.0
        if self.first is not None and self.last is not None:
            seconds, cpu_seconds = (b - a for a, b in zip(self.first, self.last))
        return {
            "frames": len(self.classes),
            "inferences": sum(index is not None for index in self.classes),
            "classes": "".join("-" if index is None else chr(ord("A") + index) for index in self.classes),
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
        }


def best_class(scores: Sequence[float]) -> int:
    """Returns the top-1 class. A single score is a logit of two classes: the first below zero, the second above."""
    if len(scores) == 1:
        return int(scores[0] > 0)
    return max(range(len(scores)), key=scores.__getitem__)


def peak_rss_kib() -> int:
    """Returns the peak memory of this program. The ru_maxrss of a child would include that of its parent."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


# --- peers that decode with OpenCV ---------------------------------------------------------------


def opencv_frames(job: Job, color: bool = True) -> Iterator[Any]:
    """Yields the frames in RGB, converted from BGR for a video file and from I420 for a raw file.

    With `color=False` the frames are not converted.
    """
    import cv2
    import numpy as np

    if job["kind"] == "raw":
        frame: Any = np.empty((job["height"] * 3 // 2, job["width"]), np.uint8)
        with open(job["file"], "rb", buffering=0) as file:
            while file.readinto(frame) == frame.nbytes:
                yield cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420) if color else frame
        return
    video = cv2.VideoCapture(job["file"], cv2.CAP_FFMPEG)
    while True:
        success, frame = video.read()
        if not success:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if color else frame


def opencv_decode(job: Job, results: Results) -> None:
    """Decodes with OpenCV and does not classify."""
    for _ in opencv_frames(job, color=False):
        results.add(None)


def load_interpreter(job: Job) -> Classifier:
    """Returns a classifier of frames in the model's input size, by LiteRT's interpreter."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(job["model"], num_threads=1)
    model.allocate_tensors()
    (source,), (sink,) = model.get_input_details(), model.get_output_details()
    if source["dtype"] != np.uint8:
        raise SystemExit("the input of the model is not uint8; this benchmark has no normalization for it")

    def classify(frame: Any) -> int:
        model.set_tensor(source["index"], frame[None])
        model.invoke()
        return best_class(model.get_tensor(sink["index"])[0])

    return classify


def python_loop(job: Job, results: Results) -> None:
    """Decodes and resizes with OpenCV, classifies with LiteRT, in one loop."""
    import cv2

    classify = load_interpreter(job)
    for frame in opencv_frames(job):
        results.add(classify(cv2.resize(frame, tuple(job["size"]))))


def mediapipe_task(job: Job, results: Results) -> None:
    """Decodes with OpenCV and classifies with MediaPipe's ImageClassifier."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=job["model"]))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for frame in opencv_frames(job):
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=frame)
            found = classifier.classify(image).classifications[0].categories
            # The categories are sorted by score. A single one has the logit as its score.
            results.add(int(found[0].score > 0) if len(found) == 1 else found[0].index)


def opencv_dnn(job: Job, results: Results) -> None:
    """Decodes with OpenCV and classifies with its DNN module, with the model converted to float."""
    import cv2
    import numpy as np

    from pipelines import floats

    with open(job["model"], "rb") as file:
        model, scale, zero_point = floats.float_model(file.read())
    # OpenCV has one setting of the number of threads, which holds for its resizing too.
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromTFLite(np.frombuffer(model, np.uint8))
    for frame in opencv_frames(job):
        net.setInput(cv2.dnn.blobFromImage(frame, scale, tuple(job["size"]), [zero_point] * 3))
        results.add(best_class(net.forward().ravel()))


# --- peers that decode with GStreamer ------------------------------------------------------------


def load_gstreamer() -> Any:
    """Returns the initialized module Gst."""
    # At the end of the path, so that NumPy comes from the virtual environment.
    if DEBIAN_PACKAGES not in sys.path:
        sys.path.append(DEBIAN_PACKAGES)
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    return Gst


def quoted(text: object) -> str:
    """Returns a value quoted for a pipeline description."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def source(job: Job) -> str:
    """Returns the elements that read and decode the file."""
    width, height = job["width"], job["height"]
    return {
        "raw": f"filesrc location={quoted(job['file'])} blocksize={width * height * 3 // 2} ! "
        f"rawvideoparse format=i420 width={width} height={height} framerate=30/1",
        "mjpeg": f"filesrc location={quoted(job['file'])} ! avidemux ! jpegdec",
        "h264": f"filesrc location={quoted(job['file'])} ! qtdemux ! h264parse ! avdec_h264",
    }[job["kind"]]


def scaled(gst: Any, job: Job) -> str:
    """Returns the elements that convert a whole frame to RGB in the model's input size."""
    combined = gst.ElementFactory.find("videoconvertscale")
    convert = "videoconvertscale add-borders=false" if combined else "videoscale add-borders=false ! videoconvert"
    width, height = job["size"]
    return f"{convert} ! video/x-raw,format=RGB,width={width},height={height},pixel-aspect-ratio=1/1"


def start(gst: Any, pipeline: Any) -> None:
    """Starts a pipeline. Ends the program if that fails; some elements fail without a message."""
    if pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
        message = pipeline.get_bus().pop_filtered(gst.MessageType.ERROR)
        raise SystemExit(message.parse_error().gerror.message if message else "the pipeline does not start")


def wait_for_end(gst: Any, pipeline: Any) -> None:
    """Waits for the end of the stream. Ends the program on an error or after TIMEOUT."""
    message = pipeline.get_bus().timed_pop_filtered(TIMEOUT * gst.SECOND, gst.MessageType.EOS | gst.MessageType.ERROR)
    if message is None or message.type == gst.MessageType.ERROR:
        raise SystemExit(message.parse_error().gerror.message if message else f"no end within {TIMEOUT} s")


def read_floats(gst: Any, mappable: Any) -> tuple[float, ...] | None:
    """Returns a copy of the float32 values of a buffer, or None if it cannot be mapped."""
    success, memory = mappable.map(gst.MapFlags.READ)
    if not success:
        return None
    values = struct.unpack(f"<{memory.size // 4}f", bytes(memory.data))
    mappable.unmap(memory)
    return values


def run_pipeline(
    job: Job,
    results: Results,
    middle: Callable[[Any, Job], str],
    class_of: Callable[[Any, Any], int | None],
) -> dict[str, Any]:
    """Runs a pipeline with the elements `middle` and adds `class_of` every buffer that reaches the sink.

    Returns statistics of the element named `filter`, if there is one.
    """
    gst = load_gstreamer()
    # Without preroll (async=false), because a prerolled frame would be counted late.
    pipeline = gst.parse_launch(f"{source(job)} {middle(gst, job)} ! fakesink name=sink sync=false async=false")

    def on_buffer(_pad: Any, info: Any) -> Any:
        results.add(class_of(gst, info.get_buffer()))
        return gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, on_buffer)
    start(gst, pipeline)
    wait_for_end(gst, pipeline)
    element = pipeline.get_by_name("filter")
    statistics = {}
    if element is not None:
        stats = element.get_property("stats")
        statistics = {name: stats.get_value(name) for name in ("inferences", "optimization")}
    pipeline.set_state(gst.State.NULL)
    return statistics


def gstreamer_decode(job: Job, results: Results) -> None:
    """Decodes with GStreamer and does not classify."""
    run_pipeline(job, results, lambda _gst, _job: "", lambda _gst, _buffer: None)


def catdogfilter(
    job: Job, results: Results, before: str, properties: str, embedded_model: bool = False
) -> dict[str, Any]:
    """Runs catdogfilter without smoothing and hysteresis, so that each frame has its own class."""
    model = "" if embedded_model else f"model-file={quoted(job['model'])}"

    def class_of(_gst: Any, buffer: Any) -> int | None:
        fields = buffer.get_custom_meta("GstCatdogMeta").get_structure()
        success, index = fields.get_int("index")
        return index if success and fields.get_boolean("fresh").value else None

    def middle(_gst: Any, _job: Job) -> str:
        return (
            f"! {before} catdogfilter name=filter {model} {properties} post-messages=none overlay=none "
            "smoothing=0 hold=0 class-confidence-threshold=0"
        )

    return run_pipeline(job, results, middle, class_of)


def tfliteinference(job: Job, results: Results) -> None:
    """Runs GStreamer's own element. It needs a batch of one and a .modelinfo file next to the model.

    Its output tensor is read directly, because GStreamer's tensor decoders do not support a single score.
    """
    import pathlib

    from pipelines.modelfile import modelinfo, with_batch_one

    original = pathlib.Path(job["model"])
    model = pathlib.Path(job["file"]).parent / "tfliteinference" / original.name
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(with_batch_one(original.read_bytes()))
    model.with_name(f"{model.name}.modelinfo").write_text(modelinfo(model), encoding="utf-8")
    load_gstreamer()
    import gi

    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GstAnalytics

    def class_of(gst: Any, buffer: Any) -> int | None:
        scores = read_floats(gst, GstAnalytics.buffer_get_tensor_meta(buffer).get(0).data)
        return None if scores is None else best_class(scores)

    def middle(gst: Any, _job: Job) -> str:
        return f"! {scaled(gst, job)} ! queue ! tfliteinference threads=1 model-file={quoted(model)}"

    run_pipeline(job, results, middle, class_of)


def nnstreamer(job: Job, results: Results) -> None:
    """Runs NNStreamer's tensor_filter. Written from its documentation and not yet run: no test machine has it."""

    def class_of(gst: Any, buffer: Any) -> int | None:
        scores = read_floats(gst, buffer)
        return None if scores is None else best_class(scores)

    def middle(gst: Any, _job: Job) -> str:
        return (
            f"! {scaled(gst, job)} ! queue ! tensor_converter ! "
            f"tensor_filter framework=tensorflow2-lite custom=NumThreads:1 model={quoted(job['model'])}"
        )

    run_pipeline(job, results, middle, class_of)


def appsink(job: Job, results: Results) -> None:
    """Decodes and scales with GStreamer; a second thread takes the frames from an appsink and runs LiteRT."""
    import threading

    import numpy as np

    classify = load_interpreter(job)
    gst = load_gstreamer()
    pipeline = gst.parse_launch(
        f"{source(job)} ! {scaled(gst, job)} ! "
        "appsink name=sink sync=false max-buffers=4 drop=false enable-last-sample=false"
    )
    sink = pipeline.get_by_name("sink")
    width, height = job["size"]

    def pull() -> None:
        while (sample := sink.emit("try-pull-sample", TIMEOUT * gst.SECOND)) is not None:
            buffer = sample.get_buffer()
            success, memory = buffer.map(gst.MapFlags.READ)
            if not success:
                raise SystemExit("a buffer cannot be mapped")
            # Rows are padded to a multiple of four bytes.
            rows = np.frombuffer(memory.data, np.uint8).reshape(height, -1)
            results.add(classify(rows[:, : width * 3].reshape(height, width, 3)))
            buffer.unmap(memory)

    # Start the pipeline before the thread: a sink that has not started reports the end of its samples.
    start(gst, pipeline)
    thread = threading.Thread(target=pull)
    thread.start()
    wait_for_end(gst, pipeline)
    thread.join()
    pipeline.set_state(gst.State.NULL)


# The peers by name: a function of the job, the results and further arguments, and those arguments.
PROGRAMS: dict[str, tuple[Callable[..., dict[str, Any] | None], tuple[Any, ...]]] = {
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

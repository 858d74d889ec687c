"""Tests that Python programs can read the results without code of this project: the custom metadata with every
version of GStreamer, the analytics metadata with GStreamer >= 1.24 and a plugin that was built with it.

Run by scripts/test.sh, which sets GST_PLUGIN_PATH and CATDOG_LITERT_LIBRARY.
"""

import pathlib
import unittest
import warnings
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 (require_version() has to come first)

# A GstValueArray reaches Python as a GValueArray, which GLib has deprecated.
warnings.filterwarnings("ignore", category=DeprecationWarning)

MODELS = pathlib.Path(__file__).parent / "models"
FRAMES = 5


def run(description: str) -> tuple[list[Any], list[Any]]:
    """Runs a pipeline to its end. Returns the buffers that reach the element `sink`, and the messages."""
    pipeline = Gst.parse_launch(description)
    buffers: list[Any] = []
    messages: list[Any] = []

    def keep(_pad: Any, info: Any) -> Any:
        buffers.append(info.get_buffer())
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, keep)
    pipeline.set_state(Gst.State.PLAYING)
    end = Gst.MessageType.EOS | Gst.MessageType.ERROR
    try:
        while True:
            message = pipeline.get_bus().timed_pop(30 * Gst.SECOND)
            assert message is not None, "the pipeline hangs"
            messages.append(message)
            if message.type == Gst.MessageType.ERROR:
                raise AssertionError(message.parse_error())
            if message.type & end:
                return buffers, messages
    finally:
        pipeline.set_state(Gst.State.NULL)


def classify(model: str, properties: str = "", downstream: str = "") -> tuple[list[Any], list[Any]]:
    """Runs a test pattern through catdogfilter. Returns buffers and messages."""
    return run(
        f"videotestsrc num-buffers={FRAMES} ! video/x-raw,format=I420,width=64,height=48 ! "
        f"catdogfilter name=filter model-file={MODELS / model} {properties} ! "
        f"{downstream} fakesink name=sink"
    )


class CustomMetadata(unittest.TestCase):
    """GstCatdogMeta, read by name."""

    def test_every_buffer_has_every_field(self) -> None:
        buffers, _ = classify("metadata_labels.tflite", "class-confidence-threshold=0")
        self.assertEqual(len(buffers), FRAMES)
        for buffer in buffers:
            result = buffer.get_custom_meta("GstCatdogMeta").get_structure()
            self.assertIn(result.get_string("label"), {"heron", "otter", "newt"})
            self.assertTrue(result.get_double("confidence")[0])
            self.assertIn(result.get_int("index").value, range(3))
            self.assertEqual(result.get_boolean("fresh"), (True, True))
            self.assertEqual(result.get_uint64("inference-pts").value, buffer.pts)
            self.assertEqual(result.get_uint64("age").value, 0)
            self.assertGreater(result.get_uint64("inference-time").value, 0)
            self.assertEqual(result.get_string("model"), "metadata_labels.tflite")
            self.assertEqual(result.get_string("element"), "filter")
            labels, confidences = result.get_array("labels")[1], result.get_array("confidences")[1]
            self.assertEqual(labels.get_nth(0), result.get_string("label"))
            self.assertEqual(confidences.get_nth(0), result.get_double("confidence").value)
            total = sum(confidences.get_nth(i) for i in range(confidences.n_values))
            self.assertAlmostEqual(total, 1, places=5)

    def test_metadata_is_kept_by_conversion_and_scaling(self) -> None:
        convert = "queue ! videoconvert ! video/x-raw,format=RGB ! videoscale ! video/x-raw,width=32 !"
        buffers, _ = classify("float_softmax.tflite", downstream=convert)
        self.assertEqual(len(buffers), FRAMES)
        self.assertTrue(all(buffer.get_custom_meta("GstCatdogMeta") for buffer in buffers))

    def test_first_label_is_posted_on_the_bus(self) -> None:
        _, messages = classify("float_softmax.tflite", "unknown-label=none-of-these")
        results = [m.get_structure() for m in messages if m.type == Gst.MessageType.ELEMENT]
        results = [result for result in results if result.get_name() == "catdog"]
        self.assertEqual(len(results), 1)
        self.assertEqual(results[0].get_uint64("pts").value, 0)


class AnalyticsMetadata(unittest.TestCase):
    """GstAnalyticsRelationMeta, if the plugin has it."""

    analytics: Any  # the module GstAnalytics

    @classmethod
    def setUpClass(cls) -> None:
        try:
            gi.require_version("GstAnalytics", "1.0")
            from gi.repository import GstAnalytics
        except (ValueError, ImportError):
            raise unittest.SkipTest("the analytics bindings of GStreamer are missing (Debian 13 has them)") from None
        plugin = pathlib.Path(Gst.Registry.get().find_plugin("catdog").get_filename())
        if b"libgstanalytics-1.0.so" not in plugin.read_bytes():
            raise unittest.SkipTest("the plugin was built without the feature `analytics`")
        cls.analytics = GstAnalytics

    def classifications(self, buffer: Any) -> list[tuple[str, float]]:
        """Returns the classes of every classification on the buffer, as (label, confidence)."""
        from gi.repository import GLib

        meta = self.analytics.buffer_get_analytics_relation_meta(buffer)
        found: list[tuple[str, float]] = []
        if meta is None:
            return found
        for index in range(self.analytics.relation_get_length(meta)):
            success, classes = meta.get_cls_mtd(index)
            if success:
                found += [
                    (GLib.quark_to_string(classes.get_quark(i)), classes.get_level(i))
                    for i in range(classes.get_length())
                ]
        return found

    def test_accepted_result_is_a_classification(self) -> None:
        buffers, _ = classify("metadata_labels.tflite", "class-confidence-threshold=0")
        for buffer in buffers:
            result = buffer.get_custom_meta("GstCatdogMeta").get_structure()
            classes = self.classifications(buffer)
            self.assertEqual(len(classes), 3)
            self.assertEqual(classes[0][0], result.get_string("label"))
            self.assertAlmostEqual(classes[0][1], result.get_double("confidence").value, places=6)

    def test_rejected_result_is_no_classification(self) -> None:
        buffers, _ = classify("float_logits.tflite", "class-confidence-threshold=1")
        self.assertEqual([self.classifications(buffer) for buffer in buffers], [[]] * FRAMES)


Gst.init(None)

if __name__ == "__main__":
    unittest.main()

/* Reads the results of catdogfilter in C, with GStreamer only: a pad probe gets the metadata of each
 * buffer by name. The same code works on the buffers of an appsink.
 *
 *   cc -Wall -o read_metadata examples/read_metadata.c $(pkg-config --cflags --libs gstreamer-1.0)
 *   GST_PLUGIN_PATH=target/catdog ./read_metadata VIDEO [MODEL.tflite]
 *
 * Prints one line per frame: time, label, confidence, and whether the frame was inferred or carries the
 * result of an earlier frame ("held").
 */

#include <gst/gst.h>

/* Prints the metadata of one buffer. */
static void
print_result (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "GstCatdogMeta");
  const gchar *label;
  GstStructure *result;
  gdouble confidence = 0.0;
  gboolean fresh = FALSE;

  if (meta == NULL) {
    g_print ("a buffer without a result\n");
    return;
  }
  result = gst_custom_meta_get_structure (meta);
  label = gst_structure_get_string (result, "label");
  gst_structure_get_double (result, "confidence", &confidence);
  gst_structure_get_boolean (result, "fresh", &fresh);
  g_print ("%6.2f s  %-12s %3.0f %%  %s\n",
      GST_BUFFER_PTS_IS_VALID (buffer) ? (gdouble) GST_BUFFER_PTS (buffer) / GST_SECOND : -1.0,
      label != NULL ? label : "", 100.0 * confidence, fresh ? "inferred" : "held");
}

static GstPadProbeReturn
on_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  (void) pad;
  (void) user_data;
  print_result (GST_PAD_PROBE_INFO_BUFFER (info));
  return GST_PAD_PROBE_OK;
}

/* Sets a string property of the element `name` in `pipeline`. */
static void
set_property (GstElement *pipeline, const gchar *name, const gchar *property, const gchar *value)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);

  g_object_set (element, property, value, NULL);
  gst_object_unref (element);
}

/* Runs the pipeline until the end of the file or the first error. Returns the exit code. */
static int
run (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  int status = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (message != NULL && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    status = 1;
  }
  if (message != NULL)
    gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  return status;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  GstElement *pipeline, *sink;
  GstPad *pad;
  int status;

  gst_init (&argc, &argv);
  if (argc != 2 && argc != 3) {
    g_printerr ("usage: read_metadata VIDEO [MODEL.tflite]\n");
    return 2;
  }
  pipeline = gst_parse_launch ("filesrc name=file ! decodebin ! videoconvert ! queue ! "
      "catdogfilter name=catdog ! fakesink name=sink", &error);
  if (error != NULL) {
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    gst_clear_object (&pipeline);
    return 1;
  }
  set_property (pipeline, "file", "location", argv[1]);
  if (argc == 3)
    set_property (pipeline, "catdog", "model-file", argv[2]);

  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, NULL, NULL);
  gst_object_unref (pad);
  gst_object_unref (sink);

  status = run (pipeline);
  gst_object_unref (pipeline);
  return status;
}

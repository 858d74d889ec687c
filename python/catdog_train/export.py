"""Keras model -> int8 `.tflite` with probabilities, labels and normalisation inside.

Weights are int8 with one scale for each channel, activations int8, pixels uint8 as they are in a frame. The last
step is float: an int8 softmax knows 256 probabilities only, and calls two classes equal that are not.

The converter is given the Keras model with a batch of one (a dynamic batch has to be resized by whoever loads the
file). Flatbuffer tables follow metadata_schema.fbs of tflite-support (identifier M001).
"""

import contextlib
import io
import warnings
import zipfile

import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as tfl
from ai_edge_litert.interpreter import Interpreter

LABELS_FILE = "labels.txt"


def quantised(model, size, samples):
    """The flatbuffer: uint8 pixels (1, size, size, 3) -> float32 logits. `samples`: arrays of that shape, -1..1."""
    image = keras.Input(batch_shape=(1, size, size, 3), name="image")
    fixed = keras.Model(image, model(image, training=False), name="fixed")
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.float32
    # It talks of folders that are gone and of statistics that it has.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


def finished(flatbuffer, name, description, author, licence, labels, size):
    """`flatbuffer` with a softmax as its last operator, and metadata. `labels`: class names in order."""
    model = tfl.ModelT.InitFromPackedBuf(flatbuffer, 0)
    model.description = description.encode()
    add_softmax(model)
    mean, std = normalisation_of(model)
    metadata = tfl.MetadataT()
    metadata.name, metadata.buffer = b"TFLITE_METADATA", len(model.buffers)
    buffer = tfl.BufferT()
    buffer.data = np.frombuffer(description_table(name, description, author, licence, size, mean, std), np.uint8)
    model.buffers.append(buffer)
    model.metadata = [m for m in model.metadata or [] if m.name != b"CONVERSION_METADATA"] + [metadata]
    builder = flatbuffers.Builder(len(flatbuffer) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return with_file(bytes(builder.Output()), LABELS_FILE, "\n".join(labels) + "\n")


def normalisation_of(model):
    """(mean, std) with which (pixel - mean) / std, quantised as the input tensor is, gives the pixel again."""
    graph = model.subgraphs[0]
    how = graph.tensors[graph.inputs[0]].quantization
    return float(how.zeroPoint[0]), float(1 / how.scale[0])


def add_softmax(model):
    graph = model.subgraphs[0]
    logits = graph.outputs[0]
    probabilities = tfl.TensorT()
    probabilities.name, probabilities.type = b"probabilities", tfl.TensorType.FLOAT32
    probabilities.shape, probabilities.hasRank = graph.tensors[logits].shape, True
    graph.tensors.append(probabilities)
    graph.tensors[graph.inputs[0]].name = b"image"

    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.SOFTMAX
    code.version = 1
    model.operatorCodes.append(code)
    softmax = tfl.OperatorT()
    softmax.opcodeIndex = len(model.operatorCodes) - 1
    softmax.inputs, softmax.outputs = [logits], [len(graph.tensors) - 1]
    softmax.builtinOptionsType, softmax.builtinOptions = tfl.BuiltinOptions.SoftmaxOptions, tfl.SoftmaxOptionsT()
    softmax.builtinOptions.beta = 1.0
    graph.operators.append(softmax)
    graph.outputs = list(softmax.outputs)
    for signature in model.signatureDefs or []:
        signature.inputs[0].name, signature.outputs[0].name = b"image", b"probabilities"
        signature.outputs[0].tensorIndex = softmax.outputs[0]


# The metadata's tables. A number is the slot of a field in its table in the schema.


def description_table(name, description, author, licence, size, mean, std):
    """ModelMetadata as bytes: what goes in, what comes out, where the labels are."""
    b = flatbuffers.Builder(1024)

    def text(value):
        return "offset", b.CreateString(value)

    def vector(kind, values):
        if kind == "float":
            return "offset", b.CreateNumpyVector(np.array(values, np.float32))
        b.StartVector(4, len(values), 4)
        for value in reversed(values):
            b.PrependUOffsetTRelative(value)
        return "offset", b.EndVector()

    def table(slots, fields):
        b.StartObject(slots)
        for slot, (kind, value) in fields.items():
            {
                "offset": b.PrependUOffsetTRelativeSlot,
                "byte": b.PrependUint8Slot,
                "int": b.PrependUint32Slot,
            }[kind](slot, value, 0)
        return b.EndObject()

    normalisation = table(2, {0: vector("float", [mean]), 1: vector("float", [std])})
    units = vector("table", [table(2, {0: ("byte", 1), 1: ("offset", normalisation)})])  # NormalizationOptions
    extent = table(2, {0: ("int", size), 1: ("int", size)})
    pixels = table(2, {0: ("byte", 1), 1: ("offset", extent)})  # RGB
    content = table(3, {0: ("byte", 2), 1: ("offset", pixels)})  # ImageProperties
    levels = table(2, {0: vector("float", [255]), 1: vector("float", [0])})
    image = {0: text("image"), 1: text("RGB pixels, 0 to 255"), 3: ("offset", content), 4: units, 5: ("offset", levels)}
    image = table(7, image)

    content = table(3, {0: ("byte", 1), 1: ("offset", table(0, {}))})  # FeatureProperties
    labels = {0: text(LABELS_FILE), 1: text("the classes, one a line"), 2: ("byte", 2)}  # TENSOR_AXIS_LABELS
    files = vector("table", [table(5, labels)])
    scores = {0: text("probabilities"), 1: text("one for each class"), 3: ("offset", content), 6: files}
    scores = table(7, scores)

    graph = table(12, {2: vector("table", [image]), 3: vector("table", [scores])})
    root = {
        0: text(name),
        1: text(description),
        2: text("1"),
        3: vector("table", [graph]),
        7: text("1.0.0"),
    }
    if author:
        root[4] = text(author)
    if licence:
        root[5] = text(licence)
    b.Finish(table(8, root), file_identifier=b"M001")
    return bytes(b.Output())


def with_file(model, name, content):
    """`model` followed by a ZIP archive of one file, as TFLite metadata keeps associated files."""
    out = io.BytesIO(model)
    with zipfile.ZipFile(out, "a") as archive:
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, content)
    return out.getvalue()


def run(flatbuffer, batches, threads=1):
    """Scores of the exported file for every picture of `batches` (floats in -1..1, whole pictures)."""
    interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scores = []
    for batch in batches:
        for picture in np.asarray(batch):
            pixels = np.clip(np.round(picture * 127.5 + 127.5), 0, 255).astype(np.uint8)
            interpreter.set_tensor(inputs["index"], pixels[None])
            interpreter.invoke()
            scores.append(interpreter.get_tensor(outputs["index"])[0].copy())
    return np.array(scores)

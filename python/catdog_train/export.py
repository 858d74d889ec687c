"""Exports a Keras model as an int8 `.tflite` model with probabilities, labels and normalization inside.

Weights are int8 with one scale per channel, activations are int8, and the input is uint8 pixels as in a frame. What
follows the last layer is float: an int8 softmax has only 256 probabilities and makes different classes equal. A model
whose last layer is applied at each place has these logits as its second output, `evidence`.

The Keras model is converted with a batch size of one, because every program that loads a model with a dynamic batch
has to resize its input. The metadata follows metadata_schema.fbs of tflite-support (identifier M001).
"""

import contextlib
import io
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as tfl
from ai_edge_litert.interpreter import Interpreter

LABELS_FILE = "labels.txt"


class Description(NamedTuple):
    """The texts in the metadata of a model."""

    name: str
    description: str
    author: str | None
    license: str | None


def quantized(model: Any, size: int, samples: Iterable[np.ndarray]) -> bytes:
    """Returns `model` as a TFLite flatbuffer: uint8 pixels (1, size, size, 3) to float32 logits.

    `samples` calibrate the activations; they have the shape of the input and values in -1..1.
    """
    image = keras.Input(batch_shape=(1, size, size, 3), name="image")
    fixed = keras.Model(image, model(image, training=False), name="fixed")
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.float32
    # The converter prints the names of its temporary folders and warns about statistics that it has.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


def finished(flatbuffer: bytes, texts: Description, labels: Sequence[str], size: int, temperature: float) -> bytes:
    """Returns `flatbuffer` with probabilities as its output, metadata, and `labels` as an embedded file.

    The output of `flatbuffer` has the logits of the image (1, classes) or of each place (1, height, width, classes).
    The logits of the image are divided by `temperature`.
    """
    model = tfl.ModelT.InitFromPackedBuf(flatbuffer, 0)
    model.description = texts.description.encode()
    append_probabilities(model, temperature)
    mean, std = normalization_of(model)
    metadata = tfl.MetadataT()
    metadata.name, metadata.buffer = b"TFLITE_METADATA", len(model.buffers)
    outputs = len(model.subgraphs[0].outputs)
    append_buffer(model, np.frombuffer(MetadataBuilder().build(texts, size, mean, std, outputs), np.uint8))
    model.metadata = [m for m in model.metadata or [] if m.name != b"CONVERSION_METADATA"] + [metadata]
    builder = flatbuffers.Builder(len(flatbuffer) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return with_file(bytes(builder.Output()), LABELS_FILE, "\n".join(labels) + "\n")


def normalization_of(model: Any) -> tuple[float, float]:
    """Returns (mean, std) such that (pixel - mean) / std, quantized like the input tensor, is the pixel again."""
    graph = model.subgraphs[0]
    quantization = graph.tensors[graph.inputs[0]].quantization
    return float(quantization.zeroPoint[0]), float(1 / quantization.scale[0])


def append_buffer(model: Any, data: np.ndarray) -> int:
    """Appends a buffer with the bytes of `data` and returns its index."""
    buffer = tfl.BufferT()
    buffer.data = np.frombuffer(data.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def append_tensor(model: Any, name: str, shape: Sequence[int], constant: np.ndarray | None = None) -> int:
    """Appends a float32 tensor, or a constant of the type of `constant`, and returns its index."""
    tensor = tfl.TensorT()
    tensor.name, tensor.shape, tensor.hasRank = name.encode(), np.array(shape, np.int32), True
    tensor.type = tfl.TensorType.FLOAT32
    if constant is not None:
        tensor.type = tfl.TensorType.INT32 if constant.dtype == np.int32 else tfl.TensorType.FLOAT32
        tensor.buffer = append_buffer(model, constant)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def append_operator(
    model: Any, kind: str, inputs: Sequence[int], name: str, shape: Sequence[int], **options: Any
) -> int:
    """Appends an operator, such as "SOFTMAX", with its `options`, and returns the index of its output tensor."""
    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(tfl.BuiltinOperator, kind)
    code.version = 1
    model.operatorCodes.append(code)
    operator = tfl.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = list(inputs), [append_tensor(model, name, shape)]
    table = {"MEAN": "ReducerOptions"}.get(kind, kind.capitalize() + "Options")
    if hasattr(tfl, table + "T"):
        operator.builtinOptionsType = getattr(tfl.BuiltinOptions, table)
        operator.builtinOptions = getattr(tfl, table + "T")()
        for option, value in options.items():
            setattr(operator.builtinOptions, option, value)
    model.subgraphs[0].operators.append(operator)
    return operator.outputs[0]


def append_probabilities(model: Any, temperature: float) -> None:
    """Appends the operators from logits to probabilities, and names the input and the outputs of the model.

    The largest logit of the data is far from the range of a float exponential (88), so that none is subtracted.
    """
    graph = model.subgraphs[0]
    logits = graph.outputs[0]
    shape = list(graph.tensors[logits].shape)
    graph.tensors[graph.inputs[0]].name = b"image"
    outputs = {"probabilities": logits}
    if len(shape) == 4:
        classes = [1, shape[3]]
        graph.tensors[logits].name = b"evidence"
        axes = append_tensor(model, "places", [2], np.array([1, 2], np.int32))
        x = append_operator(model, "EXP", [logits], "exponentials", shape)
        x = append_operator(model, "MEAN", [x, axes], "mean", classes, keepDims=False)
        x = append_operator(model, "LOG", [x], "log_mean_exp", classes)
        factor = append_tensor(model, "factor", [1], np.array([1 / temperature], np.float32))
        x = append_operator(model, "MUL", [x, factor], "logits", classes)
        outputs = {"probabilities": x, "evidence": logits}
        logits, shape = x, classes
    outputs["probabilities"] = append_operator(model, "SOFTMAX", [logits], "probabilities", shape, beta=1.0)
    graph.outputs = list(outputs.values())
    for signature in model.signatureDefs or []:
        signature.inputs[0].name = b"image"
        signature.outputs = []
        for name, index in outputs.items():
            tensor = tfl.TensorMapT()
            tensor.name, tensor.tensorIndex = name.encode(), index
            signature.outputs.append(tensor)


# A field of a flatbuffer table: its kind and its value. The key in a mapping of fields is the slot in the schema.
Field = tuple[str, int]


class MetadataBuilder:
    """Builds the flatbuffer ModelMetadata, table by table."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)

    def text(self, value: str) -> Field:
        """Writes a string."""
        return "offset", self.builder.CreateString(value)

    def floats(self, values: Sequence[float]) -> Field:
        """Writes a vector of float32."""
        return "offset", self.builder.CreateNumpyVector(np.array(values, np.float32))

    def tables(self, values: Sequence[int]) -> Field:
        """Writes a vector of tables."""
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependUOffsetTRelative(value)
        return "offset", self.builder.EndVector()

    def table(self, slots: int, fields: Mapping[int, Field]) -> int:
        """Writes a table with `slots` slots in the schema, of which `fields` are set."""
        self.builder.StartObject(slots)
        for slot, (kind, value) in fields.items():
            {
                "offset": self.builder.PrependUOffsetTRelativeSlot,
                "byte": self.builder.PrependUint8Slot,
                "int": self.builder.PrependUint32Slot,
            }[kind](slot, value, 0)
        return self.builder.EndObject()

    def image_tensor(self, size: int, mean: float, std: float) -> int:
        """Writes the description of the input: RGB pixels of size x size, with their normalization."""
        normalization = self.table(2, {0: self.floats([mean]), 1: self.floats([std])})
        options = self.table(2, {0: ("byte", 1), 1: ("offset", normalization)})  # NormalizationOptions
        process_units = self.tables([options])
        extent = self.table(2, {0: ("int", size), 1: ("int", size)})
        pixels = self.table(2, {0: ("byte", 1), 1: ("offset", extent)})  # RGB
        content = self.table(3, {0: ("byte", 2), 1: ("offset", pixels)})  # ImageProperties
        levels = self.table(2, {0: self.floats([255]), 1: self.floats([0])})
        fields = {
            0: self.text("image"),
            1: self.text("RGB pixels, 0 to 255"),
            3: ("offset", content),
            4: process_units,
            5: ("offset", levels),
        }
        return self.table(7, fields)

    def probability_tensor(self) -> int:
        """Writes the description of the output: one probability per class, with the labels in LABELS_FILE."""
        content = self.table(3, {0: ("byte", 1), 1: ("offset", self.table(0, {}))})  # FeatureProperties
        # TENSOR_AXIS_LABELS
        labels = {0: self.text(LABELS_FILE), 1: self.text("the classes, one a line"), 2: ("byte", 2)}
        files = self.tables([self.table(5, labels)])
        fields = {
            0: self.text("probabilities"),
            1: self.text("one for each class"),
            3: ("offset", content),
            6: files,
        }
        return self.table(7, fields)

    def evidence_tensor(self) -> int:
        """Writes the description of the second output: logits at each place of the image."""
        content = self.table(3, {0: ("byte", 1), 1: ("offset", self.table(0, {}))})  # FeatureProperties
        fields = {
            0: self.text("evidence"),
            1: self.text("logits of the classes at each place of the image"),
            3: ("offset", content),
        }
        return self.table(7, fields)

    def build(self, texts: Description, size: int, mean: float, std: float, outputs: int) -> bytes:
        """Returns the finished flatbuffer for a model with one or two outputs."""
        image = self.image_tensor(size, mean, std)
        described = [self.probability_tensor(), *(self.evidence_tensor() for _ in range(outputs - 1))]
        graph = self.table(12, {2: self.tables([image]), 3: self.tables(described)})
        root = {
            0: self.text(texts.name),
            1: self.text(texts.description),
            2: self.text("1"),
            3: self.tables([graph]),
            7: self.text("1.0.0"),
        }
        if texts.author:
            root[4] = self.text(texts.author)
        if texts.license:
            root[5] = self.text(texts.license)
        self.builder.Finish(self.table(8, root), file_identifier=b"M001")
        return bytes(self.builder.Output())


def with_file(model: bytes, name: str, content: str) -> bytes:
    """Returns `model` followed by a ZIP archive with one file, as TFLite metadata stores associated files."""
    out = io.BytesIO(model)
    with zipfile.ZipFile(out, "a") as archive:
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, content)
    return out.getvalue()


def input_size(flatbuffer: bytes) -> int:
    """Returns the width and height of the input in pixels. Raises ValueError if it is not square RGB pixels (uint8)."""
    details = Interpreter(model_content=flatbuffer).get_input_details()
    shape = details[0]["shape"].tolist()
    if len(details) != 1 or details[0]["dtype"] != np.uint8 or len(shape) != 4 or shape != [1, shape[1], shape[1], 3]:
        raise ValueError(f"its input is not one square image of uint8: {shape}")
    return int(shape[1])


class Runner:
    """An exported model in the LiteRT interpreter, which is kept for many batches."""

    def __init__(self, flatbuffer: bytes, threads: int = 1) -> None:
        self.interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self, batch: Any) -> np.ndarray:
        """Runs the model on every image of a batch (floats in -1..1) and returns its first output for each."""
        scores = []
        for image in np.asarray(batch):
            pixels = np.clip(np.round(image * 127.5 + 127.5), 0, 255).astype(np.uint8)
            self.interpreter.set_tensor(self.input, pixels[None])
            self.interpreter.invoke()
            scores.append(self.interpreter.get_tensor(self.output)[0].copy())
        return np.array(scores)


def run(flatbuffer: bytes, batches: Iterable[np.ndarray], threads: int = 1) -> np.ndarray:
    """Runs the exported model on every image of `batches` (floats in -1..1) and returns its outputs."""
    runner = Runner(flatbuffer, threads)
    return np.concatenate([runner(batch) for batch in batches])

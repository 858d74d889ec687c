"""Converts a Keras model to a .tflite file, and adds metadata and labels files as exporters do."""

import contextlib
import io
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as tfl

from catdog_train.export import with_file
from export_matrix import graphs, networks
from export_matrix.specs import Spec
from metadata import tflite_metadata

# The mean and the standard deviation of (pixel value - mean) / std for each range outside of the graph.
NORMALIZATION = {
    "centered": ([127.5], [127.5]),
    "unit": ([0.0], [255.0]),
    "raw": ([0.0], [1.0]),
    "imagenet": ((networks.IMAGENET_MEAN * 255).tolist(), (networks.IMAGENET_STD * 255).tolist()),
}
EMBEDDED_LABELS = "labels.txt"
CALIBRATION_PICTURES = 60


def fed_range(spec: Spec, pixels: np.ndarray) -> np.ndarray:
    """Returns what a correct caller feeds to a float input: the pixels in the range that the graph expects."""
    return networks.scale_pixels(pixels, spec.scale if spec.range in NORMALIZATION else "raw")


def arranged(spec: Spec, values: np.ndarray) -> np.ndarray:
    """Returns one picture (H, W, C) as the input tensor of `spec`."""
    tensor = values.transpose(2, 0, 1) if spec.channels_first else values
    return np.stack([tensor] * (4 if spec.layout == "batch4" else 1))


def converted(spec: Spec, model: keras.Model, pixels: np.ndarray) -> bytes:
    """Returns `model` as a flatbuffer of the type of `spec`, calibrated with `pixels` (N, H, W, C)."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if spec.type != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if spec.type == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if spec.type in ("int8-inside", "int8", "uint8", "int16x8"):
        samples = [arranged(spec, fed_range(spec, one)) for one in pixels[:CALIBRATION_PICTURES]]
        converter.representative_dataset = lambda: ([sample] for sample in samples)
    if spec.type == "int16x8":
        int16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [int16, tf.lite.OpsSet.TFLITE_BUILTINS]
    if spec.integer_input:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, spec.type)
    # The converter prints the names of its temporary folders and warns about statistics that it has.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


def packed(model: Any) -> bytes:
    """Returns the flatbuffer of an unpacked model."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_signature(spec: Spec, flatbuffer: bytes) -> bytes:
    """Returns the flatbuffer with the signature that `spec` asks for."""
    if spec.signature == "with":
        return flatbuffer
    model = tfl.ModelT.InitFromPackedBuf(flatbuffer, 0)
    if spec.signature == "without":
        model.signatureDefs = None
        return packed(model)
    # The converter of TensorFlow 2.5 leaves the signature at the int8 tensors when it adds QUANTIZE operators for the
    # uint8 edges.
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    inner = {int(operator.inputs[0]): int(operator.outputs[0]) for operator in graph.operators}
    outer = {int(operator.outputs[0]): int(operator.inputs[0]) for operator in graph.operators}
    for tensor in signature.inputs:
        tensor.tensorIndex = inner[int(tensor.tensorIndex)]
    for tensor in signature.outputs:
        tensor.tensorIndex = outer[int(tensor.tensorIndex)]
    return packed(model)


def with_metadata(spec: Spec, flatbuffer: bytes, names: Sequence[str], size: int) -> bytes:
    """Returns the flatbuffer with the metadata that `spec` asks for, and an archive with the labels."""
    if spec.metadata == "none":
        return flatbuffer
    if spec.metadata == "true":
        mean, std = NORMALIZATION.get(spec.range, ([0.0], [1.0]))
    else:
        mean, std = {"bytes": ([0.0], [1.0]), "half": ([127.5], [127.5])}[spec.metadata]
    model = tfl.ModelT.InitFromPackedBuf(flatbuffer, 0)
    entry, buffer = tfl.MetadataT(), tfl.BufferT()
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    buffer.data = np.frombuffer(tflite_metadata(mean, std, EMBEDDED_LABELS, side=size), np.uint8)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return with_file(packed(model), EMBEDDED_LABELS, "\n".join(names) + "\n")


def labels_text(spec: Spec, names: Sequence[str]) -> str | None:
    """Returns the labels file that lies next to the model, or None."""
    count = len(names)
    rotated = [(number + 2) % count for number in range(count)]
    lines: list[str] | None = {
        "none": None,
        "plain": list(names),
        "indexed": [f"{number} {name}" for number, name in enumerate(names)],
        "colon": [f"{number}: {name}" for number, name in enumerate(names)],
        "one-based": [f"{number + 1} {name}" for number, name in enumerate(names)],
        "permuted": [f"{number} {names[number]}" for number in rotated],
        "background": ["background", *names],
        "foreign": ["heron", "otter"],
    }[spec.labels]
    return None if lines is None else "\n".join(lines) + "\n"


def write(spec: Spec, trained: keras.Model, pixels: np.ndarray, folder: pathlib.Path) -> pathlib.Path:
    """Exports `spec` into `folder` and returns the model file.

    Raises the exception of the converter if it does not support the combination.
    """
    names = graphs.class_names(spec)
    flatbuffer = converted(spec, graphs.exported_model(spec, trained), pixels)
    flatbuffer = with_signature(spec, flatbuffer)
    flatbuffer = with_metadata(spec, flatbuffer, names, pixels.shape[1])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / spec.file
    path.write_bytes(flatbuffer)
    text = labels_text(spec, names)
    if text is not None:
        (folder / "labels.txt").write_text(text, encoding="utf-8")
    return path

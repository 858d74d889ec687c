"""Makes the model files that are compared: a Keras network and its LiteRT versions. Needs TensorFlow.

    python -m study.prepare MODEL.tflite PICTURES.npy OUT

Writes OUT/keras.keras, OUT/trained.keras (with the state of the optimizer, as a training leaves it),
OUT/float32.tflite, OUT/dynamic.tflite, OUT/int8.tflite and OUT/prepare.json, which tells how far their answers are
apart. int8.tflite is MODEL.tflite itself if its convolutions are 8-bit.
"""

import json
import os
import pathlib
import sys
import zipfile
from typing import Any

import numpy as np

from study import graph
from study.errors import StudyError
from study.pictures import model_input, real_input

# The twin computes with real numbers what the file rounds to 8 bits. Its probabilities may differ by this much on
# average.
MAX_MEAN_DIFFERENCE = 0.05


def prepare(file: pathlib.Path, pictures: np.ndarray, out: pathlib.Path) -> dict[str, Any]:
    """Writes the model files, and returns what prepare.json says. Raises StudyError if there is no twin."""
    import keras
    import tensorflow as tf

    from study import twin

    out.mkdir(parents=True, exist_ok=True)
    model = graph.read(file)
    network = twin.build(file)
    inputs = real_input(model, pictures)
    answers = {"keras": network.predict(inputs, verbose=0, batch_size=8), "original": run(file, model, pictures)}

    network.save(out / "keras.keras")
    # The state of Adam: two more numbers per weight. A step with the learning rate 0 creates it and
    # changes no weight.
    network.compile(keras.optimizers.Adam(0.0), "categorical_crossentropy")
    network.train_on_batch(inputs[:2], answers["keras"][:2])
    network.save(out / "trained.keras")

    def convert(name: str, **settings: Any) -> None:
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        for key, value in settings.items():
            setattr(converter, key, value)
        (out / f"{name}.tflite").write_bytes(converter.convert())
        answers[name] = run(out / f"{name}.tflite", model, pictures)

    default = [tf.lite.Optimize.DEFAULT]
    convert("float32")
    convert("dynamic", optimizations=default)
    if is_int8(model):
        (out / "int8.tflite").write_bytes(file.read_bytes())
        answers["int8"] = answers["original"]
    else:
        builtins = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
        convert(
            "int8",
            optimizations=default,
            representative_dataset=lambda: ([row[None]] for row in inputs),
            target_spec=tf.lite.TargetSpec(supported_ops=builtins),
            inference_input_type=tf.uint8,
        )
    reference = answers["keras"]
    differences = {
        name: {
            "mean": float(np.abs(found - reference).mean()),
            "largest": float(np.abs(found - reference).max()),
            "same_class": float((found.argmax(1) == reference.argmax(1)).mean()),
        }
        for name, found in answers.items()
        if name != "keras"
    }
    if differences["original"]["mean"] > MAX_MEAN_DIFFERENCE:
        raise StudyError(
            f"the Keras twin of {file} gives other answers (mean difference {differences['original']['mean']:.2f}); "
            "the model is measured without it"
        )
    return {
        "parameters": network.count_params(),
        "differences": differences,
        "contents": {name: contents(out / name) for name in ("keras.keras", "trained.keras")},
    }


def is_int8(model: graph.Graph) -> bool:
    """Returns whether the convolutions compute with 8-bit activations."""
    kinds = [op for op in model.operators if op.name == "CONV_2D"]
    return bool(kinds) and all(model.tensors[op.inputs[0]].dtype == np.int8 for op in kinds)


def run(file: pathlib.Path, model: graph.Graph, pictures: np.ndarray) -> np.ndarray:
    """Returns the first output of a .tflite file for each picture."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    tensor, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for row in model_input(model, tensor["dtype"], pictures):
        interpreter.set_tensor(tensor["index"], row[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(output["index"])[0].copy())
    return np.array(found)


def contents(file: pathlib.Path) -> dict[str, int]:
    """Returns the sizes in a .keras file, in bytes: its parts, and in the file of weights those of the network and of
    the optimizer."""
    import h5py

    found = {}
    with zipfile.ZipFile(file) as archive:
        for part in archive.infolist():
            found[part.filename] = part.file_size
        with archive.open("model.weights.h5") as weights, h5py.File(weights, "r") as tree:
            sizes = {"network": 0, "optimizer": 0}

            def count(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    sizes["optimizer" if name.startswith("optimizer") else "network"] += item.nbytes

            tree.visititems(count)
    return found | sizes


def main() -> int:
    """Runs the program; returns the exit code."""
    file, pictures, out = map(pathlib.Path, sys.argv[1:4])
    try:
        result = prepare(file, np.load(pictures), out)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    (out / "prepare.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    sys.exit(main())

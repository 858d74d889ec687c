"""One run: starts an engine, classifies N pictures, and ends. The study counts what the process costs.

    python -m study.worker ENGINE MODEL PICTURES.npy N THREADS

ENGINE is `litert`, `keras-call` (model(x), one picture at a time) or `keras-predict` (model.predict, batches of 32).
PICTURES has what the model takes, already scaled. Prints a line of JSON: the seconds of the loop over the pictures, and
the sum of all answers, so that two engines can be compared.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def litert(file: str, threads: int) -> Callable[[Any], Any]:
    """Returns the LiteRT interpreter as a function from one picture to its answer."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(file, num_threads=threads)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(picture: Any) -> Any:
        interpreter.set_tensor(source, picture)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return run


def keras_model(file: str, threads: int) -> Any:
    """Returns the Keras model."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras

    return keras.models.load_model(file, compile=False)


def main() -> int:
    """Runs the program; returns the exit code."""
    engine, file, pictures_file, count, threads = sys.argv[1:]
    pictures, n = np.load(pictures_file), int(count)
    total = 0.0
    if engine == "keras-predict":
        model = keras_model(file, int(threads))
        started = time.perf_counter()
        order = np.arange(n) % len(pictures)
        total = float(model.predict(pictures[order], batch_size=32, verbose=0).sum())
    else:
        if engine == "litert":
            run = litert(file, int(threads))
        else:
            model = keras_model(file, int(threads))
            run = lambda picture: np.asarray(model(picture, training=False))  # noqa: E731
        started = time.perf_counter()
        for index in range(n):
            position = index % len(pictures)
            total += float(run(pictures[position : position + 1]).sum())
    print(json.dumps({"loop_s": time.perf_counter() - started, "sum": total}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Times `invoke()` of the LiteRT interpreter. `catdog bench` runs this program and talks to it in lines of JSON.

1. This program writes {"version": ...} when the interpreter is imported.
2. It reads {"bytes": ..., "shape": [...]}, the size of the model file and the shape of its input, and after this line
   the bytes of the file. It writes {"ready": true}.
3. A line with a number N asks for N runs; the program answers with their durations in ns.

Instead of an answer, it writes {"error": ...} and ends.
"""

import importlib.metadata
import json
import sys
import time
from typing import Any


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def load(interpreter_class: Any, header: dict[str, Any], model: bytes) -> Any:
    import numpy as np

    interpreter = interpreter_class(model_content=model, num_threads=1)
    details = interpreter.get_input_details()[0]
    if details["shape"].tolist() != header["shape"]:
        interpreter.resize_tensor_input(details["index"], header["shape"])
    interpreter.allocate_tensors()
    random = np.random.default_rng(0).random(header["shape"])
    element = np.dtype(details["dtype"])
    low, high = (np.iinfo(element).min, np.iinfo(element).max) if element.kind in "iu" else (-1, 1)
    interpreter.set_tensor(details["index"], (low + random * (high - low)).astype(element))
    return interpreter


def main() -> None:
    from ai_edge_litert.interpreter import Interpreter

    answer({"version": importlib.metadata.version("ai-edge-litert")})
    stream = sys.stdin.buffer
    header = json.loads(stream.readline())
    interpreter = load(Interpreter, header, stream.read(header["bytes"]))
    answer({"ready": True})
    for line in stream:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            interpreter.invoke()
            times.append(time.perf_counter_ns() - start)
        answer(times)


try:
    main()
except Exception as error:
    answer({"error": " ".join(str(error).split()) or type(error).__name__})

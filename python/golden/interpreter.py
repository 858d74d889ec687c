"""Runs a .tflite classifier with the Python interpreter of ai_edge_litert."""

import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


class Classifier:
    """A classifier whose input images are stretched by Pillow (BILINEAR)."""

    def __init__(self, model: pathlib.Path, threads: int) -> None:
        self.interpreter = Interpreter(model_path=str(model), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.source = self.interpreter.get_input_details()[0]
        self.sink = self.interpreter.get_output_details()[0]

    def scores(self, image: Image.Image) -> list[float]:
        """Returns the output for an RGB image, rounded to four digits."""
        _, height, width, _ = self.source["shape"]
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.uint8)
        self.interpreter.set_tensor(self.source["index"], pixels[np.newaxis])
        self.interpreter.invoke()
        return [round(float(score), 4) for score in self.interpreter.get_tensor(self.sink["index"]).reshape(-1)]

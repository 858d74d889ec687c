"""Writes tests/golden/compare/: a picture, and what programs with one known deviation each record for it.

The deviations are made with Pillow and NumPy, and the scores come from the LiteRT interpreter of ai_edge_litert, so
that nothing here shares code with catdog. `catdog inspect --compare-with` must name each deviation, and no other.

    photo.png        60 x 40 pixels
    turned.jpg       the same picture, stored on its side, with EXIF orientation 6
    NAME.json        a recorded result; crates/catdog-cli/tests/it/compare.rs has what it must be called

Usage: PYTHONPATH=python python3 -m golden.make_compare_golden

Needs python/requirements/golden.txt. The stored files are from NumPy 2.4, Pillow 13.0 and ai_edge_litert 2.3.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

from compare.record import Quantization, result

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "golden" / "compare"
MODELS = ROOT / "tests" / "models"
WIDTH, HEIGHT = 60, 40
# The input of the test models.
SIDE = 8
Array = np.ndarray
Way = Callable[[Array], Array]


def picture() -> Array:
    """Returns the picture: ramps of another direction in each channel, a disc, bars, and noise."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    across, down = x / (WIDTH - 1) * 255, y / (HEIGHT - 1) * 255
    ramps = np.stack([across, (across + 255 - down) / 2, 255 - down], axis=-1)
    disc = np.where((x - 38) ** 2 + (y - 14) ** 2 < 90, 70, 0)[..., None] * np.array([1, -1, 0.5])
    bars = np.where((x + 2 * y) // 5 % 2 == 0, 30, -30)[..., None]
    noise = np.random.default_rng(7).integers(-24, 25, (HEIGHT, WIDTH, 3))
    return np.clip(ramps * 0.7 + 40 + disc + bars + noise, 0, 255).astype(np.uint8)


# --- ways from the picture to the pixels of the input, 0 to 255 ----------------------------------


def resized(pixels: Array, filter: Image.Resampling, size: tuple[int, int] = (SIDE, SIDE)) -> Array:
    """Resizes with Pillow, in float32, each channel for itself."""
    channels = [Image.fromarray(pixels[..., c].astype(np.float32)).resize(size, filter) for c in range(3)]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def antialiased(pixels: Array) -> Array:
    """Bilinear with antialiasing, as Pillow and `tf.image.resize(antialias=True)` resize."""
    return resized(pixels, Image.Resampling.BILINEAR)


def plain(pixels: Array) -> Array:
    """Bilinear without antialiasing, with pixel centers at 0.5, as `tf.image.resize` and OpenCV resize."""

    def axis(values: Array, length: int, dimension: int) -> Array:
        source = values.shape[dimension]
        at = np.clip((np.arange(length) + 0.5) * source / length - 0.5, 0, source - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, source - 1)
        shape = [-1 if d == dimension else 1 for d in range(3)]
        part = (at - low).reshape(shape)
        return values.take(low, dimension) * (1 - part) + values.take(high, dimension) * part

    return axis(axis(pixels.astype(np.float64), SIDE, 0), SIDE, 1)


def nearest(pixels: Array) -> Array:
    """The nearest pixel, as `tf.image.resize(method="nearest")` takes it."""
    rows = ((np.arange(SIDE) + 0.5) * pixels.shape[0] / SIDE).astype(int)
    columns = ((np.arange(SIDE) + 0.5) * pixels.shape[1] / SIDE).astype(int)
    return pixels[rows][:, columns].astype(np.float64)


def cropped(pixels: Array) -> Array:
    """The largest centered square."""
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return antialiased(pixels[top : top + side, left : left + side])


def letterboxed(pixels: Array) -> Array:
    """The whole picture between black bars."""
    image = ImageOps.contain(Image.fromarray(pixels), (SIDE, SIDE), Image.Resampling.BILINEAR)
    boxed = np.zeros((SIDE, SIDE, 3))
    top, left = round((SIDE - image.height) / 2), round((SIDE - image.width) / 2)
    content = resized(pixels, Image.Resampling.BILINEAR, image.size)
    boxed[top : top + image.height, left : left + image.width] = content
    return boxed


# --- scores --------------------------------------------------------------------------------------


def run(model: str, tensor: Array) -> tuple[Array, Quantization, Quantization]:
    """Returns the scores of a test model, and the quantization of its input and output."""
    interpreter = Interpreter(model_path=str(MODELS / model))
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(source["index"], tensor)
    interpreter.invoke()
    return interpreter.get_tensor(sink["index"]), source["quantization"], sink["quantization"]


def softmax(scores: Array) -> Array:
    """Returns the softmax of a row of scores."""
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def record(name: str, picture: str, model: str, tensor: Array, scores: Array | None = None, **options: Any) -> None:
    """Writes NAME.json. Without `scores`, the model runs."""
    tensor = tensor[np.newaxis]
    if scores is None:
        scores = run(model, tensor)[0]
    contents = result(OUT / picture, tensor, scores, program="NumPy", **options)
    for part in ("input", "output"):
        # A few digits are enough and keep the files small.
        contents[part]["data"] = [round(value, 4) for value in contents[part]["data"]]
    (OUT / f"{name}.json").write_text(json.dumps(contents) + "\n", encoding="utf-8")


def centered(pixels: Array) -> Array:
    """0..255 becomes -1..1, which catdog assumes for a float input."""
    return (pixels / 127.5 - 1).astype(np.float32)


def main() -> None:
    """Writes all files."""
    OUT.mkdir(exist_ok=True)
    pixels = picture()
    Image.fromarray(pixels).save(OUT / "photo.png", optimize=True)
    turned = Image.fromarray(np.rot90(pixels))
    exif = Image.Exif()
    # Orientation 6: turn by 90 degrees clockwise to display.
    exif[0x0112] = 6
    turned.save(OUT / "turned.jpg", quality=95, subsampling=0, exif=exif)

    softmax_model, logits_model, quantized = "float_softmax.tflite", "float_logits.tflite", "int8_quant.tflite"
    base = centered(antialiased(pixels))
    record("same", "photo.png", softmax_model, base)
    ways: dict[str, Way] = {"plain": plain, "nearest": nearest, "cropped": cropped, "letterboxed": letterboxed}
    for name, way in ways.items():
        record(name, "photo.png", softmax_model, centered(way(pixels)))
    record("bgr", "photo.png", softmax_model, base[..., ::-1])
    record("range_unit", "photo.png", softmax_model, (antialiased(pixels) / 255).astype(np.float32))
    record("range_pixels", "photo.png", softmax_model, antialiased(pixels).astype(np.float32))
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    record("range_imagenet", "photo.png", softmax_model, ((antialiased(pixels) - mean) / std).astype(np.float32))
    record("plain_and_unit", "photo.png", softmax_model, (plain(pixels) / 255).astype(np.float32))

    stored = np.asarray(Image.open(OUT / "turned.jpg").convert("RGB"))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(OUT / "turned.jpg")).convert("RGB"))
    record("turned_same", "turned.jpg", softmax_model, centered(antialiased(upright)))
    record("turned_on_its_side", "turned.jpg", softmax_model, centered(antialiased(stored)))

    logits = run(logits_model, base[np.newaxis])[0]
    record("logits", "photo.png", logits_model, base, logits)
    record("logits_softmax", "photo.png", logits_model, base, softmax(logits))
    record("logits_sigmoid", "photo.png", logits_model, base, 1 / (1 + np.exp(-logits)))
    record("reordered", "photo.png", logits_model, base, np.roll(logits, 1))
    record("another_model", "photo.png", logits_model, base, logits + np.array([3, -2, 1], np.float32))
    record("labels", "photo.png", logits_model, base, logits, labels=["newt", "heron", "otter"])

    # One channel, and channels first. The models have their own range: 0..1 for gray, -1..1 for RGB.
    luma = antialiased(pixels) @ np.array([0.299, 0.587, 0.114])
    gray = (luma[..., np.newaxis] / 255).astype(np.float32)
    record("gray", "photo.png", "color/gray.tflite", gray)
    record("gray_centered", "photo.png", "color/gray.tflite", gray * 2 - 1)
    exchanged = antialiased(pixels) @ np.array([0.114, 0.587, 0.299])
    record("gray_bgr", "photo.png", "color/gray.tflite", (exchanged[..., np.newaxis] / 255).astype(np.float32))
    record("gray_nchw", "photo.png", "color/gray_nchw.tflite", gray.transpose(2, 0, 1))
    record("gray_without_channels", "photo.png", "color/gray_without_channels.tflite", gray[..., 0])
    planes = base.transpose(2, 0, 1)
    record("nchw", "photo.png", "color/nchw.tflite", planes)
    record("nchw_bgr", "photo.png", "color/nchw.tflite", planes[::-1])
    record("nchw_plain", "photo.png", "color/nchw.tflite", centered(plain(pixels)).transpose(2, 0, 1))
    # A program with NHWC, and the model that was made from it with NCHW.
    record("nhwc_of_nchw", "photo.png", "color/nchw.tflite", base, run("color/nchw.tflite", planes[np.newaxis])[0])
    record("flat", "photo.png", "color/flat.tflite", base.reshape(-1))
    record("no_picture", "photo.png", softmax_model, np.full_like(base, 0.5))

    tensor = np.clip(np.round(antialiased(pixels)) - 128, -128, 127).astype(np.int8)
    scores, of_tensor, of_scores = run(quantized, tensor[np.newaxis])
    record("int8", "photo.png", quantized, tensor, scores, tensor_quantization=of_tensor, scores_quantization=of_scores)
    record("int8_stored", "photo.png", quantized, tensor, scores.astype(np.float32), tensor_quantization=of_tensor)
    record("keras_of_int8", "photo.png", quantized, base, (scores + 128.0).astype(np.float32) / 256)


if __name__ == "__main__":
    main()

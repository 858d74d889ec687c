"""Writes tests/golden/preprocess.{bin,json}: the expected tensors of the preprocessing.

The reference shares no code with the preprocessing in Rust. Pillow makes every component upright (`Image.transpose`)
and resamples it in 32-bit float (mode F, BILINEAR, box=...), NumPy converts colors in 64-bit float. Gray tensors of RGB
frames are Pillow's `convert("L")`. Without antialiasing, NumPy's `interp` resamples. The script prints the difference
between this reference and libswscale (ffmpeg), and stores the results of libswscale as well.

preprocess.json has one line per case: the frame, the tensor, and the position of its elements in preprocess.bin.
Source frames are not stored: `component` below defines them in integers, and
crates/catdog-core/tests/preprocess/frames.rs defines the same frames in Rust.

Usage: PYTHONPATH=python python3 -m golden.make_preprocess_golden

Needs ffmpeg and python/requirements/golden.txt. The stored files are from NumPy 2.4, Pillow 13.0 and FFmpeg 5.1.
"""

import itertools
import json
import math
import pathlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"

# log2 of the horizontal and vertical chroma subsampling; None for formats without a color matrix.
SUBSAMPLING = {
    "Yuy2": (1, 0),
    "Uyvy": (1, 0),
    "Nv12": (1, 1),
    "Nv21": (1, 1),
    "I420": (1, 1),
    "Yv12": (1, 1),
    "Y42b": (1, 0),
    "Y444": (0, 0),
    "Gray8": (0, 0),
    "Rgb": None,
    "Bgr": None,
    "Rgbx": None,
    "Bgrx": None,
    "Xrgb": None,
    "Xbgr": None,
}
MATRICES = {"Bt601": (0.299, 0.114), "Bt709": (0.2126, 0.0722), "Bt2020": (0.2627, 0.0593)}
CENTERED = (False, False)
WHOLE = (0.0, 0.0, 1.0, 1.0)
# The EXIF number of each orientation, and Pillow's name of the operation that makes the picture upright. Pillow rotates
# counterclockwise.
ORIENTATIONS: dict[str, tuple[int, Image.Transpose | None]] = {
    "Identity": (1, None),
    "FlipHorizontal": (2, Image.Transpose.FLIP_LEFT_RIGHT),
    "Rotate180": (3, Image.Transpose.ROTATE_180),
    "FlipVertical": (4, Image.Transpose.FLIP_TOP_BOTTOM),
    "Transpose": (5, Image.Transpose.TRANSPOSE),
    "Rotate90": (6, Image.Transpose.ROTATE_270),
    "AntiTranspose": (7, Image.Transpose.TRANSVERSE),
    "Rotate270": (8, Image.Transpose.ROTATE_90),
}
# Orientations whose upright columns are the stored columns, or the stored rows, in reverse order; likewise for rows.
REVERSED_X = {"FlipHorizontal", "Rotate180", "Rotate90", "AntiTranspose"}
REVERSED_Y = {"FlipVertical", "Rotate180", "Rotate270", "AntiTranspose"}

# A case as it is stored in preprocess.json.
Case = dict[str, Any]
Size = tuple[int, int]


# --- source frames -------------------------------------------------------------------------------


def component(index: int, width: int, height: int, smooth: bool) -> np.ndarray:
    """Returns the samples, 0 to 255, of component `index` (0 is Y or R, 1 is Cb or G, 2 is Cr or B).

    They are a ramp, in another direction for each component. Unless `smooth` is set, a disc, diagonal bars seven
    samples wide, and noise of +-16 from a multiplicative hash of the position are added.
    """
    x = np.arange(width, dtype=np.int64)[None, :]
    y = np.arange(height, dtype=np.int64)[:, None]
    across, down = x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)
    ramp = [(across + down) // 2 + 0 * x, (across + 255 - down) // 2, (255 - across + down) // 2][index]
    if smooth:
        # Within the nominal range, and chroma near neutral, so that no converter has to clip.
        return (16 + ramp * 219 // 255 if index == 0 else 96 + ramp // 4).astype(np.uint8)
    dx, dy = 2 * x - width, 2 * y - height
    radius = min(width, height) * (index + 2) // 4
    disc = np.where(dx * dx + dy * dy < radius * radius, 60 - 50 * index, 0)
    bars = np.where((x + 2 * y + index * 3) // 7 % 2 == 0, 25, -25)
    mask = 0xFFFFFFFF
    noise = (x * 0x9E3779B1 + y * 0x85EBCA77 + (index + 1) * 0xC2B2AE3D) & mask
    noise = (noise ^ (noise >> 15)) * 0x2C1B3C6D & mask
    noise = (noise >> 16) % 33 - 16
    return np.clip(ramp + disc + bars + noise, 0, 255).astype(np.uint8)


def components(case: Case) -> list[np.ndarray]:
    """Returns the component planes of a case's frame, chroma in its subsampled size."""
    width, height = case["size"]
    shift = SUBSAMPLING[case["format"]]
    sizes = [(width, height)] * 3
    if shift is not None:
        chroma = (-(-width >> shift[0]), -(-height >> shift[1]))
        sizes = [(width, height), chroma, chroma]
    if case["format"] == "Gray8":
        sizes = sizes[:1]
    return [component(i, w, h, case["smooth"]) for i, (w, h) in enumerate(sizes)]


# --- the reference -------------------------------------------------------------------------------


def transposes(case: Case) -> bool:
    """Returns whether the orientation exchanges width and height."""
    return case["orientation"] in ("Transpose", "Rotate90", "AntiTranspose", "Rotate270")


def upright(case: Case, plane: np.ndarray) -> np.ndarray:
    """Returns a plane as a viewer sees it, and checks that `ImageOps.exif_transpose` returns the same."""
    number, operation = ORIENTATIONS[case["orientation"]]
    image = Image.fromarray(plane)
    image.getexif()[ExifTags.Base.Orientation] = number
    result = np.asarray(image if operation is None else image.transpose(operation))
    assert np.array_equal(result, np.asarray(ImageOps.exif_transpose(image)))
    return result


def geometry(case: Case) -> tuple[list[float], tuple[int, int, int, int]]:
    """Returns the box (x0, y0, x1, y1) in the upright frame and the rectangle (x, y, width, height) in the tensor."""
    (full_width, full_height), (tensor_width, tensor_height) = case["size"], case["tensor"]
    pixel = case["par"][0] / case["par"][1]
    if transposes(case):
        full_width, full_height, pixel = full_height, full_width, 1 / pixel
    left, top = case["region"][0] * full_width, case["region"][1] * full_height
    width, height = case["region"][2] * full_width, case["region"][3] * full_height
    display_width = width * pixel
    box, rect = [left, top, left + width, top + height], (0, 0, tensor_width, tensor_height)
    wider = display_width / height > tensor_width / tensor_height
    if case["method"] == "Crop" and wider:
        keep = height * tensor_width / tensor_height / pixel
        box[0], box[2] = left + (width - keep) / 2, left + (width + keep) / 2
    elif case["method"] == "Crop":
        keep = min(display_width * tensor_height / tensor_width, height)
        box[1], box[3] = top + (height - keep) / 2, top + (height + keep) / 2
    elif case["method"] == "Letterbox":
        if wider:
            size = (tensor_width, max(1, round(height / display_width * tensor_width)))
        else:
            size = (max(1, round(display_width / height * tensor_height)), tensor_height)
        if pixel == 1 and min(case["size"]) > 1 and not transposes(case) and tuple(case["region"]) == WHOLE:
            assert ImageOps.contain(Image.new("L", case["size"]), (tensor_width, tensor_height)).size == size
        rect = (round((tensor_width - size[0]) / 2), round((tensor_height - size[1]) / 2), *size)
    return box, rect


def resize_float(array: np.ndarray, size: Size, box: Sequence[float]) -> np.ndarray:
    """Returns a box of a float32 array, resized by Pillow (BILINEAR, antialiased)."""
    image = Image.fromarray(array)
    assert image.mode == "F"
    left, top, right, bottom = box
    resized = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.asarray(resized, dtype=np.float64)


def resample(plane: np.ndarray, box: Sequence[float], size: Size) -> np.ndarray:
    """Returns Pillow's antialiased bilinear resampling of a box. Samples outside the plane have no weight."""
    height, width = plane.shape
    samples = plane.astype(np.float32)
    if box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height:
        return resize_float(samples, size, box)
    # Pillow does not accept a box that exceeds the image. Padding with zeros, and dividing by the remaining weights,
    # is what Pillow does at an edge.
    pad = 4 + math.ceil(max((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]))
    moved = [edge + pad for edge in box]
    weights = resize_float(np.pad(np.ones_like(samples), pad), size, moved)
    return resize_float(np.pad(samples, pad), size, moved) / weights


def interpolate(plane: np.ndarray, box: Sequence[float], size: Size) -> np.ndarray:
    """Returns the bilinear interpolation of the two nearest samples per axis. Edge samples are repeated."""

    def along(samples: np.ndarray, start: float, end: float, outputs: int) -> np.ndarray:
        centers = start + (np.arange(outputs) + 0.5) * (end - start) / outputs
        return np.interp(centers, np.arange(len(samples)) + 0.5, samples)

    across = np.array([along(row, box[0], box[2], size[0]) for row in plane.astype(np.float64)])
    return np.array([along(column, box[1], box[3], size[1]) for column in across.T]).T


def chroma_edges(case: Case, box: Sequence[float], shape: tuple[int, ...]) -> list[float]:
    """Returns the box in the samples of a subsampled plane, which has the upright `shape` (height, width).

    A chroma sample covers 1 << shift pixels, counted from the first stored pixel. A co-sited sample is at the first of
    these pixels.
    """
    shift, site = SUBSAMPLING[case["format"]] or (0, 0), case["site"]
    size = case["size"]
    if transposes(case):
        shift, site, size = shift[::-1], site[::-1], size[::-1]
    edges = list(box)
    for axis, reversed_ in ((0, REVERSED_X), (1, REVERSED_Y)):
        move = 0.25 if shift[axis] and site[axis] else 0.0
        for edge in (axis, axis + 2):
            if case["orientation"] in reversed_:
                edges[edge] = shape[1 - axis] - ((size[axis] - edges[edge]) / (1 << shift[axis]) + move)
            else:
                edges[edge] = edges[edge] / (1 << shift[axis]) + move
    return edges


def luma_of_rgb(case: Case, planes: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the gray picture of an RGB frame."""
    if case["matrix"] == "Bt601":
        return np.asarray(Image.fromarray(np.stack(planes, axis=-1)).convert("L"))
    kr, kb = MATRICES[case["matrix"]]
    return np.tensordot([kr, 1 - kr - kb, kb], np.stack(planes), axes=1)


def to_rgb(case: Case, planes: Sequence[np.ndarray]) -> np.ndarray:
    """Returns R'G'B' levels, not rounded, from components of equal size."""
    if SUBSAMPLING[case["format"]] is None:
        return np.stack(planes, axis=-1)
    kr, kb = MATRICES[case["matrix"]]
    if len(planes) == 1:
        planes = [planes[0]] + [np.full_like(planes[0], 128.0)] * 2
    luma, cb, cr = planes
    if case["range"] == "Limited":
        luma, cb, cr = (luma - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    else:
        luma, cb, cr = luma / 255, (cb - 128) / 255, (cr - 128) / 255
    red = luma + 2 * (1 - kr) * cr
    blue = luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], axis=-1) * 255


def levels(case: Case) -> np.ndarray:
    """Returns the image in the tensor as 8-bit levels."""
    box, (left, top, width, height) = geometry(case)
    sources = components(case)
    gray, is_rgb = case["channels"] == "Gray", SUBSAMPLING[case["format"]] is None
    if gray:
        sources = [luma_of_rgb(case, sources)] if is_rgb else sources[:1]
    planes = []
    for index, source in enumerate(sources):
        plane = upright(case, source)
        edges = chroma_edges(case, box, plane.shape) if index > 0 else box
        shrink = resample if case["antialias"] else interpolate
        planes.append(shrink(plane, edges, (width, height)))
    picture = np.stack(planes, axis=-1) if gray and is_rgb else to_rgb(case, planes)
    channels = 1 if gray else 3
    tensor = np.zeros((case["tensor"][1], case["tensor"][0], channels))
    # A gray picture has three equal channels.
    tensor[top : top + height, left : left + width] = picture[..., :channels]
    return np.clip(np.floor(tensor + 0.5), 0, 255)


def elements(case: Case) -> bytes:
    """Returns the bytes of the tensor."""
    tensor = levels(case)
    kind, values = case["element"], case["values"]
    if values is not None:
        values = values[: tensor.shape[-1]]
    if values is None:
        tensor = tensor - 128 if kind == "I8" else tensor
    else:
        mean = np.array([value["mean"] for value in values], dtype=np.float32).astype(np.float64)
        std = np.array([value["std"] for value in values], dtype=np.float32).astype(np.float64)
        tensor = (tensor - mean) / std
        if kind not in ("F32", "F16"):
            scale, zero = np.float64(np.float32(case["scale"])), case["zero_point"]
            half_away_from_zero = np.sign(tensor) * np.floor(np.abs(tensor / scale) + 0.5)
            low, high = (0, 255) if kind == "U8" else (-128, 127)
            tensor = np.clip(half_away_from_zero + zero, low, high)
    if case["order"] == "First":
        tensor = np.moveaxis(tensor, -1, 0)
    if kind == "F16":
        tensor = tensor.astype("<f4")
    return tensor.astype({"F32": "<f4", "F16": "<f2", "U8": "u1", "I8": "i1"}[kind]).tobytes()


# --- libswscale ----------------------------------------------------------------------------------


def swscale(case: Case) -> bytes:
    """Returns the tensor of ffmpeg for planar input: bilinear filter, accurate rounding, packed RGB."""
    width, height = case["size"]
    pix_fmt = {"I420": "yuv420p", "Y42b": "yuv422p", "Y444": "yuv444p", "Gray8": "gray", "Rgb": "gbrp"}
    planes = components(case)
    if case["format"] == "Rgb":
        planes = [planes[1], planes[2], planes[0]]
    options = ["flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp", "out_range=pc"]
    shift = SUBSAMPLING[case["format"]]
    if shift is not None:
        matrix = {"Bt601": "bt601", "Bt709": "bt709", "Bt2020": "bt2020"}[case["matrix"]]
        options += [f"in_color_matrix={matrix}", f"in_range={'tv' if case['range'] == 'Limited' else 'pc'}"]
        for name, axis in (("h", 0), ("v", 1)):
            if shift[axis]:
                options.append(f"in_{name}_chr_pos={0 if case['site'][axis] else 128}")
    scale = f"scale={case['tensor'][0]}:{case['tensor'][1]}:{':'.join(options)}"
    source = ["-f", "rawvideo", "-pix_fmt", pix_fmt[case["format"]], "-s", f"{width}x{height}", "-i", "-"]
    sink = ["-vf", scale, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    data = b"".join(plane.tobytes() for plane in planes)
    return subprocess.run(
        ["ffmpeg", "-v", "error", *source, *sink], input=data, stdout=subprocess.PIPE, check=True
    ).stdout


# --- cases ---------------------------------------------------------------------------------------


def make_case(group: str, pixel_format: str, size: Size, tensor: Size, **other: Any) -> Case:
    """Returns a case with the defaults of `FrameSpec::new` and a uint8 tensor of unscaled levels."""
    base = {
        "group": group,
        "reference": "pillow",
        "format": pixel_format,
        "size": size,
        "tensor": tensor,
        "method": "Stretch",
        "matrix": "Bt601",
        "range": "Limited",
        "site": CENTERED,
        "par": (1, 1),
        "orientation": "Identity",
        "region": WHOLE,
        "channels": "Rgb",
        "order": "Last",
        "antialias": True,
        "smooth": False,
        "element": "U8",
        "values": None,
        "scale": 1.0,
        "zero_point": 0,
    }
    assert other.keys() <= base.keys()
    return base | other


SITES = [(False, False), (True, False), (False, True), (True, True)]
IMAGENET = [{"mean": 123.675, "std": 58.395}, {"mean": 116.28, "std": 57.12}, {"mean": 103.53, "std": 57.375}]
UNIT = [{"mean": 0.0, "std": 255.0}] * 3


def format_cases() -> Iterator[Case]:
    """Yields all formats and some unusual sizes."""
    for pixel_format in SUBSAMPLING:
        for size in [(640, 480), (1280, 720), (1920, 1080), (641, 361), (3, 3), (1, 1)]:
            yield make_case("formats", pixel_format, size, (24, 24))
    for pixel_format in ["Nv12", "Yuy2"]:
        yield make_case("sizes", pixel_format, (1920, 1080), (150, 150))
    for pixel_format in ["I420", "Nv12", "Yuy2", "Rgb"]:
        yield make_case("sizes", pixel_format, (2, 90), (30, 30))
        yield make_case("sizes", pixel_format, (90, 1), (30, 30))
        yield make_case("sizes", pixel_format, (37, 23), (64, 50))
        yield make_case("sizes", pixel_format, (48, 48), (48, 48))


def color_cases() -> Iterator[Case]:
    """Yields all color matrices, ranges and chroma sites. The spelling of a group is part of the stored file."""
    for pixel_format in ["Nv12", "Yuy2", "Y444", "Gray8"]:
        for matrix in MATRICES:
            for range_ in ["Limited", "Full"]:
                yield make_case("colour", pixel_format, (320, 240), (32, 32), matrix=matrix, range=range_)
    for pixel_format in ["I420", "Nv21", "Yuy2", "Y42b"]:
        for site in SITES:
            yield make_case("sites", pixel_format, (320, 180), (32, 32), site=site)
            yield make_case("sites", pixel_format, (33, 21), (50, 40), site=site)
            yield make_case("sites", pixel_format, (3, 1), (24, 24), site=site)


def geometry_cases() -> Iterator[Case]:
    """Yields all resize methods with several aspect ratios of frame, pixel and tensor."""
    shapes: list[tuple[str, Size]] = [("I420", (24, 24)), ("Uyvy", (32, 16)), ("Bgr", (16, 28))]
    for method in ["Stretch", "Crop", "Letterbox"]:
        for size in [(640, 480), (641, 361), (360, 640), (16, 16)]:
            for par in [(1, 1), (64, 45), (8, 9)]:
                for pixel_format, tensor in shapes:
                    site = (pixel_format == "Uyvy", False)
                    yield make_case("geometry", pixel_format, size, tensor, method=method, par=par, site=site)


def element_cases() -> Iterator[Case]:
    """Yields all element types, normalizations and quantizations of the tensor."""
    for method in ["Stretch", "Letterbox"]:
        for element, values, scale, zero in [
            ("F32", None, 1.0, 0),
            ("F32", IMAGENET, 1.0, 0),
            ("I8", None, 1.0, 0),
            ("I8", UNIT, 1 / 255, -128),
            ("I8", IMAGENET, 0.0187, -13),
            ("U8", IMAGENET, 0.02, 114),
            ("U8", UNIT, 0.004, 10),
        ]:
            quantization = {"element": element, "values": values, "scale": scale, "zero_point": zero}
            yield make_case("elements", "I420", (320, 240), (24, 24), method=method, **quantization)


def layout_cases() -> Iterator[Case]:
    """Yields all layouts of the tensor with all element types."""
    for channels, order in itertools.product(["Rgb", "Gray"], ["Last", "First"]):
        for element, values, scale, zero in [
            ("F32", IMAGENET, 1.0, 0),
            ("F16", None, 1.0, 0),
            ("F16", IMAGENET, 1.0, 0),
            ("I8", None, 1.0, 0),
            ("I8", IMAGENET, 0.0187, -13),
            ("U8", None, 1.0, 0),
            ("U8", IMAGENET, 0.02, 114),
        ]:
            quantization = {"element": element, "values": values, "scale": scale, "zero_point": zero}
            layout = {"channels": channels, "order": order, **quantization}
            yield make_case("layouts", "I420", (320, 240), (26, 10), method="Letterbox", **layout)
            yield make_case("layouts", "Rgb", (320, 240), (19, 23), method="Letterbox", **layout)


def gray_cases() -> Iterator[Case]:
    """Yields gray tensors of all formats."""
    for pixel_format in SUBSAMPLING:
        for size in [(641, 361), (3, 3)]:
            yield make_case("gray", pixel_format, size, (24, 20), channels="Gray")
        for matrix in MATRICES:
            for range_ in ["Limited", "Full"]:
                color = {"matrix": matrix, "range": range_}
                yield make_case("gray", pixel_format, (320, 240), (24, 20), channels="Gray", **color)


def orientation_cases() -> Iterator[Case]:
    """Yields all orientations."""
    for orientation in ORIENTATIONS:
        for pixel_format in SUBSAMPLING:
            yield make_case("orientations", pixel_format, (320, 180), (24, 18), orientation=orientation)
        for pixel_format in ["I420", "Nv21", "Yuy2", "Y42b", "Rgb"]:
            for size in [(641, 361), (37, 23), (3, 1)]:
                for site in SITES[:1] if pixel_format == "Rgb" else SITES[1:]:
                    options: dict[str, Any] = {"orientation": orientation, "site": site}
                    yield make_case("orientations", pixel_format, size, (14, 20), **options)
        for method in ["Crop", "Letterbox"]:
            for par, tensor in [((1, 1), (24, 24)), ((64, 45), (16, 28)), ((8, 9), (28, 16))]:
                options = {"orientation": orientation, "method": method, "par": par}
                yield make_case("orientations", "I420", (360, 240), tensor, **options)
        options = {"orientation": orientation, "antialias": False, "element": "F32", "values": IMAGENET}
        yield make_case("orientations", "Nv12", (641, 361), (14, 20), order="First", **options)
        yield make_case("orientations", "Uyvy", (641, 361), (14, 20), channels="Gray", **options)


REGIONS = [(0.25, 0.0, 0.5, 1.0), (0.1, 0.55, 0.3, 0.4), (0.5, 0.5, 0.02, 0.015), (0.995, 0.0, 0.005, 0.01)]


def region_cases() -> Iterator[Case]:
    """Yields regions of the frame, down to a part of a pixel."""
    for region in REGIONS:
        for pixel_format in SUBSAMPLING:
            yield make_case("regions", pixel_format, (320, 240), (24, 18), region=region)
        for method in ["Stretch", "Crop", "Letterbox"]:
            for orientation in ["Identity", "Rotate90", "FlipHorizontal", "AntiTranspose"]:
                options = {"region": region, "method": method, "orientation": orientation}
                yield make_case("regions", "I420", (361, 241), (20, 14), par=(64, 45), site=SITES[1], **options)
                yield make_case("regions", "Bgr", (361, 241), (14, 20), antialias=False, **options)


def swscale_cases() -> Iterator[Case]:
    """Yields cases whose reference is libswscale."""
    for pixel_format in ["I420", "Y42b", "Y444", "Gray8", "Rgb"]:
        for matrix, range_ in [("Bt601", "Limited"), ("Bt709", "Limited"), ("Bt601", "Full")]:
            for size in [(640, 480), (1920, 1080)]:
                color = {"smooth": True, "matrix": matrix, "range": range_}
                yield make_case("swscale", pixel_format, size, (24, 24), reference="swscale", **color)
    # The chroma site is visible only when the frame is enlarged.
    for pixel_format in ["I420", "Y42b"]:
        for site in SITES:
            yield make_case("swscale", pixel_format, (40, 30), (64, 50), site=site, reference="swscale")


def bilinear_cases() -> Iterator[Case]:
    """Yields cases without antialiasing."""
    for pixel_format in SUBSAMPLING:
        for size in [(1920, 1080), (641, 361), (3, 3)]:
            yield make_case("two taps", pixel_format, size, (24, 24), antialias=False)
    for pixel_format in ["I420", "Yuy2", "Rgb"]:
        yield make_case("two taps", pixel_format, (640, 480), (50, 30), antialias=False, site=(True, True))
        for method in ["Crop", "Letterbox"]:
            yield make_case("two taps", pixel_format, (641, 361), (24, 24), antialias=False, method=method)
    for element, values in [("F32", IMAGENET), ("I8", None)]:
        options = {"antialias": False, "element": element, "values": values}
        yield make_case("two taps", "Nv12", (640, 480), (24, 24), **options)


def all_cases() -> Iterator[Case]:
    """Yields every case, in the order of the stored file."""
    return itertools.chain(
        format_cases(),
        color_cases(),
        geometry_cases(),
        element_cases(),
        swscale_cases(),
        bilinear_cases(),
        layout_cases(),
        gray_cases(),
        orientation_cases(),
        region_cases(),
    )


def print_difference(case: Mapping[str, Any], ours: bytes, theirs: bytes) -> None:
    """Prints the difference between the reference and libswscale."""
    difference = np.abs(np.frombuffer(ours, "u1").astype(int) - np.frombuffer(theirs, "u1"))
    what = [case[key] for key in ("format", "size", "tensor", "matrix", "range", "site")]
    print(f"Pillow - swscale: mean {difference.mean():.3f} max {difference.max()} for", *what)


def main() -> None:
    """Writes both files."""
    blob, lines = bytearray(), []
    for case in all_cases():
        tensor = elements(case)
        if case["reference"] == "swscale":
            reference, tensor = tensor, swscale(case)
            print_difference(case, reference, tensor)
        lines.append(json.dumps(case | {"offset": len(blob), "bytes": len(tensor)}))
        blob += tensor
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "preprocess.bin").write_bytes(blob)
    (OUT / "preprocess.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{len(lines)} cases, {len(blob)} bytes")


if __name__ == "__main__":
    main()

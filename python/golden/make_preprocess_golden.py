#!/usr/bin/env python3
"""Writes tests/golden/preprocess.{bin,json}: what the preprocessing must come to.

The reference shares nothing with src/preprocess. Pillow resamples every component in 32-bit float
(mode F, BILINEAR, box=...), NumPy converts colours in 64-bit float. Without antialiasing, NumPy's
`interp` resamples. The script prints how far that reference is from libswscale (ffmpeg), and stores
libswscale's own results as well.

preprocess.json has one line a case: the frame, the tensor, and where its elements lie in
preprocess.bin. Source frames are not stored: `component` below defines them in integers, and
tests/preprocess/frames.rs does the same in Rust.

Usage: python3 scripts/golden/make_preprocess_golden.py
Needs numpy, pillow and ffmpeg; goldens in the repository are from NumPy 2.4, Pillow 13.0, ffmpeg 5.1.
"""

import json
import math
import pathlib
import subprocess

import numpy as np
from PIL import Image, ImageOps

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"

# log2 of the chroma subsampling, horizontal and vertical; None where there is no chroma matrix.
SUBSAMPLING = {
    "Yuy2": (1, 0), "Uyvy": (1, 0), "Nv12": (1, 1), "Nv21": (1, 1), "I420": (1, 1), "Yv12": (1, 1),
    "Y42b": (1, 0), "Y444": (0, 0), "Gray8": (0, 0),
    "Rgb": None, "Bgr": None, "Rgbx": None, "Bgrx": None, "Xrgb": None, "Xbgr": None,
}
MATRICES = {"Bt601": (0.299, 0.114), "Bt709": (0.2126, 0.0722), "Bt2020": (0.2627, 0.0593)}
CENTRED = (False, False)


# --- source frames -------------------------------------------------------------------------------

def component(index, width, height, smooth):
    """Samples of component `index` (0 Y or R, 1 Cb or G, 2 Cr or B) of a plane, 0 to 255.

    A ramp in another direction for each component. Unless `smooth`: plus a disc, plus diagonal bars
    seven samples wide, plus noise of +-16 from a multiplicative hash of the position.
    """
    x = np.arange(width, dtype=np.int64)[None, :]
    y = np.arange(height, dtype=np.int64)[:, None]
    across, down = x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)
    ramp = [(across + down) // 2 + 0 * x, (across + 255 - down) // 2, (255 - across + down) // 2][index]
    if smooth:
        # Inside the code range, and chroma near neutral: no converter has to clip.
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


def components(case):
    """The component planes of a case's frame, chroma at its own size."""
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

def geometry(case):
    """The source box (x0, y0, x1, y1) and the tensor rectangle (x, y, width, height)."""
    (width, height), (tensor_width, tensor_height) = case["size"], case["tensor"]
    pixel = case["par"][0] / case["par"][1]
    shown = width * pixel
    box, rect = [0.0, 0.0, float(width), float(height)], (0, 0, tensor_width, tensor_height)
    wider = shown / height > tensor_width / tensor_height
    if case["method"] == "Crop" and wider:
        keep = height * tensor_width / tensor_height / pixel
        box[0], box[2] = (width - keep) / 2, (width + keep) / 2
    elif case["method"] == "Crop":
        keep = min(shown * tensor_height / tensor_width, height)
        box[1], box[3] = (height - keep) / 2, (height + keep) / 2
    elif case["method"] == "Letterbox":
        if wider:
            size = (tensor_width, max(1, round(height / shown * tensor_width)))
        else:
            size = (max(1, round(shown / height * tensor_height)), tensor_height)
        if pixel == 1 and min(case["size"]) > 1:
            assert ImageOps.contain(Image.new("L", (width, height)), (tensor_width, tensor_height)).size == size
        rect = (round((tensor_width - size[0]) / 2), round((tensor_height - size[1]) / 2), *size)
    return box, rect


def resample(plane, box, size):
    """Pillow's antialiased bilinear in float; samples outside the plane have no weight."""
    height, width = plane.shape
    real = plane.astype(np.float32)

    def pillow(array, box):
        image = Image.fromarray(array)
        assert image.mode == "F"
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box), dtype=np.float64)

    if box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height:
        return pillow(real, tuple(box))
    # Pillow wants the box inside the image. Padding with zeros, and dividing by what remains of the
    # weights, is what it does at an edge.
    pad = 4 + math.ceil(max((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]))
    moved = tuple(edge + pad for edge in box)
    picture = pillow(np.pad(real, pad), moved)
    return picture / pillow(np.pad(np.ones_like(real), pad), moved)


def interpolate(plane, box, size):
    """Bilinear interpolation between the two nearest samples of each axis, the outermost repeated."""
    def along(samples, start, end, outputs):
        centres = start + (np.arange(outputs) + 0.5) * (end - start) / outputs
        return np.interp(centres, np.arange(len(samples)) + 0.5, samples)

    across = np.array([along(row, box[0], box[2], size[0]) for row in plane.astype(np.float64)])
    return np.array([along(column, box[1], box[3], size[1]) for column in across.T]).T


def to_rgb(case, planes):
    """R'G'B' levels, not yet rounded, from components at one size."""
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


def levels(case):
    """The picture in the tensor as 8-bit levels."""
    box, (left, top, width, height) = geometry(case)
    shift = SUBSAMPLING[case["format"]]
    planes = []
    for index, plane in enumerate(components(case)):
        edges = list(box)
        if shift is not None and index > 0:
            for axis in (0, 1):
                move = 0.25 if shift[axis] and case["site"][axis] else 0.0
                for edge in (axis, axis + 2):
                    edges[edge] = edges[edge] / (1 << shift[axis]) + move
        shrink = resample if case["antialias"] else interpolate
        planes.append(shrink(plane, edges, (width, height)))
    tensor = np.zeros((case["tensor"][1], case["tensor"][0], 3))
    tensor[top:top + height, left:left + width] = to_rgb(case, planes)
    return np.clip(np.floor(tensor + 0.5), 0, 255)


def elements(case):
    """The tensor's bytes."""
    picture = levels(case)
    kind, values = case["element"], case["values"]
    if values is None:
        picture = picture - 128 if kind == "I8" else picture
    else:
        mean = np.array([value["mean"] for value in values], dtype=np.float32).astype(np.float64)
        std = np.array([value["std"] for value in values], dtype=np.float32).astype(np.float64)
        picture = (picture - mean) / std
        if kind != "F32":
            scale, zero = np.float64(np.float32(case["scale"])), case["zero_point"]
            away = np.sign(picture) * np.floor(np.abs(picture / scale) + 0.5)
            low, high = (0, 255) if kind == "U8" else (-128, 127)
            picture = np.clip(away + zero, low, high)
    return picture.astype({"F32": "<f4", "U8": "u1", "I8": "i1"}[kind]).tobytes()


# --- libswscale ----------------------------------------------------------------------------------

def swscale(case):
    """The same tensor from ffmpeg: planar input, its bilinear filter, no shortcuts, packed RGB."""
    width, height = case["size"]
    pix_fmt = {"I420": "yuv420p", "Y42b": "yuv422p", "Y444": "yuv444p", "Gray8": "gray", "Rgb": "gbrp"}
    planes = components(case)
    if case["format"] == "Rgb":
        planes = [planes[1], planes[2], planes[0]]
    options = ["flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp", "out_range=pc"]
    if SUBSAMPLING[case["format"]] is not None:
        matrix = {"Bt601": "bt601", "Bt709": "bt709", "Bt2020": "bt2020"}[case["matrix"]]
        options += [f"in_color_matrix={matrix}", f"in_range={'tv' if case['range'] == 'Limited' else 'pc'}"]
        shift = SUBSAMPLING[case["format"]]
        for name, axis in (("h", 0), ("v", 1)):
            if shift[axis]:
                options.append(f"in_{name}_chr_pos={0 if case['site'][axis] else 128}")
    scale = f"scale={case['tensor'][0]}:{case['tensor'][1]}:{':'.join(options)}"
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", pix_fmt[case["format"]],
               "-s", f"{width}x{height}", "-i", "-", "-vf", scale, "-pix_fmt", "rgb24",
               "-f", "rawvideo", "-"]
    data = b"".join(plane.tobytes() for plane in planes)
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True)
    return done.stdout


# --- cases ---------------------------------------------------------------------------------------

def case(group, format, size, tensor, **other):
    """A case with the defaults of `FrameSpec::new` and a uint8 tensor of plain levels."""
    base = {
        "group": group, "reference": "pillow", "format": format, "size": size, "tensor": tensor,
        "method": "Stretch", "matrix": "Bt601", "range": "Limited", "site": CENTRED, "par": (1, 1),
        "antialias": True, "smooth": False,
        "element": "U8", "values": None, "scale": 1.0, "zero_point": 0,
    }
    assert other.keys() <= base.keys()
    return base | other


def cases():
    """Every case, in the order of the file."""
    for format in SUBSAMPLING:
        for size in [(640, 480), (1280, 720), (1920, 1080), (641, 361), (3, 3), (1, 1)]:
            yield case("formats", format, size, (24, 24))
    for format in ["Nv12", "Yuy2"]:
        yield case("sizes", format, (1920, 1080), (150, 150))
    for format in ["I420", "Nv12", "Yuy2", "Rgb"]:
        yield case("sizes", format, (2, 90), (30, 30))
        yield case("sizes", format, (90, 1), (30, 30))
        yield case("sizes", format, (37, 23), (64, 50))
        yield case("sizes", format, (48, 48), (48, 48))
    for format in ["Nv12", "Yuy2", "Y444", "Gray8"]:
        for matrix in MATRICES:
            for range_ in ["Limited", "Full"]:
                yield case("colour", format, (320, 240), (32, 32), matrix=matrix, range=range_)
    for format in ["I420", "Nv21", "Yuy2", "Y42b"]:
        for site in [(False, False), (True, False), (False, True), (True, True)]:
            yield case("sites", format, (320, 180), (32, 32), site=site)
            yield case("sites", format, (33, 21), (50, 40), site=site)
            yield case("sites", format, (3, 1), (24, 24), site=site)
    for method in ["Stretch", "Crop", "Letterbox"]:
        for size in [(640, 480), (641, 361), (360, 640), (16, 16)]:
            for par in [(1, 1), (64, 45), (8, 9)]:
                for format, tensor in [("I420", (24, 24)), ("Uyvy", (32, 16)), ("Bgr", (16, 28))]:
                    site = (format == "Uyvy", False)
                    yield case("geometry", format, size, tensor, method=method, par=par, site=site)
    normal = [{"mean": 123.675, "std": 58.395}, {"mean": 116.28, "std": 57.12}, {"mean": 103.53, "std": 57.375}]
    unit = [{"mean": 0.0, "std": 255.0}] * 3
    for method in ["Stretch", "Letterbox"]:
        for element, values, scale, zero in [
            ("F32", None, 1.0, 0), ("F32", normal, 1.0, 0), ("I8", None, 1.0, 0),
            ("I8", unit, 1 / 255, -128), ("I8", normal, 0.0187, -13), ("U8", normal, 0.02, 114),
            ("U8", unit, 0.004, 10),
        ]:
            yield case("elements", "I420", (320, 240), (24, 24), method=method, element=element,
                       values=values, scale=scale, zero_point=zero)
    for format in ["I420", "Y42b", "Y444", "Gray8", "Rgb"]:
        for matrix, range_ in [("Bt601", "Limited"), ("Bt709", "Limited"), ("Bt601", "Full")]:
            for size in [(640, 480), (1920, 1080)]:
                yield case("swscale", format, size, (24, 24), smooth=True, matrix=matrix,
                           range=range_, reference="swscale")
    # Enlarging is where the site shows.
    for format in ["I420", "Y42b"]:
        for site in [(False, False), (True, False), (False, True), (True, True)]:
            yield case("swscale", format, (40, 30), (64, 50), site=site, reference="swscale")
    for format in SUBSAMPLING:
        for size in [(1920, 1080), (641, 361), (3, 3)]:
            yield case("two taps", format, size, (24, 24), antialias=False)
    for format in ["I420", "Yuy2", "Rgb"]:
        yield case("two taps", format, (640, 480), (50, 30), antialias=False, site=(True, True))
        for method in ["Crop", "Letterbox"]:
            yield case("two taps", format, (641, 361), (24, 24), antialias=False, method=method)
    for element in ["F32", "I8"]:
        yield case("two taps", "Nv12", (640, 480), (24, 24), antialias=False, element=element,
                   values=normal if element == "F32" else None)


def main():
    blob, lines = bytearray(), []
    for one in cases():
        want = elements(one)
        if one["reference"] == "swscale":
            own, want = want, swscale(one)
            difference = np.abs(np.frombuffer(own, "u1").astype(int) - np.frombuffer(want, "u1"))
            print(f"Pillow - swscale: mean {difference.mean():.3f} max {difference.max()}", "for",
                  *(one[key] for key in ("format", "size", "tensor", "matrix", "range", "site")))
        lines.append(json.dumps(one | {"offset": len(blob), "bytes": len(want)}))
        blob += want
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "preprocess.bin").write_bytes(blob)
    (OUT / "preprocess.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{len(lines)} cases, {len(blob)} bytes")


if __name__ == "__main__":
    main()

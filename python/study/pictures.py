"""Makes the inputs of the models: the frames of a clip, decoded and scaled by GStreamer."""

import pathlib
import subprocess
from typing import Any

import numpy as np

from study.errors import StudyError
from study.graph import Graph

# The number of different pictures. A run of 1,000 images sees them again and again: the content of a picture does not
# change what an inference costs.
COUNT = 32


def frames(clip: pathlib.Path, width: int, height: int, count: int = COUNT) -> np.ndarray:
    """Returns `count` frames that are spread over the clip: uint8 RGB (count, height, width, 3).

    Raises StudyError if GStreamer cannot decode the clip.
    """
    # Rows of RGB are padded to 4 bytes, those of RGBA never.
    caps = f"video/x-raw,format=RGBA,width={width},height={height},pixel-aspect-ratio=1/1"
    elements = ["filesrc", f"location={clip}", "!", "decodebin", "!", "videoconvert", "!", "videoscale"]
    elements += ["add-borders=false", "!", caps, "!", "fdsink", "fd=1", "sync=false"]
    try:
        done = subprocess.run(["gst-launch-1.0", "-q", *elements], capture_output=True, check=False)
    except FileNotFoundError:
        raise StudyError("gst-launch-1.0 is missing; install gstreamer1.0-tools") from None
    size = width * height * 4
    found = len(done.stdout) // size
    if done.returncode or not found:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise StudyError(f"{clip} cannot be decoded: {reason[0] if reason else 'it has no frames'}")
    video = np.frombuffer(done.stdout, np.uint8, found * size).reshape(found, height, width, 4)
    return video[np.linspace(0, found - 1, count).astype(int), :, :, :3].copy()


def real_input(model: Graph, pictures: np.ndarray) -> np.ndarray:
    """Returns pictures (uint8 RGB) as the real numbers that the network takes.

    An 8-bit input says it by its quantization; a float input is assumed to take -1..1, as MobileNet does.
    """
    tensor = model.input
    if len(tensor.scales):
        stored = model_input(model, tensor.dtype, pictures).astype(np.float32)
        return (stored - np.float32(tensor.zero_points[0])) * np.float32(tensor.scales[0])
    return pictures.astype(np.float32) / 127.5 - 1


def model_input(model: Graph, dtype: Any, pictures: np.ndarray) -> np.ndarray:
    """Returns pictures (uint8 RGB) as a version of `model` takes them whose input has this type."""
    if dtype == np.uint8:
        return pictures
    if dtype == np.int8:
        return (pictures.astype(np.int16) - 128).astype(np.int8)
    return real_input(model, pictures)

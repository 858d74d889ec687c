"""Measures OpenCV in the benchmark of the preprocessing. src/implementations/opencv.rs starts this program and sends it
commands, alternately with the other libraries.

Arguments: a file with all frames, format, width and height of a frame, and the side of the square tensor. The program
prints "ready" when the frames are in memory. Commands on stdin:

- "time linear|area INDEX...": prints one line with the nanoseconds for each frame, measured here.
- "tensor": writes the bytes of the last tensor.

Each plane is resized separately, chroma to half the side of the tensor; cvtColor converts the resulting frame (BT.601,
limited range). Packed 4:2:2 is resized as an image of half the width with four channels, and its two luma samples are
averaged. All arrays are allocated once.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy

SCALE = numpy.float32(1 / 127.5)
ONE = numpy.float32(1)
FILTERS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}


class Preprocessor:
    """Makes tensors from frames of one format and size."""

    def __init__(self, path: str, pixel_format: str, width: int, height: int, side: int) -> None:
        self.size, self.half = (side, side), (side // 2, side // 2)
        pixels, quarter = side * side, (side // 2) ** 2
        small = numpy.empty(pixels + 2 * quarter, numpy.uint8)
        # The planes of the small frame are views of its memory.
        self.small = small.reshape(side * 3 // 2, side)
        self.luma = self.small[:side]
        self.chroma = [small[first : first + quarter].reshape(self.half) for first in (pixels, pixels + quarter)]
        self.interleaved = small[pixels:].reshape(*self.half, 2)
        self.macropixels = numpy.empty((side, side, 4), numpy.uint8)
        self.half_macropixels = numpy.empty((*self.half, 4), numpy.uint8)
        self.right = numpy.empty(self.size, numpy.uint8)
        self.rgb = numpy.empty((side, side, 3), numpy.uint8)
        self.tensor = numpy.empty((side, side, 3), numpy.float32)
        self.fill = {"I420": self.i420, "Nv12": self.nv12, "Yuy2": self.yuy2}[pixel_format]

        frame_bytes = width * height * (4 if pixel_format == "Yuy2" else 3) // 2
        memory = numpy.fromfile(path, numpy.uint8).reshape(-1, frame_bytes)
        self.frames = [self.planes(frame, pixel_format, width, height) for frame in memory]

    @staticmethod
    def planes(frame: numpy.ndarray, pixel_format: str, width: int, height: int) -> list[numpy.ndarray]:
        """Returns views of the planes of a frame."""
        if pixel_format == "Yuy2":
            return [frame.reshape(height, width // 2, 4)]
        pixels, chroma = width * height, (height // 2, width // 2)
        luma = frame[:pixels].reshape(height, width)
        if pixel_format == "Nv12":
            return [luma, frame[pixels:].reshape(*chroma, 2)]
        return [luma, *(plane.reshape(chroma) for plane in numpy.split(frame[pixels:], 2))]

    def i420(self, planes: Sequence[numpy.ndarray], how: int) -> None:
        """Makes the tensor of an I420 frame."""
        cv2.resize(planes[0], self.size, dst=self.luma, interpolation=how)
        for plane, chroma in zip(planes[1:], self.chroma):
            cv2.resize(plane, self.half, dst=chroma, interpolation=how)
        self.finish(cv2.COLOR_YUV2RGB_I420)

    def nv12(self, planes: Sequence[numpy.ndarray], how: int) -> None:
        """Makes the tensor of an NV12 frame."""
        cv2.resize(planes[0], self.size, dst=self.luma, interpolation=how)
        cv2.resize(planes[1], self.half, dst=self.interleaved, interpolation=how)
        self.finish(cv2.COLOR_YUV2RGB_NV12)

    def yuy2(self, planes: Sequence[numpy.ndarray], how: int) -> None:
        """Makes the tensor of a YUY2 frame."""
        cv2.resize(planes[0], self.size, dst=self.macropixels, interpolation=how)
        cv2.resize(self.macropixels, self.half, dst=self.half_macropixels, interpolation=cv2.INTER_AREA)
        cv2.extractChannel(self.macropixels, 0, self.luma)
        cv2.extractChannel(self.macropixels, 2, self.right)
        cv2.addWeighted(self.luma, 0.5, self.right, 0.5, 0, self.luma)
        cv2.extractChannel(self.half_macropixels, 1, self.chroma[0])
        cv2.extractChannel(self.half_macropixels, 3, self.chroma[1])
        self.finish(cv2.COLOR_YUV2RGB_I420)

    def finish(self, code: int) -> None:
        """Converts the small frame to RGB and normalizes it."""
        cv2.cvtColor(self.small, code, dst=self.rgb)
        # A quarter faster than cv2.LUT with floats.
        numpy.multiply(self.rgb, SCALE, out=self.tensor, dtype=numpy.float32)
        numpy.subtract(self.tensor, ONE, out=self.tensor)

    def time(self, how: int, indices: Iterable[int]) -> Iterator[int]:
        """Yields the nanoseconds for each frame."""
        for index in indices:
            planes = self.frames[index]
            start = time.perf_counter_ns()
            self.fill(planes, how)
            yield time.perf_counter_ns() - start


def main() -> None:
    """Answers commands until stdin is closed."""
    path, pixel_format, *numbers = sys.argv[1:]
    # OpenCV runs one thread, like all libraries here.
    cv2.setNumThreads(1)
    preprocessor = Preprocessor(path, pixel_format, *map(int, numbers))
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "time":
            how = FILTERS[arguments[0]]
            times = preprocessor.time(how, map(int, arguments[1:]))
            out.write((" ".join(map(str, times)) + "\n").encode())
        else:
            out.write(preprocessor.tensor.tobytes())
        out.flush()


if __name__ == "__main__":
    main()

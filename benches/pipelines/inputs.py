"""Makes the input files with ffmpeg: the same video in each format.

The files are kept in target/bench for the next run and are not part of the repository. The clips contribute equal
parts, repeated where they are too short, so that the frames belong to several classes.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence

from pipelines import measuring

# Limit for encoding one file, in seconds.
ENCODING_TIMEOUT = 300


@dataclasses.dataclass(frozen=True)
class Clip:
    """A source clip, from `start` (seconds) on."""

    file: pathlib.Path
    start: float = 0

    @classmethod
    def parse(cls, text: str) -> "Clip":
        """Parses FILE or FILE@SECONDS."""
        name, at, seconds = text.rpartition("@")
        try:
            return cls(pathlib.Path(name), float(seconds)) if at else cls(pathlib.Path(text))
        except ValueError:
            return cls(pathlib.Path(text))

    def __str__(self) -> str:
        return f"{self.file.name}{f' from {self.start:g} s' if self.start else ''}"


@dataclasses.dataclass(frozen=True)
class Input:
    """One format of the video. `kind` is a key of SUFFIXES."""

    name: str
    label: str
    kind: str
    width: int
    height: int

    def make(self, folder: pathlib.Path, clips: Sequence[Clip], frames: int) -> pathlib.Path:
        """Returns the file, which is made if it does not exist and read into the page cache."""
        names = "".join(f"{clip} {clip.file.stat().st_size} " for clip in clips)
        key = hashlib.sha256((names + EVEN_TIMESTAMPS).encode()).hexdigest()[:8]
        file = folder / f"{self.name}-{frames}-{key}.{SUFFIXES[self.kind]}"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_name(f".{os.getpid()}-{file.name}")
            try:
                measuring.run(self.command(clips, frames, unfinished), ENCODING_TIMEOUT)
                unfinished.rename(file)
            finally:
                unfinished.unlink(missing_ok=True)
        read_into_cache(file)
        return file

    def command(self, clips: Sequence[Clip], frames: int, file: pathlib.Path) -> list[str]:
        """Returns the ffmpeg command that makes the file."""
        parts = [frames * (n + 1) // len(clips) - frames * n // len(clips) for n in range(len(clips))]
        sources = [
            word for clip in clips for word in ("-stream_loop", "-1", "-ss", str(clip.start), "-i", str(clip.file))
        ]
        each = [
            f"[{n}:v]scale={self.width}:{self.height},setsar=1,{EVEN_TIMESTAMPS},trim=end_frame={part}[part{n}]"
            for n, part in enumerate(parts)
        ]
        joined = "".join(f"[part{n}]" for n in range(len(parts))) + f"concat=n={len(parts)}"
        graph = ";".join([*each, joined])
        start = ["ffmpeg", "-v", "error", "-nostdin", "-y", *sources, "-filter_complex", graph]
        return [*start, "-frames:v", str(frames), "-an", *ENCODERS[self.kind], str(file)]


INPUTS = (
    Input("raw-480p", "640x480, raw I420", "raw", 640, 480),
    Input("raw-1080p", "1920x1080, raw I420", "raw", 1920, 1080),
    Input("mjpeg-1080p", "1920x1080, MJPEG", "mjpeg", 1920, 1080),
    Input("h264-1080p", "1920x1080, H.264", "h264", 1920, 1080),
)
# The timestamps of a repeated clip are uneven, and ffmpeg would drop frames.
EVEN_TIMESTAMPS = "settb=1/30,setpts=N,fps=30"
SUFFIXES = {"raw": "i420", "mjpeg": "avi", "h264": "mp4"}
ENCODERS = {
    "raw": ["-pix_fmt", "yuv420p", "-f", "rawvideo"],
    "mjpeg": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "avi"],
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-f", "mp4"],
}


def read_into_cache(file: pathlib.Path) -> None:
    """Reads a file, so that it is in the page cache."""
    with open(file, "rb", buffering=0) as opened:
        block = bytearray(1 << 22)
        while opened.readinto(block):
            pass


def demo_clips() -> list[Clip]:
    """Returns the cat and the dog of the demo clip."""
    demo = measuring.ROOT / "models" / "demo" / "demo.mp4"
    return [Clip(demo, 3.5), Clip(demo, 9)]

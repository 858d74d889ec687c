"""The files that are classified, made of clips by ffmpeg: the same moving pictures in each form.

They go into target/bench, are kept for the next time, and never come into the repository. The clips take turns in equal
parts, repeated where they are too short, so that not every frame is of the same class.
"""

import dataclasses
import hashlib
import os
import pathlib

from bench import measuring

# Making one may take this long (seconds).
LIMIT = 300


@dataclasses.dataclass(frozen=True)
class Clip:
    file: pathlib.Path
    start: float = 0

    @classmethod
    def named(cls, text):
        """FILE, or FILE@SECONDS: from there on."""
        name, at, seconds = text.rpartition("@")
        try:
            return cls(pathlib.Path(name), float(seconds)) if at else cls(pathlib.Path(text))
        except ValueError:
            return cls(pathlib.Path(text))

    def __str__(self):
        return f"{self.file.name}{f' from {self.start:g} s' if self.start else ''}"


@dataclasses.dataclass(frozen=True)
class Input:
    name: str
    label: str
    kind: str
    width: int
    height: int

    def made(self, folder, clips, frames):
        """Its file, in the page cache."""
        names = "".join(f"{clip} {clip.file.stat().st_size} " for clip in clips)
        key = hashlib.sha256((names + EVENLY).encode()).hexdigest()[:8]
        file = folder / f"{self.name}-{frames}-{key}.{SUFFIXES[self.kind]}"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_name(f".{os.getpid()}-{file.name}")
            try:
                measuring.run(self.command(clips, frames, unfinished), LIMIT)
                unfinished.rename(file)
            finally:
                unfinished.unlink(missing_ok=True)
        read(file)
        return file

    def command(self, clips, frames, file):
        parts = [frames * (n + 1) // len(clips) - frames * n // len(clips) for n in range(len(clips))]
        sources = [word for clip in clips
                   for word in ("-stream_loop", "-1", "-ss", str(clip.start), "-i", str(clip.file))]
        each = [f"[{n}:v]scale={self.width}:{self.height},setsar=1,{EVENLY},trim=end_frame={part}[part{n}]"
                for n, part in enumerate(parts)]
        joined = "".join(f"[part{n}]" for n in range(len(parts))) + f"concat=n={len(parts)}"
        return ["ffmpeg", "-v", "error", "-nostdin", "-y", *sources, "-filter_complex", ";".join([*each, joined]),
                "-frames:v", str(frames), "-an", *ENCODERS[self.kind], str(file)]


INPUTS = (
    Input("raw-480p", "640x480, raw I420", "raw", 640, 480),
    Input("raw-1080p", "1920x1080, raw I420", "raw", 1920, 1080),
    Input("mjpeg-1080p", "1920x1080, MJPEG", "mjpeg", 1920, 1080),
    Input("h264-1080p", "1920x1080, H.264", "h264", 1920, 1080),
)
# The times of a repeated clip are not those of frames that follow each other evenly, and frames would be left out.
EVENLY = "settb=1/30,setpts=N,fps=30"
SUFFIXES = {"raw": "i420", "mjpeg": "avi", "h264": "mp4"}
ENCODERS = {
    "raw": ["-pix_fmt", "yuv420p", "-f", "rawvideo"],
    "mjpeg": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "avi"],
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-f", "mp4"],
}


def read(file):
    with open(file, "rb", buffering=0) as opened:
        block = bytearray(1 << 22)
        while opened.readinto(block):
            pass


def bundled_clips():
    """The cat, and the dog, of the demo clip."""
    demo = measuring.ROOT / "models" / "demo" / "demo.mp4"
    return [Clip(demo, 3.5), Clip(demo, 9)]

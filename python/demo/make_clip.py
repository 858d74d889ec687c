#!/usr/bin/python3
"""Makes the demo clip demo.mp4 and its true labels, labels.csv.

Draws the room, the cat and the dog, moves them before a camera, and encodes the frames.
Needs the Debian packages python3-numpy, python3-pil, librsvg2-bin and ffmpeg.
"""

import argparse
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = (640, 480)
FINE = 2                    # frames are composed this many times larger, then reduced
FPS = 25
MOVE = 0.32                 # seconds an animal takes to come or go
ROOM_SIZE = (960, 720)
BLURS = (0, 3, 6, 10, 14)  # blurred copies of the room, radius in pixels of the composed frame

# (seconds, what is seen); between two of them lies a move of MOVE seconds that has no label.
SCENES = ((2.8, "neither"), (3.5, "cat"), (1.3, "neither"), (3.5, "dog"), (0.7, "neither"))

# Camera on the room: (time, middle x, middle y, width), in units of room.svg.
CAMERA = ((0.0, 455, 350, 860), (3.0, 500, 372, 760), (6.8, 535, 368, 700), (8.6, 560, 372, 740),
          (12.4, 520, 362, 690), (14.0, 500, 360, 740))


class Failure(Exception):
    pass


def parse(argv):
    class Parser(argparse.ArgumentParser):
        def error(self, message):
            sys.stderr.write("make_clip.py: %s (see --help)\n" % message)
            sys.exit(2)

    parser = Parser(description="Makes demo.mp4 and labels.csv, the demo clip and its true labels.")
    parser.add_argument("--out", metavar="FOLDER", default=HERE, help="where to write them; default: beside this script")
    parser.add_argument("--stills", metavar="SECONDS", type=float, help="instead write a frame every so many seconds, as PNG")
    options = parser.parse_args(argv)
    if not os.path.isdir(options.out):
        parser.error("no such folder: %s" % options.out)
    if options.stills is not None and not 0.02 <= options.stills <= 60:
        parser.error("--stills takes 0.02 to 60 seconds")
    return options


def scenes():
    """Returns (start, end, label) of every scene, in seconds, and the whole duration."""
    out, now = [], 0.0
    for length, label in SCENES:
        out.append((now, now + length, label))
        now += length + MOVE
    return out, now - MOVE


def tool(name, package):
    path = shutil.which(name)
    if not path:
        raise Failure("%s is missing: apt install %s" % (name, package))
    return path


def raster(svg, zoom):
    """Renders an SVG document to an RGBA picture."""
    from PIL import Image
    command = [tool("rsvg-convert", "librsvg2-bin"), "--unlimited", "--zoom", "%.5f" % zoom]
    done = subprocess.run(command, input=svg.encode("utf-8"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise Failure("rsvg-convert: %s" % done.stderr.decode("utf-8", "replace").strip())
    return Image.open(io.BytesIO(done.stdout)).convert("RGBA")


def ease(t):
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def along(keys, time):
    """Returns the values between the key frames around a time."""
    before = keys[0]
    for key in keys:
        if key[0] >= time:
            span = key[0] - before[0]
            t = ease((time - before[0]) / span) if span else 0.0
            return [a + (b - a) * t for a, b in zip(before[1:], key[1:])]
        before = key
    return list(before[1:])


class Animal:
    # seconds since the scene began: tilt of the head in degrees, its shift in pixels
    POSE = {
        "cat": ((0.0, 2, 0, 0), (0.6, -2, 0, 0), (1.5, -6, -5, 1), (2.1, -5, -5, 1), (2.9, 3, 3, 0), (3.5, 2, 2, 0)),
        "dog": ((0.0, -2, 0, 0), (0.7, 2, 0, -2), (1.5, 7, 5, 0), (2.2, 6, 5, 1), (3.0, -3, -3, 0), (3.5, -2, -2, 0)),
    }
    BLINK = (1.0, 2.5)          # seconds at which the cat closes its eyes
    PLACE = {"cat": (-14, -22), "dog": (16, -22)}
    CLOSE = 0.88                # how large the drawing appears

    def __init__(self, name, module):
        self.name = name
        self.parts = [(part, raster(svg, FINE)) for part, svg in module.layers()]
        self.pivot = module.PIVOT
        self.size = (module.WIDTH, module.HEIGHT)

    def draw(self, frame, time, rise):
        """Lays the animal over a frame; `rise` 0 is out of view, 1 in place."""
        from PIL import Image
        tilt, shift_x, shift_y = along(self.POSE[self.name], time)
        zoom = self.CLOSE * (1.0 + 0.006 * max(0.0, time))
        left, top = self.PLACE[self.name]
        if self.name == "cat":
            top += (1 - rise) * 500
        else:
            left += (1 - rise) * 620
        breath = math.sin(2 * math.pi * time / (1.9 if self.name == "cat" else 0.8))
        shut = any(start <= time < start + 0.15 for start in self.BLINK)
        for part, picture in self.parts:
            if part == "lids" and not shut:
                continue
            head = part != "body"
            pant = math.sin(2 * math.pi * 2.6 * time) if part == "jaw" else 0.0
            angle = math.radians(tilt if head else 0.12 * tilt)
            px, py = self.pivot
            cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
            # where the pivot lands in the frame
            fx = SIZE[0] / 2 + left + (px - self.size[0] / 2) * zoom + (shift_x if head else 0.2 * shift_x)
            fy = SIZE[1] / 2 + top + (py - SIZE[1] / 2) * zoom + (shift_y + 0.5 * breath + 1.3 * pant if head else 0.6 * breath)
            matrix = (cos, sin, FINE * (px - cos * fx - sin * fy), -sin, cos, FINE * (py + sin * fx - cos * fy))
            moved = picture.transform(frame.size, Image.AFFINE, matrix, Image.BILINEAR)
            frame.alpha_composite(moved)


class Film:
    def __init__(self):
        import numpy
        from PIL import ImageFilter
        sys.path.insert(0, HERE)
        sys.dont_write_bytecode = True
        import draw_cat
        import draw_dog
        with open(os.path.join(HERE, "room.svg"), encoding="utf-8") as file:
            room = raster(file.read(), FINE)
        self.rooms = [room.filter(ImageFilter.GaussianBlur(b)) if b else room for b in BLURS]
        self.animals = {"cat": Animal("cat", draw_cat), "dog": Animal("dog", draw_dog)}
        self.scenes, self.duration = scenes()
        y, x = numpy.mgrid[0:SIZE[1], 0:SIZE[0]]
        r2 = ((x - SIZE[0] / 2) / (SIZE[0] / 2)) ** 2 + ((y - SIZE[1] / 2) / (SIZE[1] / 2)) ** 2
        self.vignette = (1.0 - 0.16 * r2 ** 1.3 / 2)[..., None]

    def room(self, time, focus):
        from PIL import Image
        mx, my, width = along(CAMERA, time)
        step = width / SIZE[0]
        at = focus * (len(BLURS) - 1)
        low = int(at)
        views = []
        for picture in self.rooms[low:low + 2]:
            matrix = (step, 0, FINE * (mx - width / 2), 0, step, FINE * (my - step * SIZE[1] / 2))
            views.append(picture.transform((SIZE[0] * FINE, SIZE[1] * FINE), Image.AFFINE, matrix, Image.BILINEAR))
        return views[0] if len(views) == 1 or at == low else Image.blend(views[0], views[1], at - low)

    def frame(self, number):
        """Returns one frame as RGB bytes of 640x480."""
        import numpy
        from PIL import Image
        time = number / FPS
        seen, rise = None, 0.0
        for start, end, label in self.scenes:
            if label != "neither" and start - MOVE < time < end + MOVE:
                seen, since = label, time - start
                rise = min(ease((time - start) / MOVE + 1), ease((end - time) / MOVE + 1))
        picture = self.room(time, rise)
        exposure = 1.0 - 0.10 * rise
        if rise > 0:
            picture = Image.eval(picture, lambda level: int(level * exposure + 0.5))
            picture.putalpha(255)
            self.animals[seen].draw(picture, since, rise)
        pixels = numpy.asarray(picture.convert("RGB").reduce(FINE), dtype=numpy.float32)
        grain = numpy.random.RandomState(number).normal(0, 0.7, pixels.shape[:2])
        pixels = pixels * self.vignette + grain[..., None]
        return numpy.clip(pixels + 0.5, 0, 255).astype(numpy.uint8)


def write_labels(path, parts):
    with open(path, "w", encoding="ascii") as file:
        file.write("start,end,label\n")
        for start, end, label in parts:
            file.write("%.2f,%.2f,%s\n" % (start, end, label))


def encode(film, path):
    command = [tool("ffmpeg", "ffmpeg"), "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "%dx%d" % SIZE,
               "-r", str(FPS), "-i", "-", "-vf", "scale=out_color_matrix=bt601:out_range=tv", "-pix_fmt", "yuv420p",
               "-colorspace", "smpte170m", "-color_range", "tv",
               "-c:v", "libx264", "-profile:v", "baseline", "-preset", "slower", "-crf", "29", "-g", str(FPS),
               "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", "-f", "mp4", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        try:
            for number in range(round(film.duration * FPS)):
                encoder.stdin.write(film.frame(number).tobytes())
            encoder.stdin.close()
        except BrokenPipeError:
            pass
    if encoder.returncode != 0:
        raise Failure("ffmpeg could not encode the clip")


def main(argv):
    options = parse(argv)
    try:
        import numpy  # noqa: F401
        from PIL import Image
    except ImportError as error:
        raise Failure("%s: apt install python3-numpy python3-pil" % error)
    tool("rsvg-convert", "librsvg2-bin")
    if options.stills is None:
        tool("ffmpeg", "ffmpeg")
    film = Film()
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".making-") as folder:
        if options.stills is not None:
            names, step = [], max(1, round(options.stills * FPS))
            for number in range(0, round(film.duration * FPS), step):
                names.append("still-%05.2f.png" % (number / FPS))
                Image.fromarray(film.frame(number)).save(os.path.join(folder, names[-1]))
        else:
            names = ["demo.mp4", "labels.csv"]
            encode(film, os.path.join(folder, names[0]))
            write_labels(os.path.join(folder, names[1]), film.scenes)
        for name in names:
            os.replace(os.path.join(folder, name), os.path.join(options.out, name))
    if options.stills is None:
        size = os.path.getsize(os.path.join(options.out, names[0]))
        print("demo.mp4: %.1f s, %d kB; labels.csv" % (film.duration, (size + 500) // 1000))
    else:
        print("%d stills in %s" % (len(names), options.out))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Failure, OSError) as problem:
        sys.stderr.write("make_clip.py: %s\n" % problem)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

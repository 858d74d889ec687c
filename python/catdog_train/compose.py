"""Composes scenes: animals, or whatever the classes are, cut out of photos and pasted into photos of the background.

Most photos of a thing show it close. A camera shows it small, anywhere, and in places that the photos lack: a dog on a
sofa, a cat on grass. A composed scene has the label of the pasted thing, and its box is known.

In some scenes a thing replaces a thing of another class, which is painted over: the place then says nothing about the
class. Dogs are mostly photographed on grass, cats on furniture.

A network could learn to see the pasting instead of the thing. Things of the background class are therefore pasted in
the same way, where masks of such things exist, and some scenes get the outline of a thing filled with another part
of the background. They have the label of the background.

Images are float32 RGB, 0..255, as (height, width, 3); masks are float32, 0..1, as (height, width).
"""

import io
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageFilter

from catdog_train.dataset import Box

# The shorter side of a composed scene in pixels, and the widths divided by the heights that cameras have.
SIDE = 256
ASPECTS = (4 / 3, 16 / 9, 1.0, 3 / 4)
ASPECT_SHARES = (0.45, 0.35, 0.1, 0.1)
# The height of a thing as a share of the height of the frame. Small ones are as frequent as large ones.
HEIGHTS = (0.15, 0.8)
# Share of the scenes of the background class that contain only an outline, and of the other scenes in which the thing
# replaces another one.
SHARE_OUTLINE, SHARE_REPLACED = 0.4, 0.3
# Shares of the scenes with a change of the whole frame.
SHARE_BARS, SHARE_MOTION, SHARE_NIGHT, SHARE_BARREL = 0.1, 0.1, 0.1, 0.15
# Share of the things that are against the light, or as dark as a black animal, and how much of their light and of their
# colors remains. Few photos show black animals.
SHARE_AGAINST_LIGHT, LIGHT_LEFT, COLOR_LEFT = 0.2, (0.2, 0.6), (0.2, 0.8)
JPEG_QUALITIES = (25, 90)
MIN_BOX = 8  # pixels

Item = TypeVar("Item")


class CutOut(NamedTuple):
    """A thing that can be pasted: the encoded photo, the encoded mask (white where the thing is), and the label."""

    photo: bytes
    mask: bytes
    label: int


class Scene(NamedTuple):
    """A composed scene as JPEG, its label, and the box and the mask (PNG) of the thing, which a scene of the background
    does not have."""

    encoded: bytes
    label: int
    box: Box | None
    mask: bytes | None


def compose(
    cut_outs: Sequence[CutOut],
    others: Sequence[CutOut],
    backgrounds: Sequence[bytes],
    background: int,
    seed: Sequence[int],
    unsquash: float,
) -> Scene:
    """Returns the scene that belongs to `seed`, with a thing chosen from `cut_outs` or an outline.

    The thing may replace one of `others`. `background` is the label of the background class. Square photos are assumed
    to be squashed frames that were `unsquash` times as wide as high.
    """
    random = np.random.default_rng(seed)
    chosen = one_of(cut_outs, random)
    image, mask = piece(chosen, random, unsquash)
    target = None
    if others and random.random() < SHARE_REPLACED:
        frame, target = vacated(one_of(others, random), random, unsquash)
    else:
        frame = frame_of(one_of(backgrounds, random), random)
    if chosen.label == background and random.random() < SHARE_OUTLINE:
        image = texture_of(one_of(backgrounds, random), image.shape[:2], random)
    pasted = place(frame, image, mask, random, target)
    frame, box, cover = pasted or (frame, None, np.zeros(frame.shape[:2], np.float32))
    label = chosen.label if pasted else background
    frame, cover = degraded(frame, cover, random)
    encoded = as_jpeg(frame, random)
    return Scene(encoded, label, None, None) if label == background else Scene(encoded, label, box, as_mask(cover))


def one_of(items: Sequence[Item], random: np.random.Generator) -> Item:
    """Returns a random item."""
    return items[int(random.integers(len(items)))]


def frame_of(encoded: bytes, random: np.random.Generator) -> np.ndarray:
    """Returns a part of a background photo with the shape of a camera frame."""
    image = decoded(encoded)
    width, height = image.size
    aspect = random.choice(ASPECTS, p=ASPECT_SHARES)
    share = random.uniform(0.7, 1.0)
    high = min(height, width / aspect) * share
    wide = high * aspect
    left, top = random.uniform(0, width - wide), random.uniform(0, height - high)
    size = (round(SIDE * max(aspect, 1)), round(SIDE * max(1 / aspect, 1)))
    part = image.resize(size, Image.Resampling.BICUBIC, (left, top, left + wide, top + high))
    return mirrored(np.asarray(part, np.float32), random)


def vacated(cut_out: CutOut, random: np.random.Generator, unsquash: float) -> tuple[np.ndarray, Box]:
    """Returns a photo whose thing is painted over with the colors around it, and the box where the thing was."""
    photo, mask = photo_and_mask(cut_out, unsquash, SIDE)
    (width, height), (left, top, right, bottom) = photo.size, bounds(mask)
    covered = np.asarray(mask.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(2)), np.float32) / 255
    image = np.asarray(photo, np.float32)
    visible = 1 - covered[..., None]
    colors, weights = np.zeros_like(image), np.full_like(visible, 1e-3)
    # Colors from near count more than those from afar.
    for radius, share in ((6, 1.0), (24, 0.1), (80, 0.01)):
        colors += share * blurred(image * visible, radius)
        weights += share * blurred(255 * visible.repeat(3, 2), radius)[..., :1] / 255
    painted = colors / weights + random.normal(0, 6, covered.shape)[..., None]
    frame = image * (1 - covered[..., None]) + painted * covered[..., None]
    box = (left / width, top / height, right / width, bottom / height)
    if random.random() < 0.5:
        frame, box = frame[:, ::-1], (1 - box[2], box[1], 1 - box[0], box[3])
    return np.clip(frame, 0, 255).astype(np.float32), box


def blurred(image: np.ndarray, radius: float) -> np.ndarray:
    """Returns an image blurred with a Gaussian of this radius in pixels, computed at a quarter of the size."""
    picture = Image.fromarray(image.astype(np.uint8))
    small = picture.resize((max(1, picture.width // 4), max(1, picture.height // 4)), Image.Resampling.BOX)
    wide = small.filter(ImageFilter.GaussianBlur(radius / 4)).resize(picture.size, Image.Resampling.BILINEAR)
    return np.asarray(wide, np.float32)


def texture_of(encoded: bytes, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Returns a random part of a background photo with the given height and width."""
    image = decoded(encoded)
    width, height = image.size
    share = random.uniform(0.3, 0.8)
    left, top = random.uniform(0, width * (1 - share)), random.uniform(0, height * (1 - share))
    part = (left, top, left + width * share, top + height * share)
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, part), np.float32)


def piece(cut_out: CutOut, random: np.random.Generator, unsquash: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the part of a photo that contains the thing, and its mask, in their true proportions."""
    photo, mask = photo_and_mask(cut_out, unsquash)
    box = bounds(mask)
    image = np.asarray(photo.crop(box), np.float32)
    # Masks include a border of the old background.
    alpha = mask.crop(box).filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(1.0))
    if random.random() < 0.5:
        return image[:, ::-1], np.asarray(alpha, np.float32)[:, ::-1] / 255
    return image, np.asarray(alpha, np.float32) / 255


def photo_and_mask(cut_out: CutOut, unsquash: float, side: int | None = None) -> tuple[Image.Image, Image.Image]:
    """Returns the photo and the mask in their true proportions, with `side` pixels on the shorter side if it is set."""
    photo, mask = decoded(cut_out.photo), Image.open(io.BytesIO(cut_out.mask)).convert("L")
    width, height = photo.size
    if width == height:
        width = round(width * unsquash)
    scale = side / min(width, height) if side else 1
    size = (round(width * scale), round(height * scale))
    return photo.resize(size), mask.resize(size)


def bounds(mask: Image.Image) -> tuple[int, int, int, int]:
    """Returns the box of the thing in a mask, in pixels: left, top, right, bottom; the whole mask if it is empty."""
    return mask.point(lambda value: 255 * (value > 127)).getbbox() or (0, 0, *mask.size)


def place(
    frame: np.ndarray, image: np.ndarray, mask: np.ndarray, random: np.random.Generator, target: Box | None = None
) -> tuple[np.ndarray, Box, np.ndarray] | None:
    """Returns the frame with the piece pasted at a random place, or where `target` is, its box, and the mask of what is
    pasted; None if too little of it is visible."""
    height, width = frame.shape[:2]
    wanted = height * np.exp(random.uniform(*np.log(HEIGHTS)))
    if target:
        wanted = height * (target[3] - target[1]) * random.uniform(0.8, 1.15)
    scale = min(wanted / image.shape[0], 0.95 * width / image.shape[1])
    high, wide = max(MIN_BOX, round(image.shape[0] * scale)), max(MIN_BOX, round(image.shape[1] * scale))
    angle = random.normal(0, 6)
    thing = turned(image, (wide, high), angle)
    alpha = np.clip(turned(mask[..., None].repeat(3, 2) * 255, (wide, high), angle)[..., :1] / 255, 0, 1)
    # Animals stand on the ground: the lower part of the frame is more likely, and a few are cut by its border.
    top = round(random.beta(1.6, 1.2) * (height - high) + random.normal(0, 0.04) * height)
    left = round(random.uniform(-0.12, 1.12) * (width - wide))
    if target:
        top = round(target[3] * height - high + random.normal(0, 0.03) * height)
        left = round((target[0] + target[2]) / 2 * width - wide / 2 + random.normal(0, 0.05) * width)
    y0, y1, x0, x1 = max(0, top), min(height, top + high), max(0, left), min(width, left + wide)
    if y1 - y0 < MIN_BOX or x1 - x0 < MIN_BOX:
        return None
    thing, alpha = (part[y0 - top : y1 - top, x0 - left : x1 - left] for part in (thing, alpha))
    visible = alpha.sum() / max(1.0, high * wide * mask.mean())
    if visible < 0.6:
        return None
    result = frame.copy()
    around = result[y0:y1, x0:x1]
    thing = matched(thing, alpha, around, random)
    if random.random() < 0.4:
        shade(result, (left + wide / 2, min(top + high, height)), wide, random)
    result[y0:y1, x0:x1] = around * (1 - alpha) + thing * alpha
    cover = np.zeros((height, width), np.float32)
    cover[y0:y1, x0:x1] = alpha[..., 0]
    return result, (x0 / width, y0 / height, x1 / width, y1 / height), cover


def turned(image: np.ndarray, size: tuple[int, int], angle: float) -> np.ndarray:
    """Returns an image with a new (width, height), turned by `angle` degrees about its center; the corners are 0."""
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    return np.asarray(picture.rotate(angle, Image.Resampling.BILINEAR), np.float32)


def matched(thing: np.ndarray, alpha: np.ndarray, around: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns the thing in the light of its place: its mean color moves a part of the way to that of the place.

    Light and color cast move more than they would if white animals became gray: a factor of at most 1.6.
    """
    weight = alpha / max(alpha.sum(), 1)
    own, place_color = (thing * weight).sum((0, 1)) + 8, around.mean((0, 1)) + 8
    brightness = (place_color.mean() / own.mean()) ** random.uniform(0.1, 0.6)
    cast = (place_color / place_color.mean()) ** random.uniform(0.0, 0.5)
    factor = np.clip(brightness, 0.5, 1.6) * np.clip(cast, 0.85, 1.18)
    thing = np.clip(thing * factor, 0, 255)
    if random.random() < SHARE_AGAINST_LIGHT:
        gray = thing.mean(2, keepdims=True)
        thing = (gray + (thing - gray) * random.uniform(*COLOR_LEFT)) * random.uniform(*LIGHT_LEFT)
    return thing


def shade(frame: np.ndarray, foot: tuple[float, float], wide: float, random: np.random.Generator) -> None:
    """Darkens a soft ellipse below a thing that stands at `foot` (x, y)."""
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    distance = ((x - foot[0]) / (0.5 * wide + 1)) ** 2 + ((y - foot[1]) / (0.12 * wide + 1)) ** 2
    frame *= (1 - random.uniform(0.2, 0.6) * np.exp(-2 * distance))[..., None]


def degraded(frame: np.ndarray, cover: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns the frame as a cheap camera would see it: through bars or mesh, in motion, at night, through a wide
    lens, which also moves the mask `cover`."""
    if random.random() < SHARE_BARREL:
        strength = random.uniform(0.08, 0.35)
        frame, cover = barrel(frame, strength), barrel(cover, strength)
    if random.random() < SHARE_BARS:
        frame = behind_bars(frame, random)
    if random.random() < SHARE_MOTION:
        frame = moving(frame, random)
    if random.random() < SHARE_NIGHT:
        frame = at_night(frame, random)
    return frame, cover


def barrel(frame: np.ndarray, strength: float) -> np.ndarray:
    """Returns the frame through a wide lens: a point at distance r from the center comes from r * (1 + strength r^2).

    The distance is in halves of the diagonal, and the frame is scaled so that its corners stay in place.
    """
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width]
    y, x = (y - (height - 1) / 2) / height, (x - (width - 1) / 2) / width
    factor = (1 + strength * 2 * (y * y + x * x)) / (1 + strength)
    rows = np.clip((y * factor + 0.5) * height, 0, height - 1).astype(int)
    columns = np.clip((x * factor + 0.5) * width, 0, width - 1).astype(int)
    return frame[rows, columns]


def behind_bars(frame: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns the frame with bars, or with a mesh of wires, in front of it."""
    height, width = frame.shape[:2]
    mesh = random.random() < 0.5
    spacing = random.uniform(0.05, 0.12) * height if mesh else random.uniform(0.1, 0.25) * height
    thick = max(1.0, spacing * random.uniform(0.08, 0.15 if mesh else 0.3))
    tilt = random.normal(0, 0.5 if mesh else 0.06)
    y, x = np.mgrid[:height, :width]
    covered = (x + tilt * y + random.uniform(0, spacing)) % spacing < thick
    if mesh:
        covered |= (y - tilt * x + random.uniform(0, spacing)) % spacing < thick
    color = random.uniform(20, 230) * random.uniform(0.85, 1.15, 3)
    bars = color * random.uniform(0.7, 1.0, (1, width, 1))
    return np.clip(np.where(covered[..., None], bars, frame), 0, 255).astype(np.float32)


def moving(frame: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns the frame blurred along a random direction, over up to a twentieth of its height."""
    length = random.uniform(2, 0.05 * frame.shape[0])
    angle = random.uniform(0, np.pi)
    steps = max(3, round(length))
    total = np.zeros_like(frame)
    for step in np.linspace(-0.5, 0.5, steps):
        shift = (round(step * length * np.sin(angle)), round(step * length * np.cos(angle)))
        total += np.roll(frame, shift, (0, 1))
    return total / steps


def at_night(frame: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns the frame in little light: dark, with faint or no colors (infrared cameras have none), and noisy."""
    gray = frame.mean(2, keepdims=True)
    frame = gray + (frame - gray) * random.choice([0.0, 0.3, 0.7])
    frame = 255 * (frame / 255) ** random.uniform(1.0, 1.8) * random.uniform(0.3, 0.9)
    noise = random.normal(0, random.uniform(3, 14), (*frame.shape[:2], 1)) + random.normal(0, 3, frame.shape)
    return np.clip(frame + noise, 0, 255)


def mirrored(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns the image, mirrored in half of the cases."""
    return image[:, ::-1] if random.random() < 0.5 else image


def decoded(encoded: bytes) -> Image.Image:
    """Returns an encoded image in RGB."""
    return Image.open(io.BytesIO(encoded)).convert("RGB")


def as_mask(cover: np.ndarray) -> bytes:
    """Returns a mask as PNG."""
    out = io.BytesIO()
    Image.fromarray((cover * 255).astype(np.uint8)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def as_jpeg(frame: np.ndarray, random: np.random.Generator) -> bytes:
    """Returns the frame as JPEG with the quality of a webcam, from poor to good."""
    out = io.BytesIO()
    quality = int(random.uniform(*JPEG_QUALITIES))
    Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=quality)
    return out.getvalue()

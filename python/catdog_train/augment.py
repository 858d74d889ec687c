"""Augmentation of the training images: the changes that a camera makes to an image.

Geometry comes first, one image at a time: a random crop with the shape of a camera frame, stretched to the square
input of the network as the element stretches a frame. Frames are 4:3 or 16:9, also of cameras held upright. The
teacher sees the same crop without the stretching.

Photometric changes come second, one batch at a time: exposure, contrast, white balance, saturation down to gray,
blur, noise, dark rooms. Some images are shrunk and pasted onto an image of the background class, because an animal
rarely fills the frame of a webcam and the room behind it must not decide. Some get a rectangle of noise, like an
animal that is partly hidden.

Every random number derives from (seed, epoch, position), so that a run can be repeated and resumed.
Images are float32 RGB in 0..255 here and in -1..1 in batches; `size` is in pixels.
"""

import argparse
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from catdog_train.dataset import Task


class Batch(NamedTuple):
    """One training batch; all fields are tensors with one row per image."""

    images: Any  # augmented, -1..1
    natural: Any  # the same crops, neither stretched nor changed, -1..1; stretched ones if they are not wanted
    alone: Any  # 0 for an image that was pasted onto another one, else 1
    close: Any  # 0 for an image whose box says that it shows a thing from afar, else 1
    targets: Any  # probabilities of the classes by a teacher
    labels: Any
    # (n, COVER_SIDE, COVER_SIDE): the share of each part of the image that the thing covers, 0 for the background
    # class, UNKNOWN without a mask or a box
    cover: Any


# The width and height of the maps that say where the thing is, and their value if it is not known.
COVER_SIDE = 48
UNKNOWN = -1.0
# Limits of the random crop: its smallest share of the image area, and its width divided by its height in pixels.
MIN_CROP_AREA = 0.35
MIN_ASPECT, MAX_ASPECT = 0.5, 2.2
# An image whose box covers less than this share of it shows a thing from afar.
MIN_CLOSE_AREA = 0.25
# The box of an image without one; no crop is affected by it.
NO_BOX = (1.0, 1.0, 0.0, 0.0)
# The share of the images that each change applies to.
SHARE_ON_BACKGROUND = 0.35
SHARE_GRAY = 0.12
SHARE_DARK = 0.12
SHARE_BLURRED = 0.2
SHARE_NOISY = 0.3
SHARE_HIDDEN = 0.2
# The epoch number of the batches that initialize the last layer. It is larger than any epoch of the training.
INITIAL_EPOCH = 998


def random_crops(raw: Any, cover: Any, box: Any, size: int, seed: Any, unsquash: float) -> tuple[Any, Any, Any]:
    """Returns two versions (size, size, 3) of an encoded image: a random crop stretched to the square, and the same
    place with its own proportions. The third result is the stretched crop of its map `cover` (height, width, 1). All
    are mirrored in half of the cases. The crop contains `box` (left, top, right, bottom as shares of the image).

    The second one is the square around the crop, as far as the image reaches. A square image is assumed to be a frame
    that was `unsquash` times as wide as high and has been squashed.
    """
    image = decode(raw)
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
    true_width = tf.where(tf.equal(height, width), width * unsquash, width)
    u = tf.random.stateless_uniform([5], seed)
    area = MIN_CROP_AREA + (1 - MIN_CROP_AREA) * u[0]
    # Relative to the aspect of the image itself. The crop is clipped to the image.
    aspect = MIN_ASPECT * tf.exp(u[1] * math.log(MAX_ASPECT / MIN_ASPECT)) * height / true_width
    high, wide = tf.minimum(tf.sqrt(area / aspect), 1), tf.minimum(tf.sqrt(area * aspect), 1)
    top, left = (1 - high) * u[2], (1 - wide) * u[3]
    bottom, right = tf.maximum(top + high, box[3]), tf.maximum(left + wide, box[2])
    top, left = tf.minimum(top, box[1]), tf.minimum(left, box[0])
    high, wide = bottom - top, right - left
    side = tf.maximum(high * height, wide * true_width)
    square_high, square_wide = tf.minimum(side / height, 1), tf.minimum(side / true_width, 1)
    square_top = tf.clip_by_value(top + (high - square_high) / 2, 0, 1 - square_high)
    square_left = tf.clip_by_value(left + (wide - square_wide) / 2, 0, 1 - square_wide)
    boxes = (top, left, high, wide), (square_top, square_left, square_high, square_wide)
    stretched, natural = (crop(image, size, *box) for box in boxes)
    covered = crop(cover, COVER_SIDE, *boxes[0])
    mirror = u[4] < 0.5
    return tuple(tf.where(mirror, tf.reverse(part, [1]), part) for part in (stretched, natural, covered))


def read_cover(mask: Any, box: Any, is_background: Any) -> Any:
    """Returns the map of an image before any crop: (height, width, 1), from its encoded mask, or from its box if the
    mask is an empty string."""
    axis = (tf.range(COVER_SIDE, dtype=tf.float32) + 0.5) / COVER_SIDE
    rows, columns = (axis > box[1]) & (axis < box[3]), (axis > box[0]) & (axis < box[2])
    inside = tf.cast(rows[:, None, None] & columns[None, :, None], tf.float32)
    without_mask = tf.where(is_background, tf.zeros_like(inside), tf.where(box[2] > box[0], inside, UNKNOWN))
    has_mask = ~is_background & (tf.strings.length(mask) > 0)
    return tf.cond(has_mask, lambda: tf.cast(tf.io.decode_png(mask, 1), tf.float32) / 255, lambda: without_mask)


def crop(image: Any, size: int, top: Any, left: Any, high: Any, wide: Any) -> Any:
    """Returns a crop resized to (size, size, channels). The box is given in shares of the image's height and width."""
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
    part = tf.image.crop_to_bounding_box(
        image,
        tf.cast(top * height, tf.int32),
        tf.cast(left * width, tf.int32),
        tf.maximum(tf.cast(high * height, tf.int32), 1),
        tf.maximum(tf.cast(wide * width, tf.int32), 1),
    )
    return tf.image.resize(part, (size, size), antialias=True)


def stretched_image(raw: Any, size: int) -> Any:
    """Returns a whole encoded image as (size, size, 3), resized like the element's default resize-method does."""
    return tf.image.resize(decode(raw), (size, size), antialias=True)


def decode(raw: Any) -> Any:
    """Returns an encoded image as float32 RGB, 0..255."""
    return tf.cast(tf.io.decode_image(raw, channels=3, expand_animations=False), tf.float32)


def paste_on_background(
    images: Any, covers: Any, labels: Any, background: int | None, far: Any, seed: Any
) -> tuple[Any, Any, Any]:
    """Shrinks some images and pastes them onto an image with the label `background`; does nothing if it is None, and
    with the images that are `far`, whose things are small already.

    Returns the images, their maps, and for each image whether it was pasted.
    """
    if background is None:
        return images, covers, tf.zeros_like(labels, tf.bool)
    count = tf.shape(images)[0]
    u = tf.random.stateless_uniform([5, count], seed)
    behind = tf.cast(u[0] * tf.cast(count, tf.float32), tf.int32)
    chosen = (u[1] < SHARE_ON_BACKGROUND) & tf.equal(tf.gather(labels, behind), background) & ~far
    scale = tf.where(chosen, 0.4 + 0.5 * u[2], 1.0)
    top, left = -u[3] * (1 - scale) / scale, -u[4] * (1 - scale) / scale
    boxes = tf.stack([top, left, top + 1 / scale, left + 1 / scale], 1)
    side = tf.shape(images)[1]
    small = tf.image.crop_and_resize(images, boxes, tf.range(count), [side, side], extrapolation_value=-1)
    small_covers = tf.image.crop_and_resize(covers, boxes, tf.range(count), [COVER_SIDE, COVER_SIDE])
    unknown = tf.reduce_min(covers, [1, 2, 3], keepdims=True) < 0
    covers = tf.where(unknown, covers, small_covers)
    return tf.where(small >= 0, small, tf.gather(images, behind)), covers, chosen


def change_light(images: Any, seed: Any) -> Any:
    """Applies the changes by exposure, white balance, lens and sensor, and hides a rectangle of some images."""
    shape = tf.shape(images)
    count, side = shape[0], shape[1]
    u = tf.random.stateless_uniform([15, count, 1, 1, 1], seed)
    signed = 2 * u - 1

    blurred = tf.nn.avg_pool2d(images, 3, 1, "SAME")
    blurred = tf.where(u[0] < 0.5, blurred, tf.nn.avg_pool2d(blurred, 5, 1, "SAME"))
    x = tf.where(u[1] < SHARE_BLURRED, blurred, images)

    gray = tf.reduce_sum(x * [0.299, 0.587, 0.114], -1, keepdims=True)  # Rec. ITU-R BT.601
    x = gray + (x - gray) * tf.where(u[2] < SHARE_GRAY, 0.0, 1 + 0.4 * signed[3])
    x = x * tf.concat([1 + 0.15 * signed[4], tf.ones_like(u[4]), 1 + 0.15 * signed[5]], -1)
    mean = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
    x = mean + (x - mean) * (1 + 0.3 * signed[6])
    x = x * tf.where(u[7] < SHARE_DARK, 0.2 + 0.4 * u[8], 1 + 0.25 * signed[8])

    deviation = tf.where(u[9] < SHARE_NOISY, 20 * u[10], 0.0)
    noise = tf.random.stateless_normal([count, side, side, 3], seed + 1)
    x = x + deviation * noise

    # The hidden rectangle has at most half the width and height of the image.
    axis = (tf.cast(tf.range(side), tf.float32) + 0.5) / tf.cast(side, tf.float32)
    half = 0.1 + 0.15 * u[11]
    rows = tf.abs(axis[None, :, None, None] - u[12]) < half
    columns = tf.abs(axis[None, None, :, None] - u[13]) < half
    hidden = rows & columns & (u[14] < SHARE_HIDDEN)
    x = tf.where(hidden, mean + 40 * noise, x)
    return tf.clip_by_value(x, 0, 255)


def training_set(task: Task, options: argparse.Namespace, epoch: int, natural_wanted: bool = False) -> Any:
    """Returns the batches of one epoch, as a dataset of `Batch`: every image once, in an order that depends on the
    epoch."""
    count, seed = len(task.images), options.seed
    order = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])
    raws, labels = tf.constant(task.images), tf.constant(task.labels, tf.int32)
    masks = tf.constant([mask or b"" for mask in task.masks])
    is_background = tf.equal(labels, -1 if task.background is None else task.background)
    boxes = tf.constant([box or NO_BOX for box in task.boxes], tf.float32)
    wanted = tf.one_hot(labels, len(task.class_names)) if task.targets is None else task.targets
    targets = tf.constant(wanted, tf.float32)
    far = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) < MIN_CLOSE_AREA

    def one(position: Any) -> tuple[Any, ...]:
        index = order[position]
        place = tf.stack([seed * 1000 + epoch, position])
        cover = read_cover(masks[index], boxes[index], is_background[index])
        images, natural, cover = random_crops(raws[index], cover, boxes[index], options.size, place, options.unsquash)
        natural = natural if natural_wanted else images
        return images, natural, cover, far[index], targets[index], labels[index]

    def batch(position: Any, images: Any, natural: Any, cover: Any, far: Any, targets: Any, labels: Any) -> Batch:
        place = tf.stack([seed * 1000 + epoch, tf.cast(position, tf.int32)])
        images, cover, pasted = paste_on_background(images, cover, labels, task.background, far, place + count)
        images = change_light(images, place + 2 * count)
        alone, close = (1 - tf.cast(flags, tf.float32) for flags in (pasted | far, far))
        return Batch(images / 127.5 - 1, natural / 127.5 - 1, alone, close, targets, labels, cover[..., 0])

    images = tf.data.Dataset.range(count, output_type=tf.int32).map(one, 2, deterministic=True)
    batches = images.batch(options.batch, drop_remainder=count >= options.batch).enumerate()
    return batches.map(lambda position, parts: batch(position, *parts), 2, deterministic=True).prefetch(3)


def whole_images(raws: Sequence[bytes], labels: Sequence[int], size: int, batch: int) -> Any:
    """Returns a dataset of (images, labels) in the given order, not augmented: (batch, size, size, 3) in -1..1."""
    images = tf.data.Dataset.from_tensor_slices((tf.constant(raws), tf.constant(labels, tf.int32)))
    images = images.map(lambda raw, label: (stretched_image(raw, size) / 127.5 - 1, label), 2)
    return images.batch(batch).prefetch(3)

"""What a camera does to a picture, done to the training pictures.

Geometry first, one picture at a time: a random part of it, in the shape of some camera's frame, stretched to the
network's square as the element stretches a frame. Frames come in 4:3 and 16:9, of cameras held upright as well. The
teacher sees the same part before it was stretched.
Then light, a batch at a time: exposure, contrast, white balance, saturation down to grey, blur, noise, dark rooms.
Some pictures are shown small in front of a picture of the background class: an animal seldom fills a webcam's frame,
and the room behind it must not decide. Some get a patch of noise, as a partly hidden animal.

Every random number comes from (seed, epoch, position), so that a run can be repeated, and resumed in the middle.
Pictures are float32 RGB in 0..255 here, and in -1..1 in batches; `size` is in pixels.
"""

import collections
import math

import tensorflow as tf

# `pictures` and `labels`; `natural`: what is in the pictures, before anything was done to it; `alone`: 0 where a
# picture stands in front of another one, else 1.
Batch = collections.namedtuple("Batch", "pictures natural alone labels")

# Parts of the picture: at least this share of its area, and so wide for their height, in pixels.
SMALLEST_PART = 0.35
NARROWEST, WIDEST = 0.5, 2.2
# Share of the pictures that each change meets
SMALL_ON_BACKGROUND = 0.35
GREY = 0.12
DARK = 0.12
BLURRED = 0.2
NOISY = 0.3
HIDDEN = 0.2
# The number, none of an epoch, of the batches that the last layer is fitted to before anything else learns
FIRST_EPOCH = 998


def geometry(raw, size, seed, unsquash):
    """One encoded picture -> two of (size, size, 3): a random part, stretched, and the same as it was, both perhaps
    mirrored.

    As it was means with so much more of the picture that it is a square, as far as the picture goes. A picture that
    is a square already is taken for one that was `unsquash` times as wide as high.
    """
    picture = decode(raw)
    height, width = tf.unstack(tf.cast(tf.shape(picture)[:2], tf.float32))
    true_width = tf.where(tf.equal(height, width), width * unsquash, width)
    u = tf.random.stateless_uniform([5], seed)
    area = SMALLEST_PART + (1 - SMALLEST_PART) * u[0]
    # As a share of the picture's own width for its height; what does not fit is cut off.
    aspect = NARROWEST * tf.exp(u[1] * math.log(WIDEST / NARROWEST)) * height / true_width
    high, wide = tf.minimum(tf.sqrt(area / aspect), 1), tf.minimum(tf.sqrt(area * aspect), 1)
    top, left = (1 - high) * u[2], (1 - wide) * u[3]
    side = tf.maximum(high * height, wide * true_width)
    whole_high, whole_wide = tf.minimum(side / height, 1), tf.minimum(side / true_width, 1)
    whole_top = tf.clip_by_value(top + (high - whole_high) / 2, 0, 1 - whole_high)
    whole_left = tf.clip_by_value(left + (wide - whole_wide) / 2, 0, 1 - whole_wide)
    parts = (top, left, high, wide), (whole_top, whole_left, whole_high, whole_wide)
    parts = [cut(picture, size, *part) for part in parts]
    return tuple(tf.where(u[4] < 0.5, tf.reverse(part, [1]), part) for part in parts)


def cut(picture, size, top, left, high, wide):
    """A part, given in shares of the picture's height and width, as (size, size, 3)."""
    height, width = tf.unstack(tf.cast(tf.shape(picture)[:2], tf.float32))
    part = tf.image.crop_to_bounding_box(
        picture,
        tf.cast(top * height, tf.int32),
        tf.cast(left * width, tf.int32),
        tf.maximum(tf.cast(high * height, tf.int32), 1),
        tf.maximum(tf.cast(wide * width, tf.int32), 1),
    )
    return tf.image.resize(part, (size, size), antialias=True)


def stretched(raw, size):
    """One encoded picture -> (size, size, 3), whole, as the element's default resize-method does it."""
    return tf.image.resize(decode(raw), (size, size), antialias=True)


def decode(raw):
    return tf.cast(tf.io.decode_image(raw, channels=3, expand_animations=False), tf.float32)


def on_background(pictures, labels, background, seed):
    """Shows some pictures small in front of another one of the class `background` (a label; None: never).

    Returns the pictures, and for each whether that was done.
    """
    if background is None:
        return pictures, tf.zeros_like(labels, tf.bool)
    count = tf.shape(pictures)[0]
    u = tf.random.stateless_uniform([5, count], seed)
    behind = tf.cast(u[0] * tf.cast(count, tf.float32), tf.int32)
    chosen = (u[1] < SMALL_ON_BACKGROUND) & tf.equal(tf.gather(labels, behind), background)
    scale = tf.where(chosen, 0.4 + 0.5 * u[2], 1.0)
    top, left = -u[3] * (1 - scale) / scale, -u[4] * (1 - scale) / scale
    boxes = tf.stack([top, left, top + 1 / scale, left + 1 / scale], 1)
    side = tf.shape(pictures)[1]
    small = tf.image.crop_and_resize(pictures, boxes, tf.range(count), [side, side], extrapolation_value=-1)
    return tf.where(small >= 0, small, tf.gather(pictures, behind)), chosen


def light(pictures, seed):
    """What exposure, white balance, lens and sensor change; also hides a part of some pictures."""
    shape = tf.shape(pictures)
    count, side = shape[0], shape[1]
    u = tf.random.stateless_uniform([15, count, 1, 1, 1], seed)
    signed = 2 * u - 1

    blurred = tf.nn.avg_pool2d(pictures, 3, 1, "SAME")
    blurred = tf.where(u[0] < 0.5, blurred, tf.nn.avg_pool2d(blurred, 5, 1, "SAME"))
    x = tf.where(u[1] < BLURRED, blurred, pictures)

    grey = tf.reduce_sum(x * [0.299, 0.587, 0.114], -1, keepdims=True)  # Rec. ITU-R BT.601
    x = grey + (x - grey) * tf.where(u[2] < GREY, 0.0, 1 + 0.4 * signed[3])
    x = x * tf.concat([1 + 0.15 * signed[4], tf.ones_like(u[4]), 1 + 0.15 * signed[5]], -1)
    mean = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
    x = mean + (x - mean) * (1 + 0.3 * signed[6])
    x = x * tf.where(u[7] < DARK, 0.2 + 0.4 * u[8], 1 + 0.25 * signed[8])

    spread = tf.where(u[9] < NOISY, 20 * u[10], 0.0)
    noise = tf.random.stateless_normal([count, side, side, 3], seed + 1)
    x = x + spread * noise

    # A rectangle of up to half the width and height.
    axis = (tf.cast(tf.range(side), tf.float32) + 0.5) / tf.cast(side, tf.float32)
    half = 0.1 + 0.15 * u[11]
    rows = tf.abs(axis[None, :, None, None] - u[12]) < half
    columns = tf.abs(axis[None, None, :, None] - u[13]) < half
    hidden = rows & columns & (u[14] < HIDDEN)
    x = tf.where(hidden, mean + 40 * noise, x)
    return tf.clip_by_value(x, 0, 255)


def training_set(task, given, epoch):
    """One epoch: every picture once, in an order of its own, as Batch of (batch, size, size, 3)."""
    count, seed = len(task.raws), given.seed
    order = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])
    raws, labels = tf.constant(task.raws), tf.constant(task.targets, tf.int32)

    def one(position):
        index = order[position]
        place = tf.stack([seed * 1000 + epoch, position])
        return *geometry(raws[index], given.size, place, given.unsquash), labels[index]

    def batch(position, pictures, natural, labels):
        place = tf.stack([seed * 1000 + epoch, tf.cast(position, tf.int32)])
        pictures, in_front = on_background(pictures, labels, task.background, place + count)
        pictures = light(pictures, place + 2 * count)
        return Batch(pictures / 127.5 - 1, natural / 127.5 - 1, 1 - tf.cast(in_front, tf.float32), labels)

    pictures = tf.data.Dataset.range(count, output_type=tf.int32).map(one, 2, deterministic=True)
    batches = pictures.batch(given.batch, drop_remainder=count >= given.batch).enumerate()
    return batches.map(lambda position, parts: batch(position, *parts), 2, deterministic=True).prefetch(3)


def whole_pictures(raws, labels, size, batch):
    """Validation: (batch, size, size, 3) in -1..1 and labels, in the order given."""
    pictures = tf.data.Dataset.from_tensor_slices((tf.constant(raws), tf.constant(labels, tf.int32)))
    pictures = pictures.map(lambda raw, label: (stretched(raw, size) / 127.5 - 1, label), 2)
    return pictures.batch(batch).prefetch(3)

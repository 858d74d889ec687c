"""What a camera does to a picture, done to the training pictures.

Geometry first, one picture at a time: a random part of it, in the shape of some camera's frame, stretched to the
network's square as the element stretches a frame. Frames come in 4:3 and 16:9, of cameras held upright as well, and
some training photos were squashed before.
Then light, a batch at a time: exposure, contrast, white balance, saturation down to grey, blur, noise, dark rooms.
Some pictures are shown small in front of a picture of the background class: an animal seldom fills a webcam's frame,
and the room behind it must not decide. Some get a patch of noise, as a partly hidden animal.

Every random number comes from (seed, epoch, position), so that a run can be repeated, and resumed in the middle.
Pictures are float32 RGB in 0..255 here; `size` is in pixels.
"""

import math

import tensorflow as tf

# Parts of the picture: at least this share of its area, and so wide for their height, in pixels.
SMALLEST_PART = 0.35
NARROWEST, WIDEST = 0.45, 2.1
# Share of the pictures that each change meets
SMALL_ON_BACKGROUND = 0.35
GREY = 0.12
DARK = 0.12
BLURRED = 0.2
NOISY = 0.3
HIDDEN = 0.2
# A number no epoch has, for the random numbers of first_pictures()
FIRST_EPOCH = 999


def geometry(raw, size, seed):
    """One encoded picture -> (size, size, 3): a random part, stretched, perhaps mirrored."""
    picture = decode(raw)
    height, width = tf.unstack(tf.cast(tf.shape(picture)[:2], tf.float32))
    u = tf.random.stateless_uniform([5], seed)
    area = SMALLEST_PART + (1 - SMALLEST_PART) * u[0]
    # As a share of the picture's own width for its height; what does not fit is cut off.
    aspect = NARROWEST * tf.exp(u[1] * math.log(WIDEST / NARROWEST)) * height / width
    high, wide = tf.minimum(tf.sqrt(area / aspect), 1), tf.minimum(tf.sqrt(area * aspect), 1)
    top, left = (1 - high) * u[2] * height, (1 - wide) * u[3] * width
    part = tf.image.crop_to_bounding_box(
        picture,
        tf.cast(top, tf.int32),
        tf.cast(left, tf.int32),
        tf.maximum(tf.cast(high * height, tf.int32), 1),
        tf.maximum(tf.cast(wide * width, tf.int32), 1),
    )
    part = tf.image.resize(part, (size, size), antialias=True)
    return tf.where(u[4] < 0.5, tf.reverse(part, [1]), part)


def stretched(raw, size):
    """One encoded picture -> (size, size, 3), whole, as the element's default resize-method does it."""
    return tf.image.resize(decode(raw), (size, size), antialias=True)


def decode(raw):
    return tf.cast(tf.io.decode_image(raw, channels=3, expand_animations=False), tf.float32)


def on_background(pictures, labels, background, seed):
    """Shows some pictures small in front of another one of the class `background` (a label; None: never)."""
    if background is None:
        return pictures
    count = tf.shape(pictures)[0]
    u = tf.random.stateless_uniform([5, count], seed)
    behind = tf.cast(u[0] * tf.cast(count, tf.float32), tf.int32)
    chosen = (u[1] < SMALL_ON_BACKGROUND) & tf.equal(tf.gather(labels, behind), background)
    scale = tf.where(chosen, 0.4 + 0.5 * u[2], 1.0)
    top, left = -u[3] * (1 - scale) / scale, -u[4] * (1 - scale) / scale
    boxes = tf.stack([top, left, top + 1 / scale, left + 1 / scale], 1)
    side = tf.shape(pictures)[1]
    small = tf.image.crop_and_resize(pictures, boxes, tf.range(count), [side, side], extrapolation_value=-1)
    return tf.where(small >= 0, small, tf.gather(pictures, behind))


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


def training_set(task, size, batch, seed, epoch):
    """One epoch: every picture once, in an order of its own, as (batch, size, size, 3) in -1..1 and labels."""
    count = len(task.raws)
    order = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])
    raws, labels = tf.constant(task.raws), tf.constant(task.targets, tf.int32)

    def one(position):
        index = order[position]
        return geometry(raws[index], size, tf.stack([seed * 1000 + epoch, position])), labels[index]

    def whole(position, pictures, labels):
        at = tf.stack([seed * 1000 + epoch, tf.cast(position, tf.int32)])
        pictures = on_background(pictures, labels, task.background, at + count)
        return light(pictures, at + 2 * count) / 127.5 - 1, labels

    pictures = tf.data.Dataset.range(count, output_type=tf.int32).map(one, 2, deterministic=True)
    batches = pictures.batch(batch, drop_remainder=count >= batch).enumerate()
    return batches.map(lambda i, x: whole(i, *x), 2, deterministic=True).prefetch(3)


def whole_pictures(raws, labels, size, batch):
    """Validation: (batch, size, size, 3) in -1..1 and labels, in the order given."""
    pictures = tf.data.Dataset.from_tensor_slices((tf.constant(raws), tf.constant(labels, tf.int32)))
    pictures = pictures.map(lambda raw, label: (stretched(raw, size) / 127.5 - 1, label), 2)
    return pictures.batch(batch).prefetch(3)


def first_pictures(task, size, batch, seed):
    """What a last layer is fitted to before anything else learns: every picture whole, and once as augmented."""
    augmented = training_set(task, size, batch, seed, FIRST_EPOCH)
    return whole_pictures(task.raws, task.targets, size, batch).concatenate(augmented)

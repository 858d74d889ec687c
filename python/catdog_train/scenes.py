"""Adds composed scenes to the training images of an epoch."""

import argparse
import concurrent.futures
import os

import numpy as np

from catdog_train import compose
from catdog_train.dataset import Task


def scenes_per_epoch(wanted: int | None, task: Task) -> int:
    """Returns the number of scenes to compose for each epoch: `wanted`, or half as many as there are images. It is 0
    without masks, or without images of the background class that show nothing special."""
    if not plain_backgrounds(task) or not any(task.masks):
        return 0
    return len(task.images) // 2 if wanted is None else wanted


def plain_backgrounds(task: Task) -> list[bytes]:
    """Returns the images of the background class without a mask or a box: those with one show something that stands
    out."""
    kinds = zip(task.images, task.labels, task.masks, task.boxes)
    return [image for image, label, mask, box in kinds if label == task.background and mask is None and box is None]


def with_scenes(task: Task, options: argparse.Namespace, epoch: int) -> Task:
    """Returns the task with `options.scenes` more training images: scenes that are composed anew for every epoch.

    Things come from the images with masks, each class equally often; places come from the images of the background
    class that are plain_backgrounds().
    """
    if not options.scenes:
        return task
    classes = len(task.class_names)
    cut_outs = [
        [
            compose.CutOut(image, mask, label)
            for image, mask, label in zip(task.images, task.masks, task.labels)
            if mask is not None and label == wanted
        ]
        for wanted in range(classes)
    ]
    filled = [label for label in range(classes) if cut_outs[label]]
    backgrounds = plain_backgrounds(task)
    background = task.background
    assert background is not None

    def one(index: int) -> compose.Scene:
        label = filled[index % len(filled)]
        replaced = [other for other in filled if other not in (label, background)]
        others = cut_outs[replaced[index % len(replaced)]] if replaced else []
        seed = [options.seed, epoch, index]
        return compose.compose(cut_outs[label], others, backgrounds, background, seed, options.unsquash)

    # Pillow and NumPy release the interpreter lock for most of the work.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(one, range(options.scenes)))
    targets = None
    if task.targets is not None:
        targets = np.concatenate([task.targets, np.eye(classes, dtype=np.float32)[[s.label for s in made]]])
    return task._replace(
        images=task.images + [scene.encoded for scene in made],
        labels=task.labels + [scene.label for scene in made],
        boxes=task.boxes + [scene.box for scene in made],
        masks=task.masks + [scene.mask for scene in made],
        targets=targets,
    )

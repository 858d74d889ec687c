#!/usr/bin/env python3
"""Trains an image classifier and writes it as an int8 .tflite that catdogfilter runs.

    models/train/train --data DIR --out OUT

DIR holds one sub-folder of pictures for each class (or such folders in DIR/train and DIR/train_extra, and the
network's first weights in DIR/backbone). OUT receives classifier.tflite, labels.txt, report.json, and what is needed
to go on after a stop: the same command resumes. Nothing outside OUT is written.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    print(f"train: TensorFlow 2.21 needs Python 3.10 to 3.13, this is {sys.version.split()[0]}", file=sys.stderr)
    sys.exit(2)
try:
    import dataset
    from dataset import BadInput
except ImportError as error:
    print(f"train: {error}: pip install -r {pathlib.Path(__file__).parent}/requirements.txt", file=sys.stderr)
    sys.exit(2)

# `catdog`: as the model that is shipped, chosen by measurement (../README.md says how). `nano`: for slow machines.
PRESETS = {
    "catdog": dict(
        size=224, cut="block_16_expand_relu,out_relu", channels=512, epochs=3, learning_rate=1e-4, blend=0.5
    ),
    "nano": dict(size=160, cut="block_12_expand_relu", channels=None, epochs=8, learning_rate=3e-4, blend=1.0),
}

SETTINGS = "settings.json"

IMAGENET_HELP = """ImageNet's classes, 0 to 999, of what the folders show, as cats=281-285,dogs=151-268: what the first
    weights know of these is kept"""
UNSQUASH_HELP = "square pictures are frames of this width for their height that were squashed (1: they are square)"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, metavar="DIR", help="pictures; may be repeated")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the model and the state go")
    parser.add_argument("--preset", choices=PRESETS, default="catdog", help="what is set where nothing else is said (%(default)s)")
    parser.add_argument("--size", type=positive, help="width and height of the input in pixels, a multiple of 32")
    parser.add_argument("--cut", help="the layers of MobileNetV2 whose averages the last layer sees, with commas")
    parser.add_argument("--channels", type=positive, help="how many channels of the last convolution are kept")
    parser.add_argument("--epochs", type=positive, help="how often every picture is seen")
    parser.add_argument("--first-layer", default="Conv1", help="the first layer that learns (%(default)s)")
    parser.add_argument("--batch", type=positive, default=32, help="pictures in one step (%(default)s)")
    parser.add_argument("--learning-rate", type=share, help="the highest; it warms up and falls to zero")
    parser.add_argument("--label-smoothing", type=share, default=0.05, help="(%(default)s)")
    parser.add_argument("--dropout", type=share, default=0.2, help="before the last layer (%(default)s)")
    parser.add_argument("--average", type=share, default=0.998, help="decay of the moving average of the weights")
    parser.add_argument("--blend", type=share, help="share of that average; the first weights are the rest")
    parser.add_argument("--validation", type=share, default=0.1, help="share of the pictures that is not trained on")
    parser.add_argument("--labels", help="class names in the order of the sub-folders, as cat,dog,neither")
    parser.add_argument("--unsquash", type=float, default=1.0, metavar="RATIO", help=UNSQUASH_HELP)
    parser.add_argument("--background", default="neither", help="class of pictures that others are shown in front of")
    parser.add_argument("--backbone", help="weights file, imagenet (Keras' own, downloaded) or none")
    parser.add_argument("--imagenet", type=groups, default={}, metavar="FOLDER=FIRST-LAST,...", help=IMAGENET_HELP)
    parser.add_argument("--teacher", metavar="FILE", help="a trained .keras whose opinion is learnt as well")
    parser.add_argument("--name", default="classifier", help="name inside the model's metadata")
    parser.add_argument("--author", help="author inside the model's metadata")
    parser.add_argument("--licence", help="licence inside the model's metadata")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    for key, value in PRESETS[given.preset].items():
        if getattr(given, key) is None:
            setattr(given, key, value)
    if given.size % 32:
        parser.error(f"--size must be a multiple of 32, not {given.size}")
    if given.channels and given.channels > 1280:
        parser.error(f"--channels must be at most 1280, not {given.channels}")
    if given.unsquash <= 0:
        parser.error(f"--unsquash must be above 0, not {given.unsquash}")
    if not 0 < given.validation <= 0.5:
        parser.error(f"--validation must be in 0 to 0.5, not {given.validation}")
    if given.teacher and given.imagenet:
        parser.error("--teacher and --imagenet are two teachers: give one")
    if given.backbone is None:
        found = sorted(p for folder in given.data for p in pathlib.Path(folder).glob("backbone/*.h5"))
        given.backbone = str(found[0]) if found else "imagenet"
    return given


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"not 1 or more: {text}")
    return number


def share(text):
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"not in 0 to 1: {text}")
    return number


def groups(text):
    """`cats=281-285,dogs=151-268` -> {"cats": [281, ..., 285], "dogs": [151, ..., 268]}."""
    found = {}
    for part in text.split(","):
        name, _, numbers = part.partition("=")
        first, _, last = numbers.partition("-")
        try:
            chosen = list(range(int(first), int(last or first) + 1))
        except ValueError:
            chosen = []
        if not chosen or chosen[0] < 0 or chosen[-1] > 999 or not set(chosen).isdisjoint(sum(found.values(), [])):
            raise argparse.ArgumentTypeError(f"not folder=first-last in 0 to 999, each number once: {part}")
        found.setdefault(name, []).extend(chosen)
    return found


def main():
    given = arguments()
    for file in (given.backbone, given.teacher):
        if file not in (None, "imagenet", "none") and not pathlib.Path(file).is_file():
            raise BadInput(f"{file} cannot be read: there is no such file")
    folders = [part for folder in given.data for part in dataset.data_folders(folder)]
    lines = (pathlib.Path(__file__).parent / "exclude.txt").read_text().splitlines()
    pictures, folder_names, others = dataset.find(folders, [line for line in lines if not line.startswith("#")])
    if others:
        print(f"left out: {len(others)} files that are none of {', '.join(sorted(dataset.SUFFIXES))}: {others[0]} ...")
    labels = given.labels.split(",") if given.labels else folder_names
    if len(labels) != len(folder_names):
        raise BadInput(f"--labels names {len(labels)} classes, but the folders are {', '.join(folder_names)}")
    for name in given.imagenet:
        if name not in folder_names:
            raise BadInput(f"--imagenet names {name}, but the folders are {', '.join(folder_names)}")
    background = folder_names.index(given.background) if given.background in folder_names else None
    to_train, to_validate = dataset.split(pictures, given.validation)
    out, settings = pathlib.Path(given.out), settings_of(given, labels, dataset.fingerprint(to_train, to_validate))
    check_same(out, settings)
    print(f"{len(to_train)} pictures to train with, {len(to_validate)} to validate with:", flush=True)
    for label, name in enumerate(labels):
        counts = [sum(p.label == label for p in part) for part in (to_train, to_validate)]
        print(f"  {name}: {counts[0]}, {counts[1]}", flush=True)
    raws = [[dataset.read(p, given.size) for p in part] for part in (to_train, to_validate)]
    targets = [[p.label for p in part] for part in (to_train, to_validate)]
    task = dataset.Task(labels, background, raws[0], targets[0], raws[1], targets[1])

    # Only now what takes seconds to import, and talks while it does.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # graphics cards add up in another order each time
    try:
        with silence():
            import network
            import teacher
            import training
    except ImportError as error:
        raise BadInput(f"{error}: pip install -r {pathlib.Path(__file__).parent}/requirements.txt") from None

    begun = (out / training.STATE).exists()
    base, head = (None, None) if begun else network.backbone(given.size, given.backbone, given.seed)
    if base:
        network.check(base, given.cut, given.channels, given.first_layer)
    if given.teacher:
        teacher.load(given, out, len(labels))
    try:
        out.mkdir(parents=True, exist_ok=True)
        dataset.write(out / SETTINGS, json.dumps(settings, indent=2).encode())
    except OSError as error:
        raise BadInput(f"--out: {error}") from None
    model = training.trained(given, out, task, base, head)
    training.deliver(given, out, task, model)


@contextlib.contextmanager
def silence():
    """Nothing on stderr, of the libraries in C either: TensorFlow speaks before it knows its own log level."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def settings_of(given, labels, fingerprint):
    """What a run that goes on must have in common with the one that was stopped."""
    later = ("out", "name", "author", "licence")
    return {k: v for k, v in vars(given).items() if k not in later} | {"class_names": labels, "pictures": fingerprint}


def check_same(out, settings):
    known = out / SETTINGS
    if not known.exists():
        return
    before = json.loads(known.read_text())
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
        raise BadInput(f"{out} was begun with other {', '.join(changed)}: use another --out, or remove it")


def interrupted(number, _frame):
    """At once: an exception would get lost in TensorFlow's callbacks, and no file is ever half-written."""
    print("\ntrain: stopped; the same command goes on after the last whole epoch", file=sys.stderr, flush=True)
    os._exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        main()
    except BadInput as error:
        print(f"train: {error}", file=sys.stderr)
        sys.exit(2)

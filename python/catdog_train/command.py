"""Trains an image classifier and writes it as an int8 .tflite model that catdogfilter runs.

    models/train --data DIR --out OUT

DIR contains one class folder or zip file of images per class (or DIR/train and DIR/train_extra contain them, and
DIR/backbone the initial weights of the network), or DIR is a project file (.tm) of Teachable Machine. OUT receives
classifier.tflite, labels.txt, report.json, and the state of the training: the same command resumes a run that was
stopped. Nothing outside OUT is written.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    print(f"train: TensorFlow 2.21 needs Python 3.10 to 3.13, this is {sys.version.split()[0]}", file=sys.stderr)
    sys.exit(2)
INSTALL = f"pip install -r {pathlib.Path(__file__).resolve().parents[1] / 'requirements' / 'train.txt'}"
try:
    from catdog_train import dataset, scenes
    from catdog_train.dataset import InputError
except ImportError as error:
    print(f"train: {error}: {INSTALL}", file=sys.stderr)
    sys.exit(2)

# For classes of which there are few photos. The shipped model has other settings, for many photos with masks
# (models/README.md). `nano` is for slow machines.
PRESETS: dict[str, dict[str, Any]] = {
    "catdog": {
        "size": 224,
        "width": [1.0, 1.0],
        "head": "average",
        "cut": "block_16_expand_relu,out_relu",
        "channels": 512,
        "epochs": 3,
        "learning_rate": 1e-4,
        "blend": 0.5,
    },
    "nano": {
        "size": 160,
        "width": [1.0, 1.0],
        "head": "average",
        "cut": "block_12_expand_relu",
        "channels": None,
        "epochs": 8,
        "learning_rate": 3e-4,
        "blend": 1.0,
    },
}

SETTINGS = "settings.json"
# The validation images, one `class<tab>path` a line, for models/evaluate.
VALIDATION = "validation.tsv"
# The value of --teacher and --backbone for none.
NO_TEACHER = "none"
# Ratio of the largest class to the smallest one from which a note is printed.
UNEQUAL = 5

DATA_HELP = """folder with a folder or a zip file of images per class, or a project file (.tm) of Teachable Machine; may
    be repeated"""
IMAGENET_HELP = """the ImageNet classes, 0 to 999, that the class folders show, e.g. cats=281-285,dogs=151-268; the
    training keeps what the initial weights know about them"""
TEACHER_HELP = """a .keras model or the classifier.tflite of another training, whose probabilities are learned in
    addition to the labels (the network with its initial weights); may be repeated: the mean of all; `none`: only the
    labels"""
VIEWS_HELP = """the teacher sees each augmented image, as the network that is trained does, and this share of what is
    learned is what it says, the rest the label (0: it sees the unchanged images)"""
MASKS_HELP = """folder with masks, as train/cats/1.png for train/cats/1.jpg: white where the thing is; the things are
    pasted into images of the background class"""
REPEAT_HELP = "data folders whose images of things, not those of the background, are shown several times in an epoch"
MERGE_HELP = """the averaged.keras of another training, with the same network and initial weights: the result has the
    mean of the weights of both; may be repeated, and added to a training that is finished"""
WIDTH_HELP = """shares of the hidden channels of the blocks to keep: of the first three blocks, which work on many
    pixels, and of the others"""
UNSQUASH_HELP = "aspect ratio of the frames that square images were squashed from (1: they were square)"


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="models/train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # models/train reads --out and --no-report, too
    )
    add = result.add_argument
    add("--data", action="append", required=True, metavar="DIR", help=DATA_HELP)
    add("--out", required=True, metavar="DIR", help="folder for the model and the state")
    add("--preset", choices=PRESETS, default="catdog", help="defaults of the options below (%(default)s)")
    add("--size", type=positive, help="width and height of the input in pixels, a multiple of 8")
    add("--cut", help="the layers of the network that the last layer sees, separated by commas")
    add("--head", choices=("places", "average"), help="whether the last layer sees each place or the averages")
    add("--width", type=widths, metavar="EARLY,LATE", help=WIDTH_HELP)
    add("--channels", type=positive, help="number of channels of the last convolution to keep")
    add("--epochs", type=positive, help="number of passes over the training images")
    add("--first-layer", help="the first layer that is trained (all are)")
    add("--batch", type=positive, default=32, help="images per training step (%(default)s)")
    add("--learning-rate", type=share, help="the peak; the rate warms up to it and decays to zero")
    add("--label-smoothing", type=share, default=0.05, help="label smoothing (%(default)s)")
    add("--dropout", type=share, default=0.2, help="dropout before the last layer (%(default)s)")
    add("--average", type=share, default=0.998, help="decay of the moving average of the weights (%(default)s)")
    add("--blend", type=share, help="share of that average in the result; the rest are the initial weights")
    add("--validation", type=share, default=0.1, help="share of the images for validation (%(default)s)")
    add("--labels", help="class names in the order of the sorted class folders, e.g. cat,dog,neither")
    add("--unsquash", type=float, default=1.0, metavar="RATIO", help=UNSQUASH_HELP)
    add("--background", default="neither", help="class folder whose images others are pasted onto (%(default)s)")
    add("--backbone", help="file of weights, imagenet (the weights of Keras, downloaded) or none")
    add("--imagenet", type=groups, default={}, metavar="FOLDER=FIRST-LAST,...", help=IMAGENET_HELP)
    add("--teacher", action="append", default=[], metavar="FILE", help=TEACHER_HELP)
    add("--teach-views", type=share, default=0, metavar="SHARE", help=VIEWS_HELP)
    add("--hold-back", metavar="FILE", help="a list of images that are left out, as models/evaluate takes it")
    add("--masks", metavar="DIR", help=MASKS_HELP)
    add("--repeat", type=repeats, default={}, metavar="FOLDER=TIMES,...", help=REPEAT_HELP)
    add("--merge", action="append", default=[], metavar="FILE", help=MERGE_HELP)
    add("--scenes", type=int, help="scenes to compose for each epoch, if there are masks (half as many as images)")
    add("--name", default="classifier", help="name in the metadata of the model (%(default)s)")
    add("--author", help="author in the metadata of the model")
    add("--license", "--licence", help="license in the metadata of the model")
    add("--no-report", action="store_true", help="do not run the model through catdogfilter after the training")
    add("--seed", type=int, default=7, help="seed of all random numbers (%(default)s)")
    return result


def parse_arguments() -> argparse.Namespace:
    """Returns the checked options, with the values of the preset filled in."""
    command_line = parser()
    options = command_line.parse_args()
    for key, value in PRESETS[options.preset].items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    if options.size % 8:
        command_line.error(f"--size must be a multiple of 8, not {options.size}")
    if options.channels and options.channels > 1280:
        command_line.error(f"--channels must be at most 1280, not {options.channels}")
    if min(options.width) < 1 and options.backbone and options.backbone.endswith((".pth", ".tflite")):
        command_line.error("--width must be 1,1 for a backbone of EfficientNet-Lite (.pth) and for a .tflite file")
    if len(options.teacher) > 1 and NO_TEACHER in options.teacher:
        command_line.error("--teacher none goes with no other teacher")
    if options.teach_views and options.teacher in ([], [NO_TEACHER]):
        command_line.error("--teach-views needs --teacher")
    if options.unsquash <= 0:
        command_line.error(f"--unsquash must be above 0, not {options.unsquash}")
    if not 0 < options.validation <= 0.5:
        command_line.error(f"--validation must be above 0 and at most 0.5, not {options.validation}")
    if options.backbone is None:
        found = sorted(p for folder in options.data for p in pathlib.Path(folder).glob("backbone/*.h5"))
        options.backbone = str(found[0]) if found else "imagenet"
    return options


def positive(text: str) -> int:
    """Parses an integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more: {text}")
    return number


def share(text: str) -> float:
    """Parses a number in 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number in 0 to 1: {text}")
    return number


def widths(text: str) -> list[float]:
    """Parses two shares above 0."""
    early, _, late = text.partition(",")
    parsed = [share(early), share(late)]
    if not all(parsed):
        raise argparse.ArgumentTypeError(f"expected two numbers above 0 and at most 1: {text}")
    return parsed


def repeats(text: str) -> dict[str, int]:
    """Parses `train_scenes=3` to {"train_scenes": 3}."""
    found = {}
    for part in text.split(","):
        name, _, times = part.partition("=")
        if not (name and times.isdecimal() and int(times) > 0):
            raise argparse.ArgumentTypeError(f"expected folder=times: {part}")
        found[name] = int(times)
    return found


def groups(text: str) -> dict[str, list[int]]:
    """Parses `cats=281-285,dogs=151-268` to {"cats": [281, ..., 285], "dogs": [151, ..., 268]}."""
    found: dict[str, list[int]] = {}
    for part in text.split(","):
        name, _, numbers = part.partition("=")
        first, _, last = numbers.partition("-")
        try:
            chosen = list(range(int(first), int(last or first) + 1))
        except ValueError:
            chosen = []
        known = {number for group in found.values() for number in group}
        if not chosen or chosen[0] < 0 or chosen[-1] > 999 or not known.isdisjoint(chosen):
            raise argparse.ArgumentTypeError(f"expected folder=first-last in 0 to 999, each number once: {part}")
        found.setdefault(name, []).extend(chosen)
    return found


def read_task(
    options: argparse.Namespace, out: pathlib.Path
) -> tuple[dataset.Task, list[dataset.ImageFile], dict[str, Any]]:
    """Reads all images. Returns them, the validation images, and the settings that a resumed run must share with the
    stopped one."""
    folders = [part for folder in options.data for part in dataset.data_folders(folder)]
    lines = (pathlib.Path(__file__).parent / "exclude.txt").read_text().splitlines()
    if options.masks and not pathlib.Path(options.masks).is_dir():
        raise InputError(f"--masks: there is no folder {options.masks}")
    images, folder_names, skipped = dataset.find_images(
        folders,
        [line for line in lines if not line.startswith("#")],
        dataset.read_held_back(options.hold_back),
        pathlib.Path(options.masks) if options.masks else None,
    )
    if skipped:
        print(f"skipped: {len(skipped)} files that are not {', '.join(sorted(dataset.SUFFIXES))}: {skipped[0]} ...")
    names = options.labels.split(",") if options.labels else folder_names
    if len(names) != len(folder_names):
        raise InputError(f"--labels names {len(names)} classes, but the class folders are {', '.join(folder_names)}")
    for name in options.imagenet:
        if name not in folder_names:
            raise InputError(f"--imagenet names {name}, but the class folders are {', '.join(folder_names)}")
    background = folder_names.index(options.background) if options.background in folder_names else None
    photos, damaged = dataset.read_images(images, options.size)
    for message in damaged:
        print(f"skipped: {message}")
    training, validation, notes = dataset.split(photos, options.validation)
    settings = settings_of(options, names, dataset.fingerprint(training, validation))
    check_settings(out, settings)
    print(f"{len(training)} images for training, {len(validation)} for validation:", flush=True)
    counts = [
        [sum(photo.file.label == label for photo in part) for part in (training, validation)]
        for label in range(len(names))
    ]
    for name, (trained, held_back) in zip(names, counts):
        print(f"  {name}: {trained}, {held_back}")
    for note in notes + notes_of_sizes(names, [sum(count) for count in counts]):
        print(f"note: {note}", flush=True)
    task = dataset.Task(
        names,
        background,
        [photo.encoded for photo in training],
        [photo.file.label for photo in training],
        [photo.encoded for photo in validation],
        [photo.file.label for photo in validation],
        [photo.file.box for photo in training],
        [photo.file.mask.read_bytes() if photo.file.mask else None for photo in training],
        times=[times_shown(photo.file, options.repeat, background) for photo in training],
    )
    options.scenes = scenes.scenes_per_epoch(options.scenes, task)
    if options.masks:
        masks = len(task.masks) - task.masks.count(None)
        print(f"{masks} training images with a mask, {options.scenes} composed scenes in each epoch", flush=True)
    return task, [photo.file for photo in validation], settings


def times_shown(file: dataset.ImageFile, repeat: dict[str, int], background: int | None) -> int:
    """Returns how often an epoch shows an image. `repeat` has the names of data folders."""
    return 1 if file.label == background else repeat.get(file.path.parent.parent.name, 1)


def run() -> None:
    """Runs the whole training."""
    options = parse_arguments()
    for file in (options.backbone, *options.teacher, *options.merge):
        if file not in (None, "imagenet", NO_TEACHER) and not pathlib.Path(file).is_file():
            raise InputError(f"{file} cannot be read: there is no such file")
    out = pathlib.Path(options.out)
    task, validation, settings = read_task(options, out)

    # TensorFlow is imported late: it takes seconds, and it writes to stderr.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # GPUs do not add in a fixed order, so that results would differ
    try:
        with silent_stderr():
            from catdog_train import network, teacher, training
    except ImportError as error:
        raise InputError(f"{error}: {INSTALL}") from None

    resumes = (out / training.STATE).exists()
    base, head = (None, None) if resumes else network.load_backbone(options.size, options.backbone, options.seed)
    if base:
        if head is None and options.imagenet and not options.teacher:
            raise InputError(f"--imagenet: the backbone {options.backbone} knows nothing about the classes of ImageNet")
        base = training.narrowed(options, task, base)
        network.check_layers(base, options.cut, options.channels, options.first_layer, options.head)
    if options.teacher:
        teacher.check(options.teacher, len(task.class_names))
    for file in options.merge:
        teacher.read(file, len(task.class_names))
    try:
        out.mkdir(parents=True, exist_ok=True)
        dataset.write(out / SETTINGS, json.dumps(settings, indent=2).encode())
    except OSError as error:
        raise InputError(f"--out: {error}") from None
    model = training.train(options, out, task, base, head)
    if options.merge:
        training.merge(options.merge, model, task.background)
    training.deliver(options, out, task, model)
    dataset.write_validation_list(out / VALIDATION, validation, task.class_names)


def notes_of_sizes(names: list[str], counts: list[int]) -> list[str]:
    """Returns a sentence if one class has many times the images of another one."""
    smallest, largest = min(counts), max(counts)
    if largest < UNEQUAL * smallest:
        return []
    small, large = names[counts.index(smallest)], names[counts.index(largest)]
    return [
        f"{large} has {largest} images and {small} {smallest}; the training gives both classes the same weight, but "
        f"{small} stays less reliable: add images of it"
    ]


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discards stderr, also of C libraries: TensorFlow writes to it before it applies its log level."""
    sys.stderr.flush()
    kept, discard = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(discard, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(discard)


def settings_of(options: argparse.Namespace, names: list[str], fingerprint: str) -> dict[str, Any]:
    """Returns the settings that a resumed run must share with the stopped one."""
    free = ("out", "name", "author", "license", "no_report", "merge")
    return {k: v for k, v in vars(options).items() if k not in free} | {"class_names": names, "images": fingerprint}


def check_settings(out: pathlib.Path, settings: dict[str, Any]) -> None:
    """Raises InputError if `out` has the state of a run with other settings."""
    file = out / SETTINGS
    if not file.exists():
        return
    stored = json.loads(file.read_text())
    changed = [key for key in settings if stored.get(key) != settings[key]]
    if changed:
        raise InputError(f"{out} was started with other {', '.join(changed)}; use another --out, or remove the folder")


def on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends the process immediately. An exception could get lost in TensorFlow's callbacks; files are written
    atomically."""
    print("\ntrain: stopped; the same command resumes after the last complete epoch", file=sys.stderr, flush=True)
    os._exit(128 + number)


def main() -> int:
    """Runs the training and returns the exit code: 2 for bad input."""
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    try:
        run()
    except InputError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    return 0

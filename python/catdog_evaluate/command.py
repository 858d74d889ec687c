"""Runs the images and videos of class folders through catdogfilter and reports how good the model is."""

import argparse
import json
import os
import pathlib
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from catdog_evaluate import files, markdown, plots, report, summary, text, verdict, webpage
from catdog_evaluate.errors import UnusableError, warn
from catdog_evaluate.runner import Runner, load_gstreamer
from catdog_evaluate.summary import Row

# The names of the page in the folder of --report, which has the same content in two formats.
REPORT, WEB_REPORT = "report.md", "report.html"


def show_progress(done: int, total: int, path: object) -> None:
    """Shows the progress on one line of the terminal; does nothing if stderr is not a terminal."""
    if sys.stderr.isatty():
        line = f"{done}/{total} {path}" if path else ""
        sys.stderr.write("\r\x1b[K" + line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1])
        sys.stderr.flush()


def classify(runner: Runner, directory: pathlib.Path, classes: Mapping[str, Sequence[pathlib.Path]]) -> list[Row]:
    """Returns one row per frame of all files."""
    rows: list[Row] = []
    total, done = sum(map(len, classes.values())), 0
    for folder, paths in classes.items():
        for path in paths:
            show_progress(done, total, path)
            name = str(path.relative_to(directory) if directory.is_dir() else path)
            for index, frame in enumerate(runner.frames(path)):
                rows.append({"file": name, "frame": index, "folder": folder, **frame})
            done += 1
    show_progress(total, total, "")
    return rows


def check_outputs(options: argparse.Namespace) -> None:
    """Raises UnusableError if the result files could not be written."""
    directory = options.directory
    folders = [folder for folder in (options.plots, options.report) if folder]
    for folder in folders:
        if directory.is_dir() and directory.resolve() in (folder.resolve(), *folder.resolve().parents):
            raise UnusableError(f"{folder} is inside {directory}; the next evaluation would take the plots for images")
    if folders:
        plots.load_matplotlib()
    for target in (options.json and options.json.parent, *(folder for folder in folders if folder.exists())):
        if target and not os.access(target, os.W_OK):
            raise UnusableError(f"cannot write to {target}")


def evaluate(options: argparse.Namespace) -> None:
    """Runs the whole evaluation: prints the report and writes the requested files."""
    check_outputs(options)
    classes = files.find_classes(options.directory, options.root)
    conditions = files.read_conditions(options.conditions, options.directory, options.root)
    runner = Runner(load_gstreamer(), options.model, options.labels, options.properties)
    # One frame is classified first, so that an unusable model or unrelated folders are reported before a long video is
    # decoded.
    first = runner.frames(next(iter(classes.values()))[0], limit=1)[0]
    labels = sorted(first["confidences"], key=str.casefold)
    folders = summary.match_folders(classes, labels)
    if not any(folders.values()):
        raise UnusableError(
            f"no folder is a class of the model; folders: {', '.join(classes)}; classes: {text.shortened(labels)}"
        )
    warn(f"{sum(map(len, classes.values()))} files with {runner.model}")
    result = results(runner, options, folders, labels, classify(runner, options.directory, classes))
    if conditions:
        result["conditions"] = summary.by_condition(result["pictures"], folders, conditions)
    write_results(options, result)
    print(text.report(result))
    for sentence in verdict.sentences(result):
        print(f"warning: {sentence}")
    if options.report:
        print(f"the report is {options.report / REPORT} and {options.report / WEB_REPORT}")


def results(
    runner: Runner, options: argparse.Namespace, folders: summary.Folders, labels: Sequence[str], rows: list[Row]
) -> dict[str, Any]:
    """Returns everything that the JSON file contains."""
    return {
        "model": runner.model,
        "labels": labels,
        "threshold": float(f"{runner.threshold:.6g}"),  # a float32: 0.7, not 0.699999988
        "unknown_label": runner.unknown_label,
        "set": dict(setting.split("=", 1) for setting in options.properties),
        "plugin": runner.plugin_version,
        "gstreamer": ".".join(map(str, runner.gst.version()[:3])),
        "folders": folders,
        "summary": summary.summarize(rows, folders, labels),
        "clips": summary.clips(rows, folders),
        "pictures": rows,
    }


def write_results(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Writes the JSON file and the plots. Everything is rendered first, so that a failure leaves no file behind."""
    contents: dict[pathlib.Path, bytes] = {}
    drawn = plots.plots(result) if options.plots or options.report else {}
    if options.plots:
        contents = {options.plots / name: data for name, data in drawn.items()}
    if options.report:
        # Only a report shows images: they may not be published, and plots may.
        drawn |= plots.mistakes(result, options.directory)
        contents |= {options.report / name: data for name, data in drawn.items()}
        blocks = report.content(result, drawn)
        for name, page in ((REPORT, markdown.page(blocks)), (WEB_REPORT, webpage.page(blocks))):
            # The name of a folder can have bytes that are not UTF-8.
            contents[options.report / name] = page.encode(errors="replace")
    if options.json:
        # resolve() follows a symbolic link, so that its target is replaced and not the link.
        contents[options.json.resolve()] = (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode()
    for folder in (options.plots, options.report):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    files.write_files(contents)


def main() -> int:
    """Parses the options, which models/evaluate documents, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--model")
    parser.add_argument("--labels")
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[], dest="properties")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--plots", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--conditions", type=pathlib.Path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The program ends without an error when the reader of the report ends (| head).
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        evaluate(parser.parse_args())
    except UnusableError as error:
        warn(error)
        return 2
    except OSError as error:
        warn(f"{error.filename}: {error.strerror}" if error.filename else error)
        return 2
    except KeyboardInterrupt:
        warn("stopped, no file was written")
        return 130
    return 0

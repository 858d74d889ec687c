"""Keras and LiteRT on this machine: what a process costs to start, and what each picture costs.

The command study/run runs this program and documents it.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from typing import Any

import numpy as np

from study import accuracy, counters, graph, machine, pictures, plan, prepare, report, runs, working_set
from study.errors import StudyError
from study.results import Results

ROOT = pathlib.Path(__file__).parents[2]
BUILT_IN = ROOT / "models/catdog.tflite"
CLIP = ROOT / "models/demo/demo.mp4"
RUNS, SETTINGS, PICTURES = "runs.jsonl", "settings.json", "pictures.npy"
# Numbers of pictures of the two runs in valgrind. Keras takes minutes there.
SIMULATED = {"litert": (1, 11), "catdogfilter": (1, 11), "keras-call": (1, 3)}


def parse_arguments() -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(
        prog="study/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default=str(BUILT_IN), metavar="FILE", help="the .tflite classifier (default: the built-in one)")
    add("--out", metavar="DIR", help="folder of the results (default: study/results/MACHINE-DATE); resumes")
    add("--photos", metavar="DIR", help="a folder with class folders of photos, for the accuracy of each version")
    add("--clip", default=str(CLIP), metavar="FILE", help="the video that is classified (default: the demo clip)")
    add("--quick", action="store_true", help="few runs: minutes instead of an hour, and wide intervals")
    add("--no-keras", action="store_true", help="only LiteRT and catdogfilter; TensorFlow is not installed")
    add("--no-counters", action="store_true", help="neither perf nor valgrind")
    add("--minutes", type=float, default=35, help="time for the runs; large runs are left out to keep it (%(default)s)")
    add("--seed", type=int, default=7, help="seed of the order of the runs (%(default)s)")
    add("--keras-python", metavar="FILE", help=argparse.SUPPRESS)
    return parser.parse_args()


def say(text: str) -> None:
    """Tells the user what happens."""
    print(f"study: {text}", file=sys.stderr, flush=True)


def folder_of(options: argparse.Namespace) -> pathlib.Path:
    """Returns the folder of the results."""
    if options.out:
        return pathlib.Path(options.out)
    name = re.sub(r"[^A-Za-z0-9]+", "-", machine.processor()).strip("-").lower()
    return ROOT / "study/results" / f"{name}-{datetime.date.today():%Y-%m-%d}"


def make_inputs(options: argparse.Namespace, work: pathlib.Path, model: graph.Graph) -> runs.Setup:
    """Writes the pictures, and one of them as a frame. Returns where everything is."""
    _, height, width, _ = model.input.shape
    work.mkdir(parents=True, exist_ok=True)
    found = pictures.frames(pathlib.Path(options.clip), width, height)
    np.save(work / PICTURES, found)
    alpha = np.full((height, width, 1), 255, np.uint8)
    (work / "picture.rgba").write_bytes(np.concatenate([found[0], alpha], -1).tobytes())
    return runs.Setup(work, options.keras_python, width, height)


def make_models(options: argparse.Namespace, setup: runs.Setup) -> tuple[list[str], dict[str, Any], list[str]]:
    """Makes the versions of the model. Returns their names, what is known about them, and what is missing and why."""
    file, work = pathlib.Path(options.model), setup.work
    missing = []
    if setup.keras_python:
        if not (work / "prepare.json").exists():
            say("making the Keras network and its LiteRT versions")
            words = [setup.keras_python, "-m", "study.prepare", str(file), str(work / PICTURES), str(work)]
            done = subprocess.run(words, env=runs.environment(), capture_output=True, text=True, check=False)
            if done.returncode:
                lines = done.stderr.strip().splitlines()
                missing.append(f"Keras: {lines[-1] if lines else 'the program that makes the models failed'}")
        if (work / "prepare.json").exists():
            return list(plan.MODELS), json.loads((work / "prepare.json").read_text()), missing
    else:
        missing.append("Keras, and the versions float32 and dynamic range: --no-keras, or there is no TensorFlow here")
    # The model as it is. Its kind is that of its input.
    name = "int8" if prepare.is_int8(graph.read(file)) else "float32"
    shutil.copyfile(file, work / f"{name}.tflite")
    return [name], {}, missing


def write_inputs(setup: runs.Setup, models: list[str], original: graph.Graph) -> None:
    """Writes the pictures as each version of the model takes them."""
    found = np.load(setup.work / PICTURES)
    for name in models:
        dtype = np.float32 if name == "keras" else graph.read(setup.work / f"{name}.tflite").input.dtype
        np.save(setup.work / f"{name}.npy", pictures.model_input(original, dtype, found))


def costs_of(setup: runs.Setup, found: list[plan.Variant]) -> dict[plan.Variant, tuple[float, float]]:
    """Runs each variant with 1 and 11 pictures. Returns the seconds of the start and of a picture."""
    costs = {}
    for variant in found:
        words = [runs.command(setup, variant, n) for n in (1, 11)]
        one, eleven = (runs.measured(run, variant, setup.work / "costs.json")["wall_s"] for run in words)
        picture = max(1e-5, (eleven - one) / 10)
        costs[variant] = (max(0.0, one - picture), picture)
    return costs


def measure(options: argparse.Namespace, out: pathlib.Path, setup: runs.Setup, models: list[str]) -> dict[str, Any]:
    """Does all runs that are not done yet. Returns what the report says about how it was done."""
    cores = len(os.sched_getaffinity(0))
    threads = [1] if options.quick or cores == 1 else [1, cores]
    engines = [engine for engine in plan.ENGINES if setup.keras_python or not engine.startswith("keras")]
    found = plan.variants(models, engines, threads)
    file = out / SETTINGS
    if file.exists():
        stored = json.loads(file.read_text())
    else:
        events, missing = ({}, "--no-counters") if options.no_counters else counters.perf_events()
        say("looking how long everything takes")
        counts = plan.QUICK_COUNTS if options.quick else plan.COUNTS
        repetitions = plan.QUICK_REPETITIONS if options.quick else plan.REPETITIONS
        processes = repetitions * max(1, len(counters.groups(events)))
        chosen, seconds = plan.counts_within(costs_of(setup, found), counts, processes, options.minutes * 60)
        stored = {
            "model": pathlib.Path(options.model).name,
            "machine": machine.describe(),
            "date": f"{datetime.date.today():%Y-%m-%d}",
            "repetitions": repetitions,
            "counts": {variant.key: counts for variant, counts in chosen.items()},
            "planned_s": seconds,
            "events": events,
            "no_perf": missing,
            "seed": options.seed,
        }
        file.write_text(json.dumps(stored, indent=2) + "\n")
    # A study that goes on counts what it has counted before.
    events, groups = stored["events"], counters.groups(stored["events"])
    counts_of = {variant: stored["counts"][variant.key] for variant in found if variant.key in stored["counts"]}
    steps = plan.steps(counts_of, stored["repetitions"], len(groups), stored["seed"])
    records = runs.read_records(out / RUNS)
    done = {(r["engine"], r["model"], r["threads"], r["count"], r["repetition"]) for r in records}
    left = [step for step in steps if (*step.variant, step.pictures, step.repetition) not in done]
    minutes = stored["planned_s"] * len(left) / max(1, len(steps)) / 60
    say(f"{len(left)} of {len(steps)} runs, about {minutes:.0f} minutes")
    started = time.monotonic()
    runs.end_last_line(out / RUNS)
    with open(out / RUNS, "a") as log:
        for number, step in enumerate(left, 1):
            record = runs.run(setup, step, events, groups)
            record["temperature"] = machine.temperature()
            log.write(json.dumps(record) + "\n")
            log.flush()
            if number % max(1, len(left) // 20) == 0:
                minutes = (time.monotonic() - started) / number * (len(left) - number) / 60
                say(f"{number} of {len(left)} runs; {minutes:.0f} minutes left")
    return stored


def simulate(
    options: argparse.Namespace, out: pathlib.Path, setup: runs.Setup, models: list[str], events: dict[str, str]
) -> list[str]:
    """Runs in valgrind what can be run there, if the processor counts nothing. Returns what is missing and why."""
    if events:
        return []
    file = out / "simulated.jsonl"
    if options.no_counters:
        return ["simulated caches: --no-counters"]
    reason = counters.simulators_missing()
    if reason:
        return [f"simulated caches: {reason}"]
    engines = [engine for engine in SIMULATED if setup.keras_python or not engine.startswith("keras")]
    if options.quick:
        engines = [engine for engine in engines if not engine.startswith("keras")]
    known = {(record["engine"], record["model"]) for record in runs.read_records(file)}
    missing = []
    for variant in plan.variants(models, engines, [1]):
        if (variant.engine, variant.model) in known:
            continue
        say(f"simulating the caches of a Raspberry Pi 5: {variant.key}")
        try:
            record = runs.simulated(setup, variant, *SIMULATED[variant.engine])
        except StudyError as error:
            missing.append(f"simulated caches: {error}")
            continue
        with open(file, "a") as log:
            log.write(json.dumps(record) + "\n")
    return missing


def labels_of(file: pathlib.Path) -> list[str]:
    """Returns the class names of a model, as catdog reads them; empty if catdog is not there."""
    program = ROOT / "target/release/catdog"
    if not program.exists():
        return []
    done = subprocess.run([program, "inspect", file, "--json"], capture_output=True, text=True, check=False)
    try:
        return list(json.loads(done.stdout)["labels"]["names"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return []


def count_right(
    options: argparse.Namespace, setup: runs.Setup, models: list[str]
) -> tuple[dict[str, accuracy.Accuracy], list[str]]:
    """Returns the accuracy of each version, or why there is none."""
    if not options.photos:
        return {}, ["accuracy: --photos DIR names a folder with class folders of photos"]
    photos = accuracy.labelled_photos(pathlib.Path(options.photos), labels_of(pathlib.Path(options.model)))
    if not photos:
        return {}, [f"accuracy: {options.photos} has no photos in folders with the names of the classes"]
    files = {name: setup.work / f"{name}.tflite" for name in models if name != "keras"}
    model = graph.read(pathlib.Path(options.model))
    say(f"{len(photos)} photos with each version")
    found, unreadable = accuracy.accuracies(files, photos, model)
    if not unreadable:
        return found, []
    return found, [f"accuracy: photos that cannot be read: {len(unreadable)}, the first {unreadable[0]}"]


def main() -> int:
    """Runs the study; returns the exit code."""
    options = parse_arguments()
    out = folder_of(options)
    work = out / "work"
    try:
        model = graph.read(pathlib.Path(options.model))
        out.mkdir(parents=True, exist_ok=True)
        setup = make_inputs(options, work, model)
        models, facts, missing = make_models(options, setup)
        write_inputs(setup, models, model)
        settings = measure(options, out, setup, models)
        missing += simulate(options, out, setup, models, settings["events"])
        right, reasons = count_right(options, setup, models)
        sizes = {name: (work / f"{name}.{'keras' if name == 'keras' else 'tflite'}").stat().st_size for name in models}
        if (work / "trained.keras").exists():
            sizes["trained"] = (work / "trained.keras").stat().st_size
        graphs = {name: graph.read(work / f"{name}.tflite") for name in models if name != "keras"}
        results = Results(
            settings,
            runs.read_records(out / RUNS),
            runs.read_records(out / "simulated.jsonl"),
            sizes,
            facts,
            {name: working_set.working_set(found) for name, found in graphs.items()},
            graphs,
            right,
            missing + reasons,
        )
        report.write(out, results)
    except (StudyError, OSError) as error:
        print(f"study: {error}", file=sys.stderr)
        return 1
    say(f"the report is {out / 'report.md'}")
    return 0

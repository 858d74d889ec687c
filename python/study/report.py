"""Writes the report: the answer to each question, the numbers, and the plots."""

import json
import pathlib
from collections.abc import Sequence

from study import plots
from study.fit import Fit
from study.markdown import name_of, number, table, with_interval
from study.memory_questions import question_4, question_5, question_6
from study.plan import MODELS, Variant
from study.results import Fits, Results, all_fits, as_json, caches

# A line whose medians are further off than this is called uncertain.
MAX_RESIDUAL = 0.1


def write(out: pathlib.Path, results: Results) -> None:
    """Writes report.md, the plots and results.json."""
    fits = all_fits(results.records)
    stored = {
        "settings": results.settings,
        "sizes": results.sizes,
        "fits": [
            {**variant._asdict(), "quantity": name, **as_json(one)}
            for variant, found in fits.items()
            for name, one in found.items()
        ],
        "simulated": list(results.simulated),
        "accuracy": {name: found._asdict() for name, found in results.right.items()},
        "twin": results.facts,
        "missing": list(results.missing),
    }
    (out / "results.json").write_text(json.dumps(stored, indent=2, allow_nan=False) + "\n")
    drawn = plots.draw(out, results.records, fits, results.working_sets, results.sizes, caches(results.settings))
    (out / "report.md").write_text(text(results, fits, drawn))


def text(results: Results, fits: Fits, drawn: Sequence[str]) -> str:
    """Returns the report."""
    settings, host = results.settings, results.settings["machine"]
    one = {variant: found for variant, found in fits.items() if variant.threads == 1}
    lines = [
        f"# Keras and LiteRT on {host['processor']}",
        "",
        f"{settings['date']}, {host['cores']} cores, Linux {host['kernel']}, model `{settings['model']}`. "
        f"{len(results.records)} processes in random order, {settings['repetitions']} for each engine and number of "
        "pictures. Numbers in parentheses are 95 % intervals (bootstrap over the processes).",
        "",
        "A process that classifies N pictures costs *start + N x picture*. The start is the import of the libraries, "
        "the loading of the model and the first call; every answer below is about one of the two, never about the sum.",
        "",
        *question_1(one),
        *question_2(results),
        *question_3(one),
        *question_4(one, results),
        *question_5(one, results),
        *question_6(one, results),
        "## All numbers",
        "",
        *table(
            ["engine", "start, s", "picture, ms", "start in pictures", "CPU, ms a picture", "memory at start, MB"],
            [
                [
                    name_of(variant),
                    with_interval(found["wall_s"].start),
                    with_interval(found["wall_s"].per_image, 1000),
                    with_interval(found["wall_s"].break_even),
                    with_interval(found["cpu_s"].per_image, 1000),
                    with_interval(found["peak_bytes"].start, 1e-6),
                ]
                for variant, found in fits.items()
            ],
        ),
        "",
        *accuracy_lines(results),
        *missing_lines(results, fits),
    ]
    if drawn:
        lines += ["## Plots", "", *[f"![{name.removesuffix('.svg')}]({name})" for name in drawn], ""]
    return "\n".join(lines)


def fastest(fits: Fits, engine: str) -> tuple[Variant, dict[str, Fit]] | None:
    """Returns the variant of an engine with the lowest time per picture."""
    found = [(v, f) for v, f in fits.items() if v.engine.startswith(engine)]
    return min(found, key=lambda item: item[1]["wall_s"].per_image.value, default=None)


def question_1(one: Fits) -> list[str]:
    """Overall: which is faster."""
    lines = ["## 1. Overall", ""]
    keras, litert, element = (fastest(one, engine) for engine in ("keras", "litert", "catdogfilter"))
    if keras and litert:
        slow, fast = keras[1]["wall_s"], litert[1]["wall_s"]
        ratio = slow.per_image.value / fast.per_image.value
        low, high = slow.per_image.low / fast.per_image.high, slow.per_image.high / fast.per_image.low
        lines += [
            f"**LiteRT needs {fast.per_image.value * 1000:.2g} ms for a picture and Keras "
            f"{slow.per_image.value * 1000:.2g} ms: {ratio:.1f} times as long ({low:.1f} to {high:.1f}).** It starts "
            f"in {fast.start.value:.2g} s instead of {slow.start.value:.2g} s. Both are the fastest of their kind here "
            f"({name_of(litert[0])}; {name_of(keras[0])}).",
            "",
        ]
    if element and litert:
        lines += [
            f"`catdogfilter` needs {element[1]['wall_s'].per_image.value * 1000:.2g} ms for a frame, conversion of the "
            f"pixels included ({name_of(element[0])}), and starts in {element[1]['wall_s'].start.value:.2g} s.",
            "",
        ]
    if not keras:
        lines += ["Keras was not measured here, so that there is nothing to compare.", ""]
    return [*lines, f"How sure: {sureness(one)} What would change it: another network, or a GPU.", ""]


def sureness(one: Fits) -> str:
    """Says how well the times are lines."""
    worst = max((found["wall_s"].residual for found in one.values()), default=0)
    if worst > MAX_RESIDUAL:
        return f"the times are no exact lines; a median is up to {100 * worst:.0f} % off."
    return f"no median is more than {100 * worst:.1f} % off its line."


def question_2(results: Results) -> list[str]:
    """Sizes, and where they come from."""
    lines = ["## 2. Size of the model", ""]
    contents = results.facts.get("contents", {})
    rows = []
    names = {"trained": "Keras, as a training leaves it", **{name: MODELS[name] for name in MODELS}}
    for name in ("trained", "keras", "float32", "dynamic", "int8"):
        if name not in results.sizes:
            continue
        size = results.sizes[name]
        if name in results.graphs:
            weights, optimizer = results.graphs[name].constant_bytes, 0
        else:
            part = contents.get(f"{name}.keras", {})
            weights, optimizer = part.get("network", 0), part.get("optimizer", 0)
        rest = size - weights - optimizer
        rows.append([names[name], *(f"{value / 1e6:.2f}" for value in (size, weights, optimizer, rest))])
    if contents:
        trained, int8 = results.sizes["trained"], results.sizes["int8"]
        optimizer = contents["trained.keras"]["optimizer"] / 1e6
        lines += [
            f"**A Keras file of {trained / 1e6:.1f} MB becomes {int8 / 1e6:.1f} MB: {trained / int8:.1f} times "
            "smaller, and most of that is not LiteRT.** The Keras file of a training has three numbers per weight: "
            f"the weight and the two moments of the optimizer Adam ({optimizer:.1f} MB), which only a further training "
            f"needs. Without them it has {results.sizes['keras'] / 1e6:.1f} MB. The rest is the type of the weights: "
            "4 bytes as float32, 1 byte as int8. Nothing is pruned: every version has all "
            f"{results.facts['parameters'] / 1e6:.2f} million weights.",
            "",
        ]
    lines += table(["version", "file, MB", "weights, MB", "optimizer, MB", "graph and rest, MB"], rows)
    return [*lines, "", "How sure: counted, not measured. What would change it: pruning, or another optimizer.", ""]


def question_3(one: Fits) -> list[str]:
    """More or fewer pictures per run."""
    lines = ["## 3. More or fewer pictures per run", ""]
    keras, litert = fastest(one, "keras"), fastest(one, "litert")
    if keras and litert:
        slow, fast = keras[1]["wall_s"], litert[1]["wall_s"]

        lines += [
            f"**With one picture per run, LiteRT is {slow.each(1) / fast.each(1):.0f} times as fast, with "
            f"1,000 {slow.each(1000) / fast.each(1000):.1f} "
            "times.** The engines do not change with N; the share of the start does. A picture costs *picture + start "
            f"/ N*: the start of Keras is worth {number(slow.break_even.value)} pictures, that of LiteRT "
            f"{number(fast.break_even.value)}. With ten times as many pictures, the start is less than a tenth.",
            "",
        ]
    rows = []
    for variant, found in one.items():
        times = found["wall_s"]
        each = [f"{times.each(n) * 1000:.3g}" for n in (1, 10, 100, 1000)]
        rows.append([name_of(variant), *each, number(times.break_even.value)])
    lines += table(["ms a picture, at N =", "1", "10", "100", "1000", "start in pictures"], rows)
    return [*lines, "", f"How sure: {sureness(one)} What would change it: a slower disk makes the start longer.", ""]


def accuracy_lines(results: Results) -> list[str]:
    """What quantization costs in right answers."""
    if not results.right:
        return []
    rows = [
        [
            MODELS[name],
            f"{100 * found.right / found.photos:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})",
            f"{100 * found.same:.1f} %",
        ]
        for name, found in results.right.items()
    ]
    photos = next(iter(results.right.values())).photos
    lines = ["## Accuracy", "", f"{photos} labelled photos, stretched to the input of the model; Wilson intervals.", ""]
    head = ["version", "right", f"same answer as {MODELS[next(iter(results.right))]}"]
    return [*lines, *table(head, rows), ""]


def missing_lines(results: Results, fits: Fits) -> list[str]:
    """What is missing, and why."""
    lines = [f"- {reason}" for reason in results.missing]
    if results.settings["no_perf"]:
        lines.append(f"- Counters of the processor: {results.settings['no_perf']}")
    largest = max((max(counts) for counts in results.settings["counts"].values()), default=0)
    for variant in fits:
        counts = results.settings["counts"].get(variant.key, [])
        if counts and max(counts) < largest:
            lines.append(f"- {name_of(variant)}: at most {max(counts)} pictures per run, to keep the time")
    return ["## What is missing", "", *lines, ""] if lines else []

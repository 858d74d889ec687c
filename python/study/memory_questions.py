"""Answers the questions about memory: stalls, the second-level cache, and the last-level cache."""

from collections.abc import Sequence

from study.fit import Estimate
from study.machine import LINE, PI_5, Cache
from study.markdown import name_of, number, table, with_interval
from study.plan import MODELS, Variant
from study.results import Fits, Results, caches

KIB, MIB = 1 << 10, 1 << 20

# The counters of a picture, by engine and model.
Counts = dict[Variant, dict[str, Estimate]]


def per_picture(one: Fits, results: Results, names: Sequence[str]) -> tuple[Counts, str]:
    """Returns the counters of a picture, and how they were counted. A simulation has no interval."""
    found: Counts = {}
    for variant, fits in one.items():
        counted = {name: fits[name].per_image for name in names if name in fits}
        if counted:
            found[variant] = counted
    if found:
        return found, "counted by the processor (perf)"
    for record in results.simulated:
        values = {name: float(record["per_image"][name]) for name in names if name in record["per_image"]}
        variant = Variant(record["engine"], record["model"], record["threads"])
        found[variant] = {name: Estimate(value, value, value) for name, value in values.items()}
    return found, "simulated (valgrind with the caches of a Raspberry Pi 5)"


def shown(estimate: Estimate | None) -> str:
    """Returns a counter for a table."""
    if estimate is None:
        return ""
    return number(estimate.value) if estimate.low == estimate.high else with_interval(estimate)


def counter_lines(one: Fits, results: Results, names: Sequence[str]) -> list[str]:
    """Returns a table of counters per picture, or why there is none."""
    found, source = per_picture(one, results, names)
    filled = [name for name in names if any(name in counts for counts in found.values())]
    if not filled:
        return [f"Not measured: {results.settings['no_perf'] or 'the processor has no such counter'}."]
    head = [f"per picture, {source}", *(name.replace("_", " ") for name in filled)]
    rows = [[name_of(variant), *(shown(counts.get(name)) for name in filled)] for variant, counts in found.items()]
    return table(head, rows)


def compared(found: Counts, name: str) -> str:
    """Returns the lowest counts of the LiteRT interpreter and of Keras and their ratio, as a part of a sentence.

    Without counts, the text is empty.
    """
    ends = []
    for engine in ("litert", "keras"):
        values = [(c[name].value, v) for v, c in found.items() if v.engine.startswith(engine) and name in c]
        if values:
            ends.append(min(values))
    text = " and ".join(f"{number(count)} ({name_of(variant)})" for count, variant in ends)
    if len(ends) == 2 and ends[0][0] > 0:
        text += f", {ends[1][0] / ends[0][0]:.1f} times as many,"
    return text


def question_4(one: Fits, results: Results) -> list[str]:
    """Stalls waiting for memory."""
    found, _ = per_picture(one, results, ["cycles", "stalled_cycles"])
    shares = [
        f"{100 * counts['stalled_cycles'].value / counts['cycles'].value:.0f} % ({name_of(variant)})"
        for variant, counts in found.items()
        if "stalled_cycles" in counts and "cycles" in counts
    ]
    if shares:
        answer = f"**Share of the cycles of a picture in which nothing could be executed: {', '.join(shares)}.**"
    else:
        answer = (
            "**Not answered on this machine: it counts no stalls, and a simulation has no time.** What has to come "
            "from memory is counted below."
        )
    return [
        "## 4. Stalls that wait for memory",
        "",
        answer,
        "",
        "No processor here tells the stalls of memory apart from others; a Cortex-A76 counts the cycles in which "
        "nothing can be executed for whatever reason (`STALL_BACKEND`). Together with the lines that come from the "
        "second-level cache and from memory, it is evidence and no proof.",
        "",
        *counter_lines(one, results, ["cycles", "stalled_cycles", "l2_misses", "llc_misses"]),
        "",
        "How sure: see above. What would change it: a processor that counts stalls by their cause (Intel: "
        "`cycle_activity.stalls_mem_any`).",
        "",
    ]


def question_5(one: Fits, results: Results) -> list[str]:
    """Invalidations and write-backs of the second-level cache."""
    found, source = per_picture(one, results, ["l2_write_backs"])
    counts = compared(found, "l2_write_backs")
    if counts:
        answer = f"**For a picture, {counts} changed lines leave the second-level cache ({source}).**"
    else:
        answer = "**Not counted on this machine.**"
    return [
        "## 5. Write-backs of the second-level cache",
        "",
        f"{answer}{least_lines(results, PI_5[1], ' The size of the model says how much has to come at least: ')}",
        "",
        "The lab's report read `L2D_CACHE_INVAL` as the lines that are overwritten. That event counts lines that "
        "another core or a cache operation makes invalid. Lines that leave because there is no room are "
        "`L2D_CACHE_WB_VICTIM` if they were changed, and each line that comes is `L2D_CACHE_REFILL`.",
        "",
        *counter_lines(one, results, ["l2_loads", "l2_misses", "l2_write_backs", "l2_invalidations"]),
        "",
        *cache_lines(results),
        "How sure: the sizes are counted; a simulated cache has no prefetcher, which brings lines before they are "
        "needed, some in vain. What would change it: a larger second-level cache.",
        "",
    ]


def least_lines(results: Results, cache: Cache, introduction: str) -> str:
    """Says how many lines of weights a picture brings at least into a cache that is smaller than the weights."""
    parts = [
        f"{number(used.weights / LINE)} lines with {MODELS[name].removeprefix('LiteRT, ')}"
        for name, used in results.working_sets.items()
        if used.weights > cache.bytes
    ]
    if not parts:
        return ""
    return f"{introduction}{', '.join(parts)}, because the weights are larger than the {cache_name(cache)}."


def cache_lines(results: Results) -> list[str]:
    """Compares the bytes of the model with the caches of the machine and of a Raspberry Pi 5."""
    lines = []
    for title, found in (("this machine", caches(results.settings)), ("a Raspberry Pi 5", PI_5)):
        data = [cache for cache in found if cache.kind != "Instruction"]
        if not data:
            continue
        rows = []
        for name, used in results.working_sets.items():
            cells = []
            for cache in data:
                fits = "fit" if used.weights <= cache.bytes else "do not fit"
                cells.append(f"weights {fits}; {used.fitting(cache.bytes)} of {len(used.operators)} operators fit")
            rows.append([MODELS[name], f"{used.weights / 1e6:.2f}", *cells])
        head = ["version", "weights, MB", *(cache_name(cache) for cache in data)]
        lines += [f"Bytes that an inference touches, and the caches of {title}:", "", *table(head, rows), ""]
    return [
        *lines,
        "The second-level cache of a Raspberry Pi 5 has 512 KB for each core. The 2 MB that the lab's report assumed "
        "for one thread are the sum of four: a model of 2.4 MB does not fit.",
        "",
    ]


def cache_name(cache: Cache) -> str:
    """What a reader calls a cache."""
    size = f"{cache.bytes // MIB} MB" if cache.bytes >= MIB else f"{cache.bytes // KIB} KB"
    return f"level {cache.level}, {size}" + (f" for {cache.cores} cores" if cache.cores > 1 else " a core")


def question_6(one: Fits, results: Results) -> list[str]:
    """Loads and misses of the last-level cache."""
    names = ["instructions", "l1_misses", "llc_loads", "llc_misses", "llc_write_misses"]
    found, source = per_picture(one, results, names)
    counts = compared(found, "llc_misses")
    lines = ["## 6. Loads and misses of the last-level cache", ""]
    if counts:
        lines += [f"**For a picture, {counts} lines of {LINE} bytes come from memory ({source}).**", ""]
    return [
        *lines,
        *counter_lines(one, results, names),
        "",
        "A picture needs its weights once, whatever the engine. What an engine adds to that are its own tables, "
        "copies of the activations, and for Keras the interpreter of Python."
        + least_lines(results, PI_5[2], " At least that is "),
        "",
        "How sure: a simulated last-level cache has the size of the real one, but no prefetcher and no other "
        "programs. What would change it: counters of the processor (run this on a Raspberry Pi 5).",
        "",
    ]

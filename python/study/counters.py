"""Counts what a process does in the processor: with `perf stat`, or with valgrind, which simulates caches.

Each counter has a name of the study, and the event that a processor has for it.
"""

import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from study.machine import LINE, PI_5

# At most this many events of a group are counted at once: a Cortex-A76 has six counters, and one is for cycles. With
# more, perf counts each of them for a part of the time and estimates the rest.
GROUP = 5
# What cachegrind and callgrind count, by the abbreviations of valgrind's manual: I instruction, D data, r read,
# w write, m miss, 1 the first level, L the last one. `dm` of callgrind is a miss that makes a changed line leave.
CACHEGRIND_EVENTS = "Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw".split()
CALLGRIND_EVENTS = "Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw ILdmr DLdmr DLdmw".split()


class Counter(NamedTuple):
    """A quantity of the report."""

    name: str
    meaning: str
    # Events of perf, by the name that /proc/cpuinfo or the architecture gives; the first one that the machine has
    # counts.
    events: tuple[str, ...]


# The names of Arm are those of the Cortex-A76 Technical Reference Manual and of the kernel (tools/perf/pmu-events/arch/
# arm64/arm/cortex-a76); those of Intel and AMD are perf's own. A Cortex-A76 has no event "stalled for memory":
# stall_backend counts every cycle in which the execution units cannot take an operation, for whatever reason.
COUNTERS = (
    Counter("instructions", "instructions", ("instructions",)),
    Counter("cycles", "cycles", ("cycles",)),
    Counter("stalled_cycles", "cycles in which nothing could be executed", ("stall_backend", "stalled-cycles-backend")),
    Counter("l1_loads", "loads from the first-level data cache", ("l1d_cache_rd", "L1-dcache-loads")),
    Counter("l1_misses", "lines loaded into the first-level data cache", ("l1d_cache_refill", "L1-dcache-load-misses")),
    Counter(
        "l2_loads",
        "accesses to the second-level cache",
        ("l2d_cache", "l2_rqsts.references", "l2_request_g1.all_no_prefetch"),
    ),
    Counter("l2_misses", "lines loaded into the second-level cache", ("l2d_cache_refill", "l2_rqsts.miss")),
    Counter(
        "l2_write_backs",
        "changed lines that left the second-level cache to make room",
        ("l2d_cache_wb_victim", "l2_trans.l2_wb"),
    ),
    Counter("l2_invalidations", "lines that another core or a cache operation made invalid", ("l2d_cache_inval",)),
    Counter("llc_loads", "loads from the last-level cache", ("ll_cache_rd", "LLC-loads")),
    Counter("llc_misses", "loads that the last-level cache did not have", ("ll_cache_miss_rd", "LLC-load-misses")),
)


def perf_events() -> tuple[dict[str, str], str]:
    """Returns the events of perf that this machine counts, by the name of the counter, and why others are missing."""
    if not shutil.which("perf"):
        return {}, "perf is not installed (Debian: linux-perf)"
    found = {}
    reason = "the processor, or the virtual machine, has no counters"
    for counter in COUNTERS:
        for event in counter.events:
            words = ["perf", "stat", "-x", ",", "-e", f"{event}:u", "--", "true"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if "perf_event_paranoid" in done.stderr:
                return {}, "perf may not count: sysctl kernel.perf_event_paranoid=1 allows it"
            if event_value(done.stderr, f"{event}:u") is not None:
                found[counter.name] = event
                break
    return found, "" if found else reason


def groups(events: Mapping[str, str]) -> list[list[str]]:
    """Returns the names of the counters in groups that a processor counts at once. Each group has the cycles, so that
    ratios are of one process."""
    others = [name for name in events if name != "cycles"]
    parts = [others[at : at + GROUP] for at in range(0, len(others), GROUP)]
    return [["cycles", *part] if "cycles" in events else part for part in parts]


def parse_perf(text: str) -> dict[str, float | None]:
    """Parses the output of `perf stat -x,`: value, unit, event, time, percentage of the time in which it was counted.

    The value is None for an event that was not counted, or only for a part of the time: perf then writes an estimate.
    """
    found: dict[str, float | None] = {}
    for row in text.splitlines():
        fields = row.split(",")
        if len(fields) < 5 or row.startswith("#"):
            continue
        value, event, percentage = fields[0], fields[2], fields[4]
        counted = re.fullmatch(r"\d+(\.\d+)?", value) and re.fullmatch(r"100(\.0+)?", percentage)
        found[event] = float(value) if counted else None
    return found


def event_value(text: str, event: str) -> float | None:
    """Returns the count of an event in the output of perf, with or without its modifier."""
    found = parse_perf(text)
    return found.get(event, found.get(event.removesuffix(":u")))


def perf_command(events: Mapping[str, str], names: Sequence[str], out: pathlib.Path) -> list[str]:
    """Returns the words before a command that make perf count it."""
    chosen = ",".join(f"{events[name]}:u" for name in names)
    return ["perf", "stat", "-x", ",", "-o", str(out), "-e", chosen, "--"]


def read_perf(out: pathlib.Path, events: Mapping[str, str], names: Sequence[str]) -> dict[str, float]:
    """Returns the counters of a run; those that were counted for a part of the time are left out."""
    text = out.read_text()
    values = {name: event_value(text, f"{events[name]}:u") for name in names}
    return {name: value for name, value in values.items() if value is not None}


# Valgrind simulates a first level and a last one. Cachegrind runs with the last level of a Raspberry Pi 5, and
# callgrind with its second one, because it also counts lines that are written back.
SIMULATORS = ("cachegrind", "callgrind")


def simulator_command(tool: str, out: pathlib.Path) -> list[str]:
    """Returns the words before a command that run it in one of SIMULATORS. The associativity is that of the Cortex-A76:
    4 ways in the first level, 8 in the second one, and 16 in the last one (Technical Reference Manuals of the
    Cortex-A76 and of the DynamIQ Shared Unit)."""
    first, second, last = PI_5
    level = f"{second.bytes},8,{LINE}" if tool == "callgrind" else f"{last.bytes},16,{LINE}"
    first_level = f"{first.bytes},4,{LINE}"
    return [
        "valgrind", f"--tool={tool}", "--cache-sim=yes", f"--I1={first_level}", f"--D1={first_level}", f"--LL={level}",
        f"--{tool}-out-file={out}", "--log-file=/dev/null", *(["--simulate-wb=yes"] if tool == "callgrind" else []),
    ]  # fmt: skip


def parse_simulated(tool: str, text: str) -> dict[str, float]:
    """Parses a file of one of SIMULATORS: the sums of the whole process, as counters of the study. Raises ValueError if
    it has none: valgrind ended early."""
    wanted = CALLGRIND_EVENTS if tool == "callgrind" else CACHEGRIND_EVENTS
    names = re.search(r"^events: (.+)$", text, re.MULTILINE)
    sums = re.search(r"^summary: (.+)$", text, re.MULTILINE)
    if not names or not sums or names[1].split() != wanted:
        raise ValueError(f"{tool} wrote no summary")
    value = dict(zip(wanted, map(float, sums[1].split())))
    misses = value["ILmr"] + value["DLmr"]
    if tool == "callgrind":
        return {
            "l2_loads": value["I1mr"] + value["D1mr"],
            "l2_misses": misses + value["DLmw"],
            "l2_write_backs": value["ILdmr"] + value["DLdmr"] + value["DLdmw"],
            "llc_loads": misses,
        }
    return {
        "instructions": value["Ir"],
        "l1_loads": value["Dr"],
        "l1_misses": value["D1mr"] + value["D1mw"],
        "llc_misses": misses,
        "llc_write_misses": value["DLmw"],
    }


def simulators_missing() -> str:
    """Returns why valgrind cannot be used; an empty text if it can."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed (Debian: valgrind)"
    return "" if os.uname().machine in ("x86_64", "aarch64") else "valgrind was not tried on this processor"

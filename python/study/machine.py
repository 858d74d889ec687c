"""Describes the computer: processor, caches, memory, clock."""

import os
import pathlib
import platform
import re
from typing import NamedTuple

CPU = pathlib.Path("/sys/devices/system/cpu")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Cache(NamedTuple):
    """A cache of the first processor core."""

    level: int
    kind: str  # Data, Instruction or Unified
    bytes: int
    # The cores that share it.
    cores: int


# Bytes that a cache loads at once, on every processor that the project knows.
LINE = 64
# The caches of a Raspberry Pi 5 (BCM2712: Arm Cortex-A76), from Raspberry Pi's product information.
PI_5 = [Cache(1, "Data", 64 << 10, 1), Cache(2, "Unified", 512 << 10, 1), Cache(3, "Unified", 2 << 20, 4)]


def describe() -> dict[str, object]:
    """Returns what a reader of the report needs to know; what the system does not tell is None."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "caches": [cache._asdict() for cache in caches()],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "governor": read(CPU / "cpu0/cpufreq/scaling_governor"),
        "temperature": temperature(),
        "python": platform.python_version(),
    }


def read(file: pathlib.Path) -> str | None:
    """Returns the text of a file of the kernel, None if there is none."""
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        return None


def processor() -> str:
    """Returns the name of the processor: the product if the system has one (a Raspberry Pi), else the model."""
    board = read(pathlib.Path("/proc/device-tree/model"))
    if board:
        return board.strip("\0")
    text = read(pathlib.Path("/proc/cpuinfo")) or ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def temperature() -> float | None:
    """Returns the temperature of the processor in degrees Celsius."""
    text = read(pathlib.Path("/sys/class/thermal/thermal_zone0/temp"))
    return int(text) / 1000 if text and text.lstrip("-").isdigit() else None


def caches(folder: pathlib.Path = CPU / "cpu0/cache") -> list[Cache]:
    """Returns the caches of the first core, smallest level first; empty if the system does not tell."""
    found = []
    for index in sorted(folder.glob("index*")):
        level, kind, size = (read(index / name) for name in ("level", "type", "size"))
        number = re.fullmatch(r"(\d+)([KMG])?", size or "")
        if level and kind and number:
            cores = cores_of(read(index / "shared_cpu_list") or "0")
            found.append(Cache(int(level), kind, int(number[1]) * UNITS.get(number[2] or "", 1), cores))
    return sorted(found)


def cores_of(text: str) -> int:
    """Returns the number of cores in a list of the kernel, such as `0-3,8`."""
    ends = [part.partition("-") for part in text.split(",")]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ends)

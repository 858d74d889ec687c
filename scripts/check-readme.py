#!/usr/bin/python3
"""Compares README.md with the plugin, as GStreamer introspects it, and prints each difference.

Usage: scripts/check-readme.py [--print] [README.md]

  --print  print the expected tables without the last column, and check nothing

README.md needs, for each element of the plugin, a heading "Properties of `ELEMENT`" with the table
  | property | type | default | changeable | what |
and a heading "Formats of `ELEMENT`", below which every raw video format of the pads is named in backquotes. The
default of a property must also be the value in a new element. GStreamer finds the plugin through GST_PLUGIN_PATH.
Exit code 1: differences; 2: wrong usage, or no plugin.
"""

import pathlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

PLUGIN = "catdog"
COLUMNS = ["property", "type", "default", "changeable"]
# Properties of a base class that the table includes, with the time when they may be set, which the base class does not
# declare.
INHERITED = {"qos": "any time"}
# The default of a read-only property.
NO_DEFAULT = "\N{EN DASH}"
# The limits of a type, which the table does not repeat.
LIMITS = {
    "int": (-(2**31), 2**31 - 1),
    "uint": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
TYPES = {
    "GParamString": "string",
    "GParamBoolean": "bool",
    "GParamInt": "int",
    "GParamUInt": "uint",
    "GParamInt64": "int64",
    "GParamUInt64": "uint64",
    "GParamFloat": "float",
    "GParamDouble": "double",
    "GParamEnum": "enum",
    "GParamBoxed": "structure",
}


# --- the plugin ----------------------------------------------------------------------------------


def load_gstreamer() -> Any:
    """Returns the initialized module Gst. Ends the program if it is missing."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError):
        stop("PyGObject for GStreamer is missing: apt-get install python3-gi gir1.2-gstreamer-1.0")
    Gst.init(None)
    return Gst


def number(value: float) -> str:
    """Returns a number with six digits: 0.7, not 0.699999988."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def nicks(pspec: Any) -> dict[int, str]:
    """Returns {value: nick} of an enumeration. Its Python class depends on the version of PyGObject."""
    cls = pspec.value_type.pytype
    values = getattr(cls, "__enum_values__", None) or {int(value): value for value in cls}
    return {number: value.value_nick for number, value in sorted(values.items())}


def type_of(pspec: Any) -> str:
    """Returns the type of a property, with its range or its nicks."""
    kind = TYPES.get(pspec.__gtype__.name, pspec.value_type.name)
    if kind == "enum":
        return ", ".join(f"`{nick}`" for nick in nicks(pspec).values())
    if kind not in LIMITS and kind not in ("float", "double"):
        return kind
    limits = LIMITS.get(kind, (None, None))
    low = "" if pspec.minimum == limits[0] else number(pspec.minimum)
    high = "" if pspec.maximum == limits[1] else number(pspec.maximum)
    return f"{kind} {low}..{high}" if low or high else kind


def default_of(pspec: Any, value: Any) -> str:
    """Returns a value as the table shows it."""
    if value is None:
        return "unset"
    if pspec.__gtype__.name == "GParamEnum":
        return f"`{nicks(pspec)[int(value)]}`"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'`"{value}"`'
    return number(value)


def changeable_of(gst: Any, pspec: Any) -> str:
    """Returns when a property may be set."""
    if not pspec.flags & 2:  # G_PARAM_WRITABLE
        return "read only"
    if pspec.flags & gst.PARAM_MUTABLE_PLAYING:
        return "any time"
    if pspec.flags & gst.PARAM_MUTABLE_PAUSED:
        return "up to PAUSED"
    return "before start"


def introspect(gst: Any, factory: Any) -> tuple[dict[str, list[str]], set[str], list[str]]:
    """Returns {property: [type, default, changeable]}, the formats, and defaults that differ from a new element."""
    element = factory.create(None)
    if element is None:
        stop(f"{factory.get_name()} cannot be created")
    properties: dict[str, list[str]] = {}
    wrong: list[str] = []
    for pspec in element.list_properties():
        actual = default_of(pspec, element.get_property(pspec.name))
        if pspec.owner_type != element.__gtype__:
            if pspec.name in INHERITED:
                properties[pspec.name] = [type_of(pspec), actual, INHERITED[pspec.name]]
            continue
        changeable = changeable_of(gst, pspec)
        default = NO_DEFAULT if changeable == "read only" else default_of(pspec, pspec.default_value)
        if default not in (NO_DEFAULT, actual):
            wrong.append(f"{pspec.name}: the declared default is {default}, a new element has {actual}")
        properties[pspec.name] = [type_of(pspec), default, changeable]
    return properties, formats_of(factory), wrong


def formats_of(factory: Any) -> set[str]:
    """Returns the raw video formats of all pad templates."""
    formats: set[str] = set()
    for template in factory.get_static_pad_templates():
        caps = template.get_caps()
        for index in range(caps.get_size()):
            structure = caps.get_structure(index)
            if structure.get_name() == "video/x-raw":
                # A list has the form { (string)YUY2, (string)UYVY }
                text = re.search(r"format=(?:\(string\))?(\{[^}]*\}|[^,;]+)", structure.to_string())
                listed = re.sub(r"\(string\)", "", text.group(1)) if text else ""
                formats |= set(re.findall(r"\w+", listed))
    return formats


# --- README.md -------------------------------------------------------------------------------------


def sections(text: str, title: str) -> dict[str, list[str]]:
    """Returns {element: lines} of the sections with a heading "TITLE of `element`"."""
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("#"):
            heading = re.match(rf"#+ +{title} of `([^`]+)`", line)
            lines = found.setdefault(heading.group(1), []) if heading else None
        elif lines is not None:
            lines.append(line)
    return found


def table(lines: Iterable[str]) -> dict[str, list[str]] | None:
    """Returns {property: [type, default, changeable]} of the first table, or None if its header is another one."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")]
    if not rows or rows[0][: len(COLUMNS)] != COLUMNS:
        return None
    return {row[0].strip("`"): row[1 : len(COLUMNS)] for row in rows[2:]}


def compare(name: str, documented: Mapping[str, list[str]], actual: Mapping[str, list[str]]) -> Iterator[str]:
    """Yields the differences between two {property: cells}."""
    for missing in actual.keys() - documented.keys():
        yield f"{name}: the table lacks the property {missing}: | `{missing}` | {' | '.join(actual[missing])} |"
    for extra in documented.keys() - actual.keys():
        yield f"{name}: the table has the property {extra}, which the element lacks"
    for prop in documented.keys() & actual.keys():
        for column, text, fact in zip(COLUMNS[1:], documented[prop], actual[prop]):
            if text != fact:
                yield f"{name}: {prop}: {column} is {fact}, but README.md has {text}"


def differences(gst: Any, text: str) -> Iterator[str]:
    """Yields every difference as a line."""
    tables, formats = sections(text, "Properties"), sections(text, "Formats")
    factories = {feature.get_name(): feature for feature in elements(gst)}
    for name in tables.keys() - factories.keys():
        yield f"README.md has properties of {name}, which the plugin lacks"
    for name, factory in factories.items():
        properties, real_formats, wrong = introspect(gst, factory)
        yield from (f"{name}: {line}" for line in wrong)
        documented = table(tables.get(name, []))
        if documented is None:
            header = " | ".join([*COLUMNS, "what"])
            yield f'README.md lacks the heading "Properties of `{name}`" with a table | {header} |'
        else:
            yield from compare(name, documented, properties)
        documented_formats = set(re.findall(r"`(x?[A-Z][A-Za-z0-9_]+)`", "\n".join(formats.get(name, []))))
        for missing in real_formats - documented_formats:
            yield f"{name}: README.md does not name the format {missing}"
        for extra in documented_formats - real_formats:
            yield f"{name}: README.md names the format {extra}, which the pads lack"


def elements(gst: Any) -> list[Any]:
    """Returns the element factories of the plugin."""
    features = gst.Registry.get().get_feature_list_by_plugin(PLUGIN)
    found = [feature for feature in features if isinstance(feature, gst.ElementFactory)]
    if not found:
        stop(f"GStreamer finds no plugin {PLUGIN}: set GST_PLUGIN_PATH to the folder of libgst{PLUGIN}.so")
    return sorted(found, key=lambda feature: feature.get_name())


def stop(message: str) -> NoReturn:
    """Ends the program with a message."""
    print(f"check-readme.py: {message}", file=sys.stderr)
    sys.exit(2)


def main(arguments: list[str]) -> int:
    """Runs the check and returns the exit code."""
    if "--help" in arguments or "-h" in arguments:
        print(__doc__)
        return 0
    show = "--print" in arguments
    files = [argument for argument in arguments if argument != "--print"]
    if len(files) > 1 or any(name.startswith("-") for name in files):
        stop("usage: scripts/check-readme.py [--print] [README.md] (see --help)")
    gst = load_gstreamer()
    if show:
        for factory in elements(gst):
            properties, formats, _ = introspect(gst, factory)
            print(f"### Properties of `{factory.get_name()}`\n\n| {' | '.join(COLUMNS)} |\n|---|---|---|---|")
            for name, cells in properties.items():
                print(f"| `{name}` | {' | '.join(cells)} |")
            print(f"\n### Formats of `{factory.get_name()}`\n\n{', '.join(f'`{name}`' for name in sorted(formats))}\n")
        return 0
    readme = pathlib.Path(files[0]) if files else pathlib.Path(__file__).resolve().parents[1] / "README.md"
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        stop(f"{readme}: {error.strerror}")
    found = sorted(differences(gst, text))
    for line in found:
        print(line)
    print(f"{readme.name} and the plugin: " + (f"{len(found)} differences" if found else "no difference"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

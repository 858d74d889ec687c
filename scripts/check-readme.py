#!/usr/bin/python3
"""Holds README.md against the plugin as GStreamer introspects it, and names each difference.

Usage: scripts/check-readme.py [--print] [README.md]

  --print  write the tables as they should be, without the last column, and check nothing

Under a heading "Properties of `ELEMENT`", one for each element of the plugin, README.md has the table
  | property | type | default | changeable | what |
and under "Formats of `ELEMENT`" it names every raw video format of the element's pads in backquotes.
A default must also be what a new element really has. Finds the plugin as every GStreamer program does
(GST_PLUGIN_PATH). Exit code 1: differences; 2: wrong usage, or no plugin.
"""

import pathlib
import re
import sys

PLUGIN = "catdog"
COLUMNS = ["property", "type", "default", "changeable"]
# Properties of a base class that the table has too. The base class leaves their default to the element,
# and does not say when they may be set.
INHERITED = {"qos": "any time"}
# Limits of a type, which the table does not repeat
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

def load_gstreamer():
    """The Gst module, or an exit that says how to get it."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError):
        stop("PyGObject for GStreamer is missing: apt-get install python3-gi gir1.2-gstreamer-1.0")
    Gst.init(None)
    return Gst


def number(value):
    """As a person writes it: 0.7, not 0.699999988."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def nicks(pspec):
    """{value: nick} of an enumeration, whose Python class lists its values differently from version to version."""
    cls = pspec.value_type.pytype
    values = getattr(cls, "__enum_values__", None) or {int(value): value for value in cls}
    return {number: value.value_nick for number, value in sorted(values.items())}


def type_of(pspec):
    """Type, with the range or the nicks that a value may have."""
    kind = TYPES.get(pspec.__gtype__.name, pspec.value_type.name)
    if kind == "enum":
        return ", ".join(f"`{nick}`" for nick in nicks(pspec).values())
    if kind not in LIMITS and kind not in ("float", "double"):
        return kind
    low, high = LIMITS.get(kind, (None, None))
    low = "" if pspec.minimum == low else number(pspec.minimum)
    high = "" if pspec.maximum == high else number(pspec.maximum)
    if LIMITS.get(kind, (None,))[0] == 0 and not high and low == "":
        return kind
    return f"{kind} {low}..{high}" if low or high else kind


def default_of(pspec, value):
    """A value as the table shows it."""
    if value is None:
        return "unset"
    if pspec.__gtype__.name == "GParamEnum":
        return f"`{nicks(pspec)[int(value)]}`"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'`"{value}"`'
    return number(value)


def changeable_of(gst, pspec):
    """When a property may be set."""
    if not pspec.flags & 2:  # G_PARAM_WRITABLE
        return "read only"
    if pspec.flags & gst.PARAM_MUTABLE_PLAYING:
        return "any time"
    if pspec.flags & gst.PARAM_MUTABLE_PAUSED:
        return "up to PAUSED"
    return "before start"


def introspect(gst, factory):
    """{property: [type, default, changeable]}, its formats, and defaults that a new element has not."""
    element = factory.create(None)
    if element is None:
        stop(f"{factory.get_name()} cannot be created")
    properties, wrong = {}, []
    for pspec in element.list_properties():
        actual = default_of(pspec, element.get_property(pspec.name))
        if pspec.owner_type != element.__gtype__:
            if pspec.name in INHERITED:
                properties[pspec.name] = [type_of(pspec), actual, INHERITED[pspec.name]]
            continue
        changeable = changeable_of(gst, pspec)
        default = "–" if changeable == "read only" else default_of(pspec, pspec.default_value)
        if default not in ("–", actual):
            wrong.append(f"{pspec.name}: the plugin says its default is {default}, a new element has {actual}")
        properties[pspec.name] = [type_of(pspec), default, changeable]
    return properties, formats_of(factory), wrong


def formats_of(factory):
    """Raw video formats of all pad templates."""
    formats = set()
    for template in factory.get_static_pad_templates():
        caps = template.get_caps()
        for index in range(caps.get_size()):
            structure = caps.get_structure(index)
            if structure.get_name() == "video/x-raw":
                # a list as GStreamer prints it: { (string)YUY2, (string)UYVY }
                text = re.search(r"format=(?:\(string\))?(\{[^}]*\}|[^,;]+)", structure.to_string())
                listed = re.sub(r"\(string\)", "", text.group(1)) if text else ""
                formats |= set(re.findall(r"\w+", listed))
    return formats


# --- README.md -------------------------------------------------------------------------------------

def sections(text, title):
    """{element: lines} of the sections with a heading "TITLE of `element`"."""
    found, lines = {}, None
    for line in text.splitlines():
        if line.startswith("#"):
            heading = re.match(rf"#+ +{title} of `([^`]+)`", line)
            lines = found.setdefault(heading.group(1), []) if heading else None
        elif lines is not None:
            lines.append(line)
    return found


def table(lines):
    """{property: [type, default, changeable]} of the first table, or None where the header is another."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")]
    if not rows or rows[0][: len(COLUMNS)] != COLUMNS:
        return None
    return {row[0].strip("`"): row[1 : len(COLUMNS)] for row in rows[2:]}


def compare(name, said, real):
    """Differences between two {property: cells}."""
    for missing in real.keys() - said.keys():
        yield f"{name}: the table lacks the property {missing}: | `{missing}` | {' | '.join(real[missing])} |"
    for extra in said.keys() - real.keys():
        yield f"{name}: the table has the property {extra}, the element has not"
    for prop in said.keys() & real.keys():
        for column, text, fact in zip(COLUMNS[1:], said[prop], real[prop]):
            if text != fact:
                yield f"{name}: {prop}: {column} is {fact}, README.md says {text}"


def differences(gst, text):
    """Every one, as a line."""
    tables, formats = sections(text, "Properties"), sections(text, "Formats")
    factories = {feature.get_name(): feature for feature in elements(gst)}
    for name in tables.keys() - factories.keys():
        yield f"README.md has properties of {name}, which the plugin has not"
    for name, factory in factories.items():
        properties, real_formats, wrong = introspect(gst, factory)
        yield from (f"{name}: {line}" for line in wrong)
        said = table(tables.get(name, []))
        if said is None:
            yield f"README.md lacks the heading \"Properties of `{name}`\" with a table | {' | '.join(COLUMNS)} | what |"
        else:
            yield from compare(name, said, properties)
        said_formats = set(re.findall(r"`(x?[A-Z][A-Za-z0-9_]+)`", "\n".join(formats.get(name, []))))
        for missing in real_formats - said_formats:
            yield f"{name}: README.md does not name the format {missing}"
        for extra in said_formats - real_formats:
            yield f"{name}: README.md names the format {extra}, the pads do not have it"


def elements(gst):
    """Element factories of the plugin."""
    features = gst.Registry.get().get_feature_list_by_plugin(PLUGIN)
    found = [feature for feature in features if isinstance(feature, gst.ElementFactory)]
    if not found:
        stop(f"GStreamer finds no plugin {PLUGIN}: set GST_PLUGIN_PATH to the folder of libgst{PLUGIN}.so")
    return sorted(found, key=lambda feature: feature.get_name())


def stop(message):
    print(f"check-readme.py: {message}", file=sys.stderr)
    sys.exit(2)


def main(arguments):
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

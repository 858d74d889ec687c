"""TFLite metadata and the ZIP archive with a labels file that follows a model.

The metadata follows metadata_schema.fbs of tflite-support (identifier M001). ZIP structures follow PKWARE's APPNOTE
6.3, the deflate block RFC 1951, section 3.2.6.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence

import flatbuffers

from builder import Model

LABELS = ("heron", "otter", "newt")


def table(builder: flatbuffers.Builder, slots: int, fields: Mapping[int, tuple[str, int]]) -> int:
    """Writes a flatbuffer table; `fields` maps a slot number to ("offset" | "i8" | "u8" | "u32", value)."""
    builder.StartObject(slots)
    for slot, (kind, value) in sorted(fields.items()):
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        elif kind == "u32":
            builder.PrependUint32Slot(slot, value, 0)
        elif kind == "i8":
            builder.PrependInt8Slot(slot, value, 0)
        else:
            builder.PrependUint8Slot(slot, value, 0)
    return builder.EndObject()


def offsets(builder: flatbuffers.Builder, items: Sequence[int]) -> int:
    """Writes a vector of offsets."""
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


def floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    """Writes a vector of float32."""
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def tflite_metadata(
    mean: Sequence[float], std: Sequence[float], label_file: str = "labels.txt", side: int = 8, unlabeled: int = 0
) -> bytes:
    """Returns ModelMetadata: an RGB input of side x side pixels, normalized by (x - mean) / std, and an output with
    labels in `label_file` after `unlabeled` outputs without labels."""
    b = flatbuffers.Builder(512)
    normalization = table(b, 2, {0: ("offset", floats(b, mean)), 1: ("offset", floats(b, std))})
    unit = table(b, 2, {0: ("u8", 1), 1: ("offset", normalization)})  # ProcessUnitOptions.NormalizationOptions
    units = offsets(b, [unit])
    size = table(b, 2, {0: ("u32", side), 1: ("u32", side)})
    image = table(b, 2, {0: ("i8", 1), 1: ("offset", size)})  # ColorSpaceType.RGB
    content = table(b, 3, {0: ("u8", 2), 1: ("offset", image)})  # ContentProperties.ImageProperties
    name = b.CreateString("image")
    source = table(b, 7, {0: ("offset", name), 3: ("offset", content), 4: ("offset", units)})

    feature = table(b, 0, {})
    content = table(b, 3, {0: ("u8", 1), 1: ("offset", feature)})  # ContentProperties.FeatureProperties
    file_name, about = b.CreateString(label_file), b.CreateString("Classes, one per line.")
    labels = table(b, 5, {0: ("offset", file_name), 1: ("offset", about), 2: ("i8", 2)})  # TENSOR_AXIS_LABELS
    files = offsets(b, [labels])
    name = b.CreateString("probability")
    sink = table(b, 7, {0: ("offset", name), 3: ("offset", content), 6: ("offset", files)})

    others = [table(b, 7, {0: ("offset", b.CreateString(f"output{index}"))}) for index in range(unlabeled)]
    sources, sinks = offsets(b, [source]), offsets(b, [*others, sink])
    subgraphs = offsets(b, [table(b, 12, {2: ("offset", sources), 3: ("offset", sinks)})])
    name, version, parser = b.CreateString("catdog test model"), b.CreateString("1"), b.CreateString("1.0.0")
    root = table(b, 8, {0: ("offset", name), 2: ("offset", version), 3: ("offset", subgraphs), 7: ("offset", parser)})
    b.Finish(root, file_identifier=b"M001")
    return bytes(b.Output())


def deflate_fixed(raw: bytes) -> bytes:
    """Returns one deflate block with the fixed Huffman code and literals only, which does not depend on zlib."""
    bits = [1, 1, 0]  # BFINAL, BTYPE = 01, least significant bit first
    for symbol in [*raw, 256]:
        if symbol < 144:
            code, length = 0x30 + symbol, 8
        elif symbol < 256:
            code, length = 0x190 + symbol - 144, 9
        else:
            code, length = symbol - 256, 7
        bits += [code >> i & 1 for i in reversed(range(length))]
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bit << i for i, bit in enumerate(bits[k : k + 8])) for k in range(0, len(bits), 8))


def with_zip(model: bytes, name: str, raw: bytes, deflated: bool, absolute: bool) -> bytes:
    """Returns `model` followed by a ZIP archive with one entry.

    With `absolute` the offsets in the archive count from the start of the file, as Python's zipfile writes them when it
    appends; else from the start of the archive, as in `cat model archive.zip`. Both occur in published models.
    """
    base = len(model) if absolute else 0
    body, method = (deflate_fixed(raw), 8) if deflated else (raw, 0)
    encoded = name.encode()
    date = 1 << 5 | 1  # 1980-01-01, the earliest
    common = struct.pack("<HHHHHIII", 20, 0, method, 0, date, zlib.crc32(raw), len(body), len(raw))
    local = b"PK\x03\x04" + common + struct.pack("<HH", len(encoded), 0) + encoded + body
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common
    central += struct.pack("<HHHHHII", len(encoded), 0, 0, 0, 0, 0o600 << 16, base) + encoded
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), base + len(local), 0)
    return model + local + central + end


def labeled(model: Model, deflated: bool, name: str = "labels.txt", text: str = "\n".join(LABELS) + "\n") -> bytes:
    """Returns a model followed by an archive with the labels file `name`."""
    return with_zip(model.pack(), name, text.encode(), deflated, absolute=not deflated)


def ultralytics_labels() -> str:
    """Returns the metadata that an Ultralytics export appends to a classifier, a dictionary of Python."""
    facts = {"description": "a test model of the converter's", "task": "classify", "batch": 1, "imgsz": [8, 8]}
    return str(facts | {"names": dict(enumerate(LABELS)), "args": {"half": False, "fraction": 1.0}})

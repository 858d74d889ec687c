"""Reads shapes and types from a .tflite file without LiteRT's packages, because most peers do not have them."""

import pathlib
import struct


class Table:
    """A table of a flatbuffer at offset `at` in `data`. Fields are numbered as in the schema."""

    def __init__(self, data: bytes | bytearray, at: int) -> None:
        self.data, self.at = data, at
        self.vtable = at - struct.unpack_from("<i", data, at)[0]

    def has(self, number: int) -> bool:
        """Returns true if the field is stored. A field with its default value is not."""
        length = struct.unpack_from("<H", self.data, self.vtable)[0]
        return 4 + 2 * number < length and self.field(number) != self.at

    def field(self, number: int) -> int:
        """Returns the offset of a field's value."""
        offset = struct.unpack_from("<H", self.data, self.vtable + 4 + 2 * number)[0]
        return self.at + offset

    def vector(self, number: int) -> tuple[int, int]:
        """Returns the offset of the first element of a vector, and the number of elements."""
        start = follow(self.data, self.field(number))
        return start + 4, struct.unpack_from("<I", self.data, start)[0]

    def integers(self, number: int) -> tuple[int, ...]:
        """Returns a vector of int32."""
        start, count = self.vector(number)
        return struct.unpack_from(f"<{count}i", self.data, start)

    def table(self, number: int, index: int) -> "Table":
        """Returns an element of a vector of tables."""
        start, _ = self.vector(number)
        return Table(self.data, follow(self.data, start + 4 * index))


def follow(data: bytes | bytearray, at: int) -> int:
    """Returns the target of the relative offset stored at `at`."""
    return at + struct.unpack_from("<I", data, at)[0]


def text(data: bytes | bytearray, at: int) -> str:
    """Returns the string whose relative offset is stored at `at`."""
    start = follow(data, at)
    return data[start + 4 : start + 4 + struct.unpack_from("<I", data, start)[0]].decode()


def first_subgraph(data: bytes | bytearray) -> Table:
    """Returns the first subgraph of the model."""
    return Table(data, follow(data, 0)).table(2, 0)


def tensors(file: pathlib.Path) -> list[tuple[str, tuple[int, ...], int]]:
    """Returns (name, shape, type) of the first input and the first output. The type is a number of TensorType."""
    data = file.read_bytes()
    graph = first_subgraph(data)
    ends = [graph.table(0, graph.integers(number)[0]) for number in (1, 2)]
    return [(text(data, end.field(3)), end.integers(0), data[end.field(1)] if end.has(1) else 0) for end in ends]


def input_size(file: pathlib.Path) -> list[int]:
    """Returns [width, height] of the input."""
    (_, (_, height, width, _), _), _ = tensors(file)
    return [width, height]


def with_batch_one(data: bytes) -> bytes:
    """Returns the model with a batch of one where the batch is dynamic (-1 in the shape signature)."""
    changed = bytearray(data)
    graph = first_subgraph(changed)
    for index in range(graph.vector(0)[1]):
        tensor = graph.table(0, index)
        if tensor.has(7):
            start, count = tensor.vector(7)
            sizes = [abs(size) for size in tensor.integers(7)]
            struct.pack_into(f"<{count}i", changed, start, *sizes)
    return bytes(changed)


def modelinfo(file: pathlib.Path) -> str:
    """Returns the .modelinfo file that GStreamer's own inference elements need next to the model."""
    types = {0: "float32", 3: "uint8", 9: "int8"}
    group = "classification-generic-softmaxed-out"
    lines = ["[modelinfo]", "version=1.0", f"group-id={group}"]
    for direction, (name, shape, kind) in zip(("input", "output"), tensors(file)):
        lines += ["", f"[{name}]", f"dims={','.join(map(str, shape))}", f"dir={direction}", f"type={types[kind]}"]
        lines += ["ranges=0.0,255.0"] if direction == "input" else [f"id={group}", f"group-id={group}"]
    return "\n".join([*lines, ""])

"""What a TensorFlow Lite file takes, read from the flatbuffer itself: most peers are run without LiteRT's packages."""

import struct


class Table:
    """A table of a flatbuffer: `field` gives where the value of its n-th field is."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.fields = at - struct.unpack_from("<i", data, at)[0]

    def has(self, number):
        """One that has its default is left out."""
        length = struct.unpack_from("<H", self.data, self.fields)[0]
        return 4 + 2 * number < length and self.field(number) != self.at

    def field(self, number):
        offset = struct.unpack_from("<H", self.data, self.fields + 4 + 2 * number)[0]
        return self.at + offset

    def vector(self, number):
        """Where its elements begin, and how many there are."""
        start = followed(self.data, self.field(number))
        return start + 4, struct.unpack_from("<I", self.data, start)[0]

    def integers(self, number):
        start, count = self.vector(number)
        return struct.unpack_from(f"<{count}i", self.data, start)

    def table(self, number, index):
        start, _ = self.vector(number)
        return Table(self.data, followed(self.data, start + 4 * index))


def followed(data, at):
    return at + struct.unpack_from("<I", data, at)[0]


def text(data, at):
    start = followed(data, at)
    return data[start + 4 : start + 4 + struct.unpack_from("<I", data, start)[0]].decode()


def graph_of(data):
    return Table(data, followed(data, 0)).table(2, 0)


def tensors(file):
    """(name, shape, type) of the input and of the output, the type as a number of TensorType."""
    data = file.read_bytes()
    graph = graph_of(data)
    ends = [graph.table(0, graph.integers(number)[0]) for number in (1, 2)]
    return [(text(data, end.field(3)), end.integers(0), data[end.field(1)] if end.has(1) else 0) for end in ends]


def input_size(file):
    """[width, height] of the picture that the model takes."""
    (_, (_, height, width, _), _), _ = tensors(file)
    return [width, height]


def one_picture(data):
    """The same model for a batch of one, where the file leaves that open (-1 in the signature of the shape)."""
    data = bytearray(data)
    graph = graph_of(data)
    for index in range(graph.vector(0)[1]):
        tensor = graph.table(0, index)
        if tensor.has(7):
            start, count = tensor.vector(7)
            sizes = [abs(size) for size in tensor.integers(7)]
            struct.pack_into(f"<{count}i", data, start, *sizes)
    return bytes(data)


def modelinfo(file):
    """What GStreamer's own inference elements want to read beside the model."""
    types = {0: "float32", 3: "uint8", 9: "int8"}
    group = "classification-generic-softmaxed-out"
    lines = ["[modelinfo]", "version=1.0", f"group-id={group}"]
    for direction, (name, shape, kind) in zip(("input", "output"), tensors(file)):
        lines += ["", f"[{name}]", f"dims={','.join(map(str, shape))}", f"dir={direction}", f"type={types[kind]}"]
        lines += ["ranges=0.0,255.0"] if direction == "input" else [f"id={group}", f"group-id={group}"]
    return "\n".join([*lines, ""])

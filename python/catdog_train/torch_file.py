"""Reads the tensors of a file that PyTorch wrote before version 1.6 (2020), without PyTorch.

Such a file is a sequence of pickled objects: a magic number, the version of the protocol, the platform, a dictionary of
tensors that refer to storages by keys, and the list of these keys. The storages follow, each as its length in elements
(8 bytes, little-endian) and its elements.
"""

import collections
import pickle
from typing import Any, BinaryIO, NamedTuple

import numpy as np

# From torch/serialization.py.
MAGIC = 0x1950A86A20F9469CFC6C


class Storage(NamedTuple):
    """A one-dimensional array that tensors of a file are views of. It is filled after the tensors are known."""

    values: np.ndarray


class Unpickler(pickle.Unpickler):
    """Reads the objects of a file. It creates arrays and dictionaries only, so that a file cannot run code."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands for a class or function of PyTorch; called by pickle."""
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): tensor_of,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it contains {module}.{name}, expected tensors only")
        return known[module, name]

    def persistent_load(self, reference: Any) -> Storage:
        """Returns the storage of a reference ('storage', type, key, device, length, view); called by pickle."""
        _, dtype, key, _, length, *_ = reference
        return self.storages.setdefault(key, Storage(np.zeros(length, dtype)))


def tensor_of(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    """Returns the tensor that is a view of a storage; offset and strides are numbers of elements."""
    size = storage.values.itemsize
    last = offset + sum((length - 1) * step for length, step in zip(shape, strides))
    if min([offset, *shape, *strides]) < 0 or (0 not in shape and last >= len(storage.values)):
        raise ValueError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(storage.values[offset:], shape, [step * size for step in strides])


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """Returns the tensors of a file by name. Raises ValueError if it is damaged or has another format."""
    try:
        return read_objects(file)
    except (EOFError, KeyError, IndexError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise ValueError(str(error)) from None


def read_objects(file: BinaryIO) -> dict[str, np.ndarray]:
    """Returns the tensors of a file, or raises what pickle raises for a damaged one."""
    magic, _protocol, _platform = (Unpickler(file).load() for _ in range(3))
    if magic != MAGIC:
        raise ValueError("it is not a file of PyTorch in the format from before 2020")
    unpickler = Unpickler(file)
    tensors = unpickler.load()
    for key in Unpickler(file).load():
        values = unpickler.storages[key].values
        length = int.from_bytes(file.read(8), "little")
        data = file.read(values.nbytes)
        if length != len(values) or len(data) != values.nbytes:
            raise ValueError("it is truncated")
        values[:] = np.frombuffer(data, values.dtype)
    return tensors

"""Counts the bytes that each operator touches, to compare them with the sizes of caches."""

from typing import NamedTuple

from study import graph


class OperatorBytes(NamedTuple):
    """What one run of an operator reads and writes, in bytes."""

    name: str
    weights: int
    inputs: int
    outputs: int

    @property
    def total(self) -> int:
        """All bytes that the operator touches at least once."""
        return self.weights + self.inputs + self.outputs


class WorkingSet(NamedTuple):
    """The bytes of a whole model."""

    operators: list[OperatorBytes]
    # All constants that operators read. An inference reads each of them once.
    weights: int

    def fitting(self, size: int) -> int:
        """Returns the number of operators whose bytes fit into a cache of `size` bytes."""
        return sum(operator.total <= size for operator in self.operators)


def working_set(model: graph.Graph) -> WorkingSet:
    """Returns the bytes of the operators of a graph."""

    def total(indices: list[int], constant: bool) -> int:
        found = {index for index in indices if index >= 0 and (model.tensors[index].data is not None) == constant}
        return sum(model.tensors[index].bytes for index in found)

    operators = [
        OperatorBytes(op.name, total(op.inputs, True), total(op.inputs, False), total(op.outputs, False))
        for op in model.operators
    ]
    used = [index for op in model.operators for index in op.inputs]
    return WorkingSet(operators, total(used, True))

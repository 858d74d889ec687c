"""Tests of the matrix of exported models: which models are built, and how a run is judged. Needs no model.

Run by scripts/test.sh.
"""

import pathlib
import sys
import unittest
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from export_matrix import specs, summary, verdicts
from export_matrix.specs import Spec

CLASSES = ["red disc", "blue disc"]


def entry(spec: Spec) -> dict[str, Any]:
    """Returns the description of a model with two pictures, of class 0 and class 1."""
    return {
        "name": spec.name,
        "values": {field: getattr(spec, field) for field in Spec.__dataclass_fields__},
        "task": "color",
        "classes": CLASSES,
        "pictures": [0, 1],
        "top": [0, 1],
        "confidence": [0.9, 0.8],
        "decided": [True, True],
        "accuracy": 1.0,
        "range": spec.range if spec.range in specs.OUTSIDE else "raw",
        "input": {"shape": [1, 8, 8, 3], "type": "float32", "quantization": [0.0, 0]},
    }


def run(labels: list[str], **fields: Any) -> dict[str, Any]:
    """Returns a run in which the pictures got these labels."""
    results = [
        {"label": label, "index": CLASSES.index(label) if label in CLASSES else int(label), "confidence": 0.85}
        for label in labels
    ]
    return {"results": results, "warnings": [], "error": None, "range": None} | fields


def verdict(spec: Spec, one: dict[str, Any]) -> str:
    """Returns the verdict about a run."""
    return verdicts.judge(entry(spec), one).verdict


class Models(unittest.TestCase):
    """The set of models."""

    def test_every_possible_pair_of_values_occurs(self) -> None:
        found = set().union(*(specs.pairs_of(spec) for spec in specs.matrix()))
        self.assertEqual(specs.possible_pairs() - found, set())
        self.assertIn((("type", "uint8"), ("signature", "stale")), found)

    def test_ranges_meet_all_types_and_all_layouts(self) -> None:
        matrix = specs.matrix()
        self.assertGreaterEqual(len(matrix), 200)
        self.assertEqual(len({(s.range, s.type) for s in matrix}), len(specs.RANGES) * len(specs.TYPES))
        self.assertEqual(len({(s.range, s.layout) for s in matrix}), len(specs.RANGES) * len(specs.LAYOUTS))


class Judgement(unittest.TestCase):
    """The verdict about one model."""

    def test_names_count_if_a_source_has_them(self) -> None:
        self.assertEqual(verdict(Spec(), run(["red disc", "blue disc"])), "right")
        self.assertEqual(verdict(Spec(), run(["red disc", "red disc"])), "wrong")
        self.assertEqual(verdict(Spec(), run(["0", "1"])), "wrong")
        self.assertEqual(verdict(Spec(labels="none"), run(["0", "1"])), "right")

    def test_undecided_pictures_do_not_count(self) -> None:
        undecided = entry(Spec()) | {"decided": [True, False]}
        judged = verdicts.judge(undecided, run(["red disc", "red disc"]))
        self.assertEqual((judged.verdict, judged.right, judged.compared), ("right", 1, 1))

    def test_a_warning_excuses_only_what_no_file_contains(self) -> None:
        wrong = run(["blue disc", "blue disc"], warnings=["m does not define the range of its float input"])
        self.assertEqual(verdict(Spec(range="imagenet"), wrong), "warned")
        self.assertEqual(verdict(Spec(range="imagenet", metadata="true"), wrong), "wrong")
        self.assertEqual(verdict(Spec(range="unit"), wrong), "warned")
        self.assertEqual(verdict(Spec(range="rescale255"), wrong), "wrong")

    def test_a_refusal_has_to_name_its_reason(self) -> None:
        refused = run([], error="its batch size is fixed")
        self.assertEqual(verdict(Spec(layout="batch4"), refused), "refused as expected")
        self.assertEqual(verdict(Spec(layout="batch4"), run([], error="the file is damaged")), "refused")
        self.assertEqual(verdict(Spec(), refused), "refused")
        self.assertEqual(verdict(Spec(), run(["red disc"])), "refused")

    def test_a_false_range_is_reported(self) -> None:
        unit, raw = entry(Spec(range="unit")), entry(Spec())
        self.assertEqual(verdicts.false_range(unit, "0..1 (from a probe)"), "")
        self.assertIn("right 0..1", verdicts.false_range(unit, "-1..1 (default, because)"))
        self.assertEqual(verdicts.false_range(raw, "0..255 (from the graph)"), "")
        imagenet = entry(Spec(range="imagenet"))
        three = "-2.118..2.249 (red), -2.036..2.429 (green), -1.804..2.64 (blue) (from the metadata of the model)"
        self.assertEqual(verdicts.false_range(imagenet, three), "")
        stored = raw | {"input": {"shape": [1, 8, 8, 3], "type": "int8", "quantization": [1.0, -128]}}
        self.assertEqual(verdicts.false_range(stored, "-128..127 (default, because)"), "")

    def test_the_result_fails_below_99_percent(self) -> None:
        right, wrong = run(["red disc", "blue disc"]), run(["red disc", "red disc"])
        runs = [right] * 98 + [wrong] * 2
        rows = [summary.row(entry(Spec()), one, verdicts.judge(entry(Spec()), one)) for one in runs]
        failed = summary.result(rows, {}, "a machine")
        self.assertFalse(failed["passed"])
        self.assertIn("98 of 100 models are good", summary.page(failed))
        self.assertTrue(summary.result([rows[0], rows[0], *rows[:99]], {}, "a machine")["passed"])


if __name__ == "__main__":
    unittest.main()

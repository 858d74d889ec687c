"""Tests of the rules of the study: the line through the costs of processes, what counts as counted, and the plan.

Run by scripts/test.sh. tests/shell/study.sh runs the study itself.
"""

import pathlib
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from study import counters, machine, plan
from study.fit import fit
from study.plan import Variant

# In the format of `perf stat -x,` (perf-stat(1), CSV FORMAT): value, unit, event, time, percentage of the time. The
# first two are written by hand: a Cortex-A76 with more events than counters, and an Intel core. The third one is what
# perf prints in a virtual machine.
ARM = """# started on Fri Nov 27 10:00:00 2026

123456789,,cycles:u,52000000,100.00,,
45678901,,stall_backend:u,52000000,100.00,,
1200345,,l2d_cache_refill:u,26000000,50.00,,
<not counted>,,l2d_cache_wb_victim:u,0,0.00,,
"""
INTEL = """2012345678,,instructions:u,612345678,100.00,2.01,insn per cycle
1001172974,,cycles:u,612345678,100.00,,
31234,,LLC-load-misses:u,612345678,100.00,12.30,of all LL-cache accesses
"""
NO_COUNTERS = """<not supported>,,instructions:u,0,100.00,,
<not supported>,,cycles:u,0,100.00,,
"""
# The first and the last lines of a file of cachegrind 3.19.
CACHEGRIND = """desc: I1 cache:         65536 B, 64 B, 4-way associative
cmd: true
events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw
fl=/a.c
fn=main
1 10 1 1 4 1 1 2 0 0
summary: 941025092 272773 53605 215050439 5502611 953892 42727600 1190431 433568
"""
# Of a file of callgrind 3.19.
CALLGRIND = """version: 1
events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw ILdmr DLdmr DLdmw
summary: 417869872 105884107 53666460 1699976 3378515 779617 311511 1702354 456202 113836 568831 205768
"""


class Lines(unittest.TestCase):
    """The fit separates the start from the cost of a picture."""

    def runs(self, start: float, picture: float, noise: float) -> dict[int, list[float]]:
        """Returns ten processes for each number of pictures, with noise in proportion to their costs."""
        random = np.random.default_rng(3)
        return {
            n: [(start + picture * n) * (1 + noise * random.standard_normal()) for _ in range(10)] for n in plan.COUNTS
        }

    def test_the_known_start_and_cost_are_found(self) -> None:
        """Numbers of processes that were made with a start of 4 s and 30 ms a picture."""
        found = fit(self.runs(4, 0.03, 0.02))
        self.assertAlmostEqual(found.start.value, 4, delta=0.1)
        self.assertAlmostEqual(found.per_image.value, 0.03, delta=0.001)
        self.assertAlmostEqual(found.break_even.value, 4 / 0.03, delta=8)
        for estimate, true in ((found.start, 4), (found.per_image, 0.03), (found.break_even, 4 / 0.03)):
            self.assertLess(estimate.low, true)
            self.assertGreater(estimate.high, true)
        self.assertLess(found.residual, 0.05)

    def test_intervals_contain_the_truth_as_often_as_they_say(self) -> None:
        """95 % of the intervals, but for chance: at least 85 of 100."""
        random = np.random.default_rng(5)
        inside = 0
        for _ in range(100):
            runs = {n: list((1 + 0.01 * n) * (1 + 0.03 * random.standard_normal(10))) for n in (1, 10, 100)}
            found = fit(runs, resamples=300).per_image
            inside += found.low <= 0.01 <= found.high
        self.assertGreaterEqual(inside, 85)

    def test_costs_that_are_no_line_are_recognized(self) -> None:
        """The residual tells it."""
        runs = {n: [0.1 * n**2] * 3 for n in (1, 10, 100)}
        self.assertGreater(fit(runs).residual, 0.3)

    def test_a_start_that_costs_nothing_a_picture_has_no_break_even(self) -> None:
        """The peak memory does not grow with the number of pictures."""
        found = fit({1: [100.0, 100.0], 10: [100.0, 100.0]})
        self.assertAlmostEqual(found.start.value, 100)
        self.assertAlmostEqual(found.per_image.value, 0, places=9)
        self.assertGreater(found.break_even.value, 1e9)

    def test_one_number_of_pictures_is_no_line(self) -> None:
        """An error, and not a made-up start."""
        with self.assertRaises(ValueError):
            fit({10: [1.0, 2.0]})


class Counted(unittest.TestCase):
    """Only what was counted all the time counts."""

    def test_events_that_were_counted_all_the_time(self) -> None:
        """Arm and Intel."""
        self.assertEqual(counters.event_value(ARM, "stall_backend:u"), 45678901)
        self.assertEqual(counters.event_value(INTEL, "instructions:u"), 2012345678)
        self.assertEqual(counters.event_value(INTEL, "LLC-load-misses:u"), 31234)

    def test_estimates_and_missing_events_are_rejected(self) -> None:
        """An event that shared a counter with others is an estimate of perf."""
        for text, event in (
            (ARM, "l2d_cache_refill:u"),
            (ARM, "l2d_cache_wb_victim:u"),
            (NO_COUNTERS, "cycles:u"),
            (INTEL, "stall_backend:u"),
            ("", "cycles:u"),
        ):
            self.assertIsNone(counters.event_value(text, event), event)

    def test_groups_fit_into_the_counters_of_a_cortex_a76(self) -> None:
        """Each group has the cycles and at most five other events, and each event is in one group."""
        events = {counter.name: counter.events[0] for counter in counters.COUNTERS}
        groups = counters.groups(events)
        self.assertTrue(all(len(group) <= counters.GROUP + 1 and group[0] == "cycles" for group in groups))
        self.assertEqual(sorted(name for group in groups for name in group[1:]), sorted(set(events) - {"cycles"}))
        self.assertEqual(counters.groups({}), [])

    def test_the_sums_of_cachegrind(self) -> None:
        """The names of the study, from those of cachegrind."""
        found = counters.parse_simulated("cachegrind", CACHEGRIND)
        self.assertEqual(found["instructions"], 941025092)
        self.assertEqual(found["l1_misses"], 5502611 + 1190431)
        self.assertEqual(found["llc_misses"], 953892 + 53605)
        self.assertEqual(found["llc_write_misses"], 433568)

    def test_the_sums_of_callgrind(self) -> None:
        """Lines that come to the second-level cache, and those that are written back."""
        found = counters.parse_simulated("callgrind", CALLGRIND)
        self.assertEqual(found["l2_loads"], 1699976 + 3378515)
        self.assertEqual(found["l2_misses"], 311511 + 1702354 + 456202)
        self.assertEqual(found["l2_write_backs"], 113836 + 568831 + 205768)
        self.assertEqual(found["llc_loads"], 311511 + 1702354)
        with self.assertRaises(ValueError):
            counters.parse_simulated("cachegrind", CALLGRIND)

    def test_a_file_without_a_summary_is_an_error(self) -> None:
        """Valgrind writes none if it ends early."""
        with self.assertRaises(ValueError):
            counters.parse_simulated("cachegrind", "desc: I1 cache\nevents: Ir\n")

    def test_missing_programs_have_a_reason_with_the_remedy(self) -> None:
        """Both name the package."""
        path = counters.os.environ["PATH"]
        counters.os.environ["PATH"] = "/nowhere"
        try:
            self.assertEqual(counters.perf_events(), ({}, "perf is not installed (Debian: linux-perf)"))
            self.assertEqual(counters.simulators_missing(), "valgrind is not installed (Debian: valgrind)")
        finally:
            counters.os.environ["PATH"] = path


class Plans(unittest.TestCase):
    """Which runs are made."""

    def test_large_runs_of_slow_engines_are_left_out_first(self) -> None:
        """The fast engine keeps all of them, and nothing below the needed number is left out."""
        slow, fast = Variant("keras-call", "keras", 1), Variant("litert", "int8", 1)
        costs = {slow: (5.0, 0.05), fast: (0.1, 0.002)}
        chosen, seconds = plan.counts_within(costs, plan.COUNTS, 10, 600)
        self.assertEqual(chosen[fast], list(plan.COUNTS))
        self.assertLess(max(chosen[slow]), 1000)
        self.assertLessEqual(seconds, 600)
        tight, _ = plan.counts_within(costs, plan.COUNTS, 10, 1)
        self.assertEqual(max(tight[slow]), plan.NEEDED_COUNT)

    def test_each_model_has_its_engines(self) -> None:
        """A Keras file is not run by LiteRT, and the other way round."""
        found = plan.variants(plan.MODELS, plan.ENGINES, [1, 4])
        self.assertEqual(len(found), 2 * (2 + 3 + 3))
        self.assertTrue(all(v.engine.startswith("keras") == (v.model == "keras") for v in found))

    def test_the_order_is_random_and_the_same_for_a_seed(self) -> None:
        """A resumed study does what the stopped one would have done."""
        chosen = {Variant("litert", "int8", 1): [1, 10], Variant("litert", "float32", 1): [1, 10]}
        first, again, other = (plan.steps(chosen, 5, 0, seed) for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        self.assertEqual(sorted(first), sorted(other))
        self.assertEqual(len(set(plan.steps(chosen, 5, 2, 1))), 2 * len(first))


class Machines(unittest.TestCase):
    """What the system tells about the computer."""

    def test_caches_of_a_core(self) -> None:
        """Sizes, and how many cores share them."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            rows = [("1", "Data", "64K", "0"), ("3", "Unified", "2M", "0-3"), ("2", "Unified", "512K", "0")]
            for index, row in enumerate(rows):
                (folder / f"index{index}").mkdir()
                for file, value in zip(("level", "type", "size", "shared_cpu_list"), row):
                    (folder / f"index{index}" / file).write_text(value + "\n")
            self.assertEqual(machine.caches(folder), machine.PI_5)
            self.assertEqual(machine.caches(folder / "none"), [])

    def test_lists_of_cores(self) -> None:
        """Ranges and single cores."""
        self.assertEqual([machine.cores_of(text) for text in ("0", "0-3", "0-1,4,6-7")], [1, 4, 5])


if __name__ == "__main__":
    unittest.main()

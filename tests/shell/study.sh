#!/usr/bin/env bash
# study/run without Keras: a quick study from the first run to the report, resumed after half of it, and its errors.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
study=$ROOT/study/run

expect_status 0 "$study" --help
expect_in stdout "Usage: study/run"

cd "$SCRATCH"
quick=(--quick --no-keras --minutes 1 --out results)
expect_status 0 "$study" "${quick[@]}"
expect_in stderr "the report is results/report.md"
for text in "## 3. More or fewer pictures per run" "LiteRT interpreter (Python), int8, 1 thread" \
  "catdogfilter (GStreamer), int8, 1 thread" "simulated (valgrind with the caches of a Raspberry Pi 5)" "512 KB a core" \
  "- Keras, and the versions float32 and dynamic range: --no-keras"; do
  expect_in results/report.md "$text"
done
for plot in time-per-picture working-set sizes; do
  [ -s "results/$plot.svg" ] || fail "there is no plot $plot"
done
# A picture costs the element some million instructions, and the start more than one picture.
python3 - results <<'PYTHON' || fail "the numbers of the study are implausible: $(cat results/results.json)"
import json, sys

results = json.load(open(f"{sys.argv[1]}/results.json"))
times = {fit["engine"]: fit for fit in results["fits"] if fit["quantity"] == "wall_s"}
assert set(times) == {"litert", "catdogfilter"}, times
for fit in times.values():
    assert 0 < fit["per_image"][0] < 0.2 and fit["start"][0] > fit["per_image"][0], fit
memory = [fit["start"][0] for fit in results["fits"] if fit["quantity"] == "peak_bytes"]
assert all(10e6 < bytes_ < 500e6 for bytes_ in memory) and len(set(memory)) == 2, memory
for record in results["simulated"]:
    assert 5e6 < record["per_image"]["instructions"] < 1e10, record
PYTHON

# A study that was stopped goes on: the runs that are there are not made again
head -n 7 results/runs.jsonl >half && printf '{"engine": "lite' >>half && mv half results/runs.jsonl
expect_status 0 "$study" "${quick[@]}"
expect_in stderr "11 of 18 runs"
[ "$(grep -c '"wall_s"' results/runs.jsonl)" = 18 ] || fail "runs are missing or were made twice"

expect_status 1 "$study" --quick --no-keras --out other --model no-such.tflite
expect_in stderr "no-such.tflite cannot be read"
echo text >text.tflite
expect_status 1 "$study" --quick --no-keras --out other --model text.tflite
expect_in stderr "it is no .tflite file"
expect_status 1 "$study" --quick --no-keras --out other --clip text.tflite
expect_in stderr "cannot be decoded"

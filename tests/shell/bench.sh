#!/usr/bin/env bash
# Tests scripts/bench.sh: the inputs it refuses, and that each measured program did its work: it classified all of 12
# frames, and programs that share only the model agree.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
bench=$ROOT/scripts/bench.sh
python=/usr/bin/python3
plugin=$(cut -d : -f 1 <<<"${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$ROOT/target}/catdog}")
export GST_PLUGIN_PATH=$plugin

expect_status 0 "$bench" --help
expect_in stdout "Usage: scripts/bench.sh"

[ -f "$plugin/libgstcatdog.so" ] || fail "no plugin in $plugin: scripts/test.sh builds it"
command -v ffmpeg >/dev/null || skip "no ffmpeg, which makes the inputs"
$python -c 'import gi' 2>/dev/null || skip "no python3-gi"

# The test installs nothing.
stand_in apt-get 'exit 1'
docs=$(cd "$ROOT/docs" && find . -type f -exec sha256sum {} +)

expect_status 2 "$bench" --smoke --out "$SCRATCH/none" --peers catdog,ffplay
expect_in stderr "no such peer: ffplay"
expect_status 2 "$bench" --smoke --out "$SCRATCH/none" --inputs vhs
expect_in stderr "no such input: vhs"
expect_status 2 "$bench" --smoke --out "$SCRATCH/none" --against decode
expect_status 2 "$bench" --smoke --out "$SCRATCH/none" --rounds 0
expect_status 2 "$bench" --smoke --out "$SCRATCH/none" --model "$SCRATCH/none.tflite"
expect_status 2 "$bench" --scale --smoke --out "$SCRATCH/none" --streams many
[ ! -e "$SCRATCH/none" ] || fail "a refused run wrote files"

# A missing plugin is an error; other missing peers are left out.
mkdir "$SCRATCH/empty"
GST_PLUGIN_PATH=$SCRATCH/empty expect_status 1 "$bench" --smoke --out "$SCRATCH/none"
expect_in stderr "does not find or load catdogfilter"

# The first peer that finds fewer frames than expected in a file fails the run.
files=$SCRATCH/files
expect_status 0 "$bench" --smoke --out "$SCRATCH/out" --files "$files" --peers decode --inputs raw-480p
for file in "$files"/raw-480p-*; do truncate -s -460800 "$file"; done
expect_status 1 "$bench" --smoke --out "$SCRATCH/none" --files "$files" --peers catdog --inputs raw-480p
expect_in stderr "catdog had 11 frames and classified 11 of the 12"
rm -r "$files" "$SCRATCH/out"

expect_status 0 "$bench" --smoke --out "$SCRATCH/out" --files "$files"
expect_status 0 "$bench" --scale --smoke --out "$SCRATCH/out" --files "$files"
$python - "$SCRATCH/out" <<'PYTHON'
import json, pathlib, sys
import xml.etree.ElementTree

out = pathlib.Path(sys.argv[1])
result = json.loads((out / "pipelines.json").read_text())
peers = {peer["name"]: peer for peer in result["peers"]}
ours = {name for name, peer in peers.items() if peer["ours"]}
assert ours == {"catdog", "catdog-queue", "catdog-threads", "catdog-off", "catdog-own", "catdog-async"}, ours
for peer in result["absent"]:
    assert peer["why"] and peer["name"] not in peers, peer

runs = result["runs"]
done = sorted((run["input"], run["peer"], run["round"]) for run in runs)
assert done == sorted((one["name"], name, 0) for one in result["inputs"] for name in peers), done
for run in runs:
    peer = peers[run["peer"]]
    for what in ("fps", "seconds", "cpu_seconds", "cpu_ms", "program_cpu_ms", "peak_rss_kib"):
        assert run[what] > 0, (run, what)
    # The CPU time of the program includes more than the time between its first and its last result.
    assert run["program_cpu_ms"] * run["frames"] > 1000 * run["cpu_seconds"], run
    assert abs(run["fps"] - (run["frames"] - 1) / run["seconds"]) < 1e-6, run
    assert run["frames"] == 12, run
    classified = sum(run["histogram"].values())
    if peer["classifies"] == "all":
        assert run["inferences"] == classified == 12, run
        # The two halves come from different clips, or from different parts of one.
        if peer["model"] == "same":
            assert run["agreement"] >= 0.8, run
    elif peer["classifies"] == "none":
        assert run["inferences"] == classified == 0, run
    else:
        assert 1 <= run["inferences"] <= 12, run

for row in result["summary"]:
    assert row["fps"]["p10"] <= row["fps"]["median"] <= row["fps"]["p90"], row
    assert ("ratio" in row) == (result["against"] is not None and peers[row["peer"]]["classifies"] == "all"), row
text = (out / "pipelines.md").read_text()
for peer in peers.values():
    assert peer["label"] in text, peer

result = json.loads((out / "scale.json").read_text())
assert [row["streams"] for row in result["summary"]] == [1, 2], result["summary"]
for run in result["runs"]:
    assert run["frames_given"] == run["frames_in"] == run["frames_out"] > 0 and run["disordered"] == 0, run
    assert run["cpu"] > 0 and run["rss_kib"] > 0, run
    assert (run["inferences_per_second"] > 0) == (run["what"] == "filtered"), run

for drawing in ("pipelines.svg", "scale.svg"):
    xml.etree.ElementTree.parse(out / drawing)
print("measured:", ", ".join(peers))
PYTHON
[ "$docs" = "$(cd "$ROOT/docs" && find . -type f -exec sha256sum {} +)" ] || fail "a smoke test wrote into docs"

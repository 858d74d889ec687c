#!/usr/bin/env bash
# Runs a quick study with Keras, from the installation of TensorFlow (600 MB) to the report, and checks its numbers.
#
# Usage: scripts/lab/study.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tests/shell/helpers.bash"
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

cd "$SCRATCH"
# Photos for the accuracy: frames of the demo clip would do, but their labels are in a table; one color per class is enough
# to see that the versions agree.
"${CATDOG_PYTHON:-python3}" - <<'PHOTOS'
import pathlib, struct, zlib

def png(color):
    rows = b"".join(b"\0" + bytes(color) * 32 for _ in range(32))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

for name, color in (("cats", (90, 60, 30)), ("neither", (20, 90, 200))):
    folder = pathlib.Path("photos", name)
    folder.mkdir(parents=True)
    (folder / "plain.png").write_bytes(png(color))
pathlib.Path("photos/neither/damaged.png").write_bytes(b"text")
PHOTOS
expect_status 0 "$ROOT/study/run" --quick --minutes 5 --photos photos --out results
for text in "## 1. Overall" "LiteRT needs" "Keras, model(x), 1 thread" "LiteRT interpreter (Python), float32, 1 thread" \
  "catdogfilter (GStreamer), dynamic range, 1 thread" "Keras, as a training leaves it" "2 labelled photos" \
  "photos that cannot be read: 1, the first photos/neither/damaged.png"; do
  expect_in results/report.md "$text"
done
"${CATDOG_PYTHON:-python3}" - results <<'NUMBERS' || fail "the numbers are implausible: $(cat results/results.json)"
import json, sys

results = json.load(open(f"{sys.argv[1]}/results.json"))
differences = results["twin"]["differences"]
assert differences["float32"]["mean"] < 1e-4 and differences["original"]["mean"] < 0.02, differences
times = {(fit["engine"], fit["model"]): fit for fit in results["fits"] if fit["quantity"] == "wall_s"}
# TensorFlow takes seconds to import, and model(x) calls Python for each layer.
assert times["keras-call", "keras"]["start"][0] > 5 * times["litert", "int8"]["start"][0], times
assert times["keras-call", "keras"]["per_image"][0] > 2 * times["litert", "int8"]["per_image"][0], times
assert results["sizes"]["trained"] > 2.5 * results["sizes"]["keras"] > 5 * results["sizes"]["int8"], results["sizes"]
NUMBERS

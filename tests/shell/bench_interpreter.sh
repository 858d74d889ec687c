#!/usr/bin/env bash
# catdog bench compares itself with the LiteRT interpreter of Python, where that is installed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
source "$ROOT/scripts/lib.sh"

program=$CATDOG_TARGET/release/catdog
[ -x "$program" ] || build_plugin
grep -hE '^(ai-edge-litert|numpy|flatbuffers)==' "$ROOT/python/requirements/bench.txt" >"$SCRATCH/requirements.txt"
make_venv "$CATDOG_TARGET/interpreter-venv" "$SCRATCH/requirements.txt" "the LiteRT interpreter"
export CATDOG_PYTHON=$CATDOG_TARGET/interpreter-venv/bin/python
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}

# The second model leaves its batch open.
for model in built-in "$ROOT/tests/models/dynamic_batch.tflite"; do
  expect_status 0 "$program" bench "$model" --json --quiet --seconds 1
  "$CATDOG_PYTHON" - "$SCRATCH/stdout" <<'END' || fail "the comparison is not plausible: $(cat "$SCRATCH/stdout")"
import json, sys
interpreter = json.load(open(sys.argv[1]))["interpreter"]
assert interpreter["interpreter_ms"]["median"] > 0, interpreter
assert 0.01 < interpreter["ratio"]["median"] < 100, interpreter
END
done

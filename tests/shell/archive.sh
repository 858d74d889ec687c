#!/usr/bin/env bash
# The examples in examples/archive, with real workers and an S3 server on this machine, and the readers of the results
# that the guide shows. tests/it/archive.rs of catdog-cli tests the command itself.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

# make_venv reads one file.
grep -hv "^-r" "$ROOT"/examples/archive/requirements.txt "$ROOT/tests/cluster/requirements.txt" >"$SCRATCH/requirements.txt"
make_venv "$CATDOG_TARGET/archive-venv" "$SCRATCH/requirements.txt" "Dask and an S3 server"
python=$CATDOG_TARGET/archive-venv/bin/python
export CATDOG=$CATDOG_TARGET/release/catdog CLIP=$ROOT/models/demo/demo.mp4
PYTHONPATH=$ROOT/examples/archive "$python" "$ROOT/tests/cluster/archive_on_workers.py" >"$SCRATCH/log" 2>&1 || fail "$(tail -n 60 "$SCRATCH/log")"

# The commands of the guide, from the first run to the answers.
cd "$SCRATCH"
mkdir recordings
cp "$CLIP" recordings/monday.mp4
cp "$CLIP" recordings/tuesday.mp4
"$CATDOG" archive recordings --out results --every 1 2>errors || fail "$(cat errors)"
# python_block WORD : prints the first Python block of the guide that has WORD.
python_block() {
  awk -v word="$1" '/^```python/ { block = ""; inside = 1; next } /^```/ && inside { inside = 0; if (index(block, word)) { printf "%s", block; exit } }
    inside { block = block $0 "\n" }' "$ROOT/docs/guide/archive.md"
}
python_block duckdb >read_duckdb.py
"$python" read_duckdb.py >answer || fail "the DuckDB example fails"
for text in "monday.mp4" "tuesday.mp4" " 4 " "0.99"; do expect_in answer "$text"; done
python_block pandas >read_pandas.py
"$python" read_pandas.py >answer || fail "the pandas example fails"
for text in "monday.mp4" "neither" "0.2"; do expect_in answer "$text"; done

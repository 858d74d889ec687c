#!/usr/bin/env bash
# Measures whether catdogfilter runs exported classifiers with no property set: trains small networks, exports each in
# many ways, runs every exported model, and compares the classes with those of the Python LiteRT interpreter.
# Installs TensorFlow into the virtual environment of models/train if it is missing, and builds the plugin first.
#
# Usage: scripts/export-matrix.sh [--only TEXT] [--out DIR] [--as-is] [--fixtures]
#
#   --only TEXT  only the models whose name contains TEXT, such as uint8 or _nchw
#   --out DIR    the folder for export-matrix.json and .md (default: benches/results/<date>-<machine>-<n>-cores)
#   --as-is      do not build the plugin; use that of GST_PLUGIN_PATH or target/catdog
#   --fixtures   write the models of tests/models/exported again instead of measuring
#
# The models are in target/export-matrix. They are built again only if the code that builds them changes; the first run
# takes about a quarter of an hour. The exit code is 1 if fewer than 99 % of the models, or of the pictures, are right.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

only=() out=() as_is='' fixtures=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --only | --out)
      [ $# -ge 2 ] || usage_error "$1 needs a value"
      if [ "$1" = --only ]; then only=(--only "$2"); else out=(--out "$2"); fi
      shift
      ;;
    --as-is) as_is=1 ;;
    --fixtures) fixtures=1 ;;
    *) usage_error "unknown argument $1" ;;
  esac
  shift
done

venv=$CATDOG_TARGET/train-venv
requirements=$CATDOG_ROOT/python/requirements/train.txt
if ! venv_is_current "$venv" "$requirements"; then
  python=$(find_tensorflow_python) || die "TensorFlow needs Python 3.10 to 3.13; set PYTHON"
  make_venv "$venv" "$requirements" "TensorFlow (about 600 MB to download)" "$python"
fi
export PYTHONPATH=$CATDOG_ROOT/python:$CATDOG_ROOT/benches:$CATDOG_ROOT/tests/models
models=$CATDOG_TARGET/export-matrix
if [ -n "$fixtures" ]; then
  exec "$venv/bin/python" -m export_matrix.fixtures "$models" "$CATDOG_ROOT/tests/models/exported"
fi
nice -n 10 "$venv/bin/python" -m export_matrix.build "${only[@]}" "$models" >&2

if [ -z "$as_is" ]; then
  ensure_packages python3-gi gir1.2-gstreamer-1.0
  build_and_stage
  export GST_PLUGIN_PATH=$CATDOG_STAGE
fi
export GST_REGISTRY=$models/registry.bin GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$CATDOG_STAGE}
exec "$CATDOG_PYTHON" -m export_matrix.compare "${only[@]}" "${out[@]}" "$models"

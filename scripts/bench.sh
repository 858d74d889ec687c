#!/usr/bin/env bash
# Measures whole pipelines: catdogfilter and other programs that classify video with a .tflite model. Each run is a
# new process; the programs take turns on the same files. With --scale it measures many streams in one process.
# Installs what is missing (apt packages, Python packages into target/bench-venv, Rust) and builds the plugin first.
#
# Usage: scripts/bench.sh [--rounds N] [--frames N] [--peers A,B] [--inputs A,B] [--against PEER]
#                         [--model M] [--clips CLIP...] [--out DIR] [--as-is]
#        scripts/bench.sh --scale [--rounds N] [--streams 1,2,4] [--seconds N] [--model M] [--out DIR] [--as-is]
#        scripts/bench.sh [--scale] --smoke [--out DIR]
#
#   --rounds N      runs of each program per input (default: 7; with --scale: 3)
#   --frames N      frames per run (default: 300)
#   --peers A,B     measure only these programs, by their names in pipelines.json
#   --inputs A,B    measure only these inputs: raw-480p, raw-1080p, mjpeg-1080p, h264-1080p
#   --against PEER  the program that ratios refer to (default: python-loop)
#   --model M       the classifier (default: $CATDOG_BENCH_MODEL, else cat-dog-mnv2.tflite of the test data,
#                   else models/catdog.tflite)
#   --clips CLIP... the clips that the inputs are made of: FILE, or FILE@SECONDS to start later (default: two clips
#                   of the test data, else the cat and the dog of the demo clip)
#   --out DIR       the folder for the .json, .md and .svg files (default: benches/results/<date>-<machine>-<n>-cores)
#   --files DIR     the folder for the inputs, which are kept and reused (default: target/bench; 1.2 GB)
#   --streams N,N   stream counts to measure, one measurement each
#   --seconds N     duration of each measurement (default: 8)
#   --as-is         install and build nothing; use the plugin of GST_PLUGIN_PATH or target/catdog
#   --smoke         one round of 12 frames, implies --as-is: tests the harness, does not measure speed
#                   (default for --out: a new temporary folder, whose name is printed on stdout)
#
# Nothing else should run on the machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=pipelines.compare as_is='' smoke='' out='' arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --scale) program=pipelines.scale ;;
    --as-is) as_is=1 ;;
    --smoke) as_is=1 smoke=1; arguments+=(--smoke) ;;
    --out | --out=*) out=1; arguments+=("$1") ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

if [ -n "$smoke" ] && [ -z "$out" ]; then
  out=$(mktemp -d)
  echo "$out"
  arguments+=(--out "$out")
fi
venv=$CATDOG_TARGET/bench-venv
if [ -z "$as_is" ]; then
  ensure_packages "${CATDOG_PACKAGES_BENCH[@]}"
  # Debian's interpreter, because python3-gi belongs to it.
  make_venv "$venv" "$CATDOG_ROOT/python/requirements/bench.txt" \
    "the Python packages of other classifiers (about 250 MB to download)"
  build_and_stage
  export GST_PLUGIN_PATH=$CATDOG_STAGE
fi
python=$CATDOG_PYTHON
[ ! -x "$venv/bin/python" ] || python=$venv/bin/python

defaults=(--files "$CATDOG_TARGET/bench")
data=$(test_data) || data=
if model=$(first_file ${CATDOG_BENCH_MODEL:+"$CATDOG_BENCH_MODEL"} ${data:+"$data/models/cat-dog-mnv2.tflite"}); then
  defaults+=(--model "$model")
fi
if [ "$program" = pipelines.compare ] && [ -n "$data" ] && [ -f "$data/data/clips/cat_on_chair_640x338.mp4" ]; then
  defaults+=(--clips "$data/data/clips/cat_on_chair_640x338.mp4" "$data/data/clips/dog_and_person_1280x720.mp4")
fi

# A separate registry, so that no plugin scan runs while a program is measured.
mkdir -p "$CATDOG_TARGET/bench"
export GST_REGISTRY=$CATDOG_TARGET/bench/registry.bin GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$CATDOG_STAGE}
unset GST_DEBUG
export PYTHONPATH=$CATDOG_ROOT/benches:$CATDOG_ROOT/python OPENCV_LOG_LEVEL=ERROR GLOG_minloglevel=3
exec "$python" -m "$program" "${defaults[@]}" "${arguments[@]}"

#!/usr/bin/env bash
# Measures whole pipelines: catdogfilter and what else classifies video with a .tflite model, as programs that are
# started afresh, in turn, on the same files; or, with --scale, many streams in one process. Installs what is missing
# (apt packages, Python packages into target/bench-venv, Rust) and builds the plugin first.
#
# Usage: scripts/bench.sh [--rounds N] [--frames N] [--peers A,B] [--inputs A,B] [--against PEER]
#                         [--model M] [--clips CLIP...] [--out DIR] [--as-is]
#        scripts/bench.sh --scale [--rounds N] [--streams 1,2,4] [--seconds N] [--model M] [--out DIR] [--as-is]
#        scripts/bench.sh [--scale] --smoke [--out DIR]
#
#   --rounds N      how often each program has its turn (default: 7; with --scale: 3)
#   --frames N      frames that each classifies (default: 300)
#   --peers A,B     these only, by their names in pipelines.json
#   --inputs A,B    of raw-480p, raw-1080p, mjpeg-1080p, h264-1080p
#   --against PEER  the one that ratios are to (default: python-loop)
#   --model M       the classifier (default: $CATDOG_BENCH_MODEL; else cat-dog-mnv2.tflite of the test data;
#                   else models/catdog.tflite)
#   --clips CLIP... what the inputs are made of: FILE or FILE@SECONDS, from there on (default: two clips of the test
#                   data, else the cat and the dog of the demo clip)
#   --out DIR       where the .json, .md and .svg go (default: docs/benchmarks)
#   --files DIR     where the inputs are made, and kept for the next time (default: target/bench; 1.2 GB)
#   --streams N,N   how many streams, one measurement for each
#   --seconds N     how long each is measured (default: 8)
#   --as-is         with what is installed already, and the plugin that GST_PLUGIN_PATH or target/catdog has
#   --smoke         a dozen frames, one round, as it is; says whether the harness works, not how fast anything is
#                   (default for DIR: a new temporary folder, named on stdout)
#
# The machine should do nothing else.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=bench.pipelines as_is='' smoke='' out='' arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --scale) program=bench.scale ;;
    --as-is) as_is=1 ;;
    --smoke) as_is=1 smoke=1; arguments+=(--smoke) ;;
    --out | --out=*) out=1; arguments+=("$1") ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

venv=$CATDOG_TARGET/bench-venv
requirements=$CATDOG_ROOT/scripts/bench/requirements.txt

# Python with the peers' packages, from Debian's interpreter: gi belongs to that one.
make_venv() {
  ! cmp -s "$requirements" "$venv/installed.txt" || return 0
  ensure_packages python3-venv
  say "installing the Python packages of other classifiers into $venv (about 250 MB to download)"
  "$CATDOG_PYTHON" -m venv --clear "$venv" || die "the virtual environment could not be made (the message is above)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: -r "$requirements" >&2 </dev/null ||
    die "pip could not install them (its message is above)"
  cp "$requirements" "$venv/installed.txt"
}

if [ -n "$smoke" ] && [ -z "$out" ]; then
  out=$(mktemp -d)
  echo "$out"
  arguments+=(--out "$out")
fi
if [ -z "$as_is" ]; then
  ensure_packages "${CATDOG_PACKAGES_BENCH[@]}"
  make_venv
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
if [ "$program" = bench.pipelines ] && [ -n "$data" ] && [ -f "$data/data/clips/cat_on_chair_640x338.mp4" ]; then
  defaults+=(--clips "$data/data/clips/cat_on_chair_640x338.mp4" "$data/data/clips/dog_and_person_1280x720.mp4")
fi

# A registry of its own, so that no plugin is looked for while a program is timed
mkdir -p "$CATDOG_TARGET/bench"
export GST_REGISTRY=$CATDOG_TARGET/bench/registry.bin GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$CATDOG_STAGE}
unset GST_DEBUG
export PYTHONPATH=$CATDOG_ROOT/scripts OPENCV_LOG_LEVEL=ERROR GLOG_minloglevel=3
exec "$python" -m "$program" "${defaults[@]}" "${arguments[@]}"

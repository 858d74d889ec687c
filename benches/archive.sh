#!/usr/bin/env bash
# Measures `catdog archive`: what an hour of video costs, how two workers compare with one, how many small files take, and
# whether a long video that is divided has the rows of the whole one.
#
# Usage: benches/archive.sh [ROUNDS]
#
#   ROUNDS  number of rounds of the comparison of workers (default: 5)
#
# The videos are made from the demo clip: 1920 x 1080, H.264, 25 frames a second, a keyframe every two seconds. One
# worker is bound to one core, and two workers to two, as machines with one core would be. Needs target/release/catdog
# and two cores; examples/archive/requirements.txt is installed into target/archive-bench-venv. Nothing else should run
# on the machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

case ${1:-} in -h | --help) print_help; exit 0 ;; esac
rounds=${1:-5}
catdog=$CATDOG_TARGET/release/catdog
[ -x "$catdog" ] || die "$catdog is missing; scripts/run.sh builds it"
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}
make_venv "$CATDOG_TARGET/archive-bench-venv" "$CATDOG_ROOT/examples/archive/requirements.txt" "Dask"
python=$CATDOG_TARGET/archive-bench-venv/bin/python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# cost COMMAND... : prints the seconds and the CPU seconds of a command
cost() {
  local TIMEFORMAT='%R %U %S'
  { time "$@" >/dev/null 2>"$scratch/stderr"; } 2>&1 | awk '{ print $1, $2 + $3 }'
}

# median EXPRESSION FILE : prints the median of an awk expression, and its smallest and largest value
median() {
  awk "{ print $1 }" "$2" | sort -g | awk '{ v[NR] = $1 } END {
    printf "%.2f (%.2f to %.2f)\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

say "making the videos"
mkdir large small
gst-launch-1.0 -q filesrc location="$CATDOG_ROOT/models/demo/demo.mp4" ! decodebin ! videoconvert ! videoscale ! \
  video/x-raw,width=1920,height=1080 ! x264enc speed-preset=veryfast key-int-max=50 ! h264parse ! mp4mux ! \
  filesink location=large/0.mp4
for number in $(seq 15); do cp large/0.mp4 "large/$number.mp4"; done
gst-launch-1.0 -q videotestsrc num-buffers=10 ! video/x-raw,width=320,height=240,framerate=10/1 ! x264enc ! h264parse ! \
  mp4mux ! filesink location=small/0.mp4
for number in $(seq 999); do cp small/0.mp4 "small/$number.mp4"; done
gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=36000 ! video/x-raw,width=320,height=240,framerate=1/1 ! \
  x264enc speed-preset=ultrafast key-int-max=60 ! h264parse ! matroskamux ! filesink location=long.mkv

echo "An hour of 1080p video on one core, CPU seconds:"
for options in "" "--every 1" "--every 10 --keyframes"; do
  rm -rf out
  # shellcheck disable=SC2086 # several options
  used=$(cost taskset -c 0 "$catdog" archive large --out out --jobs 1 --quiet $options)
  echo "  ${options:-every frame}: $(awk '{ printf "%.0f", $2 * 3600 / (16 * 13.08) }' <<<"$used")"
done

echo "Time of one worker divided by that of two, 16 videos, every frame:"
archive=("$python" "$CATDOG_ROOT/examples/archive/dask_archive.py" large --program "$catdog")
for ((round = 0; round < rounds; round++)); do
  rm -rf one two
  one=$(cost taskset -c 0 "${archive[@]}" --workers 1 --out one)
  two=$(cost taskset -c 0,1 "${archive[@]}" --workers 2 --out two)
  echo "${one% *} ${two% *}" >>dask
done
# shellcheck disable=SC2016 # awk expands them
echo "  $(median '$1 / $2' dask); one worker $(median '$1' dask) s, two $(median '$2' dask) s"

echo "1,000 videos of one second: $(cost "$catdog" archive small --out many --every 1 | cut -d ' ' -f 1) s;" \
  "again: $(cost "$catdog" archive small --out many --every 1 | cut -d ' ' -f 1) s"
echo "A video of ten hours, one frame a second: $(cost "$catdog" archive long.mkv --out whole | cut -d ' ' -f 1) s;" \
  "in ranges of an hour: $(cost "$catdog" archive long.mkv --out parts --split 3600 | cut -d ' ' -f 1) s"
"$python" - <<'COMPARE'
import pathlib
import pyarrow.parquet as pq
import pyarrow as pa

columns = ["time", "label", "confidence", "confidences"]
whole = pq.read_table("whole/videos/long.mkv.parquet", columns=columns)
files = list(pathlib.Path("parts/videos").iterdir())
parts = pa.concat_tables([pq.read_table(file, columns=columns) for file in files]).sort_by("time")
assert whole.num_rows == 36000 and parts.equals(whole), (whole.num_rows, parts.num_rows)
print(f"  {len(files)} ranges have the {whole.num_rows} rows of the whole")
COMPARE

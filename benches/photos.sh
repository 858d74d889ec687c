#!/usr/bin/env bash
# Compares `catdog photos` with one gst-launch-1.0 for each photo, and with the sum of the time that decoding and
# classification take. The programs take turns; medians are printed.
#
# Usage: benches/photos.sh DIR [ROUNDS]
#
#   DIR     a folder of JPEG photos
#   ROUNDS  number of rounds (default: 5)
#
# Needs target/release/catdog (cargo build --release --package catdog-cli) and the plugin in target/catdog
# (scripts/run.sh). Nothing else should run on the machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

[ $# -ge 1 ] || usage_error "DIR is required"
readonly folder=$1 rounds=${2:-5} launched=50
[ -d "$folder" ] || usage_error "there is no folder $folder"
catdog=$CATDOG_TARGET/release/catdog
[ -x "$catdog" ] || die "$catdog is missing: cargo build --release --package catdog-cli"
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$CATDOG_STAGE}
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}

mapfile -t photos < <(find "$folder" -name '*.jpg' | sort)
[ ${#photos[@]} -ge $launched ] || die "$folder has fewer than $launched .jpg files"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# seconds COMMAND... : prints how long a command takes
seconds() {
  local TIMEFORMAT=%R
  { time "$@" >/dev/null 2>"$scratch/stderr"; } 2>&1
}

launch_each() {
  local photo
  for photo in "${photos[@]:0:launched}"; do
    gst-launch-1.0 -q -m filesrc location="$photo" ! decodebin ! videoconvert ! catdogfilter ! fakesink
  done
}

for ((round = 0; round < rounds; round++)); do
  all=$(seconds "$catdog" photos "${photos[@]}" --format csv --verbose)
  sum=$(sed -n 's/^catdog: \([0-9.]*\) s of decoding and \([0-9.]*\) s of classification on \([0-9]*\) threads.*/\1 \2 \3/p' "$scratch/stderr")
  each=$(seconds launch_each)
  awk -v all="$all" -v sum="$sum" -v each="$each" -v count=${#photos[@]} -v launched=$launched 'BEGIN {
    split(sum, part, " ")
    ideal = (part[1] + part[2]) / part[3]
    print 1000 * all / count, 1000 * each / launched, each / launched / (all / count), all / ideal
  }' >>"$scratch/rounds"
done

# column N : prints the median of a column, and its smallest and largest value
column() {
  sort -g -k "$1,$1" "$scratch/rounds" | awk -v n="$1" '{ v[NR] = $n } END {
    printf "%.2f (%.2f to %.2f)\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
printf '%d photos, %d rounds\n' ${#photos[@]} "$rounds"
printf 'catdog photos, ms per photo:           %s\n' "$(column 1)"
printf 'one gst-launch-1.0 each, ms per photo: %s\n' "$(column 2)"
printf 'ratio:                                 %s\n' "$(column 3)"
printf 'of decoding + classification / threads: %s\n' "$(column 4)"

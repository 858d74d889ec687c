#!/usr/bin/env bash
# Compares `catdog file` with the gst-launch-1.0 line that it prints. Both take turns; medians are printed.
#
# Usage: benches/file.sh VIDEO [ROUNDS]
#
#   ROUNDS  number of rounds (default: 7)
#
# Needs target/release/catdog and the plugin in target/catdog (scripts/run.sh builds both). Nothing else should run on
# the machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

[ $# -ge 1 ] || usage_error "VIDEO is required"
video=$(realpath "$1") rounds=${2:-7}
catdog=$CATDOG_TARGET/release/catdog
[ -x "$catdog" ] || die "$catdog is missing; scripts/run.sh builds it"
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$CATDOG_STAGE}
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# seconds COMMAND... : prints how long a command takes
seconds() {
  local TIMEFORMAT=%R
  { time "$@" >/dev/null 2>"$scratch/stderr"; } 2>&1 || die "failed: $*: $(cat "$scratch/stderr")"
}

line=$("$catdog" file "$video" -o launch.mp4 --print-pipeline)
for ((round = 0; round < rounds; round++)); do
  program=$(seconds "$catdog" file "$video" -o program.mp4 --overwrite)
  launch=$(seconds sh -c "$line")
  echo "$program $launch" >>rounds
done

# column EXPRESSION : prints the median of an awk expression, and its smallest and largest value
column() {
  awk "{ print $1 }" rounds | sort -g | awk '{ v[NR] = $1 } END {
    printf "%.3f (%.3f to %.3f)\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
# shellcheck disable=SC2016 # awk expands them
{
  printf 'catdog file, s:    %s\n' "$(column '$1')"
  printf 'gst-launch-1.0, s: %s\n' "$(column '$2')"
  printf 'ratio:             %s\n' "$(column '$1 / $2')"
}

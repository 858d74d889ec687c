#!/usr/bin/env bash
# Measures the time from the start of `catdog test` to its first line with a label. The median is printed, with the
# smallest and the largest value.
#
# Usage: benches/first-label.sh [STARTS]
#
#   STARTS  number of starts after one that is not counted (default: 12)
#
# Needs target/release/catdog (scripts/run.sh builds it). Nothing else should run on the machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

case ${1:-} in -h | --help) print_help; exit 0 ;; esac
starts=${1:-12} times=()
for ((number = 0; number <= starts; number++)); do
  begin=$EPOCHREALTIME
  # The time is taken when the line comes; the program itself ends after a second.
  end=$("$CATDOG_TARGET/release/catdog" test --no-window --quiet --seconds 1 2>/dev/null | { read -r _; echo "$EPOCHREALTIME"; })
  [ "$number" = 0 ] || times+=($(((${end/./} - ${begin/./}) / 1000)))
done
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
echo "first label, ms: ${sorted[starts / 2]} (${sorted[0]} to ${sorted[-1]})"

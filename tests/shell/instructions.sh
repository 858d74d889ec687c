#!/usr/bin/env bash
# Counts the instructions per frame with valgrind's callgrind (benches/instructions.rs) and compares them with
# tests/instructions.txt: of the preprocessing, and of the element with a fake engine. The tolerance is 3 %, and 6 % for
# the element.
#
# Usage: tests/shell/instructions.sh [--update [--lab]]
#
#   --update  writes the counts of this machine's GStreamer version into tests/instructions.txt
#   --lab     then does the same on Debian 13, which has another version (needs root)
#
# Another compiler generates other instructions, so the test is skipped with another rustc than that of the file.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
source "$ROOT/scripts/lib.sh"

update='' lab=''
for argument in "$@"; do
  case $argument in
    -h | --help) print_help; exit 0 ;;
    --update) update=1 ;;
    --lab) lab=1 ;;
    *) usage_error "unknown argument $argument" ;;
  esac
done

file=$ROOT/tests/instructions.txt
frames=10
command -v valgrind >/dev/null || skip "valgrind is not installed"
[ "$(machine_arch)" = x86_64 ] || skip "the counts are for x86_64; this is $(machine_arch)"
grep -qw avx2 /proc/cpuinfo || skip "the counts are for a CPU with AVX2"
rustc=$(rustc --version)
made_with="rustc $(cut -d' ' -f2 <<<"$rustc"), x86_64"
[ -n "$update" ] || grep -qxF "# $made_with" "$file" ||
  skip "the counts are for $(sed -n 's/^# \(rustc .*\)/\1/p' "$file"); this is $made_with"
gstreamer=$(pkg-config --modversion gstreamer-1.0 | cut -d. -f1,2)

# count : prints one line per case: the instructions per frame, a tab, the name of the case. It counts the main thread
# only, in the function `counted`, without the run of the fake engine. GStreamer finds no other plugin, because the
# element is part of the program.
count() {
  local features number=0 name total
  mapfile -t features < <(cargo_features)
  mkdir "$SCRATCH/none"
  (cd "$ROOT" &&
    GST_PLUGIN_PATH=$SCRATCH/none GST_PLUGIN_SYSTEM_PATH_1_0=$SCRATCH/none GST_REGISTRY=$SCRATCH/registry.bin \
      CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --tool=callgrind --callgrind-out-file=$SCRATCH/counts
        --separate-threads=yes --collect-atstart=no --toggle-collect=*FakeEngine*::run
        --toggle-collect=instructions::counted --zero-before=instructions::counted --dump-after=instructions::counted" \
      cargo bench --locked "${features[@]}" --bench instructions -- --frames $frames) \
    >"$SCRATCH/names" 2>"$SCRATCH/log" </dev/null || {
    tail -n 30 "$SCRATCH/log" >&2
    fail "benches/instructions.rs failed"
  }
  while read -r name; do
    number=$((number + 1))
    total=$(sed -n 's/^totals: //p' "$SCRATCH/counts.$number-01")
    case $name in element*) name="GStreamer $gstreamer: $name" ;; esac
    printf '%9d\t%s\n' $(((total + frames / 2) / frames)) "$name"
  done <"$SCRATCH/names"
}

# Writes the file. Counts of other GStreamer versions stay, if they are of the same compiler.
write() {
  {
    echo "# Instructions per frame: tests/shell/instructions.sh compares them, and --update --lab writes them."
    echo "# $made_with"
    {
      cat "$SCRATCH/counted"
      ! grep -qxF "# $made_with" "$file" ||
        grep -P '^ *\d+\tGStreamer ' "$file" | grep -vF "GStreamer $gstreamer:" || :
    } | LC_ALL=C sort -t "$(printf '\t')" -k 2,2
  } >"$SCRATCH/file"
  cp "$SCRATCH/file" "$file"
  say "wrote $(wc -l <"$SCRATCH/counted") counts, GStreamer $gstreamer"
}

# Prints the differences. Fails if there is one above the tolerance. The counts of the element depend on how its threads
# meet: the same program differed by 3 % between two runs.
compare() {
  awk -F '\t' -v of_kernels=0.03 -v of_element=0.06 -v gstreamer="GStreamer $gstreamer: " '
    /^#/ { next }
    NR == FNR { want[$2] = $1 + 0; if (index($2, gstreamer) == 1) known = 1; next }
    {
      element = $2 ~ /^GStreamer /
      if (element && !known) { unknown++; next }
      seen[$2] = 1
      if (!($2 in want)) { print $2 ": " $1 + 0 " instructions, not in the file"; bad++; next }
      off = $1 / want[$2] - 1
      tolerance = element ? of_element : of_kernels
      if (off > tolerance || off < -tolerance) {
        printf "%s: %d instructions instead of %d (%+.1f %%)\n", $2, $1, want[$2], 100 * off
        bad++
      }
      if (off < 0) off = -off
      if (off > most) most = off
      compared++
    }
    END {
      for (name in want) if (!(name in seen) && (name !~ /^GStreamer / || index(name, gstreamer) == 1)) {
        print name ": in the file, but not counted"
        bad++
      }
      if (unknown) print unknown " counts of the element are not compared: the file has none of " substr(gstreamer, 1, length(gstreamer) - 2)
      printf "%d counts compared, the largest difference is %.2f %%\n", compared, 100 * most
      exit bad > 0
    }' "$file" "$SCRATCH/counted"
}

count >"$SCRATCH/counted"
if [ -n "$update" ]; then
  write
  [ -z "$lab" ] || {
    "$ROOT/scripts/lab/trixie.sh" install valgrind
    "$ROOT/scripts/lab/trixie.sh" run tests/shell/instructions.sh --update
  }
else
  compare || fail "the instructions per frame have changed; if this is intended, run tests/shell/instructions.sh --update --lab"
fi

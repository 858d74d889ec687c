# shellcheck shell=bash
# What the lab scripts share, beyond what all scripts do (../lib.sh): where their state
# lies, and which Debian mirror this machine uses. Sourced by the scripts beside it,
# never run.
#
#   CATDOG_LAB        folder for chroots, virtual machines and build output;
#                     default ${TMPDIR:-/tmp}/catdog-lab, never inside the repository
#   CATDOG_MIRROR     Debian mirror; default: the one the machine's apt sources name
#   CATDOG_TEST_DATA  folder with the clips and pictures; see ../lib.sh

# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034 # read by the scripts beside this one
lab_scripts=$CATDOG_ROOT/scripts/lab
lab_dir=$(realpath -m "${CATDOG_LAB:-${TMPDIR:-/tmp}/catdog-lab}")

need_root() { [[ $EUID -eq 0 ]] || die "needs root for chroot and mount: run it with sudo"; }

need_file() { [[ -f $2 ]] || die "$1: no file $2"; }

# Makes the state folder and holds it until lab_unlock: two runs must not fill it at once.
lab_lock() {
  case "$lab_dir/" in "$CATDOG_ROOT"/*) die "CATDOG_LAB ($lab_dir) lies inside the repository: choose another folder" ;; esac
  mkdir -p "$lab_dir"
  exec 9>"$lab_dir/lock"
  flock --nonblock 9 || { say "waiting for another run in $lab_dir"; flock 9; }
}
lab_unlock() { exec 9>&-; }

# Prints the folder that holds clips/ and heldout/, or stops.
lab_data() {
  local folder
  folder=$(test_data) || die "no test data: set CATDOG_TEST_DATA to the folder that has it"
  [[ ! -d $folder/data ]] || folder=$folder/data
  realpath "$folder"
}

# Prints the LiteRT runtime for an architecture, fetched when it is not there yet.
lab_runtime() {
  "$CATDOG_ROOT/scripts/fetch-runtime.sh" --arch "$1" "$lab_dir/runtime-$1" >&2 < /dev/null || exit
  printf '%s\n' "$lab_dir/runtime-$1/$CATDOG_RUNTIME"
}

# Prints the mirror from which this machine gets its own Debian release: of all apt
# sources, the one that has the release's own suite (not -updates, -security or a
# vendor's) and the component main. Both notations of sources are understood.
debian_mirror() {
  [[ -z ${CATDOG_MIRROR:-} ]] || { printf '%s\n' "$CATDOG_MIRROR"; return; }
  local id codename files uri
  # shellcheck source=/dev/null
  id=$(. /etc/os-release && echo "${ID:-}")
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
  [[ $id == debian ]] || die "this machine is not Debian, its apt sources name no Debian mirror: set CATDOG_MIRROR"
  mapfile -t files < <(find /etc/apt/sources.list /etc/apt/sources.list.d \
    -type f \( -name '*.list' -o -name '*.sources' \) 2>/dev/null | sort)
  [[ ${#files[@]} -gt 0 ]] || die "no apt sources in /etc/apt: set CATDOG_MIRROR"
  uri=$(awk -v codename="$codename" '
    function offer(uris, suites, components) {
      if (found || (" " components " ") !~ / main /) return
      if ((" " suites " ") !~ " (" codename "|stable|testing|unstable) ") return
      count = split(uris, uri, " ")
      for (i = 1; i <= count && !found; i++)
        if (uri[i] ~ /^(https?|file):/) { print uri[i]; found = 1 }
    }
    function finish() {
      if ((" " field["types"] " ") ~ / deb / && field["enabled"] !~ /^(no|false|0|off|without|disable)$/)
        offer(field["uris"], field["suites"], field["components"])
      split("", field); key = ""
    }
    FNR == 1 { finish() }
    /^[ \t]*#/ { next }
    FILENAME ~ /[.]list$/ {
      sub(/\[[^]]*\]/, "")
      if ($1 != "deb") next
      rest = ""
      for (i = 4; i <= NF; i++) rest = rest " " $i
      offer($2, $3, rest)
      next
    }
    /^[ \t]*$/ { finish(); next }
    /^[ \t]/ { field[key] = field[key] " " $0; next }
    {
      key = tolower(substr($0, 1, index($0, ":") - 1))
      field[key] = substr($0, index($0, ":") + 1)
      gsub(/^[ \t]+|[ \t]+$/, "", field[key])
    }
    END { finish() }' "${files[@]}")
  [[ -n $uri ]] || die "no apt source has $codename main: set CATDOG_MIRROR"
  printf '%s\n' "$uri"
}

# Prints the machine's own apt settings that a chroot needs to reach the same mirror.
apt_settings() {
  local name
  for name in Acquire::Check-Valid-Until Acquire::Check-Date Acquire::http::Proxy Acquire::https::Proxy; do
    apt-config dump "$name" | grep "^$name " || :
  done
}

# lab_remove PATH...: deletes state, but only when nothing is mounted in it any more.
lab_remove() {
  local path point
  for path; do
    [[ -e $path ]] || continue
    while read -r point; do
      say "unmounting $point"
      umount "$point" || die "$point is still in use: end what runs there, then try again"
    done < <(awk -v top="$path/" 'index($5 "/", top) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
    say "removing $path"
    rm -rf --one-file-system "$path"
  done
}

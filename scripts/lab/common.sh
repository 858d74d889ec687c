# shellcheck shell=bash
# Functions of the lab scripts, in addition to those of ../lib.sh: the folder of their state and
# the Debian mirror of this machine. The scripts in this folder source this file.
#
#   CATDOG_LAB        folder for chroots, virtual machines and build output, outside the
#                     repository (default: ${TMPDIR:-/tmp}/catdog-lab)
#   CATDOG_MIRROR     Debian mirror (default: the mirror in the apt sources of this machine)
#   CATDOG_TEST_DATA  folder with clips and pictures, see ../lib.sh

# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034 # read by the other scripts in this folder
lab_scripts=$CATDOG_ROOT/scripts/lab
lab_dir=$(realpath -m "${CATDOG_LAB:-${TMPDIR:-/tmp}/catdog-lab}")

need_root() { [[ $EUID -eq 0 ]] || die "chroot and mount need root; use sudo"; }

# need_file OPTION FILE : ends the script if FILE does not exist.
need_file() { [[ -f $2 ]] || die "$1: there is no file $2"; }

# Creates the state folder and locks it until lab_unlock, because two runs must not fill it at the same time.
lab_lock() {
  case "$lab_dir/" in "$CATDOG_ROOT"/*) die "CATDOG_LAB ($lab_dir) is inside the repository; choose another folder" ;; esac
  mkdir -p "$lab_dir"
  exec 9>"$lab_dir/lock"
  flock --nonblock 9 || { say "waiting for another run in $lab_dir"; flock 9; }
}
lab_unlock() { exec 9>&-; }

# Prints the folder with clips/ and heldout/, or ends the script.
lab_data() {
  local folder
  folder=$(test_data) || die "there is no test data; set CATDOG_TEST_DATA to its folder"
  [[ ! -d $folder/data ]] || folder=$folder/data
  realpath "$folder"
}

# lab_runtime ARCH : prints the path of the LiteRT runtime for an architecture; downloads it if it is missing.
lab_runtime() {
  "$CATDOG_ROOT/scripts/fetch-runtime.sh" --arch "$1" "$lab_dir/runtime-$1" >&2 < /dev/null || exit
  printf '%s\n' "$lab_dir/runtime-$1/$CATDOG_RUNTIME"
}

# Prints the Debian mirror of this machine: the apt source with the suite of its release (without
# -updates, -security and other vendors) and the component main. Reads both formats of apt
# sources.
debian_mirror() {
  [[ -z ${CATDOG_MIRROR:-} ]] || { printf '%s\n' "$CATDOG_MIRROR"; return; }
  local id codename files uri
  # shellcheck source=/dev/null
  id=$(. /etc/os-release && echo "${ID:-}")
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
  [[ $id == debian ]] || die "this machine is not Debian, so its apt sources have no Debian mirror; set CATDOG_MIRROR"
  mapfile -t files < <(find /etc/apt/sources.list /etc/apt/sources.list.d \
    -type f \( -name '*.list' -o -name '*.sources' \) 2>/dev/null | sort)
  [[ ${#files[@]} -gt 0 ]] || die "there are no apt sources in /etc/apt; set CATDOG_MIRROR"
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
  [[ -n $uri ]] || die "no apt source has $codename main; set CATDOG_MIRROR"
  printf '%s\n' "$uri"
}

# Prints the apt settings of this machine that a chroot needs to reach the same mirror.
apt_settings() {
  local name
  for name in Acquire::Check-Valid-Until Acquire::Check-Date Acquire::http::Proxy Acquire::https::Proxy; do
    apt-config dump "$name" | grep "^$name " || :
  done
}

# lab_remove PATH... : deletes state. Unmounts everything in it first.
lab_remove() {
  local path point
  for path; do
    [[ -e $path ]] || continue
    while read -r point; do
      say "unmounting $point"
      umount "$point" || die "$point is in use; end the processes that use it and try again"
    done < <(awk -v top="$path/" 'index($5 "/", top) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
    say "removing $path"
    rm -rf --one-file-system "$path"
  done
}

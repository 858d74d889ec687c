# shellcheck shell=bash
# lib.sh - functions that the scripts of this repository share. They find out what the machine lacks, install it, build
# the plugin, and stage it next to the LiteRT runtime.
#
# Usage: source it from a script of this repository, after `set -euo pipefail`:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# All messages go to stderr, because stdout is the output of the script. Only what is missing is installed, and it is
# printed first.

CATDOG_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CATDOG_TARGET=${CARGO_TARGET_DIR:-$CATDOG_ROOT/target}
# The folder for GST_PLUGIN_PATH. It contains only the plugin: GStreamer opens and closes every library there, and
# LiteRT 2.3.0 crashes at exit after being unloaded.
CATDOG_STAGE=$CATDOG_TARGET/catdog
CATDOG_PLUGIN=libgstcatdog.so
# The folder of the runtime. The plugin searches for it in gst-catdog next to its own folder.
CATDOG_RUNTIME_DIR=$CATDOG_TARGET/gst-catdog
# shellcheck disable=SC2034 # read by fetch-runtime.sh
CATDOG_RUNTIME=libLiteRt.so
# The scripts use Debian's interpreter, because python3-gi belongs to it and not to a pyenv or venv in PATH.
# shellcheck disable=SC2034 # read by fetch-runtime.sh, test.sh, models/evaluate and models/train
CATDOG_PYTHON=/usr/bin/python3

# The packages for each job, with the same names in Debian 12, Debian 13 and Raspberry Pi OS.
CATDOG_PACKAGES_RUNTIME=(python3 python3-pip ca-certificates)
CATDOG_PACKAGES_BUILD=(gcc libc6-dev pkg-config ca-certificates
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev)
# textoverlay and the X11 sinks are in -x, v4l2src and WebM in -good, x264enc in -ugly, H.264 decoders in -libav.
CATDOG_PACKAGES_RUN=(gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x v4l-utils)
# shellcheck disable=SC2034 # read by test.sh
CATDOG_PACKAGES_TEST=(xvfb ffmpeg valgrind python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  gir1.2-gst-rtsp-server-1.0 python3-matplotlib python3-numpy meson ninja-build)
# shellcheck disable=SC2034 # read by bench.sh
CATDOG_PACKAGES_BENCH=(ffmpeg python3-gi gir1.2-gstreamer-1.0 python3-venv)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename "$0"): $*"
  exit 1
}

usage_error() {
  say "$(basename "$0"): $* (see --help)"
  exit 2
}

# Prints the header comment of the calling script.
print_help() {
  sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"
}

# --- the machine -----------------------------------------------------------------------------

# Prints the architecture of the user space, with the name that the LiteRT packages use.
machine_arch() {
  local arch
  if arch=$(dpkg --print-architecture 2>/dev/null); then :; else arch=$(uname -m); fi
  case $arch in
    amd64 | x86_64) echo x86_64 ;;
    arm64 | aarch64) echo aarch64 ;;
    *) die "LiteRT has no build for this user space ($arch): use a 64-bit system (x86_64 or aarch64)" ;;
  esac
}

has_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

package_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 "$@" >&2 </dev/null
}

# Updates the package lists, because old ones may name versions that the mirror does not have.
apt_update() {
  [ -z "${CATDOG_APT_UPDATED:-}" ] || return 0
  apt_get update || say "apt-get update failed; continuing with the existing package lists"
  CATDOG_APT_UPDATED=1
}

# ensure_packages PACKAGE... : installs the packages that are missing.
ensure_packages() {
  local package missing=()
  if ! has_apt; then
    say "this is not a Debian system, so packages are not checked (on Debian: $*)"
    return 0
  fi
  for package in "$@"; do
    package_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    die "packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
  fi
  say "installing with apt: ${missing[*]}"
  apt_update
  apt_get install --no-install-recommends --no-remove "${missing[@]}" ||
    die "apt-get could not install them (its message is above); by hand: apt-get install ${missing[*]}"
}

# --- Python ----------------------------------------------------------------------------------

# venv_is_current VENV REQUIREMENTS : true if the virtual environment has exactly the packages of the requirements file.
venv_is_current() {
  cmp -s "$2" "$1/installed.txt"
}

# make_venv VENV REQUIREMENTS WHAT [PYTHON] : makes a virtual environment with the packages of the requirements file.
# Does nothing if it is current. WHAT names the packages in messages.
make_venv() {
  local venv=$1 requirements=$2 what=$3 python=${4:-$CATDOG_PYTHON}
  ! venv_is_current "$venv" "$requirements" || return 0
  [ "$python" != "$CATDOG_PYTHON" ] || ensure_packages python3-venv
  say "installing $what into $venv"
  "$python" -m venv --clear "$venv" || die "the virtual environment $venv could not be made (the message is above)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: -r "$requirements" >&2 </dev/null ||
    die "pip could not install the packages of $requirements (its message is above)"
  cp "$requirements" "$venv/installed.txt"
}

# Prints a Python interpreter for which TensorFlow has packages. $PYTHON, if set, is the only candidate.
find_tensorflow_python() {
  local python version candidates=("$CATDOG_PYTHON" python3 python3.1{3,2,1,0})
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for python in "${candidates[@]}"; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=none
    case $version in
      3.1[0-3]) echo "$python"; return 0 ;;
    esac
  done
  return 1
}

# --- Rust ------------------------------------------------------------------------------------

# version_at_least VERSION MINIMUM : true if VERSION is MINIMUM or newer.
version_at_least() {
  [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# Prints the minimum version of Rust.
rust_wanted() {
  sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$CATDOG_ROOT/Cargo.toml"
}

# rust_is_good [TOOLCHAIN] : true if cargo and rustc work and rustc is new enough.
rust_is_good() {
  local version
  version=$(RUSTUP_TOOLCHAIN=${1:-${RUSTUP_TOOLCHAIN:-}} run_rust rustc --version) || return 1
  version=${version#rustc }
  version_at_least "${version%%[- ]*}" "$(rust_wanted)" &&
    RUSTUP_TOOLCHAIN=${1:-${RUSTUP_TOOLCHAIN:-}} run_rust cargo --version >/dev/null
}

# run_rust COMMAND... : runs COMMAND without RUSTUP_TOOLCHAIN if it is empty, because rustup refuses an empty one.
run_rust() {
  if [ -n "${RUSTUP_TOOLCHAIN:-}" ]; then "$@" 2>/dev/null; else env -u RUSTUP_TOOLCHAIN "$@" 2>/dev/null; fi
}

# Makes a cargo available to this script: the one in PATH, another toolchain of rustup, or a new one. The default
# toolchain of the user stays the same.
ensure_rust() {
  local wanted toolchain
  wanted=$(rust_wanted)
  case ":$PATH:" in
    *":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;;
    *) PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin ;;
  esac
  ! rust_is_good || return 0
  if command -v rustup >/dev/null; then
    while read -r toolchain _; do
      if rust_is_good "$toolchain"; then
        export RUSTUP_TOOLCHAIN=$toolchain
        return 0
      fi
    done < <(rustup toolchain list 2>/dev/null | grep -v '^no installed')
    say "installing Rust $wanted with rustup, in addition to the installed toolchains"
    rustup toolchain install "$wanted" --profile minimal --no-self-update >&2 </dev/null ||
      die "rustup could not install Rust $wanted (its message is above); catdog needs $wanted or newer"
    export RUSTUP_TOOLCHAIN=$wanted
  else
    install_rustup
  fi
  rust_is_good || die "Rust $wanted or newer is needed, but the installed one is older; see https://rustup.rs"
}

install_rustup() {
  if has_apt; then
    apt_update
    # Debian 13 has the package. It replaces the rustc of the distribution, so it is not installed if that exists.
    if apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]' &&
      ! package_installed rustc && ! package_installed cargo; then
      ensure_packages rustup
      say "installing the stable Rust toolchain with rustup"
      rustup toolchain install stable --profile minimal --no-self-update >&2 </dev/null ||
        die "rustup could not install Rust (its message is above)"
      # This changes the toolchain of this script only, because the default toolchain is a choice of the user.
      export RUSTUP_TOOLCHAIN=stable
      return 0
    fi
    ensure_packages curl ca-certificates
  fi
  say "installing Rust with the installer of https://rustup.rs into ${CARGO_HOME:-$HOME/.cargo}"
  local installer
  installer=$(mktemp)
  if ! curl --proto '=https' --tlsv1.2 -sSf --retry 3 -o "$installer" https://sh.rustup.rs; then
    rm -f "$installer"
    die "the Rust installer could not be downloaded; install Rust $(rust_wanted) or newer by hand: https://rustup.rs"
  fi
  RUSTUP_INIT_SKIP_PATH_CHECK=yes sh "$installer" -y --no-modify-path --profile minimal >&2 </dev/null || {
    rm -f "$installer"
    die "the Rust installer failed (its message is above)"
  }
  rm -f "$installer"
  # This folder comes first, because the distribution may have an older cargo.
  PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  hash -r
}

# ensure_rust_components COMPONENT... : adds components to the toolchain; the minimal profile has none.
ensure_rust_components() {
  local component missing=()
  for component in "$@"; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || missing+=("$component")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v rustup >/dev/null || die "cargo lacks ${missing[*]}; install them with the packages of your distribution"
  say "adding to the Rust toolchain: ${missing[*]}"
  rustup component add "${missing[@]}" >&2 </dev/null || die "rustup could not add ${missing[*]}"
}

# --- build and stage -------------------------------------------------------------------------

# Prints the cargo features that this machine can build, as arguments for cargo. Analytics metadata needs
# GStreamer 1.24.
cargo_features() {
  if pkg-config --exists gstreamer-analytics-1.0; then
    printf '%s\n' --features analytics
  fi
}

# place FILE DIR : copies FILE into DIR. It renames the copy, because a running pipeline may have the old file mapped.
place() {
  local name
  name=$(basename "$1")
  mkdir -p "$2"
  ! cmp -s "$1" "$2/$name" || return 0
  cp "$1" "$2/.$name.new"
  mv -f "$2/.$name.new" "$2/$name"
}

# Builds the plugin and the program catdog in release mode, and puts the plugin into the stage folder. Always both, because
# cargo would compile the plugin again whenever another set of packages is built.
build_plugin() {
  local features
  mapfile -t features < <(cargo_features)
  say "building catdog (release${features[1]:+, with ${features[1]}})"
  (cd "$CATDOG_ROOT" && cargo build --release --locked --package gst-plugin-catdog --package catdog-cli "${features[@]}" >&2 </dev/null) ||
    die "the build failed (cargo's message is above)"
  place "$CATDOG_TARGET/release/$CATDOG_PLUGIN" "$CATDOG_STAGE"
}

# Downloads the LiteRT runtime into the folder where the staged plugin searches for it.
fetch_runtime() {
  "$CATDOG_ROOT/scripts/fetch-runtime.sh" "$CATDOG_RUNTIME_DIR" >&2
  # A runtime in the stage folder would crash processes at exit, see CATDOG_STAGE.
  rm -f "$CATDOG_STAGE/$CATDOG_RUNTIME"
}

# Prepares everything: packages, Rust, plugin and runtime. Fast if nothing is missing.
build_and_stage() {
  ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" "${CATDOG_PACKAGES_RUN[@]}" "${CATDOG_PACKAGES_RUNTIME[@]}"
  ensure_rust
  fetch_runtime
  build_plugin
}

# --- models and clips that are not in the repository ---------------------------------------------

# Prints the folder of the test data, with models/ and data/; fails if there is none.
test_data() {
  local folder
  for folder in ${CATDOG_TEST_DATA:+"$CATDOG_TEST_DATA"} "$CATDOG_ROOT/../shared"; do
    if [ -d "$folder" ]; then
      (cd "$folder" && pwd)
      return 0
    fi
  done
  return 1
}

# first_file FILE... : prints the first of the files that exists.
first_file() {
  local file
  for file in "$@"; do
    if [ -f "$file" ]; then
      printf '%s\n' "$file"
      return 0
    fi
  done
  return 1
}

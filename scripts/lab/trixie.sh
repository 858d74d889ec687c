#!/usr/bin/env bash
# Runs a command in a chroot of Debian 13 with GStreamer 1.26, because the feature `analytics`
# needs GStreamer 1.24 and Debian 12 has 1.22.
#
# Usage: scripts/lab/trixie.sh run [--bind PATH]... COMMAND [ARG]...
#        scripts/lab/trixie.sh install PACKAGE...
#        scripts/lab/trixie.sh clean
#
#   run      creates the chroot if there is none (about two minutes, 3 GB) and runs the
#            command in it, in the current folder. The repository, its test data, cargo,
#            rustup, each folder or file in a CATDOG_* variable, and each PATH of --bind
#            are those of the host, with the same paths. CATDOG_*, CARGO_*, RUST* and
#            proxy variables are passed on. cargo writes to $CATDOG_LAB/target/trixie.
#   install  installs Debian packages in the chroot
#   clean    removes the chroot and the build output
#
# Example: scripts/lab/trixie.sh run cargo test --features analytics
#
# Needs root, debootstrap and a Rust toolchain installed by rustup. See common.sh for
# CATDOG_LAB and CATDOG_MIRROR.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

suite=trixie
root=$lab_dir/$suite
packages=(
  ca-certificates gcc libc6-dev pkg-config
  gstreamer1.0-{tools,plugins-base,plugins-good,plugins-bad,plugins-ugly,libav,x,plugins-base-apps}
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev
  python3 python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0
  gir1.2-gst-rtsp-server-1.0
  xvfb x11-apps x11-utils
)

bootstrap() {
  [[ ! -x $root/usr/bin/env ]] || return 0
  command -v debootstrap > /dev/null || ensure_packages debootstrap
  command -v debootstrap > /dev/null || die "debootstrap is missing; install it with the packages of your distribution"
  local mirror
  mirror=$(debian_mirror)
  say "installing Debian $suite in $root"
  lab_remove "$root.part"
  # debootstrap runs in a mount namespace of its own, so that its mounts end with it.
  unshare --mount --propagation private -- \
    debootstrap --variant=minbase "$suite" "$root.part" "$mirror" > "$lab_dir/debootstrap.log" 2>&1 < /dev/null ||
    die "debootstrap failed; see $lab_dir/debootstrap.log"
  # Packages must not start services in the chroot.
  printf '#!/bin/sh\nexit 101\n' > "$root.part/usr/sbin/policy-rc.d"
  chmod +x "$root.part/usr/sbin/policy-rc.d"
  apt_settings > "$root.part/etc/apt/apt.conf.d/90lab"
  mv "$root.part" "$root"
}

install_packages() {
  local package wanted=()
  for package; do
    DPKG_ADMINDIR=$root/var/lib/dpkg package_installed "$package" || wanted+=("$package")
  done
  [[ ${#wanted[@]} -gt 0 ]] || return 0
  say "installing in $suite: ${wanted[*]}"
  cp --dereference --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
  {
    "$lab_scripts/enter.sh" "$root" dpkg --configure -a &&
    "$lab_scripts/enter.sh" "$root" apt-get update &&
    "$lab_scripts/enter.sh" "$root" apt-get install --yes --no-install-recommends "${wanted[@]}" &&
    "$lab_scripts/enter.sh" "$root" apt-get clean
  } < /dev/null > "$lab_dir/apt.log" 2>&1 || die "apt-get failed in $root; see $lab_dir/apt.log"
}

make_chroot() {
  lab_lock
  bootstrap
  install_packages "${packages[@]}" "$@"
  lab_unlock
}

run() {
  local options=() name cargo_home rustup_home target=$lab_dir/target/$suite
  cargo_home=${CARGO_HOME:-$HOME/.cargo}
  rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
  [[ -x $cargo_home/bin/cargo && -d $rustup_home/toolchains ]] ||
    die "there is no Rust toolchain in $cargo_home and $rustup_home; install one with rustup, or set CARGO_HOME and RUSTUP_HOME"
  mkdir -p "$target"
  options+=(--bind "$CATDOG_ROOT" --bind "$cargo_home" --bind "$rustup_home" --bind "$target")
  # The connection to the crates may need certificates that only the host has.
  [[ ! -d /etc/ssl/certs ]] || options+=(--bind /etc/ssl/certs)
  [[ ! -d $CATDOG_ROOT/../shared ]] || options+=(--bind "$(realpath "$CATDOG_ROOT/../shared")")
  for name in $(compgen -e); do
    case $name in
      CATDOG_LAB | CARGO_TARGET_DIR | CARGO_HOME | RUSTUP_HOME) continue ;;
      CATDOG_*) [[ ${!name} != /* || ! -e ${!name} ]] || options+=(--bind "${!name}") ;;
      CARGO_* | RUST* | *_proxy | *_PROXY | SSL_CERT_FILE | TERM) ;;
      *) continue ;;
    esac
    options+=(--env "$name=${!name}")
  done
  while [[ ${1:-} == --bind ]]; do
    [[ -e ${2:-} ]] || die "--bind: there is no path ${2:-}"
    options+=(--bind "$(realpath "$2")")
    shift 2
  done
  options+=(--env "HOME=$HOME" --env "CARGO_HOME=$cargo_home" --env "RUSTUP_HOME=$rustup_home"
    --env "CARGO_TARGET_DIR=$target"
    --env "PATH=$cargo_home/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
  local folder=$PWD
  case "$folder/" in "$CATDOG_ROOT"/*) ;; *) folder=$CATDOG_ROOT ;; esac
  exec "$lab_scripts/enter.sh" "${options[@]}" "$root" env -C "$folder" "$@"
}

case ${1:-} in
  run)
    shift
    [[ $# -gt 0 ]] || usage_error "run needs a command"
    need_root
    make_chroot
    run "$@"
    ;;
  install)
    shift
    need_root
    make_chroot "$@"
    ;;
  clean)
    need_root
    lab_lock
    lab_remove "$root" "$root.part" "$lab_dir/target/$suite"
    ;;
  -h | --help) print_help ;;
  *) print_help >&2; exit 2 ;;
esac

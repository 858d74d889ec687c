#!/usr/bin/env bash
# Runs a command in another root file system, with proc, sys, dev and the given folders
# of the host.
#
# Usage: enter.sh [--bind PATH[:TARGET]]... [--env NAME=VALUE]... ROOT COMMAND [ARG]...
#
# The mounts are in a mount namespace of this command, so the kernel removes them when the
# command ends. A folder of the host has the same path inside, or TARGET. /tmp is empty and
# in memory. The environment of the command contains the variables of --env, and PATH, LANG
# and DEBIAN_FRONTEND.
set -euo pipefail

if [[ ${1:-} != --inside ]]; then
  exec unshare --mount --propagation private -- "${BASH_SOURCE[0]}" --inside "$@"
fi
shift

binds=() vars=()
while [[ ${1:-} == --* ]]; do
  case $1 in
    --bind) binds+=("$2") ;;
    --env) vars+=("$2") ;;
    *) echo "enter.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $# -ge 2 ]] || { echo "enter.sh: a root folder and a command are needed" >&2; exit 2; }
root=$(realpath "$1")
shift

# Unpacked packages that were not configured lack these folders.
mkdir -p "$root"/{proc,sys,dev,tmp}
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for bind in ${binds[@]+"${binds[@]}"}; do
  source=$(realpath "${bind%%:*}")
  target=$root${bind#*:}
  if [[ -d $source ]]; then
    mkdir -p "$target"
  else
    mkdir -p "$(dirname "$target")"
    [[ -e $target ]] || : > "$target"
  fi
  mount --rbind "$source" "$target"
done

exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive ${vars[@]+"${vars[@]}"} chroot "$root" "$@"

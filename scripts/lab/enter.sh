#!/usr/bin/env bash
# Runs a command in another root file system, with proc, sys, dev and the given host
# folders inside it.
#
# usage: enter.sh [--bind PATH[:TARGET]]... [--env NAME=VALUE]... ROOT COMMAND [ARG]...
#
# Every mount is made in a mount namespace of this command alone, so the kernel takes
# them away when the command ends, however it ends: nothing is left to unmount.
# A host folder appears under its own path unless TARGET says otherwise. /tmp is empty
# and in memory. The command sees only the variables given with --env, and PATH, LANG
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
[[ $# -ge 2 ]] || { echo "enter.sh: needs a root folder and a command" >&2; exit 2; }
root=$(realpath "$1")
shift

# A tree never configured lacks these. In one that is, they are there, perhaps as links.
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

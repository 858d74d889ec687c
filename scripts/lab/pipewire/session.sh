#!/usr/bin/env bash
# Runs in the chroot, for ../pipewire.sh: starts PipeWire with a camera that shows the demo clip again and again, and catdog.
# Input in /mnt: catdog, demo.mp4. Output in /mnt/out: cameras.json, pipeline.txt, live.txt and logs.
set -euo pipefail
out=/mnt/out
export HOME=/tmp XDG_RUNTIME_DIR=/tmp/runtime
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap 'kill $(jobs -p) 2>/dev/null || :' EXIT

# until_true SECONDS COMMAND... : polls COMMAND; ends the script after the timeout
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [[ $SECONDS -lt $deadline ]] || { echo "timeout: $*" >&2; exit 1; }
    sleep 0.3
  done
}

pipewire >"$out/pipewire.log" 2>&1 &
until_true 30 pw-cli info 0
wireplumber >"$out/wireplumber.log" 2>&1 &

# Ten times the clip of half a minute is longer than this test lasts.
clips=()
for _ in {1..10}; do clips+=(filesrc location=/mnt/demo.mp4 ! decodebin ! videoconvert ! clips.); done
gst-launch-1.0 -q "${clips[@]}" concat name=clips ! video/x-raw,format=I420 ! identity sync=true ! pipewiresink mode=provide \
  stream-properties='p,media.class=Video/Source,node.name=cat-cam,node.description=(string)"Cat\ Cam",media.role=Camera' \
  >"$out/feed.log" 2>&1 &
# shellcheck disable=SC2016  # expanded by the other shell
until_true 60 bash -c 'pw-dump | grep -q "\"node.name\": \"cat-cam\""'

# The session manager offers a camera to programs some time after it was added.
until_true 30 bash -c '/mnt/catdog cameras --json | grep -q "Cat Cam"'
/mnt/catdog cameras --json >"$out/cameras.json"
/mnt/catdog live 'cat cam' --print-pipeline >"$out/pipeline.txt"
# 124 is the exit code of timeout; catdog ends regularly after the signal.
timeout --signal=INT 60 /mnt/catdog live 'cat cam' >"$out/live.txt" 2>"$out/live.log" || [[ $? == 124 ]]

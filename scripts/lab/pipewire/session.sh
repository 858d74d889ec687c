#!/usr/bin/env bash
# Runs in the chroot, for ../pipewire.sh: starts PipeWire with a camera that shows the demo clip again and again, and catdog.
# Then the program that is the camera ends, and starts again. Input in /mnt: catdog, demo.mp4. Output in /mnt/out:
# cameras.json, pipeline.txt, live.txt and logs.
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

# Ten times the clip of half a minute is longer than this test lasts.
clips=()
for _ in {1..10}; do clips+=(filesrc location=/mnt/demo.mp4 ! decodebin ! videoconvert ! clips.); done
plug() {
  gst-launch-1.0 -q "${clips[@]}" concat name=clips ! video/x-raw,format=I420 ! identity sync=true ! pipewiresink mode=provide \
    stream-properties='p,media.class=Video/Source,node.name=cat-cam,node.description=(string)"Cat\ Cam",media.role=Camera' \
    >>"$out/feed.log" 2>&1 &
  feed=$!
}
camera_is_listed() { /mnt/catdog cameras --json | grep -q 'Cat Cam'; }
labels() { grep -cE '  (cat|dog)  [0-9]+ %$' "$out/live.txt"; }
both_labels() { grep -qE '  cat  [0-9]+ %$' "$out/live.txt" && grep -qE '  dog  [0-9]+ %$' "$out/live.txt"; }
new_label() { [[ $(labels) -gt $before ]]; }

pipewire >"$out/pipewire.log" 2>&1 &
until_true 30 pw-cli info 0
wireplumber >"$out/wireplumber.log" 2>&1 &
plug
until_true 60 camera_is_listed
/mnt/catdog cameras --json >"$out/cameras.json"
/mnt/catdog live 'cat cam' --print-pipeline >"$out/pipeline.txt"

/mnt/catdog live 'cat cam' >"$out/live.txt" 2>"$out/live.log" &
catdog=$!
until_true 120 both_labels
before=$(labels)
kill "$feed"
until_true 30 grep -q 'no signal from' "$out/live.log"
plug
until_true 60 grep -q ' is back' "$out/live.log"
until_true 60 new_label
kill -INT "$catdog"
wait "$catdog" || [[ $? == 130 ]]

#!/usr/bin/env bash
# Runs in the virtual machine of webcam-vm.sh: feeds /dev/video7 with a cat and then a dog,
# runs the pipeline under Xvfb, and takes a screenshot of each animal.
#
# Input in /lab: cat.yuv and dog.yuv (YUY2 640x480), cat.jpg, `command` (gst-launch-1.0 or catdog with
# its arguments), `settle` (seconds before a screenshot), plugin/, and perhaps catdog. Output in
# /lab/out: cat.xwd, dog.xwd, cameras.txt, libcamera.json, libcamera.txt, logs, and `status`: "ok", or an error.
#
# The feed does not depend on the clock, because the emulated machine is slow by an unknown
# factor: the cat clip repeats until its screenshot is taken, then the dog clip.
# With errtrace, the trap for errors also works in functions.
set -Eeuo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/tmp XDG_RUNTIME_DIR=/run DISPLAY=:1
export GST_PLUGIN_PATH=/lab/plugin GST_REGISTRY=/lab/registry.bin
# Without this variable, autovideosink tries the virtual console first.
export GST_PLUGIN_FEATURE_RANK=kmssink:NONE
out=/lab/out

log() { echo "guest: $* (at $(cut -d' ' -f1 /proc/uptime) s)"; }
end() {
  log "$1"
  echo "$1" > "$out/status"
  sync
  /run/busybox poweroff -f
  sleep 60
}
trap 'end "guest.sh failed in line $LINENO"' ERR
# until_true SECONDS COMMAND... : polls COMMAND; false after the timeout
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do
    [[ $SECONDS -lt $deadline ]] || return 1
    sleep 0.3
  done
}
camera_is_fed() { grep -q capture /sys/class/video4linux/video7/state; }
pipeline_ended() { ! kill -0 "$pipeline"; }
window_or_end() { xwininfo -name "$program" > /dev/null || pipeline_ended; }

[[ -c /dev/video7 ]] || end "there is no /dev/video7; v4l2loopback did not load"

feed() {
  {
    until [[ -e /run/turn-to-dog ]]; do cat /lab/cat.yuv; done
    : > /run/dog-on-camera
    while cat /lab/dog.yuv; do :; done
  } | gst-launch-1.0 -q fdsrc blocksize=614400 ! \
    rawvideoparse format=yuy2 width=640 height=480 framerate=10/1 ! \
    v4l2sink device=/dev/video7 max-lateness=-1 > "$out/feed.log" 2>&1 || log "the feed has ended"
}

log "feeding the camera: cat"
feed &
Xvfb "$DISPLAY" -noreset -screen 0 640x480x24 -nolisten tcp > "$out/xvfb.log" 2>&1 &
until_true 60 camera_is_fed || end "the camera gets no frames; see feed.log"
until_true 60 test -e /tmp/.X11-unix/X1 || end "Xvfb does not start; see xvfb.log"

# A line of catdog live with a class and its confidence.
label='  (cat|dog|neither)  [0-9]+ %$'
if [[ -e /lab/catdog ]]; then
  # Without its camera for tests, which would be preferred to the webcam.
  export LIBCAMERA_PIPELINES_MATCH_LIST=uvcvideo
  export CATDOG_LITERT_LIBRARY=/lab/gst-catdog/libLiteRt.so
  /lab/catdog cameras > "$out/cameras.txt" 2>&1 || end "catdog cameras failed; see cameras.txt"
fi
command=$(< /lab/command)
program=${command%% *}
program=${program##*/}
log "$command"
eval "exec $command" > "$out/pipeline.log" 2>&1 < /dev/null &
pipeline=$!

shoot() { # shoot NAME
  pipeline_ended || sleep "$(< /lab/settle)"
  ! pipeline_ended || end "the pipeline ended before the screenshot of the $1; see pipeline.log"
  xwd -silent -root -out "$out/$1.xwd" || end "the screenshot of the $1 failed"
  log "screenshot of the $1"
}
until_true 120 window_or_end || end "no video window appeared; see pipeline.log"
shoot cat
: > /run/turn-to-dog
until_true 60 test -e /run/dog-on-camera || end "the feed did not change to the dog; see feed.log"
log "feeding the camera: dog"
shoot dog

# Removes the device of the camera, and adds it again after some seconds. The kernel removes a module only when no
# program uses its device.
unplug_and_plug() {
  log "unplugging the camera"
  kill "$(feeder)"
  until_true 60 grep -q 'no signal from' "$out/pipeline.log" || end "the loss of the camera is not noticed; see pipeline.log"
  until_true 60 rmmod v4l2loopback || end "the program holds the device of the camera"
  sleep 3
  log "plugging the camera in"
  # shellcheck disable=SC2046  # the options are separate words
  insmod /run/v4l2loopback.ko $(< /run/v4l2loopback.options)
  feed &
  until_true 60 camera_is_fed || end "the camera gets no frames again; see feed.log"
  until_true 120 grep -q ' is back' "$out/pipeline.log" || end "the camera is not found again; see pipeline.log"
  until_true 120 label_follows_unknown || end "no label after the camera came back; see pipeline.log"
}
label_follows_unknown() { sed '1,/  unknown$/d' "$out/pipeline.log" | grep -qE "$label"; }
# Prints the process that feeds the camera.
feeder() {
  local process
  for process in /proc/[0-9]*; do
    ! grep -qs fdsrc "$process/cmdline" || echo "${process#/proc/}"
  done
}
[[ ! -e /lab/catdog ]] || unplug_and_plug

stop() {
  kill -INT "$pipeline"
  until_true 30 pipeline_ended || end "the pipeline does not stop after SIGINT; see pipeline.log"
}
stop

# A camera that libcamera makes for tests, with the picture of the cat, stands for one of a Raspberry Pi.
libcamera() {
  log "a camera of libcamera"
  unset LIBCAMERA_PIPELINES_MATCH_LIST
  mkdir -p /usr/share/libcamera/pipeline/virtual
  cat > /usr/share/libcamera/pipeline/virtual/virtual.yaml <<'YAML'
"Virtual0":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [10, 10]
  frames:
    path: "/lab/cat.jpg"
  location: "CameraLocationFront"
  model: "Virtual Camera"
YAML
  /lab/catdog cameras --json > "$out/libcamera.json" 2> "$out/libcamera.log" || end "catdog cameras failed; see libcamera.log"
  # This camera completes a request before libcamera 0.4 expects it, so that libcamera may abort the program.
  for attempt in first second third; do
    /lab/catdog live libcamera > "$out/libcamera.txt" 2>> "$out/libcamera.log" < /dev/null &
    pipeline=$!
    until_true 120 cat_or_end || end "no label for the camera of libcamera; see libcamera.log"
    log "the $attempt attempt has ended"
    ! shows_cat || { stop; return; }
  done
  end "the camera of libcamera does not show the cat; see libcamera.log"
}
shows_cat() { grep -q '  cat  ' "$out/libcamera.txt"; }
cat_or_end() { shows_cat || pipeline_ended; }
[[ ! -e /lab/catdog ]] || libcamera
end ok

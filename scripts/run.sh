#!/usr/bin/env bash
# Classifies video with catdogfilter: installs what is missing (apt packages, the LiteRT runtime, Rust), builds the
# plugin in release mode, and runs a pipeline with FILE, or the webcam if there is one, or the demo clip. The script
# prints what it is going to install. A second run starts at once.
#
# Usage: scripts/run.sh [FILE] [--model M] [--labels L] [--device /dev/videoN]
#                       [--record OUT.mp4|OUT.webm] [--seconds N] [--headless]
#
#   FILE           a video or a photo
#   --model M      the .tflite image classifier (default: the built-in model: cat, dog, neither)
#   --labels L     the labels, as "cat,dog" or as a file with one label per line
#   --device DEV   the webcam (default: the first one that delivers frames)
#   --record OUT   record the annotated video in OUT instead of showing it; an existing file is replaced
#   --seconds N    stop after N seconds (default: at the end of the file, or at Ctrl-C); a file is recorded faster than
#                  it plays
#   --headless     never open a window: record in OUT, or in a file named after the current time
#
# With a display, the script opens a window. Without one (ssh, CI), it records a file and prints its name. It prints one
# line per label change to stdout: time, label, confidence. Ctrl-C ends a recording properly, so it can be played.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

file='' model='' labels='' device='' record='' seconds='' headless=
while [ $# -gt 0 ]; do
  option=${1%%=*}
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --headless) headless=1; shift; continue ;;
    --model=* | --labels=* | --device=* | --record=* | --seconds=*) value=${1#*=} ;;
    --model | --labels | --device | --record | --seconds)
      [ $# -ge 2 ] || usage_error "$1 needs a value"
      value=$2
      shift
      ;;
    --) shift; [ $# -le 1 ] || usage_error "more than one file: $*"; file=${1:-$file}; break ;;
    -*) usage_error "unknown option $1" ;;
    *)
      [ -z "$file" ] || usage_error "more than one file: $file and $1"
      file=$1
      shift
      continue
      ;;
  esac
  [ -n "$value" ] || usage_error "$option needs a value"
  case $option in
    --model) model=$value ;;
    --labels) labels=$value ;;
    --device) device=$value ;;
    --record) record=$value ;;
    --seconds) seconds=$value ;;
  esac
  shift
done

[ -z "$file" ] || [ -f "$file" ] || usage_error "there is no file $file"
[ -z "$model" ] || [ -f "$model" ] || usage_error "there is no model $model"
[ -z "$device" ] || [ -c "$device" ] || usage_error "there is no camera $device"
[[ $labels != *,* && $labels == *.txt && ! -f $labels ]] && usage_error "there is no labels file $labels; write names as \"cat,dog\""
[ -z "$file" ] || [ -z "$device" ] || usage_error "a file and --device exclude each other"
[[ -z $seconds || $seconds =~ ^[1-9][0-9]*$ ]] || usage_error "--seconds needs a whole number, not $seconds"
case $record in
  '' | *.mp4 | *.webm) ;;
  *) usage_error "--record takes a name that ends in .mp4 or .webm, not $record" ;;
esac
[ -z "$record" ] || [ -z "$file" ] || [ ! "$record" -ef "$file" ] || usage_error "--record would overwrite $file"

# --- the input ---------------------------------------------------------------

# Returns whether there is a display. If the socket that a variable names does not exist, the desktop has ended. The
# script does not connect to the socket, because an X server restarts when its only client disconnects, and the window
# would open at this moment.
has_display() {
  local socket=${WAYLAND_DISPLAY:-}
  if [ -n "$socket" ]; then
    [[ $socket == /* ]] || socket=${XDG_RUNTIME_DIR:-}/$socket
    [ ! -S "$socket" ] || return 0
  fi
  case ${DISPLAY:-} in
    '') return 1 ;;
    :*) socket=${DISPLAY#:} && [ -S "/tmp/.X11-unix/X${socket%%.*}" ] ;;
    *) return 0 ;; # the display of another machine, through ssh -X
  esac
}

# camera_nodes usb|other : prints the device nodes that capture video and are not codecs, of which a Raspberry Pi has a
# dozen. gives_picture tests whether one works.
camera_nodes() {
  local node about bus
  while read -r node; do
    about=$(v4l2-ctl --device "$node" --info 2>/dev/null) || continue
    if [[ $about =~ 'Bus info'[^$'\n']*usb ]]; then bus=usb; else bus=other; fi
    about=${about#*Device Caps}
    about=${about%%Media Driver*}
    if [[ $bus == "$1" && $about == *'Video Capture'* && $about != *Memory-to-Memory* ]]; then
      printf '%s\n' "$node"
    fi
  done < <(compgen -G '/dev/video[0-9]*' | sort -V)
}

# gives_picture DEVICE CAPS : true if the device delivers a buffer within a few seconds.
gives_picture() {
  timeout -k 1 6 gst-launch-1.0 -q v4l2src device="$1" num-buffers=1 ! capsfilter caps="$2" ! fakesink \
    >/dev/null 2>&1 </dev/null
}

# Prints the first camera that works, USB cameras first. The nodes of a kind are tested at the same time, because a node
# that does not answer takes seconds.
find_camera() {
  local kind index node nodes pids camera=''
  for kind in usb other; do
    mapfile -t nodes < <(camera_nodes "$kind")
    pids=()
    for node in "${nodes[@]}"; do
      gives_picture "$node" 'video/x-raw;image/jpeg' &
      pids+=($!)
    done
    for index in "${!nodes[@]}"; do
      if wait "${pids[index]}"; then
        camera=${camera:-${nodes[index]}}
      elif [ "$kind" = usb ]; then
        say "${nodes[index]} is a camera but delivers no frames; another program may use it"
      fi
    done
    if [ -n "$camera" ]; then
      printf '%s\n' "$camera"
      return 0
    fi
  done
  while read -r node; do
    [ -r "$node" ] && [ -w "$node" ] && continue
    say "no permission to use $node; join its group (sudo usermod -aG video $(id -un)) and log in again"
    break
  done < <(compgen -G '/dev/video[0-9]*' | sort -V)
  return 1
}

# camera_source DEVICE : sets `from` to the source: raw video if the camera delivers it at 15 frames/s or more, or
# MJPEG (most webcams above 640x480), or either at any rate. There is no queue after it: a virtual camera has two
# buffers and stops when a queue holds both.
camera_source() {
  local caps size='width=[160,1280],height=[120,720]' rate='framerate=[15/1,120/1]'
  from=()
  for caps in {video/x-raw,image/jpeg}",$size,$rate" {video/x-raw,image/jpeg}",$size" video/x-raw image/jpeg; do
    if gives_picture "$1" "$caps"; then
      from=(v4l2src device="$1" ! "$caps")
      [[ $caps != image/jpeg* ]] || from+=(! jpegdec)
      break
    fi
  done
  [ ${#from[@]} -gt 0 ] || die "$1 delivers no frames; it may not be a camera, or another program may use it"
}

# file_source FILE : sets `from` to the source. Sound is not decoded, the clip of a phone is rotated upright, and a photo
# becomes a still video.
file_source() {
  from=(filesrc location="$(quoted "$1")" ! decodebin caps='video/x-raw(ANY)' expose-all-streams=false)
  case ${1,,} in
    *.jpg | *.jpeg | *.png | *.webp | *.bmp)
      from+=(! videoconvert ! imagefreeze)
      # Without a number of buffers, a still video does not end.
      [ -z "$record$seconds" ] || from+=(num-buffers=$((25 * ${seconds:-3})))
      seconds=
      from+=(! 'video/x-raw,framerate=25/1')
      ;;
    *) from+=(! videoflip video-direction=auto) ;;
  esac
  from+=(! queue)
}

# quoted VALUE : prints VALUE quoted for gst-launch-1.0.
quoted() {
  local value=${1//\\/\\\\}
  if [[ $1 =~ ^[-[:alnum:]_./]+$ ]]; then
    printf '%s' "$1"
    return
  fi
  printf '"%s"' "${value//\"/\\\"}"
}

# as_typed WORD... : prints the words quoted for a shell.
as_typed() {
  local word line=''
  for word in "$@"; do
    [[ $word =~ ^[-[:alnum:]_./=!]+$ ]] || word=${word@Q}
    line+=" $word"
  done
  printf '%s' "${line# }"
}

# Sets `to` to the sink: a window, or the file of the recording.
video_sink() {
  if [ -z "$record" ]; then
    to=(autovideosink)
    return
  fi
  # x264enc would keep 4:4:4, which few players decode, and does not accept odd sizes.
  local even='[2,32766,2]'
  case $record in
    *.mp4) to=(videoscale ! "video/x-raw,format=I420,width=$even,height=$even" ! queue ! x264enc speed-preset=veryfast key-int-max=60 ! h264parse ! mp4mux) ;;
    *.webm) to=('video/x-raw,format=I420' ! queue ! vp8enc deadline=1 cpu-used=4 threads=2 target-bitrate=2000000 keyframe-max-dist=60 ! webmmux) ;;
  esac
  to+=(! filesink location="$(quoted "$record")")
}

# --- the output --------------------------------------------------------------------------------

# plain_text STRING : prints the text of a string that GstStructure has printed with quotes, backslashes and octal codes.
# Control characters are replaced, so that they do not reach the terminal.
plain_text() {
  local in=$1 out='' char
  in=${in#\"}
  in=${in%\"}
  while [[ $in == *\\* ]]; do
    out+=${in%%\\*}
    in=${in#*\\}
    if [[ $in =~ ^[0-3][0-7][0-7] ]]; then
      printf -v char '%b' "\\0${in:0:3}"
      in=${in:3}
    else
      char=${in:0:1}
      in=${in:1}
    fi
    out+=$char
  done
  out+=$in
  printf '%s' "${out//[[:cntrl:]]/?}"
}

# Prints one line for each message of catdogfilter in the output of `gst-launch-1.0 -m`, such as  0:00:03.2  cat  97 %
# As in the overlay, only a confidence of 1 is 100 %, and the unknown label has no number.
print_labels() {
  local line label percent time
  local label_field=', label=\(string\)("([^"\\]|\\.)*"|[^,;]*)[,;]'
  local confidence_field=', confidence=\((double|float)\)([0-9][-+.0-9e]*)'
  local pts_field=', pts=\(guint64\)([0-9]{1,18})[,;]'
  trap '' INT TERM HUP # gst-launch-1.0 gets the signal and ends the output
  while IFS= read -r line; do
    [[ $line == *' (element): catdog, '* && $line =~ $label_field ]] || continue
    label=$(plain_text "${BASH_REMATCH[1]}")
    percent=
    if [[ $line != *', index=(int)-1'* && $line =~ $confidence_field ]]; then
      percent=$(LC_ALL=C awk -v c="${BASH_REMATCH[2]}" \
        'BEGIN { p = sprintf("%.0f", c * 100); printf "  %d %%", (p + 0 > 99 && c < 1) ? 99 : p }')
    fi
    time=-:--:--.-
    if [[ $line =~ $pts_field ]]; then
      time=$((BASH_REMATCH[1] / 100000000))
      printf -v time '%d:%02d:%02d.%d' $((time / 36000)) $((time / 600 % 60)) $((time / 10 % 60)) $((time % 10))
    fi
    printf '%s  %s%s\n' "$time" "$label" "$percent"
  done
}

# Prints the errors of gst-launch-1.0. A window that the user closed is not an error.
print_errors() {
  local line
  trap '' INT TERM HUP
  while IFS= read -r line; do
    if [[ $line == *'Output window was closed'* ]]; then
      : >"$scratch/closed"
    fi
    [ -e "$scratch/closed" ] || printf '%s\n' "$line" >&2
  done
}

# --- run ----------------------------------------------------------------------------------------------

build_and_stage

if [ -z "$record" ] && { [ -n "$headless" ] || ! has_display; }; then
  record=catdog-$(date +%Y%m%d-%H%M%S).mp4
  say "no display: recording"
fi
if [ -z "$file" ] && [ -z "$device" ]; then
  device=$(find_camera) || {
    file=$CATDOG_ROOT/models/demo/demo.mp4
    say "no webcam: the demo clip"
  }
fi
from=() to=()
if [ -n "$file" ]; then file_source "$file"; else camera_source "$device"; fi
video_sink
filter=(catdogfilter)
[ -z "$model" ] || filter+=(model-file="$(quoted "$model")")
if [ -f "$labels" ]; then
  filter+=(labels-file="$(quoted "$labels")")
elif [ -n "$labels" ]; then
  filter+=(labels="$(quoted "$labels")")
fi
pipeline=("${from[@]}" ! videoconvert ! "${filter[@]}" ! textoverlay shaded-background=true ! videoconvert ! "${to[@]}")

# A recording must end with EOS, or players cannot open it. A window does not need that.
options=(-m)
if [ -n "$record" ]; then
  options+=(-e)
  { : >>"$record"; } 2>/dev/null || die "cannot write to $record"
fi
say "classifying ${file:-$device}${model:+ with $(basename "$model")}${record:+, recording to $record}"
say "  $(as_typed "GST_PLUGIN_PATH=$CATDOG_STAGE" gst-launch-1.0 "${options[@]}" "${pipeline[@]}")"
if [ -z "$file$seconds" ]; then say "Ctrl-C stops"; fi

export GST_PLUGIN_PATH=$CATDOG_STAGE${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkfifo "$scratch/out" "$scratch/err"
print_labels <"$scratch/out" &
readers=($!)
print_errors <"$scratch/err" &
readers+=($!)
# The pipeline has a process group of its own, so that Ctrl-C reaches it only once, through the trap.
set -m
gst-launch-1.0 "${options[@]}" "${pipeline[@]}" >"$scratch/out" 2>"$scratch/err" </dev/null &
launch=$!
set +m
stopped=
trap 'stopped=1; kill -INT "$launch" 2>/dev/null || :' INT TERM HUP
if [ -n "$seconds" ]; then
  (trap 'kill "$!"; exit' TERM; sleep "$seconds" & wait; kill -INT "$launch") 2>/dev/null &
  timer=$!
fi
# A signal ends `wait` before the pipeline ends.
while kill -0 "$launch" 2>/dev/null; do wait "$launch" || :; done
status=0
wait "$launch" || status=$?
[ -z "${timer:-}" ] || kill "$timer" 2>/dev/null || :
wait "${readers[@]}" || :

if [ "$status" != 0 ] && [ ! -e "$scratch/closed" ]; then
  [ -z "$record" ] || [ -s "$record" ] || rm -f "$record"
  [ -z "$stopped" ] || die "stopped immediately${record:+; $record is not complete}"
  hint=
  [ -n "$record" ] || hint='; if the message is about the display, use --headless'
  die "the pipeline failed (gst-launch-1.0's message is above)$hint"
fi
[ -z "$record" ] || say "recorded: $record ($(du -h "$record" | cut -f 1))"

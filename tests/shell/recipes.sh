#!/usr/bin/env bash
# Every ```sh block of README.md and docs/guide/ runs as it is written. The word after ```sh says what a block needs:
# nothing, `display` (an Xvfb, if it is installed), `camera` (not run), `endless` (runs in parallel with the block before it,
# until that one has ended), or `setup` (sets the variables that this test sets itself; not run).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

CLIP=$ROOT/models/demo/demo.mp4 MODEL=$ROOT/tests/models/dynamic_batch.tflite PHOTO=$SCRATCH/photo.jpg
export CLIP MODEL PHOTO
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$ROOT/target/catdog}
gst-launch-1.0 -q filesrc location="$CLIP" ! decodebin ! videoconvert ! jpegenc snapshot=true ! filesink location="$PHOTO" ||
  fail "the photo could not be made"
unset DISPLAY WAYLAND_DISPLAY

# One file per block: NN-KIND.sh
awk -v out="$SCRATCH" '
  /^```sh/ { block = sprintf("%s/%02d-%s.sh", out, n++, $2 == "" ? "plain" : $2); next }
  /^```/ { block = "" }
  block { print > block }
' "$ROOT/README.md" "$ROOT"/docs/guide/*.md

# A clip with sound replaces the demo clip, which has none. The sound is as long as the picture, because qtdemux
# ignores a track that is shorter than a fifth of the film.
gst-launch-1.0 -q filesrc location="$CLIP" ! qtdemux ! h264parse ! mp4mux name=mux ! filesink location="$SCRATCH/sound.mp4" \
  audiotestsrc num-buffers=560 ! audioconvert ! avenc_aac ! mux. || fail "the clip with sound could not be made"

if command -v Xvfb >/dev/null; then
  Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp -noreset 3>"$SCRATCH/display" 2>/dev/null &
  server=$!
  trap 'kill "$server" 2>/dev/null || :; rm -rf "$SCRATCH"' EXIT
  for _ in $(seq 100); do
    [ ! -s "$SCRATCH/display" ] || break
    sleep 0.1
  done
fi

cd "$SCRATCH"
ln -s "$CLIP" clip.mp4 # the name in README.md
ran=0
for block in [0-9][0-9]-*.sh; do
  prefix='' limit=60
  case $block in
    *-camera.sh | *-endless.sh | *-setup.sh) continue ;;
    *-display.sh)
      [ -s display ] || continue
      prefix="export DISPLAY=:$(cat display);"
      limit=5 # the window with a photo stays open
      ;;
  esac
  case $(<"$block") in *audio_0*) prefix+="CLIP=$SCRATCH/sound.mp4;" ;; esac
  after=$(printf '%02d-endless.sh' $((10#${block%%-*} + 1)))
  receiver=''
  if [ -f "$after" ]; then
    timeout -s INT 60 bash -euo pipefail "$after" >receiver.log 2>&1 &
    receiver=$!
    sleep 2
  fi
  status=0
  timeout -s INT -k 10 "$limit" bash -euo pipefail -c "$prefix $(<"$block")" >log 2>&1 </dev/null || status=$?
  if [ -n "$receiver" ]; then
    kill -0 "$receiver" 2>/dev/null || { cat receiver.log; fail "the receiver ended early"; }
    kill -INT -- "-$receiver" # timeout creates a process group
    wait "$receiver" || :
    ! grep ERROR receiver.log || fail "the receiver had an error"
  fi
  # 124: the time limit closed a window
  [ "$status" = 0 ] || { [ "$status" = 124 ] && [ "$limit" = 5 ]; } || {
    cat "$block" log
    fail "status $status"
  }
  ! grep -E 'ERROR|CRITICAL' log || fail "an error in $block"
  ran=$((ran + 1))
done
[ "$ran" -ge 23 ] || fail "only $ran pipelines were found"

for video in out.mp4 out.webm with-sound.mp4 styled.mp4; do
  [ "$(stat -c %s "$video")" -gt 50000 ] || fail "$video is too small"
done
[ -s annotated.jpg ] || fail "annotated.jpg is empty"
echo "$ran pipelines ran"

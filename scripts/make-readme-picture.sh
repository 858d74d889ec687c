#!/usr/bin/env bash
# Makes the animation at the top of README.md: the demo clip with the text that catdogfilter writes into a
# textoverlay, at double speed, as an animated WebP.
#
# Usage: scripts/make-readme-picture.sh [OUT.webp]
#
#   OUT.webp  where the animation goes (default: docs/images/demo.webp)
#
# GStreamer must find the plugin (GST_PLUGIN_PATH) and the plugin must find the LiteRT runtime. Needs
# gst-launch-1.0 with the plugin packages of scripts/run.sh, and ffmpeg.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$root/docs/images/demo.webp}
case $out in
  -h | --help) sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"; exit 0 ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The frames are lossless, so that only ffmpeg compresses the text.
gst-launch-1.0 -q filesrc location="$root/models/demo/demo.mp4" ! decodebin ! videoconvert ! \
  catdogfilter ! \
  textoverlay font-desc="Sans Bold 26" halignment=left valignment=bottom shaded-background=true ! \
  videoconvert ! videorate ! video/x-raw,framerate=25/1 ! \
  pngenc compression-level=1 ! multifilesink location="$scratch/%04d.png"

# Every fifth frame is shown for 100 ms. Below quality 85, the encoder leaves parts of earlier frames in the background.
ffmpeg -y -loglevel error -framerate 25 -i "$scratch/%04d.png" \
  -vf "select='not(mod(n,5))',setpts=N/(10*TB),fps=10,scale=480:-1:flags=lanczos" \
  -c:v libwebp_anim -quality 85 -compression_level 6 -loop 0 "$out"
printf '%s: %s bytes\n' "$out" "$(stat -c %s "$out")"

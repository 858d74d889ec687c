#!/usr/bin/env bash
# Tests models/README.md: it names every model with its size and SHA-256, the images it shows exist, and no model exceeds
# its size limit.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

cd "$ROOT/models"
declare -A limits=([catdog.tflite]=2500000 [catdog-nano.tflite]=800000)
for model in *.tflite; do
  size=$(stat -c %s "$model")
  sum=$(sha256sum "$model")
  [ "$size" -le "${limits[$model]:-0}" ] || fail "$model has $size bytes; the limit is ${limits[$model]:-not set in this test}"
  grep -qF "\`$model\`" README.md || fail "README.md does not name $model"
  grep -qF "${sum%% *}" README.md || fail "README.md lacks the SHA-256 of $model: ${sum%% *}"
  grep -qF "$size bytes" README.md || fail "README.md lacks the size of $model: $size bytes"
done
while read -r image; do
  [ -s "$image" ] || fail "README.md shows $image, which does not exist"
done < <(grep -oE '\]\([^)#:]+\)' README.md | sed 's/^](//; s/)$//')

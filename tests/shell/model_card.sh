#!/usr/bin/env bash
# models/README.md is about the models that are there: name, size and SHA-256 of each stand in it, and the pictures it
# shows exist. The limit on the size is what the model was made for.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

cd "$ROOT/models"
declare -A most=([catdog.tflite]=2500000)
for model in *.tflite; do
  size=$(stat -c %s "$model")
  sum=$(sha256sum "$model")
  [ "$size" -le "${most[$model]:-0}" ] || fail "$model has $size bytes, more than ${most[$model]:-a model nobody knows may}"
  grep -qF "\`$model\`" README.md || fail "README.md does not name $model"
  grep -qF "${sum%% *}" README.md || fail "README.md has not the SHA-256 of $model: ${sum%% *}"
  grep -qF "$size bytes" README.md || fail "README.md has not the size of $model: $size bytes"
done
while read -r picture; do
  [ -s "$picture" ] || fail "README.md shows $picture, which is not there"
done < <(grep -oE '\]\([^)#:]+\)' README.md | sed 's/^](//; s/)$//')

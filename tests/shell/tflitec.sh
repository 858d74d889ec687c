#!/usr/bin/env bash
# The classic TensorFlow Lite as a second engine: builds the core and the plugin with the feature tflitec, runs their
# tests, and compares the labels of both engines in a pipeline.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

cd "$ROOT"
variables=$(scripts/fetch-tflite.sh)
eval "$variables"
export TFLITEC_PREBUILT_PATH TFLITEC_HEADER_DIR
LD_LIBRARY_PATH=$CATDOG_TARGET/tflite cargo test --locked -p catdog-core --features tflitec --test it tflitec \
  >"$SCRATCH/log" 2>&1 || fail "$(tail -n 60 "$SCRATCH/log")"
grep -q "test result: ok. [1-9]" "$SCRATCH/log" || fail "no test ran: $(cat "$SCRATCH/log")"
cargo build --locked --quiet -p gst-plugin-catdog -p catdog-cli --features gst-plugin-catdog/tflitec,catdog-cli/tflitec

# The plugin finds both libraries beside it, as the scripts install them.
mkdir -p "$SCRATCH/plugin/gst-catdog"
cp "$CATDOG_TARGET"/debug/{libgstcatdog.so,catdog} "$SCRATCH/plugin"
cp "$TFLITEC_PREBUILT_PATH" "$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME" "$SCRATCH/plugin/gst-catdog"
unset CATDOG_LITERT_LIBRARY LD_LIBRARY_PATH
export GST_PLUGIN_PATH=$SCRATCH/plugin GST_REGISTRY=$SCRATCH/registry.bin

# labels PROPERTIES... : prints the labels of the demo clip and the engine.
labels() {
  gst-launch-1.0 -m filesrc location="$ROOT/models/demo/demo.mp4" ! decodebin ! videoconvert ! \
    catdogfilter name=filter threads=1 "$@" ! fakesink sync=false | grep -oE 'catdog, label=\(string\)[a-z]+'
}
cd "$SCRATCH"
labels engine=litert >litert.txt || fail "engine=litert fails"
labels engine=tflitec >tflitec.txt || fail "engine=tflitec fails"
[ "$(sort -u litert.txt | wc -l)" -ge 3 ] || fail "the clip has fewer labels: $(cat litert.txt)"
diff litert.txt tflitec.txt || fail "the engines give other labels"

# The program finds it, too.
./plugin/catdog archive "$ROOT/models/demo/demo.mp4" --out archive --every 1 --set engine=tflitec --quiet ||
  fail "catdog does not run with TensorFlow Lite"
[ -s archive/videos/demo.mp4.parquet ] || fail "catdog wrote nothing"

# Without LiteRT, it is chosen, and engine=litert says what is missing.
rm "$SCRATCH/plugin/gst-catdog/$CATDOG_RUNTIME"
export CATDOG_LITERT_LIBRARY=/nowhere/libLiteRt.so
labels engine=auto >auto.txt || fail "engine=auto fails without LiteRT"
diff tflitec.txt auto.txt || fail "engine=auto gives other labels"
! gst-launch-1.0 videotestsrc num-buffers=1 ! catdogfilter engine=litert ! fakesink 2>errors >/dev/null ||
  fail "engine=litert runs without LiteRT"
expect_in errors "/nowhere/libLiteRt.so"

#!/usr/bin/env bash
# The folder in GST_PLUGIN_PATH. A process that scans it itself, without GStreamer's helper process, opens and closes
# every library there and must not crash.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
plugin=$(cut -d : -f 1 <<<"${GST_PLUGIN_PATH:-$ROOT/target/catdog}")

for _ in 1 2; do
  GST_PLUGIN_PATH=$plugin GST_PLUGIN_SYSTEM_PATH='' GST_REGISTRY=$SCRATCH/registry.bin GST_REGISTRY_FORK=no \
    expect_status 0 gst-inspect-1.0 catdogfilter
  expect_in stdout "model-file"
done

# The plugin in this folder finds the runtime
cd "$SCRATCH"
env -u CATDOG_LITERT_LIBRARY GST_PLUGIN_PATH="$plugin" gst-launch-1.0 -q videotestsrc num-buffers=2 ! catdogfilter \
  ! fakesink >stdout 2>stderr || fail "the pipeline failed: $(cat stderr)"

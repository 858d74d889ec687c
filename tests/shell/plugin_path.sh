#!/usr/bin/env bash
# The folder that GST_PLUGIN_PATH names: a process that looks for plugins itself, without the helper program
# that GStreamer starts otherwise, opens and closes all that is there, and lives.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
plugin=$(cut -d : -f 1 <<<"${GST_PLUGIN_PATH:-$ROOT/target/catdog}")

for _ in 1 2; do
  GST_PLUGIN_PATH=$plugin GST_PLUGIN_SYSTEM_PATH='' GST_REGISTRY=$SCRATCH/registry.bin GST_REGISTRY_FORK=no \
    expect_status 0 gst-inspect-1.0 catdogfilter
  expect_in stdout "model-file"
done

# and the runtime is found from there
cd "$SCRATCH"
env -u CATDOG_LITERT_LIBRARY GST_PLUGIN_PATH="$plugin" gst-launch-1.0 -q videotestsrc num-buffers=2 ! catdogfilter \
  ! fakesink >stdout 2>stderr || fail "no runtime: $(cat stderr)"

#!/usr/bin/env bash
# Measures what the plugin adds to the start of GStreamer: runs gst-inspect-1.0 on libgstcatdog.so and on a Rust
# plugin without elements, alternately, and prints the sizes of both. Each plugin has a plugin path and a registry
# of its own.
#
# Usage: benches/plugin-load.sh [ROUNDS]
#
#   ROUNDS  number of measurements of each plugin (default: 31)
#
# Each plugin is measured with an empty registry, for which GStreamer scans the plugin, and with a registry that
# contains it. gst-inspect-1.0 loads the plugin in both cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

case ${1:-} in
  -h | --help) print_help; exit 0 ;;
esac
rounds=${1:-31}

# Builds a plugin with the same GStreamer crates and the same profile.
build_empty_plugin() {
  mkdir -p "$empty/src"
  {
    printf '[package]\nname = "gst-plugin-empty"\nversion = "0.1.0"\nedition = "2024"\n\n'
    printf '[workspace]\n\n[lib]\nname = "gstempty"\ncrate-type = ["cdylib"]\n\n[dependencies]\n'
    sed -nE '/^gst(-base|-video)? = /p' "$CATDOG_ROOT/Cargo.toml"
    printf '\n'
    sed -n '/^\[profile.release\]/,/^$/p' "$CATDOG_ROOT/Cargo.toml"
  } > "$empty/Cargo.toml"
  cat > "$empty/src/lib.rs" <<'RUST'
fn plugin_init(_: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    Ok(())
}
gst::plugin_define!(empty, "Empty", plugin_init, "0.1.0", "MPL", "empty", "empty", "empty");
RUST
  cp "$CATDOG_ROOT/Cargo.lock" "$empty/Cargo.lock"
  CARGO_TARGET_DIR=$empty/target cargo build --release --quiet --manifest-path "$empty/Cargo.toml"
  mkdir -p "$empty/plugin"
  cp "$empty/target/release/libgstempty.so" "$empty/plugin/"
}

cd "$CATDOG_ROOT"
ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" "${CATDOG_PACKAGES_RUN[@]}"
build_and_stage
empty=$CATDOG_TARGET/empty-plugin
build_empty_plugin

"$CATDOG_PYTHON" - "$rounds" "$CATDOG_STAGE" "$empty/plugin" <<'PYTHON'
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

rounds, paths = int(sys.argv[1]), {"catdog": sys.argv[2], "empty": sys.argv[3]}
with tempfile.TemporaryDirectory() as folder:
    def inspect(name, registered):
        registry = pathlib.Path(folder, f"{name}.bin")
        if not registered:
            registry.unlink(missing_ok=True)
        environment = os.environ | {
            "GST_PLUGIN_SYSTEM_PATH": "", "GST_PLUGIN_PATH": paths[name], "GST_REGISTRY": str(registry),
            "GST_REGISTRY_FORK": "no",
        }
        start = time.perf_counter()
        subprocess.run(["gst-inspect-1.0", name], env=environment, check=True, stdout=subprocess.DEVNULL)
        return 1e3 * (time.perf_counter() - start)

    print(f"gst-inspect-1.0, ms, median of {rounds} (p10 to p90)")
    for registered, title in ((False, "empty registry"), (True, "registered")):
        times = {name: [] for name in paths}
        for name in paths:
            inspect(name, registered)
        for _ in range(rounds):
            for name in paths:
                times[name].append(inspect(name, registered))
        differences = [a - b for a, b in zip(times["catdog"], times["empty"])]
        for name, values in [*times.items(), ("catdog - empty", differences)]:
            tenths = statistics.quantiles(values, n=10)
            print(f"  {title:<18} {name:<20} {statistics.median(values):6.2f} ({tenths[0]:.2f} to {tenths[-1]:.2f})")
for name, path in paths.items():
    size = pathlib.Path(path, f"libgst{name}.so").stat().st_size
    print(f"libgst{name}.so: {size} bytes")
PYTHON

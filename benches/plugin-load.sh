#!/usr/bin/env bash
# What GStreamer pays for having the plugin: gst-inspect-1.0 on libgstcatdog.so and on a Rust plugin
# without an element, in turn, each alone in its plugin path and with a registry of its own; and the
# size of both.
#
# Usage: benches/plugin-load.sh [ROUNDS]
#
#   ROUNDS  how often (default: 31)
#
# Two figures for each: with an empty registry, so that the plugin is loaded to be looked at, and with a
# registry that knows it. gst-inspect-1.0 loads it in both cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

case ${1:-} in
  -h | --help) print_help; exit 0 ;;
esac
rounds=${1:-31}

# A plugin with the same dependencies on GStreamer, from the same profile.
make_empty_plugin() {
  mkdir -p "$empty/src"
  {
    printf '[package]\nname = "gst-plugin-nothing"\nversion = "0.1.0"\nedition = "2024"\n\n'
    printf '[workspace]\n\n[lib]\nname = "gstnothing"\ncrate-type = ["cdylib"]\n\n[dependencies]\n'
    sed -nE '/^gst(-base|-video)? = /p' "$CATDOG_ROOT/Cargo.toml"
    printf '\n'
    sed -n '/^\[profile.release\]/,/^$/p' "$CATDOG_ROOT/Cargo.toml"
  } > "$empty/Cargo.toml"
  cat > "$empty/src/lib.rs" <<'RUST'
fn plugin_init(_: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    Ok(())
}
gst::plugin_define!(nothing, "Nothing", plugin_init, "0.1.0", "MPL", "nothing", "nothing", "nothing");
RUST
  cp "$CATDOG_ROOT/Cargo.lock" "$empty/Cargo.lock"
  CARGO_TARGET_DIR=$empty/target cargo build --release --quiet --manifest-path "$empty/Cargo.toml"
  mkdir -p "$empty/plugin"
  cp "$empty/target/release/libgstnothing.so" "$empty/plugin/"
}

cd "$CATDOG_ROOT"
ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" "${CATDOG_PACKAGES_RUN[@]}"
build_and_stage
empty=$CATDOG_TARGET/empty-plugin
make_empty_plugin

"$CATDOG_PYTHON" - "$rounds" "$CATDOG_STAGE" "$empty/plugin" <<'PYTHON'
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

rounds, paths = int(sys.argv[1]), {"catdog": sys.argv[2], "nothing": sys.argv[3]}
with tempfile.TemporaryDirectory() as folder:
    def inspect(name, known):
        registry = pathlib.Path(folder, f"{name}.bin")
        if not known:
            registry.unlink(missing_ok=True)
        environment = os.environ | {
            "GST_PLUGIN_SYSTEM_PATH": "", "GST_PLUGIN_PATH": paths[name], "GST_REGISTRY": str(registry),
            "GST_REGISTRY_FORK": "no",
        }
        start = time.perf_counter()
        subprocess.run(["gst-inspect-1.0", name], env=environment, check=True, stdout=subprocess.DEVNULL)
        return 1e3 * (time.perf_counter() - start)

    print(f"gst-inspect-1.0, ms, median of {rounds} (p10 to p90)")
    for known, title in ((False, "registry empty"), (True, "registry knows it")):
        times = {name: [] for name in paths}
        for name in paths:
            inspect(name, known)
        for _ in range(rounds):
            for name in paths:
                times[name].append(inspect(name, known))
        over = [a - b for a, b in zip(times["catdog"], times["nothing"])]
        for name, values in [*times.items(), ("catdog over nothing", over)]:
            tenths = statistics.quantiles(values, n=10)
            print(f"  {title:<18} {name:<20} {statistics.median(values):6.2f} ({tenths[0]:.2f} to {tenths[-1]:.2f})")
for name, path in paths.items():
    size = pathlib.Path(path, f"libgst{name}.so").stat().st_size
    print(f"libgst{name}.so: {size} bytes")
PYTHON

#!/usr/bin/env bash
# The Meson build: its developer environment finds the plugin and the runtime, in a folder each; `meson install` puts
# the files where GStreamer and the plugin search for them; `ninja uninstall` removes everything. A script replaces
# cargo: it checks its arguments and copies the plugin that scripts/test.sh has built.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

staged=$(cut -d : -f 1 <<<"${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$ROOT/target}/catdog}")/libgstcatdog.so
for program in meson ninja; do
  command -v "$program" >/dev/null || skip "$program is not installed"
done
[ -f "$staged" ] || fail "there is no $staged; scripts/test.sh builds it"

stand_in cargo "case \$* in
  --version) echo 'cargo 1.92.0' ;;
  'build '*' --release --locked --package gst-plugin-catdog --lib'*)
    mkdir -p \"\$CARGO_TARGET_DIR/release\"
    cp '$staged' \"\$CARGO_TARGET_DIR/release/\" ;;
  *) echo \"unexpected arguments: \$*\" >&2; exit 1 ;;
esac"
build=$SCRATCH/build
dest=$SCRATCH/dest
# Only the files of this build may be found.
unset GST_PLUGIN_PATH CATDOG_LITERT_LIBRARY CARGO_TARGET_DIR DESTDIR
export GST_REGISTRY=$SCRATCH/registry.bin

expect_status 0 meson setup "$build" "$ROOT" --prefix=/usr --libdir=lib
expect_status 0 meson compile -C "$build"
for file in plugins/libgstcatdog.so gst-catdog/libLiteRt.so; do
  [ -f "$build/$file" ] || fail "the build has not made $file"
  [ "$(find "$build/${file%/*}" -type f | wc -l)" = 1 ] || fail "${file%/*} contains other files than ${file#*/}"
done

classify='gst-inspect-1.0 catdogfilter && gst-launch-1.0 -q videotestsrc num-buffers=2 ! catdogfilter ! fakesink'
# Without its helper process, GStreamer opens and closes every library in the folder of the plugin itself.
GST_REGISTRY_FORK=no expect_status 0 meson devenv -C "$build" sh -ec "$classify"
expect_in stdout "$build/plugins/libgstcatdog.so"

# A second build replaces the files.
expect_status 0 meson compile -C "$build"

DESTDIR=$dest expect_status 0 meson install -C "$build" --no-rebuild
installed=$(cd "$dest" && find . -type f | LC_ALL=C sort)
models=$(cd "$ROOT" && printf './usr/share/gst-catdog/%s\n' models/*.tflite)
[ "$installed" = "./usr/lib/gst-catdog/libLiteRt.so
./usr/lib/gstreamer-1.0/libgstcatdog.so
$models" ] || fail "other files are installed than expected: $installed"
GST_PLUGIN_PATH=$dest/usr/lib/gstreamer-1.0 expect_status 0 sh -ec "$classify"

DESTDIR=$dest expect_status 0 ninja -C "$build" uninstall
[ ! -e "$dest" ] || fail "uninstall left $(find "$dest")"

#!/usr/bin/env bash
# scripts/lib.sh installs only missing packages and names them first, and keeps a Rust that is new enough. apt, sudo and
# Rust are replaced by scripts here.
# shellcheck disable=SC2016 # the replacements and in_lib expand later
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

calls=$SCRATCH/calls
stand_in dpkg-query 'case $3 in there) printf installed;; *) exit 1;; esac'
stand_in apt-get "echo apt-get \"\$@\" >>$calls"
stand_in apt-cache 'exit 0'
stand_in sudo "echo sudo >>$calls; exec \"\$@\""

# in_lib COMMAND : runs COMMAND after sourcing lib.sh
in_lib() { bash -c 'set -euo pipefail; source "$0/scripts/lib.sh"; eval "$1"' "$ROOT" "$1"; }

expect_status 0 in_lib 'ensure_packages there there'
[ ! -e "$calls" ] || fail "apt was called although no package is missing"

expect_status 0 in_lib 'ensure_packages there absent'
expect_in stderr "installing with apt: absent"
grep -q 'install .*--no-remove absent$' "$calls" || fail "apt must install the missing package only, and remove none: $(cat "$calls")"

stand_in id 'echo 1000'
: >"$calls"
expect_status 0 in_lib 'ensure_packages absent'
grep -q sudo "$calls" || fail "sudo was not called by a user who is not root"
expect_status 1 in_lib 'sudo() { return 1; }; command() { [ "$2" != sudo ] && builtin command "$@"; }; ensure_packages absent'
expect_in stderr "there is no sudo; as root: apt-get install absent"
stand_in id 'echo 0'

stand_in dpkg 'echo armhf'
expect_status 1 in_lib machine_arch
expect_in stderr "64-bit"

wanted=$(in_lib rust_wanted)
expect_status 0 in_lib "version_at_least $wanted.0 $wanted && version_at_least 2.0.0 $wanted && ! version_at_least 1.9.0 $wanted"

# A Rust that is new enough is kept
export CARGO_HOME=$SCRATCH/cargo-home
: >"$calls"
stand_in cargo 'exit 0'
stand_in rustc "echo rustc $wanted.1 '(abc 2026-01-01)'"
stand_in rustup "echo rustup \"\$@\" >>$calls"
expect_status 0 in_lib ensure_rust
[ ! -s "$calls" ] || fail "rustup was called although Rust is new enough: $(cat "$calls")"

# If the default toolchain is too old, another installed toolchain is used, and the default stays
stand_in rustc "case \${RUSTUP_TOOLCHAIN:-} in good*) echo rustc $wanted.1;; *) echo rustc 1.63.0;; esac"
stand_in rustup "echo rustup \"\$@\" >>$calls; case \$*  in 'toolchain list') echo 'old (default)'; echo good;; esac"
expect_status 0 in_lib 'ensure_rust; echo "$RUSTUP_TOOLCHAIN"'
expect_in stdout good
! grep -qv 'toolchain list' "$calls" || fail "rustup was called for more than the list: $(cat "$calls")"

# If all toolchains are too old, a new one is added
: >"$calls"
stand_in rustc "case \${RUSTUP_TOOLCHAIN:-} in $wanted) echo rustc $wanted.1;; *) echo rustc 1.63.0;; esac"
stand_in rustup "echo rustup \"\$@\" >>$calls; case \$*  in 'toolchain list') echo 'old (default)';; esac"
expect_status 0 in_lib ensure_rust
expect_in stderr "installing Rust $wanted"
grep -q "toolchain install $wanted --profile minimal" "$calls" || fail "no toolchain was installed: $(cat "$calls")"

# Without rustup and network, the error describes the installation by hand
rm "$SCRATCH/bin/rustup"
hash -r
stand_in rustc 'echo rustc 1.63.0'
stand_in curl 'exit 7'
PATH=$SCRATCH/bin:/usr/bin:/bin expect_status 1 in_lib ensure_rust
expect_in stderr "https://rustup.rs"
expect_in stderr "by hand"

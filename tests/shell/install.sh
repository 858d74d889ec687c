#!/usr/bin/env bash
# scripts/lib.sh: only what is missing is installed, and it is named first; a good Rust is left alone.
# apt, sudo and Rust are stand-ins here.
# shellcheck disable=SC2016 # the stand-ins and in_lib expand later
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

calls=$SCRATCH/calls
stand_in dpkg-query 'case $3 in there) printf installed;; *) exit 1;; esac'
stand_in apt-get "echo apt-get \"\$@\" >>$calls"
stand_in apt-cache 'exit 0'
stand_in sudo "echo sudo >>$calls; exec \"\$@\""

# in_lib COMMAND : run with lib.sh sourced
in_lib() { bash -c 'set -euo pipefail; source "$0/scripts/lib.sh"; eval "$1"' "$ROOT" "$1"; }

expect_status 0 in_lib 'ensure_packages there there'
[ ! -e "$calls" ] || fail "apt was called for nothing"

expect_status 0 in_lib 'ensure_packages there absent'
expect_in stderr "installing with apt: absent"
grep -q 'install .*--no-remove absent$' "$calls" || fail "only the missing package, and nothing removed: $(cat "$calls")"

stand_in id 'echo 1000'
: >"$calls"
expect_status 0 in_lib 'ensure_packages absent'
grep -q sudo "$calls" || fail "not root: sudo"
expect_status 1 in_lib 'sudo() { return 1; }; command() { [ "$2" != sudo ] && builtin command "$@"; }; ensure_packages absent'
expect_in stderr "there is no sudo; as root: apt-get install absent"
stand_in id 'echo 0'

stand_in dpkg 'echo armhf'
expect_status 1 in_lib machine_arch
expect_in stderr "64-bit"

wanted=$(in_lib rust_wanted)
expect_status 0 in_lib "version_at_least $wanted.0 $wanted && version_at_least 2.0.0 $wanted && ! version_at_least 1.9.0 $wanted"

# a new enough Rust: nothing is called
export CARGO_HOME=$SCRATCH/cargo-home
: >"$calls"
stand_in cargo 'exit 0'
stand_in rustc "echo rustc $wanted.1 '(abc 2026-01-01)'"
stand_in rustup "echo rustup \"\$@\" >>$calls"
expect_status 0 in_lib ensure_rust
[ ! -s "$calls" ] || fail "a good Rust was touched: $(cat "$calls")"

# an old default beside a good toolchain: the good one is used, the default stays
stand_in rustc "case \${RUSTUP_TOOLCHAIN:-} in good*) echo rustc $wanted.1;; *) echo rustc 1.63.0;; esac"
stand_in rustup "echo rustup \"\$@\" >>$calls; case \$*  in 'toolchain list') echo 'old (default)'; echo good;; esac"
expect_status 0 in_lib 'ensure_rust; echo "$RUSTUP_TOOLCHAIN"'
expect_in stdout good
! grep -qv 'toolchain list' "$calls" || fail "rustup was told to do more than list: $(cat "$calls")"

# only old ones: a new one is installed beside them
: >"$calls"
stand_in rustc "case \${RUSTUP_TOOLCHAIN:-} in $wanted) echo rustc $wanted.1;; *) echo rustc 1.63.0;; esac"
stand_in rustup "echo rustup \"\$@\" >>$calls; case \$*  in 'toolchain list') echo 'old (default)';; esac"
expect_status 0 in_lib ensure_rust
expect_in stderr "installing Rust $wanted"
grep -q "toolchain install $wanted --profile minimal" "$calls" || fail "no install: $(cat "$calls")"

# no rustup, no network: the error says what to do by hand
rm "$SCRATCH/bin/rustup"
hash -r
stand_in rustc 'echo rustc 1.63.0'
stand_in curl 'exit 7'
PATH=$SCRATCH/bin:/usr/bin:/bin expect_status 1 in_lib ensure_rust
expect_in stderr "https://rustup.rs"
expect_in stderr "by hand"

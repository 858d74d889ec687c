#!/usr/bin/env bash
# Builds the documentation as a book (docs/ with mdBook) into target/book, and checks the links and the error messages
# of all Markdown files. External links are not fetched. Installs mdBook with cargo if it is missing.
#
# Usage: scripts/build-docs.sh
#
# docs/reference/ contains generated pages; the build fails if one of them is missing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
  '') ;;
  -h | --help) print_help; exit 0 ;;
  *) usage_error "unknown argument $1" ;;
esac
readonly mdbook_version=0.5.4
readonly book=$CATDOG_TARGET/book

cd "$CATDOG_ROOT"
ensure_packages python3
"$CATDOG_PYTHON" scripts/check-docs.py || die "the documentation has problems (they are listed above)"

ensure_rust
if [ "$(mdbook --version 2>/dev/null)" != "mdbook v$mdbook_version" ]; then
  say "installing mdbook $mdbook_version (about two minutes)"
  cargo install mdbook --locked --version "$mdbook_version" --no-default-features --features search >&2 </dev/null ||
    die "mdbook could not be installed (cargo's message is above)"
fi
rm -rf "$book"
mdbook build docs --dest-dir "$book" >&2 || die "the book could not be built (mdbook's message is above)"
"$CATDOG_PYTHON" scripts/check-docs.py --book "$book" || die "the book has links that lead nowhere (they are listed above)"
say "the book is in $book/index.html"

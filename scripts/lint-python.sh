#!/usr/bin/env bash
# Checks all Python files of the repository: ruff (lints and formatting) and mypy (types), both configured in
# python/pyproject.toml. Installs the pinned versions into a virtual environment in target/ if they are missing.
#
# Usage: scripts/lint-python.sh [--fix]
#
#   --fix  let ruff fix and format the files before the checks
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fix=''
for argument in "$@"; do
  case $argument in
    -h | --help) print_help; exit 0 ;;
    --fix) fix=1 ;;
    *) usage_error "unknown argument $argument" ;;
  esac
done

cd "$CATDOG_ROOT"
venv=$CATDOG_TARGET/lint-venv
make_venv "$venv" python/requirements/lint.txt "ruff and mypy"
export RUFF_CACHE_DIR=$CATDOG_TARGET/ruff-cache MYPY_CACHE_DIR=$CATDOG_TARGET/mypy-cache
ruff=("$venv/bin/ruff")
config=(--config python/pyproject.toml)
# Every Python file that git does not ignore, and only those: target/ contains the packages of virtual environments.
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.py' | while read -r file; do
  [ ! -e "$file" ] || printf '%s\n' "$file"
done)

if [ -n "$fix" ]; then
  "${ruff[@]}" check "${config[@]}" --fix "${files[@]}"
  "${ruff[@]}" format "${config[@]}" "${files[@]}"
fi
"${ruff[@]}" check "${config[@]}" "${files[@]}"
"${ruff[@]}" format "${config[@]}" --check "${files[@]}"
"$venv/bin/mypy" --config-file python/pyproject.toml "${files[@]}"

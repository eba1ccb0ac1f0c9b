#!/usr/bin/env bash
# Everything that CI runs, after setting up what it needs.
#
#   scripts/test.sh            format, lint, types, layers, tests, coverage; small sizes
#   scripts/test.sh --full     the same at full sizes (BUDGET_TEST_FULL=1)
#   scripts/test.sh PATH…      only these tests (or other arguments of pytest), without coverage
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"

selected=()
for argument in "$@"; do
  case $argument in
    --full) export BUDGET_TEST_FULL=1 ;;
    *) selected+=("$argument") ;;
  esac
done

prepare_environment dev
prepare_chromium
cd "$root"
if [ ${#selected[@]} -gt 0 ]; then
  exec "$python" -m pytest "${selected[@]}"
fi

"$python" -m ruff format --check .
"$python" -m ruff check .
"$python" -m mypy
"$venv/bin/lint-imports"

"$python" -m coverage erase
# Coverage doubles the time: what loads services, and what runs on PostgreSQL after SQLite, runs without it.
"$python" -m coverage run -m pytest -n auto --dist worksteal -m "not load"
"$python" -m pytest -n auto --dist worksteal -m load
"$python" -m coverage combine --quiet
"$python" -m coverage report --fail-under=90
"$python" -m coverage json --quiet -o - | "$python" scripts/check_coverage.py 80

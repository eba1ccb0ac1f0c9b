#!/usr/bin/env bash
# Starts Budget, after setting up what it needs: scripts/run_budget.sh [options of `budget serve`]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"

prepare_environment runtime
exec "$python" -P -m budget serve "$@"  # -P: a folder named budget where you stand is not this one

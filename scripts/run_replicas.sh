#!/usr/bin/env bash
# Starts N replicas of Budget (default 2) on one PostgreSQL from a wheel, on ports from BUDGET_PORT (8013) on:
#
#   scripts/run_replicas.sh [N]
#
# The data stays in <TEKTON_ROOT or ~>/.tekton/data/budget/postgres. Ctrl-C stops all of it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_environment.sh"

prepare_environment dev
cd "$root"
exec "$python" scripts/replicas.py "$@"

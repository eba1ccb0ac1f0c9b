# Sourced by the scripts beside it: makes and keeps Budget's Python environment.
#
#   prepare_environment runtime|dev    sets $root and $python; installs only what a lock file says and is not there yet
#
# The environment is .venv in the checkout, or $BUDGET_VENV. A marker in it for each thing installed holds a checksum
# of what it was installed from, so that a second start installs nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=${BUDGET_VENV:-$root/.venv}
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
python=$venv/bin/python

prepare_environment() {
  local wanted=$1
  if environment_is_ready "$wanted"; then return; fi
  mkdir -p "$venv"
  # Two first starts at once: the second waits for the first. The lock is on the folder itself, which outlives what is
  # made in it, and is given back when this process closes it or ends.
  if command -v flock >/dev/null; then
    exec 9<"$venv"
    flock -n 9 || { say "waiting for another start to finish installing"; flock 9; }
  fi
  if ! environment_is_ready "$wanted"; then
    make_environment
    install_locked runtime requirements.lock
    if [ "$wanted" = dev ]; then install_locked dev requirements-dev.lock; fi
    install_budget
  fi
  exec 9<&-
}

environment_is_ready() {
  is_installed runtime && is_installed budget || return 1
  if [ "$1" = dev ]; then is_installed dev || return 1; fi
  environment_runs
}

# An environment that was moved or copied does not: its commands still name the place where it was made.
environment_runs() {
  head -n 3 "$venv/bin/pip" 2>/dev/null | grep -qF "$venv/bin/" || return 1
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# What each part is installed from, as one line.
fingerprint() {
  case $1 in
    runtime) cksum <"$root/requirements.lock" ;;
    dev) cksum <"$root/requirements-dev.lock" ;;
    budget) echo "$root $(cksum <"$root/pyproject.toml")" ;;
  esac
}

is_installed() { [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

mark_installed() { fingerprint "$1" >"$venv/.installed-$1"; }

make_environment() {
  if environment_runs; then return; fi
  if [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
    fail "$venv is not empty and no Python environment; set BUDGET_VENV to another folder"
  fi
  local base
  base=$(find_python)
  say "making $venv with $("$base" --version)"
  "$base" -m venv --clear "$venv" >&2 || fail "$base cannot make an environment in $venv (see above)"
}

# The newest Python from 3.11 on that runs and can make environments.
find_python() {
  local candidate incomplete=
  for candidate in python3.{20..11} python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.version_info.releaselevel != "final")' \
      >/dev/null 2>&1; then
      if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        command -v "$candidate"
        return
      fi
      incomplete=${incomplete:-$candidate}
    fi
  done
  [ -n "$incomplete" ] || fail "Budget needs Python 3.11 or newer (on Debian or Ubuntu: apt-get install python3 python3-venv)"
  complete_python "$incomplete"
  command -v "$incomplete"
}

# Debian keeps ensurepip in a package of its own, named after the version.
complete_python() {
  local package
  package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "$1 cannot make environments yet: installing $package"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -y "$package" || { apt-get update && apt-get install -y "$package"; }; } >&2 || true
  fi
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 || fail "$1 cannot make environments. Please run: sudo apt-get install $package"
}

# The browser in which tests open the examples; Debian has one, elsewhere it must be there.
prepare_chromium() {
  local program
  for program in chromium chromium-browser google-chrome; do
    if command -v "$program" >/dev/null; then return; fi
  done
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing chromium"
    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -y --no-install-recommends chromium)
    { "${install[@]}" || { apt-get update && "${install[@]}"; }; } >&2 || true
  fi
  command -v chromium >/dev/null || fail "the tests need Chromium. Please run: sudo apt-get install chromium"
}

install_locked() {
  if is_installed "$1"; then return; fi
  say "installing $2"
  in_environment_install --require-hashes -r "$root/$2"
  mark_installed "$1"
}

install_budget() {
  if is_installed budget; then return; fi
  in_environment_install --no-deps --no-build-isolation -e "$root"
  mark_installed budget
}

in_environment_install() {
  PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_ROOT_USER_ACTION=ignore \
    "$python" -m pip install --quiet "$@" >&2 || fail "installing failed (see above); run the script again to go on"
}

say() { echo "${0##*/}: $*" >&2; }

fail() { say "$*"; exit 1; }

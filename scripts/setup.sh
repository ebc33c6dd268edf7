# Sourced by scripts/run, scripts/test and scripts/check: puts everything in place that they need.
#
# System packages (Debian/Ubuntu, when missing and when we may install them), a virtual environment in .venv
# and the hash-pinned Python packages of requirements.lock. Does nothing when all of that already stands.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need_packages=()
have_library() { ldconfig -p 2>/dev/null | grep -q "$1" || ls /usr/lib/*/"$1"* >/dev/null 2>&1; }

check_system() {
  [ "$(uname -s)" = Linux ] || return 0
  command -v apt-get >/dev/null || return 0
  command -v python3 >/dev/null || need_packages+=(python3)
  python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || need_packages+=(python3 python3-venv)
  have_library libEGL.so.1 || need_packages+=(libegl1)
  have_library libGL.so.1 || need_packages+=(libgl1)
  have_library libGLX_mesa.so || need_packages+=(libgl1-mesa-dri libglx-mesa0)
  return 0
}

install_system() {
  [ ${#need_packages[@]} -gt 0 ] || return 0
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null; then sudo=sudo; else
      echo "scottie: these system packages are missing: ${need_packages[*]}. Install them as root:" >&2
      echo "  apt-get update && apt-get install -y --no-install-recommends ${need_packages[*]}" >&2
      exit 3
    fi
  fi
  echo "scottie: installing system packages: ${need_packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${need_packages[@]}" >/dev/null
}

# $1: "" for the program, "dev" for tests and checks as well
install_python() {
  local lock=requirements.lock stamp=.venv/.installed
  [ "${1:-}" = dev ] && lock=requirements-dev.lock && stamp=.venv/.installed-dev
  local want; want=$(cksum "$lock" pyproject.toml | cksum)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && return 0
  echo "scottie: installing Python packages into .venv (once; about a minute)"
  [ -x .venv/bin/python ] || python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  echo "$want" >"$stamp"
  # The dev lock holds everything of the plain one.
  if [ "$lock" = requirements-dev.lock ]; then cksum requirements.lock pyproject.toml | cksum >.venv/.installed; fi
}

check_python() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' && return 0
  echo "scottie: python3 is $(python3 --version 2>&1); expected Python 3.11 or newer" >&2
  exit 3
}

check_system
install_system
check_python

# shellcheck shell=bash
# Messages and Debian packages, for the scripts beside this folder.

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 1; }

apt_install() {
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    fail "missing: $*" "install these Debian packages, or run as root"
  fi
  say "installing $*"
  apt_quiet update
  apt_quiet install -y --no-install-recommends "$@"
}

apt_quiet() {
  local output
  if ! output=$(DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" 2>&1); then
    tail -n 20 <<<"$output" >&2
    fail "apt-get $1 failed" "see the lines above"
  fi
}

# shellcheck shell=bash
# The Python side of the tests, for the scripts beside this folder.

# setup_python COMMAND…: made anew when the pinned versions change; what takes long runs through the command.
setup_python() {
  local pins=tests/python/requirements.txt
  if ! cmp -s "$pins" .venv/pins || ! .venv/bin/python -c '' 2>/dev/null; then
    rm -rf .venv
    "$@" python3 -m venv .venv &&
      "$@" .venv/bin/pip install --disable-pip-version-check --quiet --only-binary :all: -r "$pins" || return 1
    cp "$pins" .venv/pins
  fi
  export ATLAR_TEST_PYTHON=$PWD/.venv/bin/python
}

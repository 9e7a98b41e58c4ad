# shellcheck shell=bash
# Processes that a run started, known by a mark.

# Whatever this run starts inherits the mark in its environment, as ATLAR_TEST_RUN and through any number of
# generations, and is found by it at the end even when its parent has forgotten it.
mark="$$-$(od -An -N 8 -tx1 /dev/urandom | tr -d ' \n')"
readonly mark

marked() {
  # The environment of a process is NUL-separated; what has gone meanwhile or is somebody else's is not ours.
  grep -lzx "ATLAR_TEST_RUN=$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3 || true
}

end_marked() {
  local signal pid pids
  for signal in TERM KILL; do
    pids=$(marked)
    [ -n "$pids" ] || return 0
    for pid in $pids; do kill "-$signal" "$pid" 2>/dev/null || true; done
    for _ in $(seq 50); do
      [ -n "$(marked)" ] || return 0
      sleep 0.1
    done
  done
}

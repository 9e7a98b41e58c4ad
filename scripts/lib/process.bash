# shellcheck shell=bash
# Processes that outlive the script which started them, known by id and start time in files <name>.pid of `$run`.
# shellcheck disable=SC2154

# The kernel's start time of a process: together with the id it names one process for good, ids alone are reused.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # the second field is the name in brackets and may hold anything, so count from behind it
  # shellcheck disable=SC2086 # fields, to be split
  set -- ${stat##*) }
  # A killed process counts as ended when its last thread is gone: until then it may hold its ports.
  [ "$1" != Z ] || [ "${18}" -gt 1 ] || return 1
  printf '%s\n' "${20}"
}

# Is the process that this pid file names alive?
alive() {
  local pid started
  read -r pid started <"$1" 2>/dev/null || return 1
  [ "$(start_time "$pid")" = "$started" ]
}

pid_of() { cut -d ' ' -f 1 "$1"; }

# Starts a process that outlives this script and a Ctrl-C at its terminal, and notes who it is.
launch() {
  local name=$1 folder=$2 pid
  shift 2
  (cd "$folder" && exec setsid "$@" </dev/null >>"$run/$name.log" 2>&1 9>&-) &
  pid=$!
  disown "$pid" # its end is not this script's news
  printf '%s %s\n' "$pid" "$(start_time "$pid" || echo 0)" >"$run/$name.pid"
}

end() {
  local signal=$1 file=$2 pid deadline
  if alive "$file"; then
    pid=$(pid_of "$file")
    kill "-$signal" "$pid" 2>/dev/null || true
    deadline=$((SECONDS + 15))
    while alive "$file"; do
      if [ "$SECONDS" -ge "$deadline" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
      sleep 0.05
    done
  fi
  rm -f "$file"
}

end_all() {
  local file
  # The data goes with the run, so nothing is gained by an orderly end, which takes a broker seconds.
  for file in "$run"/*.pid; do
    [ ! -e "$file" ] || end KILL "$file"
  done
}

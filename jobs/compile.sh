# shellcheck shell=bash
# Configures and builds a preset with no more compilers at once than the memory holds.  Sourced from the project's root
# by jobs/build.sh, tests/run.sh and .ci/run.

# Compilers to run at once: one a processor, and 1.5 GiB each of the memory that is free to this process.
compile_jobs() {
  local processors available limit
  processors=$(nproc)
  available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null || true)
  available=${available:-2048}  # MiB; where /proc is not mounted
  # A container's own limit is not in /proc/meminfo.  "max", or a number past what bash holds, is no limit.
  for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    if [[ -r $limit && $(<"$limit") =~ ^[0-9]{1,15}$ ]]; then
      limit=$(($(<"$limit") / 1048576))
      available=$((limit < available ? limit : available))
      break
    fi
  done
  local jobs=$((available / 1536))
  jobs=$((jobs < processors ? jobs : processors))
  echo $((jobs > 1 ? jobs : 1))
}

# compile PRESET [-DNAME=VALUE...] [--target NAME...]
compile() {
  local preset=$1 definitions=()
  shift
  while [[ ${1:-} == -D* ]]; do
    definitions+=("$1")
    shift
  done
  local log=build/$preset.configure.log jobs
  jobs=$(compile_jobs)
  mkdir -p build
  echo "Building preset $preset in $PWD/build/$preset, $jobs at a time ..."
  # The configuration's many lines matter only when it fails.
  if ! cmake --preset "$preset" "${definitions[@]}" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "The build could not be configured (its whole output: $PWD/$log)." >&2
    return 1
  fi
  cmake --build --preset "$preset" --parallel "$jobs" "$@"
}

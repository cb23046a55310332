# shellcheck shell=bash
# What the scripts of bench/ share: usage, where programs are built, and how ranks are started.  Sourced.

bench_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(realpath "$bench_folder/..")

# Prints the comment at the head of the script that was called, and ends it.
usage() {
  sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0" >&2
  exit 2
}

# Builds the program and the benchmarks in build/release, unless BUILD names a folder where they are built already.
# Sets build.
find_benchmarks() {
  build=${BUILD:-}
  if [[ -z $build ]]; then
    # shellcheck source=jobs/compile.sh
    (cd "$project" && . jobs/compile.sh && compile release -DLIGATURE_BENCH=ON >&2)
    build=$project/build/release
  fi
  build=$(realpath "$build")
}

# The same, and sets ligature: the program, which must be there.
find_build() {
  find_benchmarks
  ligature=${LIGATURE:-$build/ligature}
  [[ -x $ligature ]] || { echo "$ligature is not there" >&2; exit 2; }
}

# on_ranks RANKS THREADS COMMAND...: under srun inside a Slurm allocation, else under mpirun.  LAUNCH replaces both, a
# command with %r for the ranks and %t for the threads of each.
on_ranks() {
  local ranks=$1 threads=$2 launch
  shift 2
  if [[ -n ${LAUNCH:-} ]]; then
    launch=${LAUNCH//%r/$ranks}
    read -ra launch <<<"${launch//%t/$threads}"
  elif [[ -n ${SLURM_JOB_ID:-} ]]; then
    # Where Slurm's default is another interface than Open MPI's, every rank would be a job of its own.
    launch=(srun --mpi="${SLURM_MPI_TYPE:-pmix}" --ntasks "$ranks" --cpus-per-task "$threads" --cpu-bind=cores)
  else
    # Unbound, since one machine may have fewer cores than a run has threads; root is refused unless told otherwise.
    launch=(mpirun -n "$ranks" --bind-to none --oversubscribe)
    ((EUID != 0)) || launch+=(--allow-run-as-root)
  fi
  OMPI_MCA_mpi_yield_when_idle=1 "${launch[@]}" "$@"
}

# A number of people such as 200k or 1.5M in digits.
people_in_digits() {
  awk -v text="$1" 'BEGIN { n = text; unit = sub(/[kK]$/, "", n) ? 1e3 : sub(/[mM]$/, "", n) ? 1e6 : 1
    if (n !~ /^[0-9]+([.][0-9]+)?$/) exit 1
    printf "%.0f\n", n * unit }' || { echo "not a number of people: $1" >&2; return 1; }
}

# population FOLDER PEOPLE SEED RANKS: makes FOLDER/job.toml and its extracts unless they are there.
population() {
  local folder=$1 people=$2 seed=$3 ranks=$4
  [[ -f $folder/made ]] && return 0
  rm -rf "$folder"
  mkdir -p "$folder"
  on_ranks "$ranks" 1 "$ligature" synth --people "$people" --seed "$seed" --rate-malformed 0.0002 --out "$folder" \
    >"$folder/synth.log"
  touch "$folder/made"
}

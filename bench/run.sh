#!/usr/bin/env bash
# Builds and runs every Google Benchmark program, and leaves what each measured as JSON.
#
#   bash bench/run.sh [--out FOLDER] [--filter REGEX] [--min-time SECONDS] [--repetitions N]
#
#   --out          where NAME.json goes; default build/bench
#   --filter       only benchmarks whose name matches
#   --min-time     of each measurement; default 0.5
#   --repetitions  of each benchmark; default 1
#
# Times are of the CPU, which other work on the machine disturbs less than those of a clock.  BUILD names a folder where
# the programs are built already.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

out=$project/build/bench filter=. min_time=0.5 repetitions=1
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --out) out=$2 ;;
    --filter) filter=$2 ;;
    --min-time) min_time=$2 ;;
    --repetitions) repetitions=$2 ;;
    *) usage ;;
  esac
  shift 2
done
find_benchmarks
mkdir -p "$out"

# Those that use MPI start as one rank without mpirun; root needs its leave.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ran=0
for program in "$build"/bench/*_bench; do
  [[ -x $program ]] || continue
  name=$(basename "$program")
  # A program of which nothing matches says so and leaves an empty file.
  if ! "$program" --benchmark_list_tests --benchmark_filter="$filter" 2>/dev/null | grep -q .; then continue; fi
  "$program" --benchmark_filter="$filter" --benchmark_min_time="$min_time" --benchmark_repetitions="$repetitions" \
    --benchmark_out="$out/$name.json" --benchmark_out_format=json
  ran=$((ran + 1))
done
((ran > 0)) || { echo "no benchmark in $build/bench matches $filter" >&2; exit 1; }
echo "$ran programs, $out"

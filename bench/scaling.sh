#!/usr/bin/env bash
# Strong and weak scaling over ranks and threads, with the POP measures of every stage, bytes sent, waiting and the share
# of bound.
#
#   bash bench/scaling.sh [--people 1M] [--per-core 250k] [--ranks "1 2 4"] [--threads "1 2"] [--repeats 3]
#                         [--kinds "strong weak"] [--seed 1] [--out FOLDER] [--bounds FILE]
#
#   --people    of strong scaling: the same for all
#   --per-core  of weak scaling: people for each rank x thread
#   --ranks, --threads  every pair of them is run
#   --bounds    what the machine can do (bench/bounds.sh); without it no stage has a share of bound
#   --out       default build/scaling; extracts are kept there and used again
#
# Ranks x threads beyond the CPUs are run as well and marked.  Inside a Slurm allocation ranks start by srun, so that the
# same command goes up to thousands of them: FOLDER must then be shared by all hosts.  The content digest must be the
# same for all shapes of one size; if not, the script fails.  BUILD names a folder where the programs are built already.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

people=1M per_core=250k all_ranks='1 2 4' all_threads='1 2' repeats=3 kinds='strong weak' seed=1 bounds=''
out=$project/build/scaling
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --people) people=$2 ;;
    --per-core) per_core=$2 ;;
    --ranks) all_ranks=$2 ;;
    --threads) all_threads=$2 ;;
    --repeats) repeats=$2 ;;
    --kinds) kinds=$2 ;;
    --seed) seed=$2 ;;
    --bounds) bounds=$(realpath "$2") ;;
    --out) out=$2 ;;
    *) usage ;;
  esac
  shift 2
done
find_build
mkdir -p "$out/runs"
out=$(realpath "$out")
rm -f "$out"/people-*/digest  # an earlier program may have had another answer
options=()
[[ -z $bounds ]] || options=(--bounds "$bounds")

# measure KIND PEOPLE RANKS THREADS REPEAT: one run; its performance.json stays in runs/.
measure() {
  local kind=$1 people=$2 ranks=$3 threads=$4 repeat=$5
  local folder=$out/people-$people-$seed run=$out/run-$kind digest
  population "$folder" "$people" "$seed" "$ranks"
  rm -rf "$run"
  on_ranks "$ranks" "$threads" "$ligature" rebuild "$folder/job.toml" --set "job.threads=$threads" \
    --set "job.secure=$run/secure" --set "job.publish=$run/publish" "${options[@]}" >"$out/last.log"
  digest=$(on_ranks 1 1 "$ligature" digest "$run/publish")
  if [[ $digest != "$(cat "$folder/digest" 2>/dev/null || echo "$digest")" ]]; then
    echo "$people people on $ranks ranks x $threads threads: another dataset ($digest)" >&2
    exit 1
  fi
  echo "$digest" >"$folder/digest"
  cp "$run/secure/performance.json" "$out/runs/$kind-$people-$ranks-$threads-$repeat.json"
  rm -rf "$run"
}

strong=$(people_in_digits "$people")
each=$(people_in_digits "$per_core")
for kind in $kinds; do
  rm -f "$out/runs/$kind"-*.json
  # All shapes once, then again: what changes on the machine meanwhile meets all alike.
  for ((repeat = 1; repeat <= repeats; ++repeat)); do
    for ranks in $all_ranks; do
      for threads in $all_threads; do
        size=$strong
        [[ $kind == strong ]] || size=$((each * ranks * threads))
        measure "$kind" "$size" "$ranks" "$threads" "$repeat"
      done
    done
  done
  echo "== $kind scaling"
  python3 "$bench_folder/performance.py" scaling "$kind" "$out/runs/$kind"-*.json
done

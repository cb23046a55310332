#!/usr/bin/env bash
# Makes an artificial nation, links it, and holds every stage against the shortest time that this machine allows at this
# moment: the disk past the page cache, and the kernels on its cores (bench/bounds.sh).
#
#   bash bench/england.sh [--people 5M] [--sizes "200k 1M 5M"] [--ranks N] [--threads N] [--seed 1] [--out FOLDER]
#                         [--checkpoint stages] [--warm no] [--verify no]
#
#   --people   one size; England is 60M, with five rows a person
#   --sizes    several, and the table that says whether the cost is linear in rows
#   --ranks    default: one for two cores, so that ranks and threads are both used; at least 2 where there are 2 cores
#   --threads  of each rank; default: the cores shared among the ranks
#   --out      default build/england; extracts are kept there and used again by runs of their size, which are replaced
#   --checkpoint  none, stages or shards, as rebuild takes it
#   --warm     yes: the extracts are read once just before the run, so that the page cache holds what it can of them.
#              On a virtual machine that is memory which the machine under it has given, and need not give again
#   --verify   also checks every invariant of the finished run
#
# A size that the disk cannot hold is replaced by the largest that it can, and that is said.  BUILD names a folder where
# the programs are built already; on many hosts, run inside a Slurm allocation or set LAUNCH (bench/common.sh).
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cores=$(nproc)
sizes=5M ranks=$((cores >= 4 ? cores / 2 : cores)) threads='' seed=1 out=$project/build/england verify=no
checkpoint=stages warm=no
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --people | --sizes) sizes=$2 ;;
    --ranks) ranks=$2 ;;
    --threads) threads=$2 ;;
    --seed) seed=$2 ;;
    --out) out=$2 ;;
    --checkpoint) checkpoint=$2 ;;
    --warm) warm=$2 ;;
    --verify) verify=$2 ;;
    *) usage ;;
  esac
  shift 2
done
threads=${threads:-$((cores > ranks ? cores / ranks : 1))}
find_build
# The bounds come from benchmarks: better to miss them now than after the population is made.
[[ -d $build/bench ]] || { echo "$build has no benchmarks: configure it with -DLIGATURE_BENCH=ON" >&2; exit 2; }
mkdir -p "$out"
out=$(realpath "$out")

# A person takes 360 bytes of extracts and truth, at most 420 of dataset, index and identities, and what waits on disk
# where memory is short; in round figures, with room to spare.
bytes_per_person=1200
largest_that_fits() {
  local people=$1 free held fits
  free=$(df --output=avail -B1 "$out" | tail -n 1)
  held=$(du -sB1 "$out" | cut -f1)
  fits=$(((free + held) / bytes_per_person))
  if ((people > fits)); then
    echo "$people people need $((people * bytes_per_person / 1000000000)) GB; the disk of $out holds $fits people" >&2
    people=$((fits / 100000 * 100000))
  fi
  # What other sizes hold in the folder is of no use to this one.
  held=$(du -sB1 "$out/$people-$seed" 2>/dev/null | cut -f1 || true)
  if ((people * bytes_per_person > free + ${held:-0})); then
    echo "the disk of $out is taken by populations of other sizes there: remove them, or ask for theirs" >&2
    exit 2
  fi
  echo "$people"
}

# What changes from moment to moment on a shared machine is measured just before each run.
reports=()
for size in $sizes; do
  people=$(largest_that_fits "$(people_in_digits "$size")")
  folder=$out/$people-$seed
  population "$folder" "$people" "$seed" "$cores"
  BUILD=$build bash "$bench_folder/bounds.sh" --folder "$out" --out "$folder/bounds.json" >/dev/null
  rm -rf "$folder/secure" "$folder/publish"
  [[ $warm == no ]] || find "$folder" -name '*.csv' -not -name truth.csv -exec cat {} + >/dev/null
  on_ranks "$ranks" "$threads" "$ligature" rebuild "$folder/job.toml" --set "job.threads=$threads" \
    --set "job.secure=$folder/secure" --set "job.publish=$folder/publish" --bounds "$folder/bounds.json" \
    --checkpoint "$checkpoint" --results >"$folder/rebuild.log"
  [[ $verify == no ]] || on_ranks "$ranks" "$threads" "$ligature" verify "$folder/publish" >"$folder/verify.log"
  echo "== $people people, seed $seed; content $(on_ranks 1 1 "$ligature" digest "$folder/publish")"
  tr -d '{}"\n' <"$folder/bounds.json" | sed 's/^ */bounds, a second: /; s/  */ /g'
  printf '\n\n'
  python3 "$bench_folder/performance.py" stages "$folder/secure/performance.json"
  reports+=("$folder/secure/performance.json")
done
((${#reports[@]} == 1)) || python3 "$bench_folder/performance.py" sizes "${reports[@]}"

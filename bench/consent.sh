#!/usr/bin/env bash
# What do objections and pseudonyms add to a rebuild?  Links one population with the ledger of objections that synth wrote
# and without [consent], in turn, and prints the medians by stage, of time and of CPU time, which other work on the machine
# disturbs less.  No rebuild is without pseudonyms: their share is reckoned from the slower of the two rates of
# pseudonym_bench on this machine.
#
#   bash bench/consent.sh [--people 1M] [--seed 5] [--ranks 1] [--threads 2] [--repeats 9] [--out FOLDER]
#
# Extracts stay in FOLDER (default build/consent) and are used again.  BUILD names a folder where the programs are built
# already; LIGATURE_SIMD sets the instruction set of the runs and of the benchmark alike.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

people=1M seed=5 ranks=1 threads=2 repeats=9 out=$project/build/consent
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --people) people=$2 ;;
    --seed) seed=$2 ;;
    --ranks) ranks=$2 ;;
    --threads) threads=$2 ;;
    --repeats) repeats=$2 ;;
    --out) out=$2 ;;
    *) usage ;;
  esac
  shift 2
done
find_build
people=$(people_in_digits "$people")
mkdir -p "$out/runs"
out=$(realpath "$out")
folder=$out/people-$people-$seed
population "$folder" "$people" "$seed" "$ranks"
awk '/^\[/ { skip = /^\[consent/ } !skip' "$folder/job.toml" >"$folder/without.toml"
cp "$folder/job.toml" "$folder/with.toml"
if cmp -s "$folder/with.toml" "$folder/without.toml"; then
  echo "$folder/job.toml has no [consent]" >&2
  exit 1
fi

# measure KIND NAME: one run; its performance.json becomes runs/KIND-NAME.json.
measure() {
  local kind=$1 name=$2 run=$out/run
  rm -rf "$run"
  on_ranks "$ranks" "$threads" "$ligature" rebuild "$folder/$kind.toml" --set "job.threads=$threads" \
    --set "job.secure=$run/secure" --set "job.publish=$run/publish" >"$out/last.log"
  cp "$run/secure/performance.json" "$out/runs/$kind-$name.json"
  rm -rf "$run"
}

measure with warm # brings the extracts into memory
rm -f "$out"/runs/*.json
for ((repeat = 1; repeat <= repeats; ++repeat)); do
  # Who goes first alternates: what changes on the machine meanwhile meets both alike.
  kinds='without with'
  ((repeat % 2)) || kinds='with without'
  for kind in $kinds; do measure "$kind" "$repeat"; done
done
rate=$("$build/bench/pseudonym_bench" --benchmark_filter='^name_(numbered|other)_persons$' --benchmark_format=csv \
  2>/dev/null | awk -F, '/^"name_/ { if (least == "" || $7 < least) least = $7 } END { printf "%.0f\n", least }')
python3 "$bench_folder/performance.py" consent "$rate" "$out"/runs/without-*.json "$out"/runs/with-*.json

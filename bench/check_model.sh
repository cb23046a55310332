#!/usr/bin/env bash
# How far is bench/model.py from what runs on this machine take: on more ranks, and on "hosts" behind a link of limited
# rate (bench/hosts.sh)?
#
#   bash bench/check_model.sh [--sizes "200k 500k"] [--ranks "1 2 4 8"] [--threads "1 2"] [--hosts "2x1 2x2 4x1 4x2"]
#                             [--rate 2gbit] [--repeats 1] [--seed 1] [--out FOLDER]
#
#   --ranks, --threads  runs without hosts: every pair of them with 8 threads or fewer in all
#   --hosts             hosts x ranks of each, one thread a rank; "" for none; needs root
#   --rate              of each host's link, as tc has it
#
# The content digest must be the same for all shapes of one size.  Prints each run against the model fitted to the others,
# and what the model says of 64 nodes.  BUILD names a folder where the program is built already.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sizes='200k 500k' ranks='1 2 4 8' threads='1 2' hosts='2x1 2x2 4x1 4x2' rate=2gbit repeats=1 seed=1
out=$project/build/model
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --sizes) sizes=$2 ;;
    --ranks) ranks=$2 ;;
    --threads) threads=$2 ;;
    --hosts) hosts=$2 ;;
    --rate) rate=$2 ;;
    --repeats) repeats=$2 ;;
    --seed) seed=$2 ;;
    --out) out=$2 ;;
    *) usage ;;
  esac
  shift 2
done
find_build
rm -rf "$out/runs"
mkdir -p "$out/runs"
out=$(realpath "$out")

# measure NAME FOLDER COMMAND...: the command starts a rebuild, whose settings are added; its account stays in runs/.
measure() {
  local name=$1 folder=$2 run=$out/run digest
  shift 2
  rm -rf "$run"
  "$@" --set "job.secure=$run/secure" --set "job.publish=$run/publish" &>"$out/last.log" ||
    { cat "$out/last.log" >&2; exit 1; }
  digest=$(on_ranks 1 1 "$ligature" digest "$run/publish")
  [[ $digest == "$(cat "$folder/digest" 2>/dev/null || echo "$digest")" ]] ||
    { echo "$name: another dataset ($digest)" >&2; exit 1; }
  echo "$digest" >"$folder/digest"
  cp "$run/secure/performance.json" "$out/runs/$name.json"
}

for size in $sizes; do
  people=$(people_in_digits "$size")
  folder=$out/people-$people-$seed
  population "$folder" "$people" "$seed" "$(nproc)"
  rm -f "$folder/digest"
  for ((repeat = 1; repeat <= repeats; ++repeat)); do
    for n in $ranks; do
      for t in $threads; do
        ((n * t <= 8)) || continue
        measure "$people-1x$n-$t-$repeat" "$folder" \
          on_ranks "$n" "$t" "$ligature" rebuild "$folder/job.toml" --set "job.threads=$t"
      done
    done
    for shape in $hosts; do
      measure "$people-$shape-1-$repeat" "$folder" bash "$bench_folder/hosts.sh" "${shape%x*}" "$rate" "${shape#*x}" \
        "$ligature" rebuild "$folder/job.toml" --set job.threads=1
    done
  done
done

# tc's rates: kbit, mbit and gbit are powers of ten, bits a second.
link=$(awk -v rate="$rate" 'BEGIN { unit = rate ~ /gbit$/ ? 1e9 : rate ~ /mbit$/ ? 1e6 : rate ~ /kbit$/ ? 1e3 : 0
  if (!unit) exit 1
  print rate / 8 * unit }') || { echo "$rate: give the rate in kbit, mbit or gbit" >&2; exit 2; }
python3 "$bench_folder/model.py" check "$out"/runs/*.json --link "$link" --machine-cores "$(nproc)"
echo
python3 "$bench_folder/model.py" predict "$out"/runs/*.json

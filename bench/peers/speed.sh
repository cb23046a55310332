#!/usr/bin/env bash
# How long do ligature and its peers take for the same extracts, and with how much memory?
#
#   bash bench/peers/speed.sh [--people 520k] [--seed 1] [--repeats 5] [--methods "nhs hesid splink splink_rows ligature"]
#                             [--threads N] [--ranks N] [--minutes M] [--out FOLDER]
#
#   --people   520k are 2.6 million rows; 196k are 1.0 million
#   --threads  of each method; default: the CPUs.  --ranks shares ligature's among ranks; default: one, without mpirun
#   --minutes  starts no run after so many, and exits with 75 if runs are left; the same command goes on where it stopped
#   --out      default build/speed/PEOPLE-SEED; extracts and finished runs are kept there (remove FOLDER/runs for new ones)
#
# Every run reads the CSV extracts and writes its index: Splink and the SQL joins as Parquet, ligature with the published
# dataset besides.  Methods take turns, in one order and then in the other.  Before them, uncounted: one run of Splink that
# picks its best threshold on the truth, and counts the pairs of its blocking rules; the runs that count are given that
# threshold and need no truth.  No method is given local patient ids; ligature knows which provider
# sent a row, as it would in use.  nhs and hesid (ladder.py) are exact joins in SQL; splink compares distinct identities,
# which our script makes for it, splink_rows every row, as its own examples do.
# ligature keeps no checkpoints, since no other method keeps anything to go on from.
# watch.py sees time and memory from outside.  BUILD names a folder where ligature is built already.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
peers=$bench_folder/peers

people=520k seed=1 repeats=5 methods='nhs hesid splink splink_rows ligature' threads=$(nproc) ranks='' minutes=0 out=''
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --people) people=$2 ;;
    --seed) seed=$2 ;;
    --repeats) repeats=$2 ;;
    --methods) methods=$2 ;;
    --threads) threads=$2 ;;
    --ranks) ranks=$2 ;;
    --minutes) minutes=$2 ;;
    --out) out=$2 ;;
    *) usage ;;
  esac
  shift 2
done
ranks=${ranks:-1}
((threads % ranks == 0)) || { echo "$threads threads cannot be shared evenly among $ranks ranks" >&2; exit 2; }
stop_after=$((minutes > 0 ? SECONDS + 60 * minutes : 1000000000))
find_build
python=$(bash "$peers/environment.sh")
out=$(realpath -m "${out:-$project/build/speed/$people-$seed}")
runs=$out/runs
population "$out/extracts" "$(people_in_digits "$people")" "$seed" "$(nproc)"
job=$out/extracts/job.toml truth=$out/extracts/truth.csv
mkdir -p "$runs"

# nodes_of METHOD: what Splink compares.
nodes_of() {
  [[ $1 == splink_rows ]] && echo rows || echo identities
}

# May another run start?
go_on() {
  ((SECONDS < stop_after)) || { echo "time is up; the same command goes on" >&2; exit 75; }
}

[[ -f $out/checked ]] || "$python" "$peers/check_standard.py" "$job" | tee "$out/checked.partial"
[[ ! -f $out/checked.partial ]] || mv "$out/checked.partial" "$out/checked"
for method in $methods; do
  [[ $method == splink* && ! -f $out/$method.chosen ]] || continue
  go_on
  "$python" "$peers/splink_link.py" "$job" --threads "$threads" --truth "$truth" --out "$out/first.parquet" \
    --nodes "$(nodes_of "$method")" >"$out/chosen.partial"
  mv "$out/chosen.partial" "$out/$method.chosen"
  rm "$out/first.parquet"
done

settings=(--set "job.threads=$((threads / ranks))" --set "job.secure=$out/run/secure" --set "job.publish=$out/run/publish")
while IFS= read -r columns; do settings+=(--set "$columns"); done < <("$python" "$peers/without_local_ids.py" "$job")

# run METHOD REPEAT: one run, its account in runs/METHOD-REPEAT.json and what it says in runs/METHOD-REPEAT.log.
run() {
  local method=$1 name=$1-$2 command
  local index=$out/$method.parquet
  case $method in
    splink*)
      command=("$python" "$peers/splink_link.py" "$job" --threads "$threads" --out "$index"
        --nodes "$(nodes_of "$method")"
        --threshold "$(sed -n 's/.*stage=choose .*threshold=\([-0-9.]*\).*/\1/p' "$out/$method.chosen")")
      ;;
    ligature)
      command=("$ligature" rebuild "$job" "${settings[@]}" --checkpoint none --results)
      # shellcheck disable=SC2016  # for the shell that is started
      ((ranks == 1)) || command=(bash -c '. "$0/common.sh"; on_ranks "$@"' "$bench_folder" "$ranks"
        "$((threads / ranks))" "${command[@]}")
      ;;
    *) command=("$python" "$peers/ladder.py" "$job" --threads "$threads" --method "$method" --out "$index") ;;
  esac
  rm -rf "$out/run" "$index"
  # All find the extracts in the page cache, and memory that a virtual machine's host has given already.
  cat "$out"/extracts/*/*.csv >/dev/null
  sync
  "$python" -c 'import numpy; numpy.ones(1 << 29)'
  "$python" "$peers/watch.py" "$runs/$name.partial" "${command[@]}" &>"$runs/$name.log" ||
    { cat "$runs/$name.log" >&2; exit 1; }
  if [[ $method == ligature ]]; then
    cp "$out/run/secure/performance.json" "$runs/$name.performance.json"
    on_ranks 1 1 "$ligature" export "$out/run/secure" --index "$out/ligature.csv" >/dev/null
    rm -rf "$out/run"
  fi
  mv "$runs/$name.partial" "$runs/$name.json"
}

for ((repeat = 1; repeat <= repeats; ++repeat)); do
  order=$methods
  ((repeat % 2)) || order=$(tac -s ' ' <<<"$methods " | tr '\n' ' ')
  for method in $order; do
    [[ ! -f $runs/$method-$repeat.json ]] || continue
    go_on
    run "$method" "$repeat"
  done
done

if [[ ! -f $out/score.json || -n $(find "$runs" -newer "$out/score.json" -name '*.json') ]]; then
  indexes=()
  for method in $methods; do
    [[ ! -f $out/$method.parquet ]] || "$python" -c 'import duckdb, sys
duckdb.sql(f"COPY (FROM {sys.argv[1]!r}) TO {sys.argv[2]!r} (HEADER)")' "$out/$method.parquet" "$out/$method.csv"
    indexes+=("$method=$out/$method.csv")
  done
  "$python" "$peers/score.py" "${indexes[@]}" --truth "$truth" --json "$out/score.json" >"$out/score.txt"
fi
"$python" "$peers/speed.py" "$out" | tee "$out/table.txt"

#!/usr/bin/env bash
# Links the same rows with ligature and with its peers, and prints their figures side by side.
#
#   bash bench/peers/compare.sh [--people 200k] [--seed 1] [--error-scale 1]     an artificial population
#   bash bench/peers/compare.sh --job JOB.toml --truth truth.csv                 extracts of your own, with a truth
#   ... --out FOLDER         where everything goes; default build/compare/NAME
#   ... --methods "a b"      of nhs, hesid and splink; default all
#   ... --local-ids no       all methods have the four identifiers alone.  Otherwise ligature, Splink and HESID's pass 2
#                            also use the local patient ids, where the job file names them, as a rebuild does.
#                            ligature knows besides which provider sent a row, where the job file names its column
#                            (model.providers = false in the job file leaves that out).
#
# The rows are those that ligature kept (people who opted out and rows it could not read are in no linkage).  ligature
# runs with its defaults and knows no truth; Splink's threshold is picked on it.  LIGATURE names the program (default
# build/release/ligature), RANKS the number of its ranks (default 2), LIGATURE_PEERS the Python environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(realpath "$here/../..")
ligature=$(realpath "${LIGATURE:-$root/build/release/ligature}")

people=200k seed=1 error_scale=1 job="" truth="" out="" methods="nhs hesid splink" local_ids=yes
while (($# > 0)); do
  case $1 in
    --people) people=$2 ;;
    --seed) seed=$2 ;;
    --error-scale) error_scale=$2 ;;
    --job) job=$(realpath "$2") ;;
    --truth) truth=$(realpath "$2") ;;
    --out) out=$2 ;;
    --methods) methods=$2 ;;
    --local-ids) local_ids=$2 ;;
    *) sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
if [[ (-n $job && -z $truth) || (-z $job && -n $truth) ]]; then
  echo "--job and --truth go together" >&2
  exit 2
fi
[[ -x $ligature ]] || { echo "$ligature is not there: build it, or name it with LIGATURE=..." >&2; exit 2; }

python=$(bash "$here/environment.sh")
if [[ -z $out ]]; then
  out=$root/build/compare/$([[ -n $job ]] && basename "$job" .toml || echo "$people-$seed-$error_scale")
fi
out=$(realpath -m "$out")
mkdir -p "$out"

# Open MPI refuses root, and more ranks than processors, unless told otherwise (as in jobs/quickstart.sh).
on_ranks=(mpirun -n "${RANKS:-2}" --bind-to none --oversubscribe
  --mca mpi_yield_when_idle 1 --mca btl_vader_single_copy_mechanism none)
((EUID != 0)) || on_ranks+=(--allow-run-as-root)

if [[ -z $job ]]; then
  "${on_ranks[@]}" "$ligature" synth --people "$people" --seed "$seed" --error-scale "$error_scale" \
    --out "$out" > "$out/synth.log"
  job=$out/job.toml truth=$out/truth.csv
fi

# What the job file says but for the folders, and for the local ids where they are not to be used.
settings=(--set "job.secure=$out/run/secure" --set "job.publish=$out/run/publish")
local_options=()
mapfile -t without < <("$python" "$here/without_local_ids.py" "$job")
if [[ $local_ids == no ]]; then
  for columns in "${without[@]}"; do settings+=(--set "$columns"); done
elif ((${#without[@]} > 0)); then
  local_options+=(--local-ids)
fi

start=$EPOCHREALTIME
"${on_ranks[@]}" "$ligature" rebuild "$job" "${settings[@]}" \
  &> "$out/rebuild.log" || { cat "$out/rebuild.log" >&2; exit 1; }
"${on_ranks[@]}" "$ligature" export "$out/run/secure" --index "$out/ligature.csv" > "$out/export.log"
end=$EPOCHREALTIME
peak=$(sed -n 's/.* \([0-9.]* [GM]iB\) at the peak.*/\1/p' "$out/rebuild.log")
"${on_ranks[@]}" "$ligature" evaluate "$out/run/secure" --truth "$truth" --json "$out/evaluation.json" \
  > "$out/evaluate.txt"

# Each method's total has reading, linking and writing the index in it; ligature's also the published dataset.
indexes=()
for method in $methods; do
  case $method in
    splink) "$python" "$here/splink_link.py" "$job" --rows "$out/ligature.csv" --truth "$truth" \
      --out "$out/splink.csv" "${local_options[@]}" ;;
    *) "$python" "$here/ladder.py" "$job" --rows "$out/ligature.csv" --method "$method" --out "$out/$method.csv" \
      "${local_options[@]}" ;;
  esac | tee "$out/$method.log"
  indexes+=("$method=$out/$method.csv")
done
awk -v a="$start" -v b="$end" -v peak="${peak/ /_}" \
  'BEGIN { printf "RESULT method=ligature stage=total seconds=%.2f peak=%s\n\n", b - a, peak }' \
  | tee "$out/ligature.log"

"$python" "$here/score.py" "${indexes[@]}" "ligature=$out/ligature.csv" --truth "$truth" --extracts "$job" \
  --json "$out/score.json" --check "ligature=$out/evaluation.json" | tee "$out/table.txt"

#!/usr/bin/env bash
# Which rows of those who object are published all the same?  Links a synthetic population under both policies and without
# a ledger, and holds what is left against the truth (objectors.py).
#
#   bash bench/objectors.sh [--people 100k] [--seed 1] [--disguised 0] [--ranks 2] [--out FOLDER]
#
# --disguised: the share of their rows that lose the number or have it misspelt.  BUILD names a folder where the program is
# built already.  FOLDER (default build/objectors) is made anew.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

people=100k seed=1 disguised=0 ranks=2 out=$project/build/objectors
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --people) people=$2 ;;
    --seed) seed=$2 ;;
    --disguised) disguised=$2 ;;
    --ranks) ranks=$2 ;;
    --out) out=$2 ;;
    *) usage ;;
  esac
  shift 2
done
find_build
rm -rf "$out"
mkdir -p "$out"
on_ranks "$ranks" 1 "$ligature" synth --people "$(people_in_digits "$people")" --seed "$seed" \
  --rate-objector-disguised "$disguised" --out "$out" >"$out/synth.log"
for policy in keep-earlier withdraw without; do
  if [[ $policy == without ]]; then
    awk '/^\[/ { skip = /^\[consent/ } !skip' "$out/job.toml" >"$out/$policy.toml"
  else
    sed "s/keep-earlier/$policy/" "$out/job.toml" >"$out/$policy.toml"
  fi
  sed -i "s#run/#$policy/#" "$out/$policy.toml"
  on_ranks "$ranks" 1 "$ligature" rebuild "$out/$policy.toml" --set job.threads=1 >"$out/$policy.log" 2>&1 ||
    { cat "$out/$policy.log" >&2; exit 1; }
  "$ligature" export "$out/$policy.toml" --index "$out/$policy.csv" >/dev/null
done
python3 "$bench_folder/objectors.py" "$out"

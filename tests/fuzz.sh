#!/usr/bin/env bash
# Builds every fuzz target with clang's libFuzzer and runs each for a time, as many at once as there are processors,
# starting from its corpus in tests/corpus.  A finding ends it with the report, and the input that found it stays in
# build/asan.
#
#   bash tests/fuzz.sh [SECONDS]     default 30 seconds a target
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=jobs/compile.sh
. jobs/compile.sh
seconds=${1:-30}

targets=()
for source in tests/fuzz_*.cpp; do
  name=$(basename "$source" .cpp)
  [[ $name == fuzz_replay ]] || targets+=("$name")
done
compile asan --target "${targets[@]}"

# fuzz NAME: one target.
fuzz() {
  local name=$1 found=build/asan/found/$1 log=build/asan/$1.log leaks=1
  mkdir -p "$found"
  # The HDF5 library forgets memory of its own over a file that it refuses.
  [[ $name != fuzz_dataset ]] || leaks=0
  # New inputs go to the first folder; the second, which git keeps, is only read.
  if ! ASAN_OPTIONS=detect_leaks=$leaks "build/asan/tests/$name" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=build/asan/ "$found" "tests/corpus/${name#fuzz_}" \
    >"$log" 2>&1; then
    { echo "== $name found something"; tail -n 60 "$log"; } >&2
    return 1
  fi
  echo "== $name, $seconds s: $(grep -oE '(number_of_executed_units|new_units_added): *[0-9]+' "$log" | tr -s ' \n' ' ')"
}
export -f fuzz
export seconds
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'

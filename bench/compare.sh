#!/usr/bin/env bash
# Which benchmarks became slower or faster between two commits?
#
#   bash bench/compare.sh BASE [OTHER] [--filter REGEX] [--rounds 10] [--min-time 0.1] [--out FOLDER]
#
# OTHER is by default the tree as it stands.  Both are built alike; then each round runs every benchmark of one and of
# the other, the first in turn, so that what else the machine does meets both.  bench/compare.py tests the rounds' CPU
# times with Mann and Whitney's U.  Exits with 1 if a benchmark became slower.  The files of each round are Google
# Benchmark's, for its own compare.py (Debian: libbenchmark-tools) as well.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

commits=() filter=. rounds=10 min_time=0.1 out=$project/build/compare-bench
while (($# > 0)); do
  case $1 in
    --filter | --rounds | --min-time | --out)
      (($# > 1)) || usage
      name=${1#--}
      printf -v "${name//-/_}" %s "$2"
      shift
      ;;
    -*) usage ;;
    *) commits+=("$1") ;;
  esac
  shift
done
((${#commits[@]} == 1 || ${#commits[@]} == 2)) || usage

# built COMMIT: builds its benchmarks, and prints the folder.  Sources are unpacked beside, so that the tree is not
# touched; ccache, where it is installed, spares what both have in common.
built() {
  local commit source program programs=() launcher=()
  if [[ $1 == tree ]]; then
    commit=tree source=$project
  else
    commit=$(git -C "$project" rev-parse --short=12 --verify "$1^{commit}") || exit 2
    source=$out/$commit/source
    mkdir -p "$source"
    git -C "$project" archive "$commit" | tar -x -C "$source"
  fi
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache)
  fi
  (cd "$source" && cmake --preset release -B "$out/$commit/build" -DLIGATURE_BENCH=ON "${launcher[@]}") >&2
  for program in "$source"/bench/*_bench.cpp; do programs+=("$(basename "$program" .cpp)"); done
  # shellcheck source=jobs/compile.sh
  (. "$project/jobs/compile.sh" && cmake --build "$out/$commit/build" --parallel "$(compile_jobs)" --target "${programs[@]}") >&2
  echo "$out/$commit/build"
}

mkdir -p "$out"
out=$(realpath "$out")
base=$(built "${commits[0]}")
other=$(built "${commits[1]:-tree}")
rm -rf "$out/base" "$out/other"
run() { # run SIDE BUILD ROUND
  BUILD=$2 bash "$bench_folder/run.sh" --out "$out/$1/$3" --filter "$filter" --min-time "$min_time" &>>"$out/log"
}
for ((round = 1; round <= rounds; ++round)); do
  if ((round % 2)); then
    run base "$base" "$round"
    run other "$other" "$round"
  else
    run other "$other" "$round"
    run base "$base" "$round"
  fi
done
python3 "$bench_folder/compare.py" "$out/base" "$out/other"

#!/usr/bin/env bash
# Holds the tree to its agreed shape: what stands at the top level, which way includes go, clang-format's layout of the
# code, and no shellcheck remark on a script.  Looks at the files that git knows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

# report TITLE LINES: says what is wrong, if LINES is not empty.
report() {
  [[ -n $2 ]] || return 0
  printf '%s:\n%s\n' "$1" "$2" >&2
  failed=1
}

folders='engine|partition|io|bench|jobs|tests|docs'
files='CMakeLists\.txt|CMakePresets\.json|README\.md|LICENSE|CHANGELOG\.md'
report "At the top level, outside the agreed layout" \
  "$(git ls-files | cut -d/ -f1 | sort -u | grep -Evx "$folders|$files|\.[^/]+" || true)"

# engine <- partition <- io <- jobs; bench and tests may include any of them, and nothing includes those two.
includes() {
  git grep -nE "^ *# *include \"($2)/" -- "$1/*.cpp" "$1/*.hpp" || true
}
report "Includes against the direction of the folders" \
  "$(includes engine 'partition|io|jobs|bench|tests' && includes partition 'io|jobs|bench|tests' &&
    includes io 'jobs|bench|tests' && includes jobs 'bench|tests')"
report "Calls to MPI outside partition" \
  "$(git grep -nE '\bMPI_[A-Z][a-z_]+ *\(' -- 'engine/*' 'io/*' 'jobs/*' || true)"
report "Flags that tie a build to one processor" \
  "$(git grep -n 'march=native' -- CMakePresets.json '*CMakeLists.txt' || true)"

report "Types that two files define" "$(python3 tests/one_definition.py || true)"
# The same for functions that two kernels have, each for lanes of its own.
report "Kernels outside an unnamed namespace" \
  "$(git grep -l '^#define HWY_TARGET_INCLUDE' -- '*.cpp' | while read -r file; do
    grep -A1 '^namespace HWY_NAMESPACE {$' "$file" | grep -qx 'namespace {' || echo "$file"
  done)"

mapfile -t sources < <(git ls-files '*.cpp' '*.hpp')
report "clang-format would change" \
  "$(clang-format --dry-run "${sources[@]}" 2>&1 | grep -oE '^[^:]+:[0-9]+' | sort -u | head -n 40)"

mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
report "Remarks of shellcheck" "$(shellcheck --external-sources "${scripts[@]}" 2>&1 || true)"

((failed == 0)) && echo "${#sources[@]} source files and ${#scripts[@]} scripts stand as agreed."

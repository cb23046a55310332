#!/usr/bin/env bash
# Runs every test: installs what they need where it is missing (Debian or Ubuntu), builds the optimised configuration
# with its tests, and hands over to CTest.  Arguments go to CTest:
#
#   bash tests/run.sh                  every test
#   bash tests/run.sh -L unit          those without MPI
#   bash tests/run.sh -R NhsNumber     those whose name matches
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
# shellcheck source=jobs/compile.sh
. jobs/compile.sh

install_packages "$build_packages" "$test_packages"
bash jobs/build.sh
compile release -DLIGATURE_TESTS=ON
# CTest packs tests by the processors that each says it uses: its ranks, which wait for mpirun and each other half of the
# time.  So twice as many take two thirds of the time.
ctest --preset release --parallel "$((2 * $(nproc)))" "$@"

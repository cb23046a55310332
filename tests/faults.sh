#!/usr/bin/env bash
# Breaks rebuilds at seeded places (faults.py) and says which promises of docs/durability.md held.  Builds what it needs.
#
#   bash tests/faults.sh            a point or two of each kind, as CTest runs it
#   bash tests/faults.sh --full     all kinds and places, over 200 points; about 20 minutes
#   bash tests/faults.sh --full --seed 2 --kinds kill,checkpoint     others
#
# What root alone may do (small disks, hosts of their own) is left out elsewhere, and said to be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
# shellcheck source=jobs/compile.sh
. jobs/compile.sh
install_packages "$build_packages" "$test_packages"
compile release -DLIGATURE_TESTS=ON --target ligature fault_shims
exec python3 tests/faults.py build/release/ligature mpirun build/release/faults build/release/tests "$@"

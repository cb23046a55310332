#!/usr/bin/env bash
# Rebuilds of inputs that wear a program out (hostile.py), in full size: 100,000 files, lines of 1 GB, 10 million rows of
# placeholders.  Builds what it needs; about 5 minutes and 3 GB of disk.
#
#   bash tests/hostile.sh [--only NAME] [--table FILE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
# shellcheck source=jobs/compile.sh
. jobs/compile.sh
install_packages "$build_packages" "$test_packages"
compile release --target ligature
exec python3 tests/hostile.py build/release/ligature mpirun build/release/hostile --full "$@"

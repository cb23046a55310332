#!/usr/bin/env bash
# Makes build/release/ligature, the optimised program: installs the packages it needs where they are missing (Debian or
# Ubuntu; says which), configures and builds.  Works from any folder; run again, it builds only what has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
# shellcheck source=jobs/compile.sh
. jobs/compile.sh

install_packages "$build_packages"
compile release --target ligature
echo "Built $PWD/build/release/ligature"

#!/usr/bin/env bash
# Runs a command on several "hosts" of this one machine (tests/cluster/namespaces.sh), which meet through links of a
# limited rate.  For the network part of bench/model.py; needs root, iproute2 and Open MPI.
#
#   bash bench/hosts.sh HOSTS RATE RANKS_PER_HOST COMMAND...        e.g. bench/hosts.sh 2 2gbit 1 ligature rebuild job.toml
#
# RATE is tc's (token bucket filter).  Everything is taken down at the end, also after a failure.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cluster/namespaces.sh
. "$project/tests/cluster/namespaces.sh"
(($# >= 4)) || usage
hosts=$1 rate=$2 per_host=$3
shift 3
can_make_hosts || exit 2
trap remove_hosts EXIT
make_hosts "$hosts" "$rate"
on_hosts "$(seq -s ' ' "$hosts")" "$per_host" "$@"

#!/usr/bin/env bash
# Several "hosts" on one machine: network namespaces, each with its own host name and a link of limited rate, and ranks
# in them that can only talk through it.  For the network part of bench/model.py; needs root, iproute2 and Open MPI.
#
#   bash bench/hosts.sh HOSTS RATE RANKS_PER_HOST COMMAND...        e.g. bench/hosts.sh 2 2gbit 1 ligature rebuild job.toml
#
# RATE is tc's (token bucket filter).  Everything is taken down at the end, also after a failure.
set -euo pipefail
if (($# < 4)); then
  sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0" >&2
  exit 2
fi
hosts=$1 rate=$2 per_host=$3
shift 3
((EUID == 0)) || { echo "network namespaces need root" >&2; exit 2; }

tag=lg$((BASHPID % 100000))
work=$(mktemp -d)
take_down() {
  for ((host = 1; host <= hosts; ++host)); do ip netns del "$tag-$host" 2>/dev/null || true; done
  ip link del "$tag" 2>/dev/null || true
  rm -rf "$work"
}
trap take_down EXIT

ip link add "$tag" type bridge
ip addr add 10.77.0.1/24 dev "$tag"
ip link set "$tag" up
list=()
for ((host = 1; host <= hosts; ++host)); do
  name=$tag-$host
  ip netns add "$name"
  ip link add "$tag.$host" type veth peer name eth0 netns "$name"
  ip link set "$tag.$host" master "$tag" up
  ip -n "$name" addr add "10.77.0.$((10 + host))/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" link set lo up
  tc -n "$name" qdisc add dev eth0 root tbf rate "$rate" burst 1mb latency 50ms
  list+=("10.77.0.$((10 + host)):$per_host")
done

# mpirun's remote shell: [options] host command...
cat >"$work/agent" <<AGENT
#!/bin/bash
while [[ \$1 == -* ]]; do shift; done
name=$tag-\$((\${1##*.} - 10))
shift
exec ip netns exec "\$name" unshare --uts /bin/bash -c \
  "hostname \$name; export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; \$*"
AGENT
chmod +x "$work/agent"

# A host name of its own makes the ranks of a "host" talk through memory, and others through the link.
IFS=,
mpirun --allow-run-as-root --mca plm_rsh_agent "$work/agent" --mca oob_tcp_if_include 10.77.0.0/24 \
  --mca btl_tcp_if_include 10.77.0.0/24 --mca pml ob1 --mca btl self,vader,tcp --mca mpi_yield_when_idle 1 \
  --oversubscribe --bind-to none --host "${list[*]}" -n $((hosts * per_host)) --map-by node "$@"

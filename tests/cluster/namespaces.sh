# shellcheck shell=bash
# Several "hosts" on one machine: network namespaces, each with its own host name, address and link, and ranks in them
# that can only meet through a switch, which is a namespace too.  Sourced; needs root, iproute2 and Open MPI.

# Where this machine lets namespaces be made; says what is missing where it does not.
can_make_hosts() {
  local what
  for what in ip unshare nsenter mpirun; do
    command -v "$what" >/dev/null || { echo "there is no $what here" >&2; return 1; }
  done
  ((EUID == 0)) || { echo "network namespaces need root" >&2; return 1; }
  # A bridge and a pair of ends, tried out in a namespace that ends with the attempt.
  unshare --net --uts bash -c 'ip link add name tried type bridge && ip link add name end type veth && hostname tried' \
    2>/dev/null || { echo "this machine lets no network namespaces be made" >&2; return 1; }
}

# make_hosts COUNT [RATE]: 10.77.0.11 and on, each with a link of RATE (tc's, e.g. 2gbit; without it, no limit).  Sets
# hosts_tag and hosts_agent; remove_hosts takes all of it down, also what is half made.
make_hosts() {
  hosts_count=$1 hosts_tag=lg$((BASHPID % 100000)) hosts_work=$(mktemp -d)
  local rate=${2:-} host name switch=$hosts_tag-switch
  ip netns add "$switch"
  ip -n "$switch" link set lo up
  ip -n "$switch" link add name bridge type bridge
  ip -n "$switch" addr add 10.77.0.1/24 dev bridge
  ip -n "$switch" link set bridge up
  for ((host = 1; host <= hosts_count; ++host)); do
    name=$(host_name "$host")
    ip netns add "$name"
    ip -n "$switch" link add name "to$host" type veth peer name eth0 netns "$name"
    ip -n "$switch" link set "to$host" master bridge up
    ip -n "$name" addr add "$(host_address "$host")/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" link set lo up
    [[ -z $rate ]] || tc -n "$name" qdisc add dev eth0 root tbf rate "$rate" burst 1mb latency 50ms
  done
  # mpirun's remote shell: [options] host command...  A host name of its own makes the ranks of a "host" talk through
  # memory, and others through the link.
  hosts_agent=$hosts_work/agent
  cat >"$hosts_agent" <<AGENT
#!/bin/bash
while [[ \$1 == -* ]]; do shift; done
name=$hosts_tag-\$((\${1##*.} - 10))
shift
exec ip netns exec "\$name" unshare --uts /bin/bash -c \
  "hostname \$name; export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; \$*"
AGENT
  chmod +x "$hosts_agent"
}

host_name() { echo "$hosts_tag-$1"; }
host_address() { echo "10.77.0.$((10 + $1))"; }

# The processes in the namespaces of the hosts.
host_processes() {
  local host
  for ((host = 1; host <= hosts_count; ++host)); do ip netns pids "$(host_name "$host")" 2>/dev/null || true; done
}

remove_hosts() {
  local host pids
  pids=$(host_processes)
  # shellcheck disable=SC2086  # a list of numbers
  [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
  for ((host = 1; host <= hosts_count; ++host)); do ip netns del "$(host_name "$host")" 2>/dev/null || true; done
  ip netns del "$hosts_tag-switch" 2>/dev/null || true
  rm -rf "$hosts_work"
}

# Pulls a host's cable, and puts it back.
cut_off() { ip -n "$hosts_tag-switch" link set "to$1" down; }
reconnect() { ip -n "$hosts_tag-switch" link set "to$1" up; }

# on_hosts "HOST..." RANKS_PER_HOST COMMAND...: mpirun, from the switch, on the hosts of these numbers over TCP.  Options
# of mpirun may stand before the command.
on_hosts() {
  local hosts=$1 per_host=$2 host list='' ranks=0
  shift 2
  for host in $hosts; do
    list+=${list:+,}$(host_address "$host"):$per_host
    ranks=$((ranks + per_host))
  done
  # shellcheck disable=SC2016  # of the inner shell
  ip netns exec "$hosts_tag-switch" unshare --uts bash -c 'hostname "$0" && exec "$@"' "$hosts_tag-switch" \
    mpirun --allow-run-as-root --mca plm_rsh_agent "$hosts_agent" --mca oob_tcp_if_include 10.77.0.0/24 \
    --mca btl_tcp_if_include 10.77.0.0/24 --mca pml ob1 --mca btl self,vader,tcp --mca mpi_yield_when_idle 1 \
    --oversubscribe --bind-to none --host "$list" -n "$ranks" --map-by node "$@"
}

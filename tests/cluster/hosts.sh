#!/usr/bin/env bash
# One job on four hosts: the same answer as on one, and what happens when a host is cut off in mid-job.  The hosts are
# network namespaces of this machine (namespaces.sh), their ranks meet over TCP, and mpirun starts them by an agent.
#
#   bash tests/cluster/hosts.sh [LIGATURE]               everything; LIGATURE: the program, default build/release/ligature
#   bash tests/cluster/hosts.sh --cut LIGATURE JOB.toml STAGE HOST    one host cut off when a stage begins, and resumed
#
# Ends with 77, and says why, where a machine lets no namespaces be made.  docs/cluster.md explains the options of mpirun.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/cluster/namespaces.sh
. tests/cluster/namespaces.sh
can_make_hosts || { echo "SKIPPED: several hosts on one machine"; exit 77; }

# A peer that says nothing for 3 s is asked every second, and given up after 3 questions; its ranks are then ended.
notice=(--mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3)

fail() {
  echo "FAILED: $1" >&2
  [[ -z ${2:-} ]] || tail -n 30 "$2" >&2
  exit 1
}

# rebuild "HOST..." RANKS_PER_HOST JOB.toml [OPTION...]
rebuild() {
  local hosts=$1 per_host=$2 job=$3
  shift 3
  on_hosts "$hosts" "$per_host" "${notice[@]}" "$ligature" rebuild "$@" "$job"
}

# Stops a rank of the host when the stage begins, so that it is there for certain; cuts the host off; expects the job to
# end, and the rest of it on the other hosts to give the digest of an undisturbed run.
cut_and_resume() {
  local job=$1 stage=$2 host=$3 expected=$4 log=$hosts_work/log others='' waited began stopped=0 code=0 left
  others=$(seq -s ' ' "$hosts_count" | sed "s/\\b$host\\b//")
  LIGATURE_FAULT=$stage:$((host - 1)):stop \
    on_hosts "$(seq -s ' ' "$hosts_count")" 1 "${notice[@]}" -x LIGATURE_FAULT "$ligature" rebuild "$job" >"$log" 2>&1 &
  local launcher=$!
  for ((waited = 0; waited < 600; ++waited)); do
    if ip netns pids "$(host_name "$host")" | xargs -I{} cat /proc/{}/status 2>/dev/null | grep -q '^State:.T'; then
      stopped=1
      break
    fi
    kill -0 "$launcher" 2>/dev/null || break
    sleep 0.1
  done
  ((stopped)) || fail "no rank came to stage $stage" "$log"
  began=$EPOCHREALTIME
  cut_off "$host"
  wait "$launcher" || code=$?
  stopped=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
  ((code != 0)) || fail "the job ended well without host $host" "$log"
  grep -qE 'lost communication|unreachable|aborted' "$log" || fail "the cause of the end is not named" "$log"
  awk -v s="$stopped" 'BEGIN { exit s > 60 }' || fail "the job took $stopped s to end" "$log"
  # The host that was cut off ends its own part, which has nobody to ask.
  for ((waited = 0; waited < 300; ++waited)); do
    left=$(host_processes)
    [[ -n $left ]] || break
    sleep 0.1
  done
  [[ -z $left ]] || fail "processes are left: $(ps -o pid,stat,args -p "${left//$'\n'/,}")" "$log"
  began=$EPOCHREALTIME
  rebuild "$others" 1 "$job" --resume >"$log" 2>&1 || fail "the job did not resume on hosts $others" "$log"
  reconnect "$host"
  found=$("$ligature" digest "$job")
  [[ $found == "$expected" ]] || fail "the digest is $found, not $expected" "$log"
  printf 'host %d cut off in %s: ended with %d after %s s, resumed on the others in %.1f s, same digest\n' \
    "$host" "$stage" "$code" "$stopped" "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
}

if [[ ${1:-} == --cut ]]; then
  (($# == 5)) || { sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0" >&2; exit 2; }
  ligature=$(realpath "$2")
  trap remove_hosts EXIT
  make_hosts 4
  expected=$EXPECTED_DIGEST
  cut_and_resume "$(realpath "$3")" "$4" "$5" "$expected"
  exit
fi

ligature=$(realpath "${1:-build/release/ligature}")
folder=$(mktemp -d)
trap 'remove_hosts; rm -rf "$folder"' EXIT
make_hosts 4
"$ligature" synth --people 20k --seed 6 --out "$folder" >/dev/null
job=$folder/job.toml
mpirun --allow-run-as-root --oversubscribe --bind-to none -n 1 "$ligature" rebuild "$job" >"$folder/log" 2>&1 ||
  fail "the job does not run on one host" "$folder/log"
expected=$("$ligature" digest "$job")
for per_host in 1 2; do
  rebuild "1 2 3 4" "$per_host" "$job" >"$folder/log" 2>&1 || fail "the job does not run on four hosts" "$folder/log"
  grep -q "on 4 hosts" "$folder/log" || fail "the ranks are not on four hosts" "$folder/log"
  found=$("$ligature" digest "$job")
  [[ $found == "$expected" ]] || fail "on four hosts the digest is $found, not $expected"
  echo "four hosts, $per_host ranks each: same digest as on one"
done
cut_and_resume "$job" pairs 3 "$expected"

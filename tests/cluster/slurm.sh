#!/usr/bin/env bash
# jobs/slurm under Debian's own Slurm, on this machine alone: munged, slurmctld and a slurmd on each of two hosts that
# are network namespaces (namespaces.sh).  sbatch starts srun, which starts the job; a rank is killed, the job queues
# again by itself and resumes; and an array runs.  All files lie in a folder of its own, and all of it is taken down.
#
#   bash tests/cluster/slurm.sh [LIGATURE]      default: build/release/ligature
#
# Ends with 77, and says why, where packages or rights are missing; `. jobs/packages.sh; install_packages
# "$cluster_packages"` installs what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/cluster/namespaces.sh
. tests/cluster/namespaces.sh

skip() {
  echo "SKIPPED: Slurm on one machine: $1"
  exit 77
}
can_make_hosts || skip "no hosts"
for what in munged slurmctld slurmd sbatch srun scontrol; do
  PATH=$PATH:/usr/sbin command -v "$what" >/dev/null || skip "there is no $what here"
done
PATH=$PATH:/usr/sbin
compgen -G '/usr/lib/*/slurm*/mpi_pmix*.so' >/dev/null || skip "its srun has no PMIx"
id munge >/dev/null 2>&1 || skip "there is no user munge"
cgroups=v1
[[ $(stat -fc %T /sys/fs/cgroup) != cgroup2fs ]] || cgroups=v2

folder=$(mktemp -d)
chmod 755 "$folder"
daemons=()
take_down() {
  local pid
  for pid in "${daemons[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  remove_hosts
  rm -rf "$folder"
}
trap take_down EXIT
make_hosts 2

fail() {
  echo "FAILED: $1" >&2
  tail -n 15 "$folder"/out-* "$folder"/log-* >&2 || true
  exit 1
}

# In the namespace of the switch, which is the login and controller node; /sys/fs/cgroup stays in view.
at_switch() { nsenter --net="/run/netns/$hosts_tag-switch" "$@"; }

# Where all nodes see it, wherever it was built.
ligature=$folder/ligature
cp "${1:-build/release/ligature}" "$ligature"

mkdir -m 700 "$folder/munge"
dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 status=none
chmod 400 "$folder/munge/key"
mkdir -m 755 "$folder/munge-socket"
chown -R munge: "$folder/munge" "$folder/munge-socket"
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --key-file="$folder/munge/key" \
  --socket="$folder/munge-socket/socket" --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
  --seed-file="$folder/munge/seed" --force >/dev/null 2>&1 &
daemons+=($!)

cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$hosts_tag-switch(10.77.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge-socket/socket
CredType=cred/munge
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
SlurmdTimeout=20
KillWait=5
ReturnToService=2
JobRequeue=1
SwitchType=switch/none
MailProg=/bin/true
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/log-slurmctld
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmdLogFile=$folder/log-%n
SlurmdSpoolDir=$folder/spool.%n
NodeName=$(host_name 1) NodeAddr=$(host_address 1) CPUs=4 RealMemory=2000
NodeName=$(host_name 2) NodeAddr=$(host_address 2) CPUs=4 RealMemory=2000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
echo "CgroupPlugin=cgroup/$cgroups" >"$folder/cgroup.conf"
mkdir "$folder/state"
export SLURM_CONF=$folder/slurm.conf

# shellcheck disable=SC2016  # of the inner shell
nsenter --net="/run/netns/$hosts_tag-switch" unshare --uts bash -c 'hostname "$0" && exec slurmctld -D' \
  "$hosts_tag-switch" >/dev/null 2>&1 &
daemons+=($!)
for host in 1 2; do
  name=$(host_name "$host")
  mkdir -p "$folder/spool.$name" "$folder/tmp.$name/${folder##*/}"
  # Its own /tmp, as PMIx makes folders there that nodes would fight over; what all nodes share stays in view.
  # shellcheck disable=SC2016
  nsenter --net="/run/netns/$name" unshare --uts --mount bash -c \
    'hostname "$0" && mount --bind "$1" "$2/${1##*/}" && mount --rbind "$2" "${TMPDIR:-/tmp}" && exec slurmd -D -N "$0"' \
    "$name" "$folder" "$folder/tmp.$name" >"$folder/out-$name" 2>&1 &
  daemons+=($!)
done

for ((waited = 0; waited < 300; ++waited)); do
  [[ $(at_switch sinfo --noheader --states=idle --format=%D 2>/dev/null) != 2 ]] || break
  sleep 0.1
done
((waited < 300)) || fail "the nodes do not come up"
echo "Slurm $(sinfo --version | cut -d' ' -f2) is up: $(at_switch sinfo --noheader --format='%D nodes %t')"

# The synthetic population and the folders of runs are seen by all nodes, as a cluster's file system would be.
"$ligature" synth --people 20k --seed 6 --out "$folder/population" >/dev/null
job=$folder/population/job.toml
mpirun --allow-run-as-root --oversubscribe --bind-to none -n 1 "$ligature" rebuild "$job" >"$folder/out-alone" 2>&1 ||
  fail "the job does not run without Slurm"
expected=$("$ligature" digest "$job")
rm -rf "$folder/population/run"

# Slurm's nodes here are not bound to CPUs (TaskPlugin).
export LIGATURE=$ligature LIGATURE_CPU_BIND=none
options=(--parsable --chdir="$folder" --nodes=2 --ntasks-per-node=2 --cpus-per-task=2 --mem=1000)

# A rank stands still when pairs begin, as long as there is no file "calm": the restarted job has no such fault.
cat >"$folder/faulty" <<FAULTY
#!/bin/bash
[[ -e $folder/calm ]] || export LIGATURE_FAULT=pairs:3:stop
exec "$ligature" "\$@"
FAULTY
chmod +x "$folder/faulty"

# start_faulty NAME: the job from its beginning, with its messages in out-NAME.  Sets number, and victim: the process
# that stands still.
start_faulty() {
  local waited pid
  rm -rf "$folder/population/run" "$folder/calm"
  number=$(LIGATURE=$folder/faulty at_switch sbatch "${options[@]}" --output="$folder/out-$1" jobs/slurm/rebuild.sbatch \
    "$job")
  for ((waited = 0; waited < 600; ++waited)); do
    for pid in $(host_processes); do
      if grep -qs '^State:.T' "/proc/$pid/status"; then
        victim=$pid
        touch "$folder/calm"
        return 0
      fi
    done
    sleep 0.1
  done
  fail "no rank came to stage pairs"
}

# Whether a rank, or the step that started it, is still there.
job_runs() {
  local pid
  [[ -z $(at_switch squeue --noheader --steps --jobs="$number" 2>/dev/null) ]] || return 0
  for pid in $(host_processes); do
    [[ $(readlink "/proc/$pid/exe" 2>/dev/null) != */ligature* ]] || return 0
  done
  return 1
}

# The job queues again, is started at once, and gives the digest.
expect_restart() {
  local waited now found
  for ((waited = 0; waited < 120; ++waited)); do
    now=$(at_switch scontrol --oneliner show job "$number")
    [[ $now != *JobState=COMPLETED* ]] || break
    # Slurm would let it wait for two minutes, in case its nodes are ill.  Within the second in which the first try ended, a
    # node takes the second one for it, and refuses it.
    # The ranks of the first try, and their launcher, are to be gone by then: the second would meet their lock.
    if [[ $now == *JobState=PENDING* ]] && ! job_runs; then
      sleep 2
      at_switch scontrol update JobId="$number" StartTime=now 2>/dev/null || true
    fi
    sleep 0.5
  done
  ((waited < 120)) || fail "job $number did not queue again and complete: $now"
  [[ $now == *" Restarts=1 "* ]] || fail "job $number completed without a restart"
  grep -q "resuming after '\(numbers\|pairs\|clusters\)'" "$folder/out-$1" ||
    fail "the restarted job did not resume"
  found=$("$ligature" digest "$job")
  [[ $found == "$expected" ]] || fail "the digest is $found, not $expected"
}

start_faulty killed
kill -KILL "$victim"
expect_restart killed
echo "sbatch, srun, a rank killed, queued again, resumed: same digest"

# The scheduler's warning to all ranks.
start_faulty warned
at_switch scancel --signal=TERM "$number"
kill -CONT "$victim"
expect_restart warned
grep -q "stopped by signal" "$folder/out-warned" || fail "the ranks were not warned"
echo "a warning, a checkpoint, queued again, resumed: same digest"

number=$(at_switch sbatch "${options[@]}" --output="$folder/out-array-%a" --array=1-2 jobs/slurm/array "$folder/population")
for ((waited = 0; waited < 1200; ++waited)); do
  [[ $(find "$folder/population/scaling/runs" -name '*.json' 2>/dev/null | wc -l) != 2 ]] || break
  sleep 0.1
done
((waited < 1200)) || fail "the array did not run"
[[ $(cat "$folder/population/scaling/digest") == "$expected" ]] || fail "the array has another digest"
python3 bench/performance.py scaling strong "$folder"/population/scaling/runs/*.json >/dev/null ||
  fail "the array's figures cannot be read"
echo "an array of two tasks: same digest"

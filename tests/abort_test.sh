#!/usr/bin/env bash
# A rank that fails alone ends the whole job: with its message, with its exit code, and without the others waiting on.
# Usage: abort_test.sh MPIEXEC ABORT_PROGRAM SHIM      SHIM: mpi_fault_shim.so, by which MPI's own calls fail
set -u
mpiexec=$1
program=$2
shim=$3
failures=0

# expect RANKS FAILURE CODE TEXT [OPTION OF MPIEXEC...]: the exit code, and a line of standard error (TEXT empty: no line
# of ours).
expect() {
  local ranks=$1 failure=$2 code=$3 text=$4 found errors
  shift 4
  errors=$(timeout --kill-after=5 60 "$mpiexec" -n "$ranks" "$@" "$program" "$failure" 2>&1 >/dev/null)
  found=$?
  if [[ $found != "$code" ]]; then
    echo "FAILED: $failure on $ranks ranks: exit code $found, not $code (124: the other ranks waited on)"
    failures=1
  fi
  if [[ -n $text ]] && ! grep -qF "$text" <<<"$errors"; then
    echo "FAILED: $failure on $ranks ranks: no line \"$text\" in:"
    echo "$errors"
    failures=1
  fi
  if [[ -z $text ]] && grep -qF "ligature: rank" <<<"$errors"; then
    echo "FAILED: $failure on $ranks ranks: a message without a failure:"
    echo "$errors"
    failures=1
  fi
}

expect 2 none 0 ""
expect 2 throw 3 "ligature: rank 1: the extract breaks a limit"
expect 4 throw 3 "ligature: rank 1: the extract breaks a limit"
expect 3 mpi 1 "ligature: rank 1: MPI_Send failed"

# A call of MPI that fails by itself: while ranks work, and when all is done.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
for call in MPI_Comm_set_errhandler MPI_Barrier; do
  expect 3 none 1 "ligature: rank 1: $call failed" -x LD_PRELOAD="$shim" -x LIGATURE_MPI_FAULT="$call:1:0"
done
expect 3 none 1 "ligature: MPI_Finalize failed" -x LD_PRELOAD="$shim" -x LIGATURE_MPI_FAULT=MPI_Finalize:1:0
exit $failures

#!/usr/bin/env bash
# A rank that fails alone ends the whole job: with its message, with its exit code, and without the others waiting on.
# Usage: abort_test.sh MPIEXEC ABORT_PROGRAM
set -u
mpiexec=$1
program=$2
failures=0

# expect RANKS FAILURE CODE TEXT: the exit code, and a line of standard error (TEXT empty: no line of ours).
expect() {
  local ranks=$1 failure=$2 code=$3 text=$4 found errors
  errors=$(timeout --kill-after=5 60 "$mpiexec" -n "$ranks" "$program" "$failure" 2>&1 >/dev/null)
  found=$?
  if [[ $found -ne $code ]]; then
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
exit $failures

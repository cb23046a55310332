#!/usr/bin/env bash
# From a bare machine to a linked dataset: builds ligature, makes an artificial population with extracts and the truth,
# links it on two ranks, verifies the run and scores it against the truth.
#
#   bash jobs/quickstart.sh [PEOPLE]      PEOPLE such as 50k or 2M; default 1M
#   OUT=FOLDER bash jobs/quickstart.sh    where everything goes; default build/quickstart.  What an earlier quick start
#                                         left there is replaced; a folder with anything else in it is refused.
set -euo pipefail
out=$(realpath -m "${OUT:-$(dirname "${BASH_SOURCE[0]}")/../build/quickstart}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
people=${1:-${PEOPLE:-1M}}
ligature=build/release/ligature

if [[ -e $out && -n $(ls -A "$out") && ! -f $out/.ligature-quickstart ]]; then
  echo "$out holds something else than an earlier quick start; name another folder with OUT=..." >&2
  exit 2
fi

bash jobs/build.sh

# Open MPI refuses root, and more ranks than processors, unless told otherwise; it would bind each rank to one processor,
# spin while it waits, and copy between ranks by a system call that containers forbid.
on_two_ranks=(mpirun -n 2 --bind-to none --mca mpi_yield_when_idle 1 --mca btl_vader_single_copy_mechanism none)
(($(nproc) >= 2)) || on_two_ranks+=(--oversubscribe)
((EUID != 0)) || on_two_ranks+=(--allow-run-as-root)

step() { printf '\n== %s\n' "$1"; }

rm -rf "$out"
mkdir -p "$out"
touch "$out/.ligature-quickstart"
step "An artificial population of $people people"
"${on_two_ranks[@]}" "$ligature" synth --people "$people" --seed 1 --rate-malformed 0.0002 --out "$out"

step "Rebuild: from extracts to one pseudonymised dataset"
"${on_two_ranks[@]}" "$ligature" rebuild "$out/job.toml"

step "Verify: every invariant of the run, from its files"
"${on_two_ranks[@]}" "$ligature" verify "$out/job.toml"

step "Evaluate: against the truth"
"${on_two_ranks[@]}" "$ligature" evaluate "$out/job.toml" --truth "$out/truth.csv"

step "Done"
dataset=$out/run/publish/dataset.h5
snippet=(
  "import h5py"
  "data = h5py.File('$dataset')"
  "print(len(data['persons/pseudonym']), 'persons;', {name: len(rows['person']) for name, rows in data['events'].items()})"
)
echo "Content digest  $("$ligature" digest "$out/job.toml")"
echo "Dataset         $dataset ($(du -h --apparent-size "$dataset" | cut -f1))"
echo "Job file        $out/job.toml"
printf '\nOpen it in Python (package python3-h5py):\n\n'
printf '    %s\n' "${snippet[@]}"
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import h5py' 2>/dev/null; then
    printf '\nwhich prints:\n\n    %s\n' "$(printf '%s\n' "${snippet[@]}" | "$python" -)"
    break
  fi
done

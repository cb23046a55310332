#!/usr/bin/env bash
# How fast does a release go out, beside the rate of reading the dataset?  Makes a population, links it once, and then
# releases all persons with every column as HDF5, as CSV, and as tables of counts.  The measures: `cat`, which reads the
# bytes of the dataset; `digest`, which reads and digests every byte; and `dd`, which writes the bytes of the extract past
# the page cache and syncs them.  Each is timed with the files in memory and, where the page cache may be emptied, with
# the files on the disk.  Prints a table; the folder is build/release-bench unless given.
#
#   bash bench/release.sh [--people 1M] [--ranks 1] [--threads 2] [--out FOLDER] [--in-memory]
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

people=1M ranks=1 threads=2 out=$project/build/release-bench in_memory=0
while (($# > 0)); do
  case $1 in
    --in-memory) in_memory=1 && shift && continue ;;
    --people) people=$2 ;;
    --ranks) ranks=$2 ;;
    --threads) threads=$2 ;;
    --out) out=$2 ;;
    *) usage ;;
  esac
  shift 2
done
find_build
people=$(people_in_digits "$people")
population "$out" "$people" 1 "$ranks"
job=$out/release.toml
if [[ ! -f $out/linked ]]; then
  # The register, the keys and the agreements stand beside the extracts.
  cp "$out/job.toml" "$job"
  printf '\n[release]\ncustomers = "customers.csv"\nfolder = "releases"\n' >>"$job"
  printf 'recipient,recipient_type,purpose\nBench,researcher,speed\n' >"$out/customers.csv"
  on_ranks "$ranks" "$threads" "$ligature" rebuild "$job" --set "job.threads=$threads" >"$out/rebuild.log"
  touch "$out/linked"
fi
[[ -f $out/bench.key ]] || "$ligature" key new "$out/bench.key" >/dev/null

# agreement NAME FORM LINES: an agreement of that id and form.
agreement() {
  cat >"$out/$1.toml" <<TOML
[agreement]
id             = "$1"
recipient      = "Bench"
recipient_type = "researcher"
purpose        = "speed"
legal_basis    = "section-261"
start          = 2000-01-01
expiry         = 2070-01-01
form           = "$2"
$3
TOML
}
datasets='
[persons]
columns = ["age_band", "sex"]
[cohort]
sex = ["male", "female"]
born_from = 1900
[[dataset]]
name    = "gp"
columns = ["event_date", "code", "provider"]
dates   = "month"
[[dataset]]
name    = "inpatient"
columns = ["event_date", "diagnosis", "provider"]
dates   = "month"'
extract='key = "bench.key"
rules = "k-anonymity v1"
k = 2
format'
agreement bench extract "$extract = \"hdf5\"$datasets"
agreement_text=$(sed 's/"hdf5"/"csv"/' "$out/bench.toml")
printf '%s\n' "$agreement_text" >"$out/bench-csv.toml"
agreement tables aggregate 'rules = "suppress-1-5 v1"
[[table]]
name       = "persons"
count      = "persons"
dimensions = ["area", "age_band", "sex"]'

# seconds COMMAND...: the fastest of three.  With cold=1 nothing of the files is in memory before each.
cold=0
seconds() {
  local best='' begin end
  for _ in 1 2 3; do
    if ((cold)); then sync && echo 3 >/proc/sys/vm/drop_caches; fi
    begin=$(date +%s%N)
    rm -rf "$out/releases"
    on_ranks "$ranks" "$threads" "$@" >"$out/last.log" 2>&1 || { cat "$out/last.log" >&2; return 1; }
    end=$(date +%s%N)
    best=$(awk -v b="${best:-1e9}" -v t="$(((end - begin) / 1000))" 'BEGIN { t /= 1e6; printf "%.2f", t < b ? t : b }')
  done
  echo "$best"
}

persons=$(awk '/^  "persons": / { gsub(/[^0-9]/, ""); print; exit }' "$out/run/publish/manifest.json")
bytes=$(stat -c %s "$out/run/publish/dataset.h5")
starting=$(seconds "$ligature" --version)
echo "$persons persons, $bytes bytes, $ranks ranks x $threads threads; $starting s for the start of a job are taken off"
echo "| job | files in memory, s | M persons/s | files on the disk, s | M persons/s |"
echo "|---|---|---|---|---|"
# Without the right to empty the page cache there is no second half.
measure() {
  local name=$1 warm on_disk=
  shift
  cold=0
  warm=$(seconds "$@")
  if ((!in_memory)) && [[ -w /proc/sys/vm/drop_caches ]]; then cold=1 && on_disk=$(seconds "$@"); fi
  awk -v name="$name" -v n="$persons" -v l="$starting" -v a="$warm" -v b="$on_disk" 'BEGIN {
    printf "| %s | %.2f | %.2f |", name, a - l, n / (a - l) / 1e6
    if (b == "") print " | |"; else printf " %.2f | %.2f |\n", b - l, n / (b - l) / 1e6 }'
}
# wall NAME COMMAND...: the same for a program that is no job, and so has no start to take off.
wall() {
  local name=$1 best='' begin end
  shift
  for _ in 1 2 3; do
    begin=$(date +%s%N)
    "$@" >/dev/null 2>&1
    end=$(date +%s%N)
    best=$(awk -v b="${best:-1e9}" -v t="$(((end - begin) / 1000))" 'BEGIN { t /= 1e6; printf "%.2f", t < b ? t : b }')
  done
  awk -v name="$name" -v n="$persons" -v a="$best" 'BEGIN { printf "| %s | %.2f | %.2f | | |\n", name, a, n / a / 1e6 }'
}
# Writes what the newest release holds, from memory.
written_again() {
  local files
  files=$(find "$out/releases" -name '*.h5' -o -name '*.csv')
  # shellcheck disable=SC2086
  cat $files >/dev/null
  # shellcheck disable=SC2016,SC2086
  wall "write and sync its $(du -cm --apparent-size $files | tail -1 | cut -f1) MB" \
    sh -c 'for f; do dd if="$f" of="$f.copy" bs=4M oflag=direct conv=fsync; rm "$f.copy"; done' sh $files
  rm -rf "$out/releases"
}
wall "cat: the bytes of the dataset" cat "$out/run/publish/dataset.h5"
measure "digest: every byte read and digested" "$ligature" digest "$job"
measure "extract, HDF5" "$ligature" release "$job" "$out/bench.toml" --set "job.threads=$threads"
written_again
measure "extract, CSV" "$ligature" release "$job" "$out/bench-csv.toml" --set "job.threads=$threads"
written_again
measure "tables" "$ligature" release "$job" "$out/tables.toml" --set "job.threads=$threads"
rm -rf "$out/releases"

#!/usr/bin/env bash
# How fast does a release go out, beside the rate of reading what it releases?  Makes a population, links it once, and
# then releases all persons as HDF5, as CSV, and as tables of counts.  The measures: `read_columns`, which reads the
# agreed columns of the dataset, and no others, as a recipient's program does, through the HDF5 library into memory;
# `digest`, which reads and digests every byte of the dataset; and `dd`, which reads as many bytes of the dataset as the
# columns have, and writes the bytes of the extract and syncs them, both past the page cache: what the disk can do.  Each is timed with the files in memory and, where the page cache may be emptied, with the
# files on the disk (--in-memory: not).  Prints a table, with each time as a multiple of those of reading and of digest;
# the folder is build/release-bench unless given.
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
    rm -rf "$out/releases"
    begin=$(date +%s%N)
    "$@" >"$out/last.log" 2>&1 || { cat "$out/last.log" >&2; return 1; }
    end=$(date +%s%N)
    best=$(awk -v b="${best:-1e9}" -v t="$(((end - begin) / 1000))" 'BEGIN { t /= 1e6; printf "%.2f", t < b ? t : b }')
  done
  echo "$best"
}
started() { on_ranks "$ranks" "$threads" "$ligature" "$@"; }

persons=$(awk '/^  "persons": / { gsub(/[^0-9]/, ""); print; exit }' "$out/run/publish/manifest.json")
dataset=$out/run/publish/dataset.h5
starting=$(seconds started --version)
echo "$persons persons, $(stat -c %s "$dataset") bytes, $ranks ranks x $threads threads; $starting s for the start of a job are taken off"
echo "| job | in memory, s | M persons/s | of reading | of digest | on the disk, s | M persons/s | of reading | of digest |"
echo "|---|---|---|---|---|---|---|---|---|"
# row NAME START COMMAND...: a line of the table.  START: seconds to take off.  Without the right to empty the page cache
# there is no second half.
reads='' digests='' # seconds in memory and on the disk, of the two measures
row() {
  local name=$1 start=$2 warm on_disk=
  shift 2
  cold=0
  warm=$(seconds "$@")
  if ((!in_memory)) && [[ -w /proc/sys/vm/drop_caches ]]; then cold=1 && on_disk=$(seconds "$@"); fi
  last=$(awk -v a="$warm" -v b="$on_disk" -v l="$start" 'function took(t) { return t == "" ? "-" : t - l > 0.01 ? t - l : 0.01 }
    BEGIN { print took(a), took(b) }')
  awk -v name="$name" -v n="$persons" -v these="$last" -v reads="$reads" -v digests="$digests" '
    function half(t, read, digest) {
      if (t == "-") return " | | | |"
      return sprintf(" %.2f | %.1f | %s | %s |", t, n / t / 1e6, read > 0 ? sprintf("%.1f", t / read) : "", \
                     digest > 0 ? sprintf("%.1f", t / digest) : "")
    }
    BEGIN {
      split(these, t, " "); split(reads, c, " "); split(digests, d, " ")
      print "| " name " |" half(t[1], c[1], d[1]) half(t[2], c[2], d[2])
    }'
}
# Writes what the newest release holds, from memory.
written_again() {
  local files
  mapfile -t files < <(find "$out/releases" -name '*.h5' -o -name '*.csv')
  cat "${files[@]}" >/dev/null
  local megabytes
  megabytes=$(du -cm --apparent-size "${files[@]}" | tail -1 | cut -f1)
  mkdir -p "$out/written" && mv "${files[@]}" "$out/written"
  # shellcheck disable=SC2016
  in_memory=1 row "write and sync its $megabytes MB" 0 \
    sh -c 'for f; do dd if="$f" of="$f.copy" bs=4M oflag=direct conv=fsync; rm "$f.copy"; done' sh "$out"/written/*
  rm -rf "$out/releases" "$out/written"
}
row "reading the agreed columns by HDF5" 0 "$build/bench/read_columns" "$dataset" /persons/{pseudonym,year_of_birth,sex} \
  /events/gp/{offsets,event_date,code,provider} /events/inpatient/{offsets,event_date,diagnosis,provider}
reads=$last
agreed=$(awk '{ print $3 }' "$out/last.log")
in_memory=1 row "reading as many bytes by dd, past the page cache" 0 \
  dd if="$dataset" of=/dev/null bs=4M iflag=direct count=$((agreed >> 22))
row "digest: every byte read and digested" "$starting" started digest "$job"
digests=$last
release() { started release "$job" "$out/$1.toml" --set "job.threads=$threads"; }
row "extract, HDF5" "$starting" release bench
written_again
row "extract, CSV" "$starting" release bench-csv
written_again
row "tables" "$starting" release tables
rm -rf "$out/releases"

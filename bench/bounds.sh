#!/usr/bin/env bash
# Measures what this machine can do at best at this moment, for rebuild --bounds: the disk under a folder, past the page
# cache, and the kernels of the engine on one core (Google Benchmark, CPU time).
#
#   bash bench/bounds.sh --folder FOLDER [--out bounds.json] [--megabytes 2048] [--min-time 0.5]
#
# FOLDER is where the extracts and the dataset lie; a file of --megabytes is written there and removed.  Where the file
# system has no O_DIRECT, the disk is measured through the page cache with a sync, and that is said.  What cannot be
# measured is left out, and bounds nothing.  BUILD names a folder where the programs are built already.
set -euo pipefail
# shellcheck source=bench/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder='' out='' megabytes=2048 min_time=0.5
while (($# > 0)); do
  (($# > 1)) || usage
  case $1 in
    --folder) folder=$2 ;;
    --out) out=$2 ;;
    --megabytes) megabytes=$2 ;;
    --min-time) min_time=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[[ -n $folder ]] || usage
find_build
out=${out:-$folder/bounds.json}
work=$(mktemp -d "$folder/bounds.XXXXXX")
trap 'rm -rf "$work"' EXIT

# bytes_per_second DD_ARGUMENT...: of one run of dd in blocks of 8 MiB.
bytes_per_second() {
  local begin=$EPOCHREALTIME
  dd bs=8M status=none "$@" || return 1
  awk -v begin="$begin" -v end="$EPOCHREALTIME" -v bytes="$((megabytes / 8 * 8 * 1048576))" \
    'BEGIN { printf "%.0f\n", bytes / (end - begin) }'
}
# The second pass over the same blocks counts: the first also pays for their place on the disk.
disk() {
  local direct=(oflag=direct) past=(iflag=direct) write read
  if ! dd if=/dev/zero of="$work/disk" bs=8M count=1 oflag=direct status=none 2>"$work/refusal"; then
    echo "no O_DIRECT in $folder: the disk is measured through the page cache" >&2
    direct=() past=()
  fi
  local blocks=$((megabytes / 8))
  bytes_per_second if=/dev/zero of="$work/disk" count=$blocks conv=notrunc,fsync "${direct[@]}" >/dev/null
  write=$(bytes_per_second if=/dev/zero of="$work/disk" count=$blocks conv=notrunc,fsync "${direct[@]}")
  read=$(bytes_per_second if="$work/disk" of=/dev/null count=$blocks "${past[@]}")
  rm -f "$work/disk"
  printf 'disk_write_bytes %s\ndisk_read_bytes %s\n' "$write" "$read"
}

disk >"$work/rates"
BUILD=$build bash "$bench_folder/run.sh" --out "$work/kernels" --min-time "$min_time" \
  --filter "$(python3 "$bench_folder/bounds.py" filter)" >"$work/log"
python3 "$bench_folder/bounds.py" rates "$work/rates" "$work/kernels" >"$out.partial"
mv "$out.partial" "$out"
cat "$out"

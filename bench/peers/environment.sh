#!/usr/bin/env bash
# Makes the Python environment that the side-by-side runs in: a virtual environment with pinned packages from PyPI.
# Nothing of it is needed to build or run ligature.
#
#   bash bench/peers/environment.sh [FOLDER]      default: $LIGATURE_PEERS, else build/peers
#
# Run again it does nothing; with other pins it brings the folder up to them.  Prints the folder's Python.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(realpath -m "${1:-${LIGATURE_PEERS:-$here/../../build/peers}}")

# Splink 4.0.16 is the last release of version 4; the others are what it was measured with.
pins="splink==4.0.16
duckdb==1.5.6
pandas==3.1.1
pyarrow==26.0.1
numpy==2.4.6
h5py==3.16.0
igraph==1.0.0
sqlglot==30.30.0"

if [[ ! -f $folder/pins || $(< "$folder/pins") != "$pins" ]]; then
  [[ -x $folder/bin/python ]] || python3 -m venv "$folder"
  mapfile -t packages <<< "$pins"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" >&2
  "$folder/bin/python" -c 'import splink, duckdb, pandas, pyarrow, numpy, h5py' >&2
  printf '%s\n' "$pins" > "$folder/pins"
fi
echo "$folder/bin/python"

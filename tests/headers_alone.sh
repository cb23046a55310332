#!/usr/bin/env bash
# Compiles each header of the project by itself, with the flags of its folder: a header that needs another one first
# would break whoever includes it next.  The flags come from compile_commands.json of a configured build.  Left out are
# headers that a source of that build includes first, for its compilation is the proof, and NAME_impl.hpp: it holds the
# templates of NAME.hpp, which includes it at its end.
#
#   bash tests/headers_alone.sh [BUILD]     default build/release; headers of tests and bench if it builds those
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$(realpath -m "${1:-build/release}")
if [[ ! -r $build/compile_commands.json ]]; then
  echo "$build is not a configured build: run bash jobs/build.sh first." >&2
  exit 2
fi

# Prints one shell command a header: that of a source in the same folder, but for the source and the object file.  The
# header comes in by -include, for as a source of its own its "#pragma once" would be a warning.
header_commands() {
  python3 - "$build/compile_commands.json" <<'PYTHON'
import json, pathlib, re, shlex, sys

root = pathlib.Path.cwd()
by_folder, proven = {}, set()
with open(sys.argv[1]) as commands:
    for entry in json.load(commands):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if source.is_relative_to(root):
            by_folder.setdefault(source.relative_to(root).parts[0], entry)
            if first := re.search(r'^#include "([^"]+)"|^#include <', source.read_text(), re.MULTILINE):
                proven.add(root / (first[1] or ""))
for folder, entry in sorted(by_folder.items()):
    words = shlex.split(entry["command"])
    out = words.index("-o")
    words = [word for word in words[:out] + words[out + 2 :] if word not in ("-c", entry["file"])]
    for header in sorted((root / folder).rglob("*.hpp")):
        if header.stem.endswith("_impl") or header in proven:
            continue
        command = shlex.join([*words, "-fsyntax-only", "-x", "c++", "-include", str(header), "/dev/null"])
        blame = shlex.quote(f"{header.relative_to(root)} does not compile alone")
        print(f"cd {shlex.quote(entry['directory'])} && {command} || {{ echo {blame} >&2; exit 1; }}")
PYTHON
}

commands=$(header_commands)
echo "Compiling $(wc -l <<<"$commands") headers, each alone ..."
tr '\n' '\0' <<<"$commands" | xargs -0 -P "$(nproc)" -n 1 bash -c
echo "Every header compiles alone."

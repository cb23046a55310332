#!/usr/bin/env python3
"""Says which types of one name two files define in one namespace: a linker keeps one function of the two, without a
word, and the other's objects are handled as what they are not.  Looks at the C++ files that git knows, which
clang-format has laid out: what stands at the start of a line is at a namespace's level."""

import collections
import re
import subprocess
import sys

OPENS = re.compile(r"(?:inline )?namespace(?: ([\w:]+))? \{")
DEFINES = re.compile(r"(?:template .*> )?(?:class|struct|union|enum class|enum)(?: alignas\([^)]*\))? ([\w:]+)\b(?![^{]*;)")


def types_of(path):
    """The types that a file shows to the linker, with their namespaces; those of unnamed ones are its own."""
    inside = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if opened := OPENS.match(line):
                inside.append(opened[1])
            elif line.startswith("}  // namespace"):
                inside.pop()
            elif (defined := DEFINES.match(line)) and None not in inside:
                yield "::".join([*inside, defined[1]])


def main():
    files = subprocess.run(["git", "ls-files", "*.cpp", "*.hpp"], capture_output=True, text=True, check=True).stdout
    found = collections.defaultdict(set)
    for path in files.split():
        for name in types_of(path):
            found[name].add(path)
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    for name, paths in sorted(twice.items()):
        print(f"{name}: {', '.join(sorted(paths))}")
    return 1 if twice or not found else 0


if __name__ == "__main__":
    sys.exit(main())

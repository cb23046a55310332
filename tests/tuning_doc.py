"""The table of sizes in docs/tuning.md says what the sources say: tuning_doc.py ROOT."""
import re
import sys
from pathlib import Path

UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def documented(text):
    """Name, value and file of each row | `kName` | 4 MiB | `folder/file.hpp` | ... |."""
    for name, number, unit, path in re.findall(r"^\| `(\w+)` \| ([\d,]+) ?([KMG]iB)?[^|]*\| `([\w/.]+)` \|", text, re.M):
        yield name, int(number.replace(",", "")) * UNITS[unit], path


def defined(source, name):
    """The value that a constant or a member is given: 4096, 10'000, {4} << 20."""
    found = re.search(rf"\b{name} = (?:std::\w+\{{(\d+)\}}|(\d[\d']*)U?)(?:\s*<<\s*(\d+))?;", source)
    if not found:
        return None
    return int((found[1] or found[2]).replace("'", "")) << int(found[3] or 0)


def main():
    root = Path(sys.argv[1])
    rows = list(documented((root / "docs/tuning.md").read_text()))
    wrong = [f"{name} in {path}: documented {value}, defined {defined((root / path).read_text(), name)}"
             for name, value, path in rows if defined((root / path).read_text(), name) != value]
    if not rows:
        wrong.append("docs/tuning.md has no table of sizes")
    sys.exit("\n".join(wrong) if wrong else 0)


main()

"""Which benchmark gives which bound of io/bounds.hpp, and the bounds from what the benchmarks measured.

bounds.py filter                        the regular expression that picks them, for --benchmark_filter
bounds.py rates DISK KERNELS            JSON of all: DISK has lines "name rate", KERNELS Google Benchmark's JSON files
"""
import json
import re
import sys
from pathlib import Path

# Bound, the benchmark as Google Benchmark names it, the counter that says what it did in a second.
KERNELS = [
    ("parse_bytes", r"read_extract/quoted:0/intake_threads:1/real_time", "bytes_per_second"),
    ("collapse_rows", r"collapse_partitioned/1048576", "items_per_second"),
    ("compare_pairs", r"compare_all_pairs/identities:4096", "items_per_second"),
    ("grouped_items", r"group_records/records:1048576", "items_per_second"),
    ("cluster_edges", r"unite_persons/nodes:1048576", "items_per_second"),
    ("pseudonyms", r"name_numbered_persons(/.*)?", "items_per_second"),
]
IN_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def rate(benchmark, counter):
    """What was done in a second of CPU, also where the benchmark itself counts by the clock on the wall."""
    value = benchmark.get(counter)
    if value is None:
        return None
    if benchmark["name"].endswith("/real_time"):
        value *= benchmark["real_time"] / benchmark["cpu_time"]
    return value


def main():
    if sys.argv[1:2] == ["filter"]:
        print("^(" + "|".join(pattern for _, pattern, _ in KERNELS) + ")$")
        return
    if sys.argv[1:2] != ["rates"] or len(sys.argv) != 4:
        sys.exit(__doc__)
    bounds = {name: float(value) for name, value in (line.split() for line in Path(sys.argv[2]).open())}
    measured = [one for path in sorted(Path(sys.argv[3]).glob("*.json")) if path.stat().st_size
                for one in json.loads(path.read_text())["benchmarks"] if one.get("run_type") != "aggregate"]
    for bound, pattern, counter in KERNELS:
        rates = [rate(one, counter) for one in measured if re.fullmatch(pattern, one["name"])]
        best = max((value for value in rates if value), default=None)
        if best is not None:
            bounds.setdefault(bound, best)
    for bound in dict.fromkeys(bound for bound, _, _ in KERNELS):
        if bound not in bounds:
            print(f"bounds: no benchmark for {bound}", file=sys.stderr)
    print(json.dumps(bounds, indent=1))


main()

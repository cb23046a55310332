"""Which benchmarks of two sides differ, by Mann and Whitney's U test over rounds.

compare.py BASE OTHER

BASE and OTHER hold a folder of Google Benchmark JSON files a round (bench/compare.sh).  A benchmark is called slower or
faster if the test is significant after Bonferroni's correction for the number of benchmarks, and the medians differ by
more than 3 per cent.  Exits with 1 if one is slower.

H. B. Mann, D. R. Whitney: On a test of whether one of two random variables is stochastically larger than the other.
Annals of Mathematical Statistics 18 (1947).
"""
import json
import math
import statistics
import sys
from functools import lru_cache
from pathlib import Path

SIGNIFICANT = 0.05
RELEVANT = 0.03
NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


@lru_cache(maxsize=None)
def orders(n, m, u):
    """How many orders of n and m different values have U = u."""
    if u < 0 or n < 0 or m < 0:
        return 0
    if n == 0 or m == 0:
        return int(u == 0)
    return orders(n - 1, m, u - m) + orders(n, m - 1, u)


def mann_whitney(a, b):
    """Two-sided p: exact for few values without ties, else by the normal approximation, corrected for ties."""
    n, m = len(a), len(b)
    u = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
    u = min(u, n * m - u)
    values = sorted(a + b)
    ties = [values.count(value) for value in set(values)]
    if max(ties) == 1 and n + m <= 60:
        return min(1.0, 2 * sum(orders(n, m, i) for i in range(int(u) + 1)) / math.comb(n + m, n))
    total = n + m
    variance = n * m / 12 * (total + 1 - sum(t**3 - t for t in ties) / (total * (total - 1)))
    if variance == 0:
        return 1.0
    return min(1.0, math.erfc(max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(2 * variance)))


def cpu_times(folder):
    """Nanoseconds of CPU of each round, by benchmark."""
    times = {}
    for path in sorted(Path(folder).glob("*/*.json")):
        for one in json.loads(path.read_text())["benchmarks"]:
            if one.get("run_type") != "aggregate" and not one.get("error_occurred"):
                times.setdefault(one["name"], []).append(one["cpu_time"] * NANOSECONDS[one["time_unit"]])
    return times


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    base, other = cpu_times(sys.argv[1]), cpu_times(sys.argv[2])
    names = [name for name in base if name in other]
    if not names:
        sys.exit("no benchmark stands on both sides")
    width = max(map(len, names))
    print(f"{'benchmark':{width}}  {'base ns':>14}  {'other ns':>14}  {'change':>8}  {'p':>8}")
    slower = 0
    for name in names:
        before, after = statistics.median(base[name]), statistics.median(other[name])
        change, p = after / before - 1, mann_whitney(base[name], other[name])
        verdict = ""
        if p * len(names) < SIGNIFICANT and abs(change) > RELEVANT:
            verdict = "  SLOWER" if change > 0 else "  faster"
            slower += change > 0
        print(f"{name:{width}}  {before:14,.1f}  {after:14,.1f}  {100 * change:+7.1f} %  {p:8.2g}{verdict}")
    for name in sorted(set(base) ^ set(other)):
        print(f"{name}: on one side only")
    rounds = min(min(len(base[name]), len(other[name])) for name in names)
    print(f"{len(names)} benchmarks, {rounds} rounds; {slower} slower")
    if 2 / math.comb(2 * rounds, rounds) * len(names) >= SIGNIFICANT:
        sys.exit(f"{rounds} rounds are too few to find any difference among {len(names)} benchmarks")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()

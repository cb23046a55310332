"""The table of bench/peers/speed.sh: time, memory, pairs and quality of every method, and how many times ours others take.

usage: speed.py FOLDER
"""

import json
import re
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

# Ligature's stages, under the names of those that the peers have.
STAGES = {
    "intake": "read",
    "identities": "standardise",
    "survey": "train",
    "estimates": "train",
    "numbers": "predict",
    "pairs": "predict",
    "clusters": "cluster",
    "persons": "cluster",
    "publish": "write",
    "index": "write",
}
ORDER = ("read", "standardise", "train", "link", "predict", "cluster", "write", "other")


def results(text):
    """Stage -> its figures, of the RESULT lines of a peer."""
    lines = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in text.splitlines() if line.startswith("RESULT ")]
    return {line["stage"]: line for line in lines}


class Run:
    def __init__(self, path):
        self.method = path.stem.rsplit("-", 1)[0]
        seen = json.loads(path.read_text())
        self.launched, self.cpu, self.peak = seen["seconds"], seen["cpu_seconds"], seen["peak_bytes"]
        self.stages, self.pairs, self.rows = {}, None, None
        if self.method == "ligature":
            run = json.loads(path.with_suffix(".performance.json").read_text())
            self.total, self.pairs, self.rows = run["total_seconds"], run["pairs"], run["rows"]
            self.what = f"{run['ranks']} ranks x {run['threads_per_rank']} threads, {run['simd']}"
            self.given = run["cpu_given"]
            for stage in run["stages"]:
                name = STAGES.get(stage["name"], "other")
                self.stages[name] = self.stages.get(name, 0) + stage["seconds"]
        else:
            found = results(path.with_suffix(".log").read_text())
            self.total = float(found.pop("total")["seconds"])
            self.stages = {name: float(figures["seconds"]) for name, figures in found.items()}


def text_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))]).rstrip())
    print()


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def main():
    folder = Path(sys.argv[1])
    runs = {}
    for path in sorted((folder / "runs").glob("*-*.json")):
        if not path.name.endswith(".performance.json"):
            run = Run(path)
            runs.setdefault(run.method, []).append(run)
    quality = json.loads((folder / "score.json").read_text())
    chosen = {path.stem: results(path.read_text())["choose"] for path in folder.glob("*.chosen")}
    methods = [method for method in quality if method in runs]

    def line(title, value):
        return [title, *(value(method) for method in methods)]

    def measure(name):
        return lambda method: spread([getattr(run, name) for run in runs[method]])

    def pairs(method):
        if method in chosen:
            return f"{int(chosen[method]['pairs_compared']):,}"
        return f"{runs[method][0].pairs:,}" if runs[method][0].pairs else ""

    def stage(name):
        return lambda m: (
            f"{statistics.median(run.stages[name] for run in runs[m]):.2f}" if name in runs[m][0].stages else ""
        )

    table = [["", *methods], line("runs", lambda method: str(len(runs[method])))]
    table.append(line("seconds, launch counted", measure("launched")))
    table.append(line("seconds, launch not counted", measure("total")))
    table.extend(
        line(f"  {name}", stage(name)) for name in ORDER if any(name in runs[m][0].stages for m in methods)
    )
    table.append(line("CPU seconds", measure("cpu")))
    table.append(line("GiB at the peak, all processes", lambda m: spread([run.peak / 2**30 for run in runs[m]])))
    table.append(line("pairs compared", pairs))
    for figure in ("precision", "recall", "f1"):
        table.append(line(figure, lambda method: f"{quality[method]['pairs'][figure]:.6f}"))
    table.append(line("persons exactly right", lambda m: f"{100 * quality[m]['persons']['exactly_right_share']:.2f} %"))
    if "ligature" in runs:
        for title, name, digits in (
            ("times ours, launch counted", "launched", 1),
            ("times ours, launch not counted", "total", 1),
            ("times our memory", "peak", 2),
        ):
            ours = statistics.median(getattr(run, name) for run in runs["ligature"])
            table.append(
                line(title, lambda m: f"{statistics.median(getattr(run, name) for run in runs[m]) / ours:.{digits}f}")
            )
    if "ligature" in runs:
        one = runs["ligature"][0]
        given = min(run.given for run in runs["ligature"])
        print(f"{one.rows:,} rows; ligature on {one.what}, its threads had a CPU for {100 * given:.0f} % or more of the time")
    print(f"Splink {version('splink')}, DuckDB {version('duckdb')}; thresholds picked on the truth, in bits: "
          + ", ".join(f"{method} {figures['threshold']}" for method, figures in sorted(chosen.items())))
    print("Medians, in brackets the least and the most; stages are medians.\n")
    text_table(table)


main()

#!/usr/bin/env python3
"""Links every kind of tests/populations.py and prints one line of figures for each, so that a change of the engine is
seen on worlds that `ligature synth` does not make.

usage: python3 tests/score_populations.py [--people N] [--seed S] [--kinds a,b] [--work DIR] [-- OPTIONS OF REBUILD]

Needs build/release/ligature, or the program that $LIGATURE names.  Populations are kept in DIR and used again.

Columns: `bound` is the recall that chains of rows with whole keys in common reach (stats.json, recall_by_sound_keys):
what careful rules without weights can find; for `planted` it is that of Bayes' rule on the true m and u.  `right` are persons exactly right in per cent, `mixed` found persons who
are several.  The last columns are precision and recall in per cent over pairs with a row of that error.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path

from populations import KINDS

HERE = Path(__file__).resolve().parent
LIGATURE = os.environ.get("LIGATURE", HERE.parent / "build" / "release" / "ligature")
GROUPS = {
    "another's no.": ("nhs_relative", "nhs_stranger", "nhs_absent_stranger"),
    "mother's no.": ("nhs_mother",),
    "newborn": ("newborn_unnumbered",),
    "superseded": ("nhs_superseded",),
    "no number": ("nhs_missing",),
    "mistyped": ("nhs_mistyped", "nhs_number_near"),
    "multiple": ("multiple_birth",),
    "birth wrong": ("birth_wrong", "birth_unknown"),
    "moved": ("postcode_moved",),
    "default": ("nhs_default", "birth_default", "postcode_default", "birth_placeholder"),
}


def run(command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stderr}")


def generate(kind, people, seed, work):
    folder = work / f"{kind}-{people}-{seed}"
    if not (folder / "job.toml").exists():
        run([sys.executable, HERE / "populations.py", kind, "--people", people, "--seed", seed, "--out", folder])
    return folder


def share(part, whole):
    return part / whole if whole else float("nan")


def score(folder, options):
    run([LIGATURE, "rebuild", folder / "job.toml", *options])
    run([LIGATURE, "evaluate", folder / "job.toml", "--truth", folder / "truth.csv", "--json", folder / "figures.json"])
    return json.loads((folder / "figures.json").read_text()), json.loads((folder / "stats.json").read_text())


def line(kind, figures, stats):
    persons, pairs = figures["persons"], figures["pairs"]
    bound = stats.get("recall_best_on_single_pairs", stats["recall_by_sound_keys"])
    cells = [f"{kind:10} {figures['rows']['kept']:9,} {pairs['precision']:9.5f} {pairs['recall']:8.5f}"
             f" {pairs['f1']:8.5f} {bound:7.4f}"
             f" {100 * persons['exactly_right_share']:7.2f} {persons['mixed']:6,}"]
    for names in GROUPS.values():
        found = [figures["by_error"][name] for name in names if name in figures["by_error"]]
        true, linked, right = (sum(one[f"{what}_pairs"] for one in found) for what in ("true", "found", "right"))
        cells.append(f"{100 * share(right, linked):6.2f}/{100 * share(right, true):6.2f}" if true else f"{'-':>13}")
    return " ".join(cells)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--work", type=Path, default=Path("build/populations"))
    parser.add_argument("options", nargs="*", help="after --, given to ligature rebuild, e.g. --set key=value")
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    given.work.mkdir(parents=True, exist_ok=True)
    print(f"{'':10} {'rows':>9} {'precision':>9} {'recall':>8} {'F1':>8} {'bound':>7} {'right':>7} {'mixed':>6} "
          + " ".join(f"{name:>13}" for name in GROUPS), flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        folders = [pool.submit(generate, kind, 500 if kind == "small" else given.people, given.seed, given.work)
                   for kind in kinds]
        for kind, folder in zip(kinds, folders):
            print(line(kind, *score(folder.result(), given.options)), flush=True)


if __name__ == "__main__":
    main()

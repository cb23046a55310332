#!/usr/bin/env python3
"""Whose rows are left of those who object?  Prints, for each policy, what bench/objectors.sh made, held against the truth:
rows of persons whose type 1 objection stands, those that are published all the same, and why linkage cannot know them.

    objectors.py FOLDER      as synth made it, with FOLDER/POLICY.csv and FOLDER/without.csv, exported indexes

A row that is with a row left out when there is no ledger should have been left out: "should have gone", which must be 0.
"""
import collections
import csv
import datetime
import sys
from pathlib import Path

AS_AT = "2014-04-01"  # the day of synth's extracts


def index(path):
    with open(path, newline="") as file:
        return {(row["dataset"], row["row_id"]): row["person"] for row in csv.DictReader(file)}


def standing_objectors(folder, days):
    with open(folder / "objectors.csv", newline="") as file:
        return {row["person_id"] for row in csv.DictReader(file) if row["kind"] == "type1" and any(
            row["from"] <= day and not (row["until"] and row["until"] <= day) for day in days)}


def main(folder):
    with open(folder / "truth.csv", newline="") as file:
        truth = {(row["dataset"], row["record_id"]): (row["person_id"], row["errors"].split("|")) for row in csv.DictReader(file)}
    without = index(folder / "without.csv")
    print("policy        persons  their rows  left  no row under the number  number replaced, not listed  fits nobody "
          "should have gone  others' rows gone")
    for policy, days in (("keep-earlier", [AS_AT]), ("withdraw", [AS_AT, datetime.date.today().isoformat()])):
        kept = index(folder / f"{policy}.csv")
        objectors = standing_objectors(folder, days)
        theirs = [row for row in truth if truth[row][0] in objectors]
        gone = {truth[row][0] for row in theirs if row not in kept}
        persons_gone = {without[row] for row in truth if row not in kept}
        why = collections.Counter()
        for row in theirs:
            if row not in kept:
                continue
            person, errors = truth[row]
            why["should" if without[row] in persons_gone else "none" if person not in gone else
                "replaced" if "nhs_superseded" in errors else "nobody"] += 1
        others = sum(row not in kept and truth[row][0] not in objectors for row in truth)
        print(f"{policy:<12}  {len(objectors):>7,}  {len(theirs):>10,}  {sum(why.values()):>4}  {why['none']:>23}  "
              f"{why['replaced']:>28}  {why['nobody']:>11}  {why['should']:>16}  {others:>16}")


main(Path(sys.argv[1]))

#!/usr/bin/env python3
"""Makes populations with truth to hold the linkage against, by another model of the world than `ligature synth`.

usage: python3 tests/populations.py KIND --people N --seed S --out DIR

Families have children, children leave home, people move between towns of unequal size, and homes that fall vacant are
let again.  NHS numbers are issued in runs, so that families and babies of one month hold neighbours.  Organisations
register people, and a careless registration is wrong in more than one field and stays wrong in all its rows.
The rates of `ordinary` are of the size that published linkages report (docs/synthetic-data.md names them); the other
kinds leave England on purpose.  KINDS below says what each of them is.

Writes gp.csv, hospital.csv, truth.csv, superseded.csv, stats.json, job.toml and a key for tests; `planted` also writes
planted.json.  Same arguments, same bytes.  Needs nothing but Python's standard library.
"""
import argparse
import json
import os
import random
from collections import Counter
from pathlib import Path

from population_limits import mark_unlinkable
from population_planted import planted_rows
from population_rows import Records
from population_world import World

KINDS = {
    "ordinary": "England-like errors, moves, twins, superseded and swapped numbers, default dates",
    "small": "ordinary, 500 people unless told otherwise",
    "heavy": "many times the errors: mistyped numbers that fail modulus 11, 15 % of dates wrong",
    "heaped": "historical: half of the birthdays unknown and written as conventional days, few NHS numbers",
    "numberless": "5 % of rows have an NHS number",
    "fillers": "suppliers' defaults that no list holds: a valid NHS number, a postcode, a birthday",
    "twins": "same-sex twins and triplets at one address for life, 10 % of rows without number",
    "planted": "two rows a person; each level drawn from known m, independently: see planted.json",
}

# Shares of registrations (an organisation and a person), then of rows.
RATES = {
    "birth_wrong": 0.0022, "birth_missing": 0.0005, "birth_1900": 0.0003, "birth_january": 0.0005,
    "gender_wrong": 0.0015, "gender_missing": 0.005,
    "gp_unnumbered": 0.002, "hospital_unnumbered": 0.025, "number_of_another": 0.0007, "number_kept_old": 0.6,
    "newborn_unnumbered": 0.12, "newborn_under_mother": 0.03,
    "row_unnumbered": 0.012, "row_filler": 0.0005, "row_mistyped": 0.0015, "row_birth_wrong": 0.0004,
    "row_gender_wrong": 0.0002, "row_postcode_mistyped": 0.003, "row_postcode_missing": 0.004,
    "row_postcode_pseudo": 0.0015, "row_under_another": 0.0001,
    # Shares of people, and of maternities.
    "superseded": 0.003, "superseded_unlisted": 0.1, "issued_twice": 0.0002, "january_migrant": 0.05, "twins": 0.015,
    "triplets": 0.0004, "no_fixed_abode": 0.002, "prison": 0.004,
    # The form of an error: shares of mistyped numbers and of wrong dates.
    "two_digits": 0.05, "dropped_digit": 0.02, "impossible_date": 0.0,
    # What is special to some of the kinds.
    "unknown_birthday": 0.0, "numbered_people": 1.0, "default_number": 0.0, "default_postcode": 0.0,
    "default_birthday": 0.0, "settled": False, "same_sex": 0.33,
}
CHANGES = {
    "heavy": {name: RATES[name] * 7 for name in (
        "birth_missing", "birth_1900", "birth_january", "gender_wrong", "gender_missing", "gp_unnumbered",
        "hospital_unnumbered", "number_of_another", "row_unnumbered", "row_filler", "row_gender_wrong",
        "row_postcode_mistyped", "row_postcode_missing", "row_postcode_pseudo", "row_under_another")}
    | {"birth_wrong": 0.09, "row_birth_wrong": 0.06, "row_mistyped": 0.08, "two_digits": 0.2, "dropped_digit": 0.1,
       "impossible_date": 0.1, "newborn_unnumbered": 0.5, "newborn_under_mother": 0.15},
    "heaped": {"unknown_birthday": 0.42, "numbered_people": 0.62, "hospital_unnumbered": 0.4, "gp_unnumbered": 0.2,
               "row_unnumbered": 0.1},
    "numberless": {"row_unnumbered": 0.95, "row_filler": 0.02},
    "fillers": {"default_number": 0.16, "default_postcode": 0.2, "default_birthday": 0.08},
    "twins": {"twins": 0.4, "triplets": 0.06, "same_sex": 0.9, "settled": True, "row_unnumbered": 0.1,
              "gp_unnumbered": 0.0, "hospital_unnumbered": 0.0},
}


def write(folder, rng, kind, seed, rows, superseded):
    header = "record_id,source,nhs_number,date_of_birth,postcode,gender\n"
    rng.shuffle(rows)
    count = Counter()
    with (open(folder / "gp.csv", "w") as gp, open(folder / "hospital.csv", "w") as hospital,
          open(folder / "truth.csv", "w") as truth):
        gp.write(header)
        hospital.write(header)
        truth.write("record_id,person_id,dataset,errors\n")
        for dataset, person, number, date, postcode, gender, errors in rows:
            count[dataset] += 1
            name = f"{dataset[0]}{count[dataset]:08}"
            year, month, day = date or (0, 0, 0)
            if dataset == "gp":
                birth = f"{year:04}-{month:02}-{day:02}" if date else ""
                gp.write(f"{name},gp,{number},{birth},{postcode},{gender}\n")
            else:
                birth = f"{day:02}/{month:02}/{year:04}" if date else ""
                spaced = f"{number[:3]} {number[3:6]} {number[6:]}" if number else ""
                hospital.write(f"{name},hospital,{spaced},{birth},{postcode.replace(' ', '')},{'UMF'[gender]}\n")
            truth.write(f"{name},p{person},{dataset},{'|'.join(errors)}\n")
    (folder / "superseded.csv").write_text(
        "old_nhs_number,new_nhs_number\n" + "".join(f"{old},{new}\n" for old, new in superseded))
    key = folder / "ligature.key"
    key.unlink(missing_ok=True)
    with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(random.Random(f"key {seed}").randbytes(32))
    extract = "".join(f"""
[[extract]]
dataset   = "{dataset}"
files     = ["{dataset}.csv"]
extracted = 2014-04-01
[extract.columns]
row_id        = "record_id"
nhs_number    = "nhs_number"
date_of_birth = "date_of_birth"
postcode      = "postcode"
gender        = "gender"
""" for dataset in ("gp", "hospital"))
    (folder / "job.toml").write_text(f"""[job]
name    = "{kind}"
secure  = "run/secure"
publish = "run/publish"
key     = "ligature.key"
{extract}
[reference]
superseded = "superseded.csv"
""")


def main():
    parser = argparse.ArgumentParser(description="Populations with truth; kinds: " + "; ".join(
        f"{kind}: {what}" for kind, what in KINDS.items()))
    parser.add_argument("kind", choices=KINDS, metavar="KIND")
    parser.add_argument("--people", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    people = given.people or (500 if given.kind == "small" else 50_000)
    given.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{given.kind} {people} {given.seed}")
    rates = RATES | CHANGES.get(given.kind, {})
    superseded = []
    if given.kind == "planted":
        rows, planted = planted_rows(rng, people)
        (given.out / "planted.json").write_text(json.dumps(planted, indent=1) + "\n")
    else:
        world = World(rng, people, rates)
        rows, superseded = Records(world, rng, rates).rows, world.superseded
    stats = mark_unlinkable(rows)
    if given.kind == "planted":
        stats["recall_best_on_single_pairs"] = planted["best_on_single_pairs"]["recall"]
    (given.out / "stats.json").write_text(json.dumps(stats, indent=1, sort_keys=True) + "\n")
    write(given.out, rng, given.kind, given.seed, rows, superseded)
    print(f"{given.kind}: {stats['rows']:,} rows of {stats['people_with_rows']:,} people, "
          f"{stats['unlinkable_rows']:,} rows unlinkable")


if __name__ == "__main__":
    main()

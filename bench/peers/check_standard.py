#!/usr/bin/env python3
"""Does the SQL of standard.py read every value of the extracts as its plain Python does?

usage: check_standard.py EXTRACTS... [--rows index.csv]

Prints how many distinct values of each field were compared, and fails at the first difference.  A thousand values are
also damaged in many ways (characters left out, exchanged, replaced), so that rare forms are met as well.
"""

import argparse
import random
import sys

import duckdb
import pyarrow

import rows
import standard

DAMAGED = 1000
CHARACTERS = "0123456789OILZSAzo -/.:T\xa0"


def damaged(texts):
    """Variants of some of the texts, the same in every run."""
    source = random.Random(1)
    for text in source.sample(texts, min(DAMAGED, len(texts))):
        yield from (text[:i] + text[i + 1 :] for i in range(len(text)))
        yield from (text[:i] + text[i + 1 : i + 2] + text[i : i + 1] + text[i + 2 :] for i in range(len(text)))
        yield from (text[:i] + source.choice(CHARACTERS) + text[i + source.randrange(2) :] for i in range(len(text) + 1))
        yield text + " 00:00:00"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows.add_arguments(parser)
    db = duckdb.connect()
    rows.read(db, parser.parse_args())
    fields = {
        "nhs_number": (standard.NHS_NUMBER_SQL, standard.nhs_number),
        "date_of_birth": (f"SELECT raw, value FROM ({standard.BIRTH_SQL})", standard.birth),
        "date_of_birth, impossible ones kept": (
            f"SELECT raw, kept FROM ({standard.BIRTH_SQL})",
            lambda text: standard.birth(text, keep_impossible=True),
        ),
        "postcode": (standard.POSTCODE_SQL, standard.postcode),
        "gender": (standard.GENDER_SQL, standard.gender),
    }
    for field, (select, plain) in fields.items():
        column = field.split(",")[0]
        texts = [row[0] for row in db.execute(f"SELECT DISTINCT {column} FROM raw WHERE {column} IS NOT NULL").fetchall()]
        texts = sorted({*texts, *damaged(sorted(texts))})
        db.register("value", pyarrow.table({"raw": pyarrow.array(texts, pyarrow.string())}))
        values = {row[0]: row[1:] if len(row) > 2 else row[1] for row in db.execute(select).fetchall()}
        db.unregister("value")
        different = sum(values.get(text) != plain(text) for text in texts)
        print(f"{field}: {len(texts):,} values, {different:,} read otherwise")
        if different:
            sys.exit(1)


main()

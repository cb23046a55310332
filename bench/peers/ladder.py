#!/usr/bin/env python3
"""The rules that NHS linkage used before weights, on the same rows: HESID's passes, and equal NHS numbers alone.

usage: ladder.py EXTRACTS... --method hesid|nhs --out index.csv [--rows index.csv] [--local-ids]

HESID (HSCIC, Replacement of the HES patient ID, 2009; HES-DID data matching quality report, April 2015, for the
partial date of birth).  A pass is tried only on rows that have all its values, valid:
  1  equal NHS number and sex, date of birth equal in part: two of year, month and day, or day and month exchanged
  2  equal local patient number with provider, sex, date of birth and postcode; tried with --local-ids
  3  equal sex, date of birth and postcode, where the NHS numbers do not contradict each other
Of several persons that a row without a number fits in pass 3, the one with most rows gets it: HESID "matches as many
records as possible".
"""

import argparse

import numpy

import rows

PARTIAL_BIRTH = """(substr(a.date_of_birth, 1, 6) = substr(b.date_of_birth, 1, 6)
    OR substr(a.date_of_birth, 5) = substr(b.date_of_birth, 5)
    OR (substr(a.date_of_birth, 1, 4) = substr(b.date_of_birth, 1, 4)
        AND (substr(a.date_of_birth, 7) = substr(b.date_of_birth, 7)
             OR (substr(a.date_of_birth, 5, 2) = substr(b.date_of_birth, 7)
                 AND substr(a.date_of_birth, 7) = substr(b.date_of_birth, 5, 2)))))"""


def by_number(db):
    """Equal valid NHS numbers are a person; a row without one is a person of its own."""
    return """SELECT dataset, row_id, CASE WHEN nhs_valid THEN nhs_number ELSE dataset || '/' || row_id END AS person
              FROM record JOIN identity ON identity = unique_id"""


def hesid(db, local_ids):
    """Passes 1, 2 where wanted, and 3."""
    identities = db.execute("SELECT count(*) FROM identity").fetchone()[0]
    edges = [db.execute(f"""SELECT a.unique_id - 1 AS l, b.unique_id - 1 AS r
        FROM identity a JOIN identity b
             ON a.nhs_number = b.nhs_number AND a.gender = b.gender AND a.unique_id < b.unique_id
        WHERE a.nhs_valid AND b.nhs_valid AND {PARTIAL_BIRTH}""").fetchnumpy()]
    if local_ids:
        edges.append(db.execute("""SELECT min(identity) OVER patient - 1 AS l, identity - 1 AS r
            FROM record JOIN identity ON identity = unique_id
            WHERE (gender || date_of_birth || postcode || provider || local_id) IS NOT NULL
            WINDOW patient AS (PARTITION BY gender, date_of_birth, postcode, provider, local_id)""").fetchnumpy())
    db.register("labels", {"unique_id": numpy.arange(1, identities + 1), "person": persons(identities, edges)})
    db.execute(
        "CREATE TABLE numbered AS SELECT identity.*, person, max(CASE WHEN nhs_valid THEN 1 ELSE 0 END) OVER "
        "(PARTITION BY person) = 1 AS owned FROM identity JOIN labels USING (unique_id)"
    )
    db.unregister("labels")
    # Pass 3: of the persons with a number at one sex, date of birth and postcode, the largest takes what has none.
    edges.append(db.execute("""
        WITH complete AS (SELECT *, CASE WHEN owned THEN person END AS owner FROM numbered
                          WHERE gender IS NOT NULL AND date_of_birth IS NOT NULL AND postcode IS NOT NULL),
             size AS (SELECT person AS owner, sum(rows) AS size FROM numbered GROUP BY person),
             best AS (SELECT gender, date_of_birth, postcode,
                             coalesce(arg_max(owner, (size, -owner)), min(person)) AS target
                      FROM complete LEFT JOIN size USING (owner) GROUP BY ALL)
        SELECT target AS l, person AS r FROM complete JOIN best USING (gender, date_of_birth, postcode)
        WHERE owner IS NULL""").fetchnumpy())
    db.register("labels", {"identity": numpy.arange(1, identities + 1), "person": persons(identities, edges)})
    db.execute("CREATE TABLE person_of AS SELECT * FROM labels")
    # No pass is tried on a row that lacks what all passes need, so no other row, not even an equal one, shares its id.
    return """SELECT dataset, row_id,
                     CASE WHEN gender IS NULL OR date_of_birth IS NULL OR (NOT nhs_valid AND postcode IS NULL)
                          THEN dataset || '/' || row_id ELSE person::VARCHAR END AS person
              FROM record JOIN person_of USING (identity) JOIN identity ON identity = unique_id"""


def persons(identities, edges):
    return rows.components(identities, *(numpy.concatenate([links[side] for links in edges]) for side in "lr"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows.add_arguments(parser)
    parser.add_argument("--method", choices=("hesid", "nhs"), required=True)
    parser.add_argument("--out", required=True, help="the index: dataset,row_id,person")
    parser.add_argument("--local-ids", action="store_true", help="HESID pass 2 on the job file's provider and local_id")
    arguments = parser.parse_args()
    watch = rows.Stopwatch(arguments.method)
    db = rows.load(arguments, local_ids=arguments.local_ids, watch=watch)
    index = hesid(db, arguments.local_ids) if arguments.method == "hesid" else by_number(db)
    watch.lap("link")
    rows.write_index(db, index, arguments.out)
    watch.lap("write")
    watch.total()


main()

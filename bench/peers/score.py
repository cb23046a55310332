#!/usr/bin/env python3
"""Scores any number of linkages of the same rows against the truth, side by side.

usage: score.py NAME=index.csv... --truth truth.csv [--extracts EXTRACTS...] [--json figures.json]
                [--check NAME=evaluation.json]

A truth has record_id,person_id and optionally dataset,errors; an index dataset,row_id,person.  Scored are the rows
that the truth and every index have; the figures are defined as in docs/synthetic-data.md (`ligature evaluate`), and
B-cubed as by Bagga and Baldwin (1998).  All pairs are counted, from group sizes, exactly.  With the extracts also:

  whole keys               the share of persons that would be exactly right if every row were put, by the truth, to the
                           other rows of its person that hold the same valid NHS number, or the same date of birth and
                           postcode (misspelt numbers count as right): what lies beyond is found by partial agreement

  multiple births          pairs with a row of a person who shares a date of birth and a postcode, in some row, with
                           another person: twins, and people of large institutions
    both have a number     the same persons, if they and all who share with them have a valid NHS number in some row
    number in both rows    and only pairs of rows that hold a valid number
  no NHS number            pairs with a row that has no NHS number, or none of ten digits
  no valid NHS number      the same with misspelt numbers

--check compares the figures of one linkage with those that `ligature evaluate --json` wrote, and fails if any differs.
"""

import argparse
import json
import sys

import duckdb
import numpy

import rows


def labels(db, truth, indexes, identifiers):
    """One row a scored record: numbers of its true person, its combination of errors, its found persons."""
    header = db.execute(f"SELECT * FROM read_csv('{truth}', all_varchar = true) LIMIT 0").fetchnumpy()
    keys = ["dataset", "row_id"] if "dataset" in header else ["row_id"]
    joined = ", ".join(keys)
    errors = "coalesce(errors, '')" if "errors" in header else "''"
    db.execute(f"""CREATE TABLE truth AS SELECT {joined}, min(person_id) AS person_id, min({errors}) AS errors
        FROM (SELECT *, record_id AS row_id FROM read_csv('{truth}', header = true, all_varchar = true))
        GROUP BY {joined} HAVING count(DISTINCT person_id) = 1""")
    db.execute(
        "CREATE TABLE kind AS SELECT errors, row_number() OVER (ORDER BY errors) - 1 AS combination "
        "FROM (SELECT DISTINCT errors FROM truth)"
    )
    db.execute(
        "CREATE TABLE true_person AS SELECT person_id, row_number() OVER (ORDER BY person_id) - 1 AS number "
        "FROM (SELECT DISTINCT person_id FROM truth)"
    )
    columns, joins = "", ""
    for i, path in enumerate(indexes.values()):
        db.execute(f"CREATE TABLE i{i} AS SELECT * FROM read_csv('{path}', header = true, all_varchar = true)")
        db.execute(
            f"CREATE TABLE p{i} AS SELECT person, row_number() OVER (ORDER BY person) - 1 AS number "
            f"FROM (SELECT DISTINCT person FROM i{i})"
        )
        columns += f", p{i}.number AS found_{i}"
        joins += f" JOIN i{i} USING ({joined})" if i == 0 else f" JOIN i{i} USING (dataset, row_id)"
        joins += f" JOIN p{i} ON i{i}.person = p{i}.person"
    if identifiers:
        columns += (
            ", coalesce(nhs_valid, false) AS valid, nhs_number IS NULL AS no_number"
            ", coalesce(home.number, -1) AS home"
            ", coalesce(CASE WHEN nhs_valid THEN try_cast(nhs_number AS BIGINT) END, -1) AS nhs"
        )
        db.execute(
            "CREATE TABLE home AS SELECT date_of_birth, postcode, row_number() OVER () - 1 AS number "
            "FROM identity WHERE date_of_birth || postcode IS NOT NULL GROUP BY ALL"
        )
        joins += (
            " JOIN record USING (dataset, row_id) JOIN identity ON record.identity = unique_id "
            "LEFT JOIN home USING (date_of_birth, postcode)"
        )
    query = (
        f"SELECT t.number AS truth, combination{columns} FROM truth JOIN true_person t USING (person_id) "
        f"JOIN kind USING (errors){joins}"
    )
    combinations = [row[0] for row in db.execute("SELECT errors FROM kind ORDER BY combination").fetchall()]
    table = db.execute(query).fetchnumpy()
    for i, name in enumerate(indexes):
        rows_of = db.execute(f"SELECT count(*) FROM i{i}").fetchone()[0]
        if rows_of != len(table["truth"]):
            print(
                f"note: {name} has {rows_of:,} rows, of which {len(table['truth']):,} are in the truth and every index",
                file=sys.stderr,
            )
    return {key: numpy.ma.getdata(column) for key, column in table.items()}, combinations


def pairs_of(counts):
    counts = counts.astype(numpy.int64)
    return int((counts * (counts - 1) // 2).sum())


class Groups:
    """Rows grouped by true person, by found person, and by both; counts pairs of all rows or of chosen ones."""

    def __init__(self, truth, found):
        self.truth, self.found = truth, found
        cells = found * (int(truth.max(initial=-1)) + 1) + truth
        self.first, self.both = numpy.unique(cells, return_index=True, return_inverse=True)[1:]

    def pairs(self, chosen=None):
        """(true pairs, found pairs, right pairs) among the chosen rows."""
        weights = slice(None) if chosen is None else chosen
        return tuple(pairs_of(numpy.bincount(group[weights])) for group in (self.truth, self.found, self.both))

    def touching(self, chosen):
        """The same for pairs with at least one chosen row."""
        return tuple(a - b for a, b in zip(self.pairs(), self.pairs(~chosen)))


def quality(true, found, right):
    def share(part, whole):
        return part / whole if whole else 1.0

    return {
        "true_pairs": true,
        "found_pairs": found,
        "right_pairs": right,
        "precision": share(right, found),
        "recall": share(right, true),
        "f1": share(2 * right, true + found),
    }


def persons(groups):
    """Persons exactly right, split, mixed; and B-cubed over rows."""
    cell = numpy.bincount(groups.both)  # rows of one true person in one found person
    truth, found = numpy.bincount(groups.truth), numpy.bincount(groups.found)
    of_truth, of_found = groups.truth[groups.first], groups.found[groups.first]
    of_cell = truth[of_truth], found[of_found]
    true_persons, exact = int((truth > 0).sum()), int(((cell == of_cell[0]) & (cell == of_cell[1])).sum())
    recall, precision = (float((cell / whole * cell).sum() / cell.sum()) for whole in of_cell)
    return {
        "persons": {
            "true_persons": true_persons,
            "exactly_right": exact,
            "exactly_right_share": exact / true_persons,
            "split": int((numpy.bincount(of_truth) > 1).sum()),
            "found_persons": int((found > 0).sum()),
            "mixed": int((numpy.bincount(of_found) > 1).sum()),
        },
        "b_cubed": {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)},
    }


def multiple_births(table):
    """Flags of rows: their person shares a date of birth and postcode with another; and all who share have a number."""
    truth = table["truth"]
    persons = int(truth.max()) + 1
    known = table["home"] >= 0
    at_home = numpy.unique(
        table["home"][known] * persons + truth[known]
    )  # each person once for a birthday at a postcode
    home, person = at_home // persons, at_home % persons
    shared = (numpy.bincount(home) > 1)[home]
    has_number = numpy.zeros(persons, dtype=bool)
    has_number[truth[table["valid"]]] = True
    someone_without = (numpy.bincount(home, weights=~has_number[person]) > 0)[home]
    twin, without = numpy.zeros(persons, dtype=bool), numpy.zeros(persons, dtype=bool)
    twin[person[shared]] = True
    without[person[shared & someone_without]] = True
    return twin[truth], (twin & ~without)[truth]


def whole_keys(table):
    """The share of true persons whose rows hang together by whole keys."""
    truth, valid = table["truth"], table["valid"]
    # A misspelt number stands for any of its person's valid ones.
    misspelt = ~valid & ~table["no_number"]
    number = numpy.where(valid, table["nhs"], -1)
    first = numpy.full(int(truth.max()) + 1, -1)
    first[truth[valid]] = number[valid]
    number = numpy.where(misspelt, first[truth], number)
    keys = []
    for key in (number, table["home"]):
        known = numpy.flatnonzero(key >= 0)
        keys.append((known, numpy.unique(numpy.stack((truth[known], key[known])), axis=1, return_inverse=True)[1].ravel()))
    label = numpy.arange(len(truth))
    while True:
        before = label.copy()
        for known, key in keys:
            smallest = numpy.full(int(key.max(initial=-1)) + 1, len(label))
            numpy.minimum.at(smallest, key, label[known])
            label[known] = smallest[key]
        if (label == before).all():
            break
    parts = numpy.unique(numpy.stack((truth, label)), axis=1)[0]
    return float((numpy.bincount(parts)[numpy.unique(truth)] == 1).mean())


def score(table, found, combinations):
    groups = Groups(table["truth"], found)
    figures = {"rows": len(found), "pairs": quality(*groups.pairs()), **persons(groups)}
    kinds = sorted({kind for errors in combinations for kind in errors.split("|") if kind})
    if kinds:
        of_row = table["combination"]
        clean = numpy.array([not errors for errors in combinations])[of_row]
        figures["by_error"] = {"none in either row": quality(*groups.pairs(clean))}
        for kind in kinds:
            has_kind = numpy.array([kind in errors.split("|") for errors in combinations])[of_row]
            figures["by_error"][kind] = quality(*groups.touching(has_kind))
    if "valid" in table:
        twins, numbered = table["twins"]
        valid = table["valid"]
        both = Groups(table["truth"][valid], found[valid])
        figures["by_group"] = {
            "multiple births": quality(*groups.touching(twins)),
            "both have a number": quality(*groups.touching(numbered)),
            "number in both rows": quality(*both.touching(numbered[valid])),
            "no NHS number": quality(*groups.touching(table["no_number"])),
            "no valid NHS number": quality(*groups.touching(~valid)),
        }
    return figures


def lines_of(results):
    """The text table: one column a linkage."""
    one = next(iter(results.values()))
    yield "all pairs", None, None
    for figure in ("precision", "recall", "f1"):
        yield f"  {figure}", lambda f, k=figure: f["pairs"][k], ".6f"
    yield "  1 - f1, per million", lambda f: 1e6 * (1 - f["pairs"]["f1"]), ",.0f"
    yield f"persons ({one['persons']['true_persons']:,} true)", None, None
    yield "  exactly right", lambda f: f["persons"]["exactly_right_share"], ".6f"
    yield "  split", lambda f: f["persons"]["split"], ",d"
    yield "  found persons", lambda f: f["persons"]["found_persons"], ",d"
    yield "  mixing true persons", lambda f: f["persons"]["mixed"], ",d"
    yield "B-cubed", None, None
    for figure in ("precision", "recall", "f1"):
        yield f"  {figure}", lambda f, k=figure: f["b_cubed"][k], ".6f"
    for title, section in (
        ("pairs of, precision / recall", "by_group"),
        ("pairs with an error, precision / recall", "by_error"),
    ):
        if section in one:
            yield title, None, None
            for group, q in one[section].items():
                if not any(f[section][group]["found_pairs"] + q["true_pairs"] for f in results.values()):
                    continue
                yield (
                    f"  {group} ({q['true_pairs']:,})",
                    lambda f, s=section, g=group: f"{f[s][g]['precision']:.4f} / {f[s][g]['recall']:.4f}",
                    "s",
                )


def text_table(results):
    lines = [["", *results]]
    for title, value, form in lines_of(results):
        lines.append([title, *("" if value is None else format(value(f), form) for f in results.values())])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
        ).rstrip()
        for line in lines
    )


def differences(figures, evaluation):
    """Names of the counts that `ligature evaluate` gives otherwise."""
    sections = [
        ("pairs", figures["pairs"], evaluation["pairs"]),
        ("persons", figures["persons"], evaluation["persons"]),
    ]
    sections += [
        (kind, mine, evaluation["by_error"].get(kind, {})) for kind, mine in figures.get("by_error", {}).items()
    ]
    return [
        f"{section}.{name}: {value} here, {theirs.get(name)} there"
        for section, mine, theirs in sections
        for name, value in mine.items()
        if isinstance(value, int) and theirs.get(name) != value
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", required=True)
    parser.add_argument("--extracts", nargs="+", help="job file or CSV files, for the groups that need identifiers")
    parser.add_argument("--json")
    parser.add_argument("--check", help="NAME=evaluation.json")
    parser.add_argument("index", nargs="+", help="NAME=index.csv")
    arguments = parser.parse_args()
    indexes = dict(index.split("=", 1) for index in arguments.index)
    if arguments.extracts:
        db = rows.load(
            argparse.Namespace(extracts=arguments.extracts, rows=next(iter(indexes.values())), superseded=None, threads=None)
        )
    else:
        db = duckdb.connect()
    table, combinations = labels(db, arguments.truth, indexes, bool(arguments.extracts))
    if not len(table["truth"]):
        sys.exit("the truth and the indexes have no row in common")
    if arguments.extracts:
        table["twins"] = multiple_births(table)
    results = {name: score(table, table[f"found_{i}"], combinations) for i, name in enumerate(indexes)}
    print(f"{len(table['truth']):,} rows\n\n{text_table(results)}")
    if arguments.extracts:
        print(f"\nPersons whose rows hang together by whole keys: {whole_keys(table):.6f}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=2)
            file.write("\n")
    if arguments.check:
        name, path = arguments.check.split("=", 1)
        with open(path) as file:
            different = differences(results[name], json.load(file))
        if different:
            sys.exit("the figures differ from those of ligature evaluate:\n" + "\n".join(different))
        print(f"\nThe counts of {name} are those of ligature evaluate.")


main()

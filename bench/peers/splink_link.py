#!/usr/bin/env python3
"""Links the rows with Splink 4 on DuckDB, in the best four-identifier configuration that was found for it.

usage: splink_link.py EXTRACTS... --out index.csv (--truth truth.csv | --threshold BITS) [--rows index.csv] [--local-ids]

With --truth the threshold is the one of best pairwise F1 on that truth, in steps of half a bit: an advantage that no
real run has, given so that the comparison is with the best that Splink could have done.  The choices below were each
the better one by measurement, on populations of `ligature synth` and on FEBRL (bench/README.md has the figures):

- Prediction works on distinct identities: what is equal in all four identifiers needs no decision.  m is trained on
  rows nevertheless, since two identities differ somewhere by their making, which biases m (postcode exact 0.06 instead
  of 0.86).
- u by random sampling; but equal NHS numbers of two persons and numbers one digit apart are too rare to sample (what a
  sample has of them is one person's), so their u is given.
- Levels from exact to other for each identifier, cheap filters before the edit distances, term-frequency adjustment on
  date of birth.  On the postcode it made F1 worse, so that has none.
- Many narrow blocking rules; the wide ones, on one identifier, as long as their pairs are affordable.
- With --local-ids the job file's provider and local_id are a fifth identifier, with a rule of its own to block by:
  one patient of one provider, two patients of one provider, or two providers.
"""

import argparse
import logging

import duckdb
import numpy
import splink.comparison_level_library as level
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.comparison_library import CustomComparison

import rows

TRAINING_ROWS = 300_000
TRAINING_PAIRS = 5_000_000
WRONG_NUMBERS = 0.0003  # of rows hold another person's number, so two persons share one with probability 2 w / persons
NEAR_NUMBERS = (
    1e-7  # two persons' numbers one digit or one exchange apart: about 99 neighbours among 10^9 valid numbers
)
WIDE_PAIRS = 1_000_000  # a blocking rule on one identifier is used if it costs no more
LOWEST_WEIGHT = -10  # bits; lighter pairs are not kept
THRESHOLDS = numpy.arange(LOWEST_WEIGHT, 25, 0.5)

INPUT_SQL = """SELECT {id} AS unique_id, nhs_number, nhs_valid, date_of_birth, postcode, gender,
    substr(nhs_number, 1, 5) AS nhs_left, substr(nhs_number, 6) AS nhs_right, substr(date_of_birth, 1, 4) AS birth_year,
    substr(date_of_birth, 5, 2) AS birth_month, substr(date_of_birth, 7) AS birth_day,
    substr(date_of_birth, 5) AS birth_month_day, left(postcode, -2) AS sector, left(postcode, -3) AS outward,
    regexp_extract(postcode, '^[A-Z]+') AS area"""
LOCAL_SQL = ", provider, provider || '/' || local_id AS patient"

NARROW_RULES = (
    ("nhs_number",),
    ("date_of_birth", "postcode"),
    ("date_of_birth", "gender", "outward"),
    ("postcode", "gender", "birth_year"),
    ("postcode", "birth_month_day"),
    ("nhs_left", "birth_year"),
    ("nhs_right", "birth_year"),
    ("nhs_left", "outward"),
    ("nhs_right", "outward"),
)
WIDE_RULES = (("date_of_birth",), ("postcode",), ("nhs_left",), ("nhs_right",))


def both(column):
    return f"{column}_l = {column}_r"


def near(column, ends):
    """One character wrong or two neighbours exchanged; `ends` is a cheap necessary condition."""
    return f"({ends}) AND damerau_levenshtein({column}_l, {column}_r) <= 1"


def comparisons(persons, local_ids):
    near_number = near(
        "nhs_number",
        "substr(nhs_number_l, 1, 4) = substr(nhs_number_r, 1, 4) OR "
        "substr(nhs_number_l, 7) = substr(nhs_number_r, 7)",
    )
    near_birth = near(
        "date_of_birth",
        "substr(date_of_birth_l, 1, 3) = substr(date_of_birth_r, 1, 3) OR "
        "substr(date_of_birth_l, 6) = substr(date_of_birth_r, 6)",
    )
    year, month, day = both("birth_year"), both("birth_month"), both("birth_day")
    exact = level.ExactMatchLevel
    patient = CustomComparison(
        [
            level.NullLevel("patient"),
            # Two persons under one local id are as rare as two under one number, as ligature takes it too.
            exact("patient").configure(u_probability=2 * WRONG_NUMBERS / persons, fix_u_probability=True),
            level.CustomLevel(both("provider"), "two patients of one provider"),
            level.ElseLevel(),
        ],
        "patient",
    )
    return [
        *([patient] if local_ids else []),
        CustomComparison(
            [
                level.NullLevel("nhs_number"),
                exact("nhs_number").configure(u_probability=2 * WRONG_NUMBERS / persons, fix_u_probability=True),
                level.CustomLevel(near_number, "near").configure(u_probability=NEAR_NUMBERS, fix_u_probability=True),
                level.CustomLevel("nhs_valid_l AND nhs_valid_r", "two valid numbers"),
                level.ElseLevel(),
            ],
            "nhs_number",
        ),
        CustomComparison(
            [
                level.NullLevel("date_of_birth"),
                exact("date_of_birth", term_frequency_adjustments=True),
                # So rare that a training sample may hold none; the m given is then the one used.
                level.CustomLevel(
                    f"{year} AND birth_month_l = birth_day_r AND birth_day_l = birth_month_r", "day and month exchanged"
                ).configure(m_probability=0.0002),
                level.CustomLevel(near_birth, "near"),
                level.CustomLevel(f"({year} AND {month}) OR ({year} AND {day}) OR ({month} AND {day})", "two parts"),
                level.CustomLevel(year, "year"),
                level.ElseLevel(),
            ],
            "date_of_birth",
        ),
        CustomComparison(
            [
                level.NullLevel("postcode"),
                exact("postcode"),
                level.LevenshteinLevel("postcode", 1),
                level.CustomLevel(both("sector"), "sector"),
                level.CustomLevel(both("outward"), "district"),
                level.CustomLevel(both("area"), "area"),
                level.ElseLevel(),
            ],
            "postcode",
        ),
        CustomComparison([level.NullLevel("gender"), exact("gender"), level.ElseLevel()], "gender"),
    ]


def blocking_rules(db, local_ids):
    """The narrow rules, and those of the wide ones that cost few pairs."""
    affordable = [("patient",)] if local_ids else []
    for (column,) in WIDE_RULES:
        pairs = (
            db.execute(
                f"SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM input "
                f"WHERE {column} IS NOT NULL GROUP BY {column})"
            ).fetchone()[0]
            or 0
        )
        if pairs <= WIDE_PAIRS:
            affordable.append((column,))
    return [block_on(*columns) for columns in (*NARROW_RULES, *affordable)]


def trained_model(db, settings, columns):
    """The model after training on a sample of rows, in a database of its own: Splink keeps tables of fixed names."""
    sample = db.execute(
        columns.format(id="row_number() OVER ()") + " FROM (SELECT identity.* FROM record JOIN identity "
        f"ON identity = unique_id ORDER BY hash(dataset, row_id) LIMIT {TRAINING_ROWS})"
    ).to_arrow_table()
    other = duckdb.connect(config={"threads": db.execute("SELECT current_setting('threads')").fetchone()[0]})
    other.register("sample", sample)
    other.execute("CREATE TABLE input AS SELECT * FROM sample")
    linker = Linker("input", settings, DuckDBAPI(connection=other), set_up_basic_logging=False)
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on("nhs_number"), block_on("date_of_birth", "postcode", "gender")], recall=0.98
    )
    training.estimate_u_using_random_sampling(max_pairs=TRAINING_PAIRS, seed=1)
    for rule in (block_on("nhs_number"), block_on("date_of_birth", "postcode")):
        training.estimate_parameters_using_expectation_maximisation(rule, estimate_without_term_frequencies=True)
    return linker.misc.save_model_to_json()


def best_threshold(db, links, identities, truth):
    """The threshold whose clusters have the best pairwise F1 over rows."""
    by_dataset = "dataset" in db.execute(f"SELECT * FROM read_csv('{truth}', all_varchar = true) LIMIT 0").fetchnumpy()
    counts = db.execute(f"""SELECT identity - 1 AS identity, dense_rank() OVER (ORDER BY person_id) - 1 AS person,
            count(*)::DOUBLE AS rows
        FROM record JOIN (SELECT *, record_id AS row_id FROM read_csv('{truth}', header = true, all_varchar = true))
             USING ({"dataset, " if by_dataset else ""}row_id)
        GROUP BY identity, person_id""").fetchnumpy()
    persons = int(counts["person"].max()) + 1

    def pairs(groups):
        sizes = numpy.bincount(groups, weights=counts["rows"])
        return (sizes * (sizes - 1) / 2).sum()

    true = pairs(counts["person"])
    best = (-1.0, 0.0)
    for threshold in THRESHOLDS:
        kept = links["weight"] >= threshold
        found = rows.components(identities, links["l"][kept], links["r"][kept])[counts["identity"]]
        right = pairs(numpy.unique(found.astype(numpy.int64) * persons + counts["person"], return_inverse=True)[1])
        best = max(best, (float(2 * right / (true + pairs(found))), float(threshold)))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows.add_arguments(parser)
    parser.add_argument("--out", required=True, help="the index: dataset,row_id,person")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--truth", help="record_id,person_id[,dataset]: pick the best threshold on it")
    chosen.add_argument("--threshold", type=float, help="match weight in bits")
    parser.add_argument("--nodes", choices=("identities", "rows"), default="identities", help="what is compared; default identities")
    parser.add_argument("--local-ids", action="store_true", help="the job file's provider and local_id are compared as well")
    arguments = parser.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)  # it warns of each level that the training sample lacks

    watch = rows.Stopwatch("splink" if arguments.nodes == "identities" else "splink_rows")
    # 31 February is no date, but its digits still resemble the ones that were meant.
    local_ids, distinct = arguments.local_ids, arguments.nodes == "identities"
    if local_ids and not distinct:
        parser.error("--local-ids is for identities")
    db = rows.load(
        arguments,
        keep_impossible_dates=True,
        distinct=distinct,
        local_ids=local_ids,
        by_local_id=local_ids,
        watch=watch,
    )
    columns = INPUT_SQL + LOCAL_SQL if local_ids else INPUT_SQL
    db.execute(f"CREATE TABLE input AS {columns.format(id='unique_id')} FROM identity")
    identities, persons = db.execute(
        "SELECT count(*), count(DISTINCT nhs_number) FILTER (nhs_valid) FROM identity"
    ).fetchone()
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons(max(1, persons), local_ids),
        blocking_rules_to_generate_predictions=blocking_rules(db, local_ids),
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
        max_iterations=100,
        em_convergence=1e-5,
    )
    model = trained_model(db, settings, columns)
    model["probability_two_random_records_match"] = min(0.5, 1 / max(1, persons))  # of identities, not of rows
    watch.lap("train")

    linker = Linker("input", model, DuckDBAPI(connection=db), set_up_basic_logging=False)
    threshold = LOWEST_WEIGHT if arguments.truth else arguments.threshold
    predicted = linker.inference.predict(threshold_match_weight=threshold)
    watch.lap("predict")
    if arguments.truth:
        links = db.execute(
            "SELECT unique_id_l - 1 AS l, unique_id_r - 1 AS r, match_weight AS weight "
            f"FROM {predicted.physical_name}"
        ).fetchnumpy()
        f1, threshold = best_threshold(db, links, identities, arguments.truth)
        # The rules again, for how many pairs they make; nothing of this is needed to link.
        pairs = linker.inference.deterministic_link()
        compared = db.execute(f"SELECT count(*) FROM {pairs.physical_name}").fetchone()[0]
        pairs.drop_table_from_database_and_remove_from_cache()
        watch.lap("choose", threshold=threshold, f1=f"{f1:.6f}", pairs_compared=compared, pairs_kept=len(links["l"]))
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_weight=threshold)
    watch.lap("cluster")
    rows.write_index(
        db,
        f"SELECT dataset, row_id, cluster_id AS person FROM record JOIN {clusters.physical_name} "
        "ON identity = unique_id",
        arguments.out,
    )
    watch.lap("write")
    watch.total()


main()

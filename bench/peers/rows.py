"""Reads the extracts in one way for every method: the rows that take part, their identifiers, and the identities.

An identity is a distinct combination of the four identifiers; the methods decide about identities, as ligature does
(docs/model.md).  Rows with too little in them to be taken for one (neither a valid number, nor date of birth and
postcode, nor date of birth and a misspelt number) are identities of their own.
"""

import csv
import glob
import pathlib
import resource
import sys
import time
import tomllib

import duckdb
import numpy
import pyarrow

import standard

FIELDS = ("nhs_number", "date_of_birth", "postcode", "gender")
LOCAL = ("provider", "local_id")
PLAIN_COLUMNS = {"row_id": "record_id", **{field: field for field in FIELDS}}


class Stopwatch:
    """Prints one RESULT line a stage: wall seconds and the process's peak memory so far."""

    def __init__(self, method):
        self.method, self.start, self.last = method, time.monotonic(), time.monotonic()

    def lap(self, stage, **figures):
        now = time.monotonic()
        self._print(stage, now - self.last, figures)
        self.last = now

    def total(self, **figures):
        self._print("total", time.monotonic() - self.start, figures)

    def _print(self, stage, seconds, figures):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        more = "".join(f" {key}={value}" for key, value in figures.items())
        print(f"RESULT method={self.method} stage={stage} seconds={seconds:.2f} peak_gib={peak:.2f}{more}", flush=True)


def add_arguments(parser):
    parser.add_argument(
        "extracts",
        nargs="+",
        help="a job file (job.toml), or CSV files with the plain header "
        "record_id,nhs_number,date_of_birth,postcode,gender; each CSV file is the dataset of its name",
    )
    parser.add_argument("--rows", help="CSV with dataset,row_id (ligature export): only these rows take part")
    parser.add_argument("--threads", type=int, help="of DuckDB; default: all")
    parser.add_argument("--superseded", help="CSV with old_nhs_number,new_nhs_number; default: the job file's")


def _sources(extracts):
    """(dataset, files, delimiter, column names, latest date of birth) of each extract, and the supersession table."""
    sources, superseded = [], None
    for path in map(pathlib.Path, extracts):
        if path.suffix != ".toml":
            sources.append((path.stem, [str(path)], ",", PLAIN_COLUMNS, None))
            continue
        job = tomllib.loads(path.read_text())
        for extract in job["extract"]:
            patterns = extract["files"] if isinstance(extract["files"], list) else [extract["files"]]
            files = sorted(file for pattern in patterns for file in glob.glob(str(path.parent / pattern)))
            if "row_id" not in extract["columns"]:
                sys.exit(f"{path}: extract {extract['dataset']} names no row_id, which the comparison joins by")
            latest = extract.get("extracted", job["job"].get("as_at"))
            sources.append((extract["dataset"], files, extract.get("delimiter", ","), extract["columns"], latest))
        if "superseded" in job.get("reference", {}):
            superseded = path.parent / job["reference"]["superseded"]
    return sources, superseded


def _current_numbers(path):
    """old -> current, chains followed; a chain without an end leads nowhere and is left out."""
    with open(path, newline="") as file:
        step = {int(row["old_nhs_number"]): int(row["new_nhs_number"]) for row in csv.DictReader(file)}
    current = {}
    for old in step:
        number, seen = old, set()
        while number in step and number not in seen:
            seen.add(number)
            number = step[number]
        if number not in seen:
            current[old] = number
    return current


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _literal(text):
    return "'" + str(text).replace("'", "''") + "'"


def _standardise(db, field, select):
    """Table std_<field>: each distinct value is read once."""
    db.execute(f"CREATE TABLE value AS SELECT DISTINCT {field} AS raw FROM raw WHERE {field} IS NOT NULL")
    db.execute(f"CREATE TABLE std_{field} AS {select}")
    db.execute("DROP TABLE value")


def read(db, arguments, local_ids=False):
    """Table raw: the rows that take part, as they stand in the extracts, with local ids if wanted.  Returns the supersession table's path or None."""
    sources, superseded = _sources(arguments.extracts)
    selects = []
    for dataset, files, delimiter, columns, latest in sources:
        listed = "[" + ", ".join(map(_literal, files)) + "]"
        fields = ", ".join(
            f"{_quoted(columns[f]) if f in columns else 'NULL::VARCHAR'} AS {f}" for f in (*FIELDS, *(LOCAL if local_ids else ()))
        )
        latest = _literal(f"{latest:%Y%m%d}" if latest else "99999999")
        selects.append(
            f"SELECT {_literal(dataset)} AS dataset, {_quoted(columns['row_id'])} AS row_id, {fields}, "
            f"{latest} AS latest "
            f"FROM read_csv({listed}, header = true, all_varchar = true, delim = {_literal(delimiter)}, quote = '\"', "
            "escape = '\"', ignore_errors = true)"
        )
    everything = " UNION ALL ".join(selects)
    if arguments.rows:
        everything = (
            f"SELECT * FROM ({everything}) SEMI JOIN read_csv({_literal(arguments.rows)}, header = true, "
            "all_varchar = true) USING (dataset, row_id)"
        )
    db.execute(f"CREATE TABLE raw AS {everything}")
    return arguments.superseded or superseded


def _collapse(db, local, by_local_id):
    """Tables identity and record, from standardised: identities are numbered in the order of their first rows."""
    same_local = "".join(f" AND s.{f} IS NOT DISTINCT FROM i.{f}" for f in LOCAL) if by_local_id else ""
    db.execute(f"""
        CREATE TABLE identity AS
        SELECT row_number() OVER (ORDER BY first) AS unique_id, * EXCLUDE (first)
        FROM (SELECT nhs_number, nhs_valid, date_of_birth, postcode, gender, alone{local if by_local_id else ""},
                     count(*) AS rows, min(rowid) AS first
              FROM standardised GROUP BY ALL)""")
    db.execute(f"""
        CREATE TABLE record AS
        SELECT dataset, row_id, unique_id AS identity{"".join(f", s.{f}" for f in LOCAL) if local else ""}
        FROM standardised s JOIN identity i ON s.alone = i.alone
             AND s.nhs_number IS NOT DISTINCT FROM i.nhs_number
             AND s.date_of_birth IS NOT DISTINCT FROM i.date_of_birth
             AND s.postcode IS NOT DISTINCT FROM i.postcode AND s.gender IS NOT DISTINCT FROM i.gender{same_local}""")


def load(arguments, keep_impossible_dates=False, distinct=True, local_ids=False, by_local_id=False, watch=None):
    """A DuckDB connection with

    record(dataset, row_id, identity), and with local_ids also provider and local_id
    identity(unique_id, nhs_number, nhs_valid, date_of_birth, postcode, gender, rows)

    where nhs_number is ten digits, of which nhs_valid says whether the check digit is right.  Without `distinct` every row
    is an identity of its own.  With by_local_id, as well as local_ids, identities also differ by provider and local id, and
    have both.
    """
    db = duckdb.connect()
    if arguments.threads:
        db.execute(f"SET threads = {arguments.threads}")
    superseded = read(db, arguments, local_ids)
    if watch:
        watch.lap("read", rows=db.execute("SELECT count(*) FROM raw").fetchone()[0])

    wanted = "kept" if keep_impossible_dates else "value"
    _standardise(db, "date_of_birth", f"SELECT raw, {wanted} AS value FROM ({standard.BIRTH_SQL})")
    _standardise(db, "postcode", standard.POSTCODE_SQL)
    _standardise(db, "gender", standard.GENDER_SQL)
    current = _current_numbers(superseded) if superseded else {}
    db.register("frame", pyarrow.table({"old": pyarrow.array(current.keys(), pyarrow.int64()),
                                        "current": pyarrow.array(current.values(), pyarrow.int64())}))
    _standardise(db, "nhs_number", f"""
        SELECT raw, lpad(coalesce(current, n)::VARCHAR, 10, '0') AS value, valid
        FROM ({standard.NHS_NUMBER_SQL}) LEFT JOIN frame ON valid AND n = old""")
    db.unregister("frame")
    local = ", provider, local_id" if local_ids else ""
    db.execute(f"""
        CREATE TABLE standardised AS
        SELECT *, CASE WHEN nhs_valid OR (date_of_birth IS NOT NULL AND coalesce(postcode, nhs_number) IS NOT NULL)
                       THEN '' ELSE dataset || '/' || row_id END AS alone
        FROM (SELECT dataset, row_id, n.value AS nhs_number, coalesce(n.valid, false) AS nhs_valid,
                     CASE WHEN d.value <= latest THEN d.value END AS date_of_birth, p.value AS postcode,
                     g.value AS gender{local}
              FROM raw LEFT JOIN std_nhs_number n ON raw.nhs_number = n.raw
                       LEFT JOIN std_date_of_birth d ON date_of_birth = d.raw
                       LEFT JOIN std_postcode p ON postcode = p.raw LEFT JOIN std_gender g ON gender = g.raw)""")
    if distinct:
        _collapse(db, local, by_local_id)
    else:
        db.execute(
            "CREATE TABLE identity AS SELECT rowid + 1 AS unique_id, nhs_number, nhs_valid, date_of_birth, postcode, gender, "
            "1 AS rows FROM standardised"
        )
        db.execute(f"CREATE TABLE record AS SELECT dataset, row_id, rowid + 1 AS identity{local} FROM standardised")
    for table in ("raw", "standardised", "std_nhs_number", "std_date_of_birth", "std_postcode", "std_gender"):
        db.execute(f"DROP TABLE {table}")
    if watch:
        watch.lap("standardise", identities=db.execute("SELECT count(*) FROM identity").fetchone()[0])
    return db


def components(nodes, left, right):
    """The least node of each node's connected component, for nodes 0 .. nodes - 1 and edges left[i] - right[i]."""
    label = numpy.arange(nodes)
    while len(left):
        least = numpy.minimum(label[left], label[right])
        numpy.minimum.at(label, label[left], least)
        numpy.minimum.at(label, label[right], least)
        while not numpy.array_equal(label, label[label]):
            label = label[label]
        apart = label[left] != label[right]
        left, right = left[apart], right[apart]
    return label


def write_index(db, person, out):
    """Writes dataset,row_id,person in no order, as CSV or, by the name's end, as Parquet; `person` is a query that gives
    these three of the rows."""
    db.execute(f"COPY ({person}) TO {_literal(out)}" + ("" if str(out).endswith(".parquet") else " (HEADER)"))

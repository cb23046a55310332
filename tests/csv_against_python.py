#!/usr/bin/env python3
"""Holds the extract reader against Python's csv module (strict mode), on written files and on hostile ones.

Usage: csv_against_python.py CSV_DUMP      the program built from tests/csv_dump.cpp
"""
import csv
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile

DELIMITERS = [",", ";", "|", "\t"]
PIECES = ["SW1A 1AA", "943 476 5919", "", " ", '"', '""', "\n", "\r\n", "\r", ",", ";", "|", "\t", "'", "é", "名前", "\U0001f600", "x" * 200]
HOSTILE = ['"', '"', ",", "\n", "\r\n", "\r", "a", "bc", '""', '","', "é", "\n\n"]


def written_file(rng):
    """A file as csv.writer writes it in some dialect, and its delimiter."""
    delimiter = rng.choice(DELIMITERS)
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=rng.choice(["\n", "\r\n", "\r"]),
        quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    )
    columns = rng.randint(1, 9)
    for _ in range(rng.randint(0, 40)):
        writer.writerow(["".join(rng.choices(PIECES, k=rng.randint(0, 5))) for _ in range(columns)])
    text = out.getvalue()
    if rng.random() < 0.3:
        text = text.rstrip("\r\n")
    return delimiter, text


def hostile_file(rng):
    """Any order of the characters that matter: often not well formed."""
    return ",", "".join(rng.choices(HOSTILE, k=rng.randint(0, rng.choice([4, 12, 40]))))


def python_rows(delimiter, text):
    """The rows as the csv module reads them, empty lines left out; None if it finds the file not well formed."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return None


def main():
    rng = random.Random(20140401)
    cases = [written_file(rng) for _ in range(200)] + [hostile_file(rng) for _ in range(1500)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for number, (delimiter, text) in enumerate(cases):
            path = pathlib.Path(folder, f"{number}.csv")
            path.write_bytes(text.encode())
            arguments += [delimiter, str(rng.choice([1, 7, 100, 1 << 20])), str(path)]
        output = subprocess.run([sys.argv[1], *arguments], check=True, stdout=subprocess.PIPE).stdout

    rows, bad = [[] for _ in cases], [[] for _ in cases]
    for line in output.decode().split("\n")[:-1]:
        record = json.loads(line)
        if "row" in record:
            rows[record["file"]].append(record["row"])
        else:
            bad[record["file"]].append(record["bad"])

    failures, well_formed, compared = 0, 0, 0
    for number, (delimiter, text) in enumerate(cases):
        expected = python_rows(delimiter, text)
        if expected is None:
            agrees = bool(bad[number])
        else:
            agrees = not bad[number] and rows[number] == expected
            well_formed += 1
            compared += len(expected)
        if not agrees:
            failures += 1
            print(f"case {number}: {text!r}\n  python {expected}\n  reader {rows[number]} bad {bad[number]}")
    print(f"{len(cases)} files, {well_formed} well formed with {compared} rows, {failures} read differently")
    # A generator that made only broken or empty files would compare nothing.
    sys.exit(1 if failures or well_formed < 400 or well_formed > 1600 or compared < 2000 else 0)


if __name__ == "__main__":
    main()

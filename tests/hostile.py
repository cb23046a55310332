#!/usr/bin/env python3
"""Inputs that wear a program out: each ends within its bounds of time and memory, and with a report that says what it was.

usage: hostile.py LIGATURE MPIEXEC SCRATCH [--full] [--only NAME] [--table FILE]

Without --full everything is a hundredth of its size.  Bounds are those of docs/bad-rows.md, on two cores.
"""
import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mpi_environment import ENVIRONMENT

HEADER = "record_id,nhs_number,date_of_birth,postcode,gender\n"
RANKS = 2


def nhs_number(index):
    """A valid NHS number of its own for each index: modulus 11, and no check digit is 10."""
    nine = 400_000_000 + 2 * index
    for digits in (str(nine), str(nine + 1)):
        check = -sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1))) % 11
        if check != 10:
            return f"{digits}{check}"
    raise AssertionError("two neighbours without a check digit")


class Trial:
    """A folder, its extracts, and the run of a job on them."""

    def __init__(self, arguments, name):
        self.program, self.mpiexec, self.full = arguments.ligature, arguments.mpiexec, arguments.full
        self.folder = arguments.scratch / name
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "in").mkdir(parents=True)
        key = self.folder / "key"
        key.write_bytes(bytes(range(32)))
        key.chmod(0o600)
        self.job = self.folder / "job.toml"
        self.job.write_text("""
[job]
secure = "run/secure"
publish = "run/publish"
key = "key"
as_at = 2020-01-01
[[extract]]
dataset = "people"
files = "in/*.csv"
[extract.columns]
row_id = "record_id"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
""")
        self.seconds = self.gib = 0.0
        self.text = ""

    def size(self, full):
        return full if self.full else max(1, full // 100)

    def write(self, rows, name="a.csv"):
        with open(self.folder / "in" / name, "w") as file:
            file.write(HEADER)
            file.writelines(rows)

    def rebuild(self, seconds, gib, code=0):
        """Runs the job within its bounds; memory is what any one rank held, as the system counts it."""
        command = [self.mpiexec, "-n", str(RANKS), self.program, "rebuild", str(self.job)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        began = time.monotonic()
        try:
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            sys.exit(f"{self.folder.name}: not done within {seconds} s")
        self.seconds = time.monotonic() - began
        self.text = done.stdout + done.stderr
        assert done.returncode == code, f"ended with {done.returncode}, not {code}\n{self.text[-4000:]}"
        if code == 0:
            self.gib = self.manifest()["peak_memory_bytes"] / RANKS / 2**30
        else:
            self.gib = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 2**20
        assert self.gib < gib, f"{self.gib:.2f} GiB, more than {gib}"

    def manifest(self):
        return json.loads((self.folder / "run" / "publish" / "manifest.json").read_text())

    def rows(self):
        return self.manifest()["rows"]


# --- the trials: each returns what the job said of it ----------------------------------------------------------------


def empty_files(trial):
    """100,000 files without a byte: no header, so nothing is done"""
    for number in range(trial.size(100_000)):
        (trial.folder / "in" / f"{number:06}.csv").touch()
    trial.rebuild(60, 0.5, code=2)
    assert len(trial.text) < 20_000, f"{len(trial.text)} bytes of messages"
    assert "no header" in trial.text and "more" in trial.text, trial.text
    return "exit code 2, the first 20 named and the others counted"


def headers_only(trial):
    """100,000 files with a header and no row"""
    for number in range(trial.size(100_000)):
        (trial.folder / "in" / f"{number:06}.csv").write_text(HEADER)
    trial.rebuild(120, 1.0)
    assert trial.rows()["read"] == 0
    return "0 rows, an empty dataset"


def one_row_files(trial):
    """100,000 files of one row"""
    files = trial.size(100_000)
    for number in range(files):
        row = f"r{number},{nhs_number(number)},1970-01-{1 + number % 28:02},SW1A 1AA,1\n"
        (trial.folder / "in" / f"{number:06}.csv").write_text(HEADER + row)
    trial.rebuild(180, 2.0)
    assert trial.rows()["kept"] == files, trial.rows()
    return f"{files:,} rows kept"


def long_line(trial):
    """a line of 1 GB between two good rows"""
    with open(trial.folder / "in" / "a.csv", "w") as file:
        file.write(HEADER + f"r1,{nhs_number(1)},1970-01-01,SW1A 1AA,1\n")
        for _ in range(trial.size(1000)):
            file.write("x" * 1_000_000)
        file.write(f"\nr2,{nhs_number(2)},1980-01-01,EC1A 1BB,2\n")
    trial.rebuild(60, 0.5)
    assert trial.rows()["kept"] == 2 and trial.rows()["quarantined"]["too_long"] == 1, trial.rows()
    return "1 row quarantined as too_long, 2 kept"


def long_header(trial):
    """a header of 1 GB"""
    with open(trial.folder / "in" / "a.csv", "w") as file:
        for _ in range(trial.size(1000)):
            file.write("x" * 1_000_000)
    trial.rebuild(60, 0.5, code=2)
    assert "a.csv" in trial.text and len(trial.text) < 20_000, trial.text[:4000]
    return "exit code 2: " + re.search(r"a\.csv: (.*)", trial.text).group(1)


def open_quote(trial):
    """a quote that opens 1 GB of short lines and never closes"""
    lines = trial.size(20_000_000)
    with open(trial.folder / "in" / "a.csv", "w") as file:
        file.write(HEADER + f'r1,{nhs_number(1)},1970-01-01,SW1A 1AA,1\n"')
        for _ in range(0, lines, 1000):
            file.write("r3,,1990-01-01,EC1A 1BB,2,one too many,and more of them\n" * min(1000, lines))
    trial.rebuild(180, 2.0)
    rows = trial.rows()
    assert rows["kept"] == 1 and sum(rows["quarantined"].values()) == rows["read"] - 1 >= lines, rows
    return f"{rows['read'] - 1:,} rows quarantined"


def one_number(trial):
    """30,000 people who all carry one NHS number"""
    rng = random.Random(1)
    rows = trial.size(30_000)
    number = nhs_number(5)
    trial.write(f"r{i},{number},{rng.randrange(1920, 2019)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02},"
                f"{rng.choice('BELMNSW')}{rng.randrange(1, 30)} {rng.randrange(1, 10)}{rng.choice('ABDEFGHJ')}"
                f"{rng.choice('LNPQRSTU')},{1 + i % 2}\n" for i in range(rows))
    trial.rebuild(120, 1.0)
    assert trial.rows()["kept"] == rows
    persons = trial.manifest()["persons"]
    assert persons > rows * 0.9, f"{persons} persons: a number that everybody uses joined them"
    return f"{persons:,} persons"


def one_block(trial):
    """100,000 people born on one day at one postcode, each with a number"""
    people = trial.size(100_000)
    trial.write(f"r{i},{nhs_number(i)},1900-01-01,SW1A 1AA,{1 + i % 2}\n" for i in range(people))
    trial.rebuild(300, 2.0)
    assert trial.rows()["kept"] == people
    persons = trial.manifest()["persons"]
    assert persons == people, f"{persons} persons of {people} numbers"
    return f"{persons:,} persons"


def one_block_without_numbers(trial):
    """100,000 records born on one day at one postcode, half of them without a number, half with numbers of their own"""
    people = trial.size(100_000)
    trial.write(f"r{i},{nhs_number(i) if i % 2 else ''},1961-07-09,SW1A 1AA,{1 + i // 2 % 2}\n" for i in range(people))
    trial.rebuild(300, 2.0)
    assert trial.rows()["kept"] == people
    return f"{trial.manifest()['persons']:,} persons"


def placeholders(trial):
    """10 million rows of placeholders"""
    rows = trial.size(10_000_000)
    kinds = ["0000000000,1900-01-01,ZZ99 3VZ,0", "9999999999,1901-01-01,ZZ99 3WZ,9", ",,,", "1111111111,01/01/1900,,"]
    trial.write(f"r{i},{kinds[i % 4]}\n" for i in range(rows))
    trial.rebuild(300, 4.0)
    assert trial.rows()["kept"] == rows
    persons = trial.manifest()["persons"]
    return f"{persons:,} persons: nothing can be told of them"


TRIALS = (empty_files, headers_only, one_row_files, long_line, long_header, open_quote, one_number, one_block,
          one_block_without_numbers, placeholders)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ligature")
    parser.add_argument("mpiexec")
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    lines = ["| input | report | seconds | GiB a rank |", "|---|---|---:|---:|"]
    failed = False
    for function in TRIALS:
        if arguments.only not in (None, function.__name__):
            continue
        trial = Trial(arguments, function.__name__)
        try:
            report = function(trial)
        except AssertionError as problem:
            failed = True
            print(f"{function.__name__}: {problem}")
            report = "FAILED"
        print(f"{function.__name__}: {report}: {trial.seconds:.1f} s, {trial.gib:.2f} GiB a rank", flush=True)
        lines.append(f"| {function.__doc__} | {report} | {trial.seconds:.1f} | {trial.gib:.2f} |")
        shutil.rmtree(trial.folder)
    if arguments.table:
        arguments.table.write_text("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

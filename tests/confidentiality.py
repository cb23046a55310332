#!/usr/bin/env python3
"""Consent, confidentiality and release, as a user meets them: what went wrong in national programmes is set up and must
be refused or caught (program.py says how a test is started)."""
import csv
import gzip
import hashlib
import hmac
import itertools
import json
import os
import re
import resource
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

from plain_leak_search import find_leaks, written_forms
from program import (
    ENVIRONMENT, LIGATURE, MPIEXEC, digest, export, fresh, nhs_numbers, population, run, run_test, valid_nhs_number,
    write_key)


AGREEMENT = """[agreement]
id = "A-1"
recipient = "University of Leeds"
recipient_type = "researcher"
purpose = "asthma"
legal_basis = "section-261"
start = 2014-04-01
expiry = 2070-01-01
form = "extract"
format = "csv"
key = "leeds.key"
rules = "k-anonymity v1"
k = 2
[persons]
columns = ["sex"]
[[dataset]]
name = "gp"
columns = ["row_id", "event_date", "code"]
dates = "month"
"""


def can_release(folder, job):
    """Whatever a release of AGREEMENT needs, beside a job file."""
    with open(job, "a") as file:
        file.write('\n[release]\ncustomers = "customers.csv"\nfolder = "releases"\n')
    (folder / "customers.csv").write_text("recipient,recipient_type,purpose\nUniversity of Leeds,researcher,asthma\n")
    if not (folder / "leeds.key").exists():
        run("key", "new", folder / "leeds.key")
    (folder / "leeds.toml").write_text(AGREEMENT)
    return folder / "leeds.toml"


def released_name(key, person):
    """The name that a release under a key has for a person of the dataset."""
    return hmac.new(key.read_bytes(), b"ligature/release/person/1:" + bytes.fromhex(person), hashlib.sha256).hexdigest()[:32]


def column_of(path, name):
    with open(path, newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def test_objections_coded_in_rows_reach_releases():
    """9Nu0 and 9Nu1 bind the rebuild, 9Nu4 and 9Nu5 what is released from it, though no file of objections is named."""
    folder = fresh("coded")
    rows = ["record_id,nhs_number,date_of_birth,postcode,gender,event_date,code,sent"]
    numbers = nhs_numbers(40)

    def say(name, person, day, code, sent="2014-03-01", number=None):
        rows.append(f"{name},{numbers[person] if number is None else number},{1930 + person}-03-1{person % 9},"
                    f"LS{1 + person % 9} {person % 9}{'ABDEFGHJLN'[person % 10]}{'PQRSTUWXYZ'[person // 10]},"
                    f"{1 + person % 2},{day},{code},{sent}")

    for person in range(40):
        say(f"visit{person}", person, "2014-01-05", "246..")
    say("type1", 0, "2014-02-01", "9Nu0.")
    say("back1", 1, "2014-02-01", "9Nu0.")
    say("back2", 1, "2014-02-20", "9Nu1.")
    say("type2", 2, "2014-02-01", "9Nu4.")
    say("again1", 3, "2014-02-01", "9Nu400")
    say("again2", 3, "2014-02-20", "9Nu5.")
    say("late", 4, "2014-02-20", "9Nu4")
    say("late0", 4, "2014-02-01", "9Nu5")  # before the objection: it says nothing
    say("unnumbered", 2, "2014-02-03", "246..", number="")  # of the one with 9Nu4, by birth date, postcode and gender
    (folder / "gp.csv").write_text("\n".join(rows) + "\n")
    write_key(folder / "ligature.key")
    job = folder / "job.toml"
    job.write_text("""
[job]
name = "coded"
secure = "run/secure"
publish = "run/publish"
key = "ligature.key"
[[extract]]
dataset = "gp"
files = ["gp.csv"]
[extract.columns]
row_id = "record_id"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
event_date = "event_date"
extracted = "sent"
objection_code = "code"
[[extract.keep]]
column = "code"
""")
    agreement = can_release(folder, job)
    run("rebuild", job, ranks=2)
    people = export(job)
    assert not [row for _, row in people if row in ("visit0", "type1")], people
    assert people["gp", "visit2"] == people["gp", "unnumbered"]
    files = set()
    for ranks in (1, 2, 3, 4):
        run("release", job, agreement, ranks=ranks)
        release = folder / "releases" / f"A-1-{ranks}"
        files.add(tuple((release / name).read_text() for name in ("persons.csv", "events_gp.csv", "digests.txt")))
    assert len(files) == 1, "the number of ranks shows in a release"
    expected = {released_name(folder / "leeds.key", people["gp", f"visit{person}"])
                for person in range(40) if person not in (0, 2, 4)}
    assert set(column_of(release / "persons.csv", "pseudonym")) == expected
    assert set(column_of(release / "events_gp.csv", "pseudonym")) == expected
    log = [json.loads(line) for line in (folder / "run/secure/audit.log").read_text().splitlines()]
    assert log[-1]["left_out"] == 2 and "left_out" not in json.loads((release / "release.json").read_text())
    run("verify", job, ranks=2)


def test_leaks_are_found_as_a_plain_search_finds_them():
    """Identifiers are planted in every spelling and every kind of published file: none is missed, nothing is made up."""
    import h5py
    import numpy
    folder = population(people=2_000, seed=9)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    kept = {row for _, row in export(job)}
    clean, barred = {}, {}
    for path in sorted(folder.glob("gp/*.csv")):
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                if valid_nhs_number(row["nhs_number"]) and row["date_of_birth"][4:5] == "-" and " " in row["postcode"]:
                    number = row["nhs_number"]
                    (clean if row["record_id"] in kept else barred)[number] = (number, row["date_of_birth"], row["postcode"])
    known = list(clean.values())
    gone = [of for number, of in barred.items() if number not in clean]
    assert len(known) > 500 and gone, (len(known), len(gone))
    planted = folder / "planted"
    planted.mkdir()
    assert "no identifier of the input" in run("verify", job, "--leaks")

    # Every spelling once, on a line of its own.
    forms = [text for i in range(8) for text in written_forms(*known[10 + i])]
    text = "\n".join(f"line {i}: {form};" for i, form in enumerate(forms)) + "\n"
    (planted / "notes.log").write_text(text)
    (planted / "table.csv").write_text("a,b\n" + "".join(f'{n},"{p}"\n' for n, _, p in known[20:25]))
    (planted / "report.json").write_text(json.dumps({"persons": [{"nhs": int(known[30][0]), "postcode": known[30][2]}]}))
    with gzip.open(planted / "rows.csv.gz", "wt") as file:
        file.write("x" * 100_000 + "\n" + ",".join(known[40]) + "\n")
    (planted / f"patient {known[50][0]}.txt").write_text("nothing in here\n")
    with h5py.File(planted / "extract.h5", "w", libver="latest") as file:
        file.attrs["note"] = f"for {known[60][0]}"
        file.create_dataset("words", data=numpy.array([b"nothing", known[61][2].encode(), b"x"]))
        file.create_dataset("zipped", data=numpy.array([b"-" * 20] * 500 + [known[62][0].encode()]), chunks=(64,),
                            compression="gzip")
        file.create_dataset("numbers", data=[1, 2, int(known[63][0])], dtype="i8", chunks=(2,), shuffle=True, compression=4)
        file.create_dataset("reals", data=[0.5, float(known[64][0])], dtype=">f8")
    (planted / "clean.csv").write_text("a,b\n4000000000,SW99 9ZZ\n" + "1," * 1000 + "\n")
    # What is published by the program itself, with something added by hand.
    for name in ("providers.csv", "manifest.json"):
        path = folder / "run/publish" / name
        path.write_text(path.read_text().replace('"job_name": "', f'"job_name": "{known[70][2]} ')
                        if name.endswith("json") else path.read_text() + f"{known[71][0]}\n")
    with h5py.File(folder / "run/publish/dataset.h5", "a") as file:
        file["persons"].attrs["meaning"] = f"one row a person, but {known[72][2]}"

    expected = find_leaks([planted, folder / "run/publish"], known)
    places = {Path(place.split(":/")[0]).name for place, _ in expected}
    assert places == {"notes.log", "table.csv", "report.json", "rows.csv.gz", f"patient {known[50][0]}.txt", "extract.h5",
                      "providers.csv", "manifest.json", "dataset.h5"}, places
    report = run("verify", job, "--leaks", "--in", planted, ranks=3, expect=1)
    assert not any(secret in report for number, _, postcode in known[:80] for secret in (number, postcode)
                   if f"patient {number}" not in report), "the report repeats an identifier"
    found = {}
    for line in report.splitlines():
        cells = [cell for cell in line.split("  ") if cell.strip()]
        if cells and cells[-1].strip() == "LEAK":
            found.setdefault((cells[0].strip(), cells[1].strip().split(",")[0]), []).append(int(cells[3].replace(",", "")))
    found = {place: sum(hits) for place, hits in found.items()}
    assert found == expected, {place: (found.get(place), expected.get(place))
                               for place in found.keys() | expected.keys() if found.get(place) != expected.get(place)}

    # Rows that were left out are known to nobody but the extracts: --also says where to look.
    for path in planted.iterdir():
        path.unlink()
    (planted / "late.csv").write_text(f"{gone[0][0]}\n")
    message = run("verify", job, "--leaks", "--in", planted / "late.csv", ranks=2, expect=1)  # what was added to publish
    assert "late.csv" not in message, message
    message = run("verify", job, "--leaks", "--in", planted / "late.csv", "--also", folder / "optout.csv",
                  "--also", *sorted(folder.glob("gp/*.csv")), ranks=2, expect=1)
    assert "late.csv" in message and gone[0][0] not in message, message


def test_a_crash_leaves_no_identifier():
    """Ranks are killed in every stage, as a fault would: no core, and nothing outside the secure folder names anybody."""
    folder = population(people=10_000, seed=11)
    job = folder / "job.toml"
    secrets = set()
    for path in folder.glob("*/*-*.csv"):
        with open(path, newline="") as file:
            for row in csv.reader(file, delimiter="|" if path.parent.name == "ae" else ","):
                number = row[3].replace(" ", "").replace("-", "")
                if valid_nhs_number(number):
                    secrets.add(number)
                secrets.update(text for text in row[4:6] if re.fullmatch(r"[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}", text))
    secrets = {secret.encode() for secret in secrets}
    assert len(secrets) > 5_000

    def names_somebody(data):
        looks_like = re.findall(rb"(?<![0-9])[0-9]{10}(?![0-9])|[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}", data)
        return not secrets.isdisjoint(looks_like)

    inputs = {path for path in folder.rglob("*") if path.is_file()}
    temporary = folder / "temporary"
    temporary.mkdir()

    def crash(ranks, lines, number, *arguments, wait=0):
        """Kills a rank once so many lines of progress were seen, and a while; returns what was printed."""
        launch = [MPIEXEC, "-n", str(ranks)] if ranks > 1 else []
        job_process = subprocess.Popen(
            [*launch, Path(LIGATURE).resolve(), *map(str, arguments)], cwd=temporary, text=True, env=dict(ENVIRONMENT, TMPDIR=str(temporary)),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        printed = "".join(itertools.islice(job_process.stdout, lines))
        time.sleep(wait)
        victims = [job_process.pid]
        if ranks > 1:
            victims = [int(pid) for pid in Path(f"/proc/{job_process.pid}/task/{job_process.pid}/children").read_text().split()]
        try:
            os.kill(victims[-1], number)
        except (ProcessLookupError, IndexError):
            pass  # it was done already
        printed += job_process.stdout.read()
        return printed, job_process.wait(timeout=60)

    def check(printed, what):
        assert not names_somebody(printed.encode()), f"{what}: an identifier was printed"
        for path in folder.rglob("*"):
            if not path.is_file() or path in inputs or (folder / "run/secure") in path.parents:
                continue
            assert not path.name.startswith("core"), f"{what} left {path}"
            assert not names_somebody(path.read_bytes()), f"{what}: {path} has an identifier"

    killed = 0
    progress, _ = crash(1, 0, 0, "rebuild", job)
    stages = sum(1 for line in progress.splitlines() if line[2:3] == ":" and line[5:6] == ":")
    assert stages >= 8, progress
    for stage, number in zip(range(1, stages), itertools.cycle((signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS))):
        ranks = 2 if stage in (1, 6) else 1
        printed, code = crash(ranks, stage, number, "rebuild", job)
        killed += code != 0
        check(printed, f"signal {number} after {stage} lines")
    assert killed >= stages // 2 - 1, (killed, stages)
    run("rebuild", job, ranks=2)
    agreement = can_release(folder, job)
    for number in (signal.SIGSEGV, signal.SIGABRT):
        printed, _ = crash(2, 0, number, "release", job, agreement, wait=0.6)
        check(printed, f"signal {number} in a release")
    run("verify", job)
    assert "no identifier" in run("verify", job, "--leaks", ranks=2)


def test_whatever_is_malformed_is_refused_and_nothing_is_made():
    """Keys, ledgers, registers and agreements, each wrong in one way, at the command line."""
    folder = population(people=2_000, seed=4)
    job = folder / "job.toml"
    agreement = can_release(folder, job)
    run("rebuild", job, ranks=2)

    def refused(words, *arguments, code=2, ranks=1):
        message = run(*arguments, ranks=ranks, expect=code)
        assert words in message, message
        assert not list((folder / "releases").glob("*")) if (folder / "releases").exists() else True, words

    key = folder / "leeds.key"
    good = key.read_bytes()
    for mode, content in ((0o640, good), (0o600, good[:31])):
        key.write_bytes(content)
        key.chmod(mode)
        refused("leeds.key", "release", job, agreement)
    key.write_bytes(good)

    for old, new, words in (("expiry = 2070-01-01", "expiry = 2014-04-02", "2014-04-02"),
                            ('columns = ["sex"]', 'columns = ["postcode"]', "'columns' in [persons]"),
                            ('legal_basis = "section-261"\n', "", "legal_basis")):
        agreement.write_text(AGREEMENT.replace(old, new))
        refused(words, "release", job, agreement)
    agreement.write_bytes(bytes(range(256)))
    refused("leeds.toml", "release", job, agreement, ranks=2)
    agreement.write_text(AGREEMENT)

    customers = folder / "customers.csv"
    register = customers.read_text()
    customers.write_text(register + register.splitlines()[1] + "\n")  # twice
    refused("customers.csv", "release", job, agreement)
    customers.write_text(register)

    # A ledger that cannot be read stops a release; an entry that cannot be used is counted, and named by its line alone.
    ledger = folder / "optout.csv"
    entries = ledger.read_text()
    ledger.write_text("number,when\n")
    refused("nhs_number", "release", job, agreement, ranks=2)
    ledger.unlink()
    refused("optout.csv", "release", job, agreement)
    number = nhs_numbers(1)[0]
    ledger.write_text(entries + f'{number},9Nu9,2014-01-01\n{number},type1,31/31/2014\n"{number}\n')
    message = run("rebuild", job, "--set", "limits.max_unusable_objections=0", ranks=2, expect=3)
    assert "max_unusable_objections" in message and number not in message, message
    run("release", job, agreement, ranks=2)
    assert (folder / "releases" / "A-1-1" / "persons.csv").exists()


def solved(equations):
    """Reduces sums of unknowns, as lists of numbers; returns a test whether a sum of them follows from the equations."""
    basis = {}  # by the first unknown of each

    def reduce(row):
        row = [Fraction(value) for value in row]
        for c, value in enumerate(row):
            if row[c] != 0 and c in basis:
                row = [a - row[c] * b for a, b in zip(row, basis[c])]
        return row

    for row in equations:
        row = reduce(row)
        first = next((c for c, value in enumerate(row) if value != 0), None)
        if first is not None:
            basis[first] = [value / row[first] for value in row]
    return lambda row: not any(reduce(row))


def test_published_tables_cannot_be_undone_by_subtraction():
    """All that a commissioner gets is put into one system of equations; no cell that was hidden follows from it."""
    folder = population(people=2_000, seed=17)
    job = folder / "job.toml"
    can_release(folder, job)
    run("rebuild", job, ranks=2)
    agreement = folder / "tables.toml"
    form = AGREEMENT[: AGREEMENT.index("[persons]")]
    form = form.replace('"extract"', '"aggregate"').replace('format = "csv"\nkey = "leeds.key"\n', "")
    form = form.replace('"k-anonymity v1"', '"suppress-1-5 v1"').replace("k = 2\n", "").replace("A-1", "T-1")
    agreement.write_text(form + """
[persons]
age_band = 15
[[table]]
name = "by_age"
count = "persons"
dimensions = ["age_band", "sex"]
[[table]]
name = "by_area"
count = "persons"
dimensions = ["area", "sex"]
""")
    run("release", job, agreement, ranks=2)
    release = folder / "releases" / "T-1-1"
    tables = {}
    for name in ("by_age", "by_area"):
        with open(release / f"{name}.csv", newline="") as file:
            rows = list(csv.reader(file))
        tables[name] = {tuple(row[:2]): row[2] for row in rows[1:]}
    # The unknowns are the cells of the cube under both tables: age by area by sex.
    ages = sorted({key[0] for key in tables["by_age"]} - {"Total"})
    areas = sorted({key[0] for key in tables["by_area"]} - {"Total"})
    sexes = sorted({key[1] for table in tables.values() for key in table} - {"Total"})
    cells = list(itertools.product(ages, areas, sexes))

    def sum_of(table, key):
        at = 0 if table == "by_age" else 1
        return [key[0] in (cell[at], "Total") and key[1] in (cell[2], "Total") for cell in cells]

    follows = solved([sum_of(name, key) for name, table in tables.items() for key, text in table.items() if text != "*"])
    hidden = [(name, key) for name, table in tables.items() for key, text in table.items() if text == "*"]
    assert len(hidden) > 5, "nothing was small"
    assert not [entry for entry in hidden if follows(sum_of(*entry))], "what was hidden follows from what is shown"
    # The solver does find what is hidden badly: one cell of a row alone.
    alone = [sum_of("by_age", (ages[0], sex)) for sex in sexes[1:]] + [sum_of("by_age", (ages[0], "Total"))]
    assert solved(alone)(sum_of("by_age", (ages[0], sexes[0])))
    assert not [text for table in tables.values() for text in table.values() if text in ("1", "2", "3", "4", "5")]


def test_one_customer_cannot_tell_who_objected():
    """The failure of 2014: the same month with and without those who objected, under consistent identifiers."""
    folder = population(people=2_000, seed=5)
    job = folder / "job.toml"
    agreement = can_release(folder, job)
    run("rebuild", job, ranks=2)
    run("release", job, agreement, ranks=2)
    run("key", "new", folder / "other.key")
    for text in (AGREEMENT.replace("section-261", "regulation-3"),
                 AGREEMENT.replace("section-261", "court-order").replace("A-1", "A-2").replace("leeds.key", "other.key")):
        agreement.write_text(text)
        assert "who objected" in run("release", job, agreement, ranks=2, expect=2)
    # Another customer's file of the same rows has no name in common with it, and another order.
    (folder / "customers.csv").write_text((folder / "customers.csv").read_text() + "Leeds North CCG,commissioner,asthma\n")
    agreement.write_text(AGREEMENT.replace("A-1", "B-1").replace("leeds.key", "other.key")
                         .replace("University of Leeds", "Leeds North CCG").replace("researcher", "commissioner"))
    run("release", job, agreement, ranks=3)
    mine, theirs = (folder / "releases" / name / "events_gp.csv" for name in ("A-1-1", "B-1-1"))
    for column in ("pseudonym", "row_id"):
        assert not set(column_of(mine, column)) & set(column_of(theirs, column)), column
    codes = column_of(mine, "code"), column_of(theirs, "code")
    assert sorted(codes[0]) == sorted(codes[1]) and codes[0] != codes[1]
    same = sum(a == b for a, b in zip(*codes))
    by_chance = sum((codes[0].count(code) / len(codes[0])) ** 2 for code in set(codes[0])) * len(codes[0])
    assert same < by_chance * 1.3 + 50, (same, by_chance)  # lines that meet are no more alike than any two


def objectors_rows(folder):
    """The rows of people whose type 1 objection stands when the extracts are taken, and of all others: row -> errors."""
    standing = set()
    with open(folder / "objectors.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "type1" and row["from"] <= "2014-04-01" and not ("" < row["until"] <= "2014-04-01"):
                standing.add(row["person_id"])
    theirs, others = {}, {}
    with open(folder / "truth.csv", newline="") as file:
        for row in csv.DictReader(file):
            rows = theirs if row["person_id"] in standing else others
            rows[row["dataset"], row["record_id"]] = row["errors"]
    return theirs, others


def test_objectors_in_disguise_are_left_out():
    """Half of the objectors' rows lose their number or have it misspelt; half of the rest are of other sources."""
    folder = fresh("objectors")
    run("synth", "--people", 20_000, "--seed", 21, "--out", folder, "--rate-objector-disguised", 0.5, ranks=2)
    write_key(folder / "ligature.key")
    job = folder / "job.toml"
    digests = set()
    for ranks in (1, 2, 3, 4):
        run("rebuild", job, ranks=ranks)
        digests.add(digest(job))
    assert len(digests) == 1, digests
    run("verify", job, ranks=2)
    kept = export(job)
    theirs, others = objectors_rows(folder)
    disguised = {row for row, errors in theirs.items() if "nhs_missing" in errors or "nhs_mistyped" in errors}
    assert len(disguised) > 500, len(disguised)
    assert not [row for row in theirs if row in kept and row not in disguised and "nhs" not in theirs[row]]
    # What is left of them is what linkage cannot tell to be theirs: without a ledger, none of it is with a person who
    # holds rows under an objector's number.
    text = job.read_text()
    plain_job = folder / "plain.toml"
    plain_job.write_text(text[: text.index("[consent]")].replace("run/", "plain/"))
    run("rebuild", plain_job, ranks=2)
    plain = export(plain_job)
    objectors = {plain[row] for row in theirs if row not in kept and row not in disguised and "nhs" not in theirs[row]}
    left = [row for row in theirs if row in kept]
    assert not [row for row in left if plain[row] in objectors], "a row that links to an objector is published"
    assert len(left) < 0.2 * len(disguised), (len(left), len(disguised))
    # The only rows of others that go are those that carry an objector's number.
    gone = [row for row in others if row not in kept]
    assert all("nhs_other_person" in others[row] for row in gone), [others[row] for row in gone]
    manifest = json.loads((folder / "run" / "publish" / "manifest.json").read_text())
    rows = manifest["rows"]
    assert rows["read"] == rows["kept"] + rows["opted_out"] and rows["kept"] == len(kept)
    assert rows["opted_out_by_linkage"] == manifest["consent"]["rows_by_linkage"] > 0.8 * len(disguised)

    # What stays is put together as if nothing else had ever been sent, but for what stays apart from an objector.
    for path in folder.glob("*/*-*.csv"):
        lines = path.read_text().splitlines(keepends=True)
        dataset, delimiter = path.parent.name, "|" if path.parent.name == "ae" else ","
        path.write_text(lines[0] + "".join(line for line in lines[1:] if (dataset, line.split(delimiter)[0]) in kept))
    run("rebuild", job, "--set", "job.secure=rest/secure", "--set", "job.publish=rest/publish", ranks=2)
    run("export", folder / "rest" / "publish", "--index", folder / "rest.csv")
    with open(folder / "rest.csv", newline="") as file:
        rest = {(row["dataset"], row["row_id"]): row["person"] for row in csv.DictReader(file)}
    assert rest.keys() == kept.keys()
    moved = [row for row in kept if kept[row] != rest[row]]
    assert len(moved) <= 2 * manifest["consent"]["identities_apart"] + 2, (len(moved), manifest["consent"])


def test_objections_in_rows_bind_by_their_dates():
    folder = fresh("coded")
    numbers = nhs_numbers(30)
    people = [(number, f"{1940 + i}-0{1 + i % 9}-1{i % 9}", f"LS{1 + i % 9} {i % 9}{'ABDEFGHJLN'[i % 10]}{'PQRSTUWXYZ'[i // 10]}", 1 + i % 2)
              for i, number in enumerate(numbers)]
    gp = ["record_id,practice,nhs_number,date_of_birth,postcode,gender,event_date,code,sent"]
    def say(name, person, date, code, sent, number=True):
        nhs, birth, postcode, gender = people[person]
        gp.append(f"{name},A8100{person % 3},{nhs if number else ''},{birth},{postcode},{gender},{date},{code},{sent}")
    for person in range(30):
        say(f"early{person}", person, "2013-12-01", "246..", "2014-01-01")
        say(f"late{person}", person, "2014-02-15", "246..", "2014-03-01")
    say("out0", 0, "2014-02-01", "9Nu0.", "2014-03-01")
    say("out1", 1, "2014-02-01", "9Nu0", "2014-02-10")
    say("in1", 1, "2014-02-20", "9Nu1.", "2014-03-01")
    say("out2", 2, "2014-02-01", "XaZ89", "2014-03-01")
    say("in2", 2, "2014-02-01", "9Nu1.", "2014-03-01")  # on the day of the objection: it does not count
    say("nobody", 3, "2014-02-01", "9Nu0.", "2014-03-01", number=False)
    say("tomorrow", 4, "2014-03-02", "9Nu0.", "2014-03-01")
    say("undated", 5, "", "9Nu0.", "2014-03-01")
    say("second", 6, "2014-02-01", "9Nu4.", "2014-03-01")
    ae = ["record_id,date_of_birth,postcode,gender,sent"]
    for person in range(6):
        _, birth, postcode, gender = people[person]
        ae.append(f"before{person},{birth},{postcode},{gender},2014-01-15")
        ae.append(f"while{person},{birth},{postcode},{gender},2014-02-10")
        ae.append(f"after{person},{birth},{postcode},{gender},2014-03-01")
    (folder / "gp.csv").write_text("\n".join(gp) + "\n")
    (folder / "ae.csv").write_text("\n".join(ae) + "\n")
    (folder / "practices.csv").write_text("practice_code,supplier\nA81000,North\nA81001,North\nA81002,South\nA81009,South\n")
    write_key(folder / "ligature.key")

    def job_named(name, extra=""):
        path = folder / f"{name}.toml"
        path.write_text(f"""
[job]
name = "{name}"
secure = "{name}/secure"
publish = "{name}/publish"
key = "ligature.key"
as_at = 2014-03-15
[[extract]]
dataset = "gp"
files = ["gp.csv"]
[extract.columns]
row_id = "record_id"
provider = "practice"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
event_date = "event_date"
extracted = "sent"
objection_code = "code"
[[extract.keep]]
column = "code"
[[extract]]
dataset = "ae"
files = ["ae.csv"]
[extract.columns]
row_id = "record_id"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
extracted = "sent"
[reference]
practices = "practices.csv"
[consent]
{extra}
""")
        return path

    job = job_named("keep")
    digests = set()
    for ranks in (1, 2, 3, 4):
        run("rebuild", job, ranks=ranks)
        digests.add(digest(job))
    assert len(digests) == 1, digests
    run("verify", job, ranks=2)
    everything = {("gp", line.split(",")[0]) for line in gp[1:]} | {("ae", line.split(",")[0]) for line in ae[1:]}
    barred = {("gp", "late0"), ("gp", "out0"), ("ae", "while0"), ("ae", "after0"), ("gp", "out1"), ("ae", "while1"),
              ("gp", "late2"), ("gp", "out2"), ("gp", "in2"), ("ae", "while2"), ("ae", "after2")}
    kept = export(job)
    assert everything - kept.keys() == barred, (everything - kept.keys()) ^ barred
    assert kept["gp", "early0"] == kept["ae", "before0"] and kept["ae", "after1"] == kept["gp", "in1"]
    manifest = json.loads((folder / "keep" / "publish" / "manifest.json").read_text())
    assert manifest["rows"]["opted_out_by_linkage"] == 5, manifest["rows"]
    assert manifest["consent"]["standing"] == {"type1": 2, "type2": 1, "ndoo": 0}, manifest["consent"]
    with open(folder / "keep" / "secure" / "objections-unused.csv", newline="") as file:
        unused = [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]
    assert unused == [(66, "tie"), (67, "no_number"), (68, "future_date"), (69, "no_date")], unused
    message = run("rebuild", job, "--set", "limits.max_unusable_objections=2", expect=3)
    assert "max_unusable_objections" in message and not any(number in message for number in numbers), message

    # The later rule: an objection takes what was sent before as well, of the person and not of the number.
    withdrawing = job_named("withdraw", 'after_opt_out = "withdraw"')
    run("rebuild", withdrawing, ranks=2)
    run("verify", withdrawing)
    gone = everything - export(withdrawing).keys()
    assert gone == barred | {("gp", f"early{p}") for p in (0, 2)} | {("ae", f"before{p}") for p in (0, 2)}, gone ^ barred

    # What a run found is a ledger for the next, in the same words.
    ledger = (folder / "keep" / "secure" / "objections.csv").read_text().splitlines()
    assert f"{numbers[0]},type1,2014-02-01" in ledger and f"{numbers[1]},type1-withdrawn,2014-02-20" in ledger, ledger

    # A code that is no longer sent is noticed.
    with open(folder / "keep" / "secure" / "objections-by-practice.csv", newline="") as file:
        counts = {(row["scope"], row["code"]): row["type1"] for row in csv.DictReader(file)}
    assert counts["practice", "A81000"] == counts["practice", "A81002"] == "1" and counts["supplier", "South"] == "1"
    (folder / "gp.csv").write_text("\n".join(line for line in gp if not line.startswith(("out2", "late", "in2", "early2"))) + "\n")
    next_month = job_named("next", 'previous = "keep/publish"')
    message = run("rebuild", next_month, ranks=2, expect=3)
    assert "practice A81002" in message and "supplier South" in message and "A81000" not in message, message
    assert not (folder / "next" / "publish" / "dataset.h5").exists()
    seen = "".join(f'[[consent.acknowledge]]\ncode = "{code}"\nreason = "looked at"\n' for code in ("A81002", "South"))
    next_month = job_named("next", 'previous = "keep/publish"\n' + seen)
    run("rebuild", next_month, ranks=2)
    run("verify", next_month)
    with open(folder / "next" / "publish" / "providers.csv", newline="") as file:
        providers = {row["provider"]: row for row in csv.DictReader(file)}
    assert providers["A81000"]["status"] == "partial" and providers["A81009"]["status"] == "silent", providers
    assert providers["A81000"]["supplier"] == "North" and providers["A81000"]["date_of_birth_missing"] == "0.00"
    run("rebuild", job_named("keep", 'previous = "keep/publish"'), expect=2)  # a run is not held against itself


def test_releases_leave_objectors_out_and_are_accounted_for():
    """A release has names of its own and no objector, whatever the spelling of a row; the log has every use of the run."""
    folder = population(people=5_000, seed=21)
    job = folder / "job.toml"
    key_id = run("key", "new", folder / "leeds.key").strip()
    assert run("key", "id", folder / "leeds.key").strip() == key_id
    run("key", "new", folder / "leeds.key", expect=2)
    agreement = can_release(folder, job)
    agreement.write_text(AGREEMENT.replace("k = 2", "k = 5"))
    run("rebuild", job, ranks=2)
    run("rebuild", job, ranks=1)
    people = export(job)
    run("release", job, agreement, ranks=3)

    # Objectors by the files alone: the last word of each number, with or without withdrawal.
    last = {}
    with open(folder / "optout.csv", newline="") as file:
        for row in csv.DictReader(file):
            kind = {"9nu4": "type2", "9nu5": "type2-withdrawn"}.get(row["kind"].strip().lower()[:4], row["kind"].lower())
            if kind.startswith(("type2", "ndoo")):
                number = row["nhs_number"].replace(" ", "").replace("-", "")
                withdrawn = kind.endswith("-withdrawn")
                word = (row["date"], not withdrawn)
                last[number, kind[:4]] = max(last.get((number, kind[:4]), word), word)
    objecting = {number for (number, _), (_, stands) in last.items() if stands}
    carriers = {}
    for path in folder.glob("*/*-*.csv"):
        with open(path, newline="") as file:
            for row in csv.reader(file, delimiter="|" if path.parent.name == "ae" else ","):
                number = row[3].replace(" ", "").replace("-", "")
                person = people.get((path.parent.name, row[0]))
                if number in objecting and person is not None:
                    carriers.setdefault(number, []).append(person)
    # Where all rows of a number are one person's, that person is the one who objects.
    objectors = {persons[0] for persons in carriers.values() if len(set(persons)) == 1}
    assert len(objectors) > 20, "too few objectors to see anything"

    def new_name(person):
        return released_name(folder / "leeds.key", person)
    release = folder / "releases" / "A-1-1"
    released = column_of(release / "persons.csv", "pseudonym")
    assert released == sorted(released) and set(released) <= {new_name(person) for person in people.values()}
    assert not set(released) & {new_name(person) for person in objectors}, "an objector was released"
    text = "".join(path.read_text() for path in release.iterdir())
    assert not any(person in text for person in people.values()), "a pseudonym of the dataset was released"

    entries = [json.loads(line) for line in (folder / "run/secure/audit.log").read_text().splitlines()]
    assert [entry["action"] for entry in entries] == ["rebuild", "rebuild", "export", "release"], entries
    assert entries[-1]["key_id"] == key_id and entries[-1]["left_out"] >= len(objectors)
    assert "A-1,1,University of Leeds" in run("register", job)
    run("verify", job)
    log = folder / "run/secure/audit.log"
    log.write_text(log.read_text().replace("University of Leeds", "University of Leads"))
    assert "FAILED audit log" in run("verify", job, expect=1)


def test_planted_identifier_is_found():
    folder = population(people=2_000, seed=9)
    job = folder / "job.toml"
    run("rebuild", job)
    run("verify", job)
    with open(next(folder.glob("gp/*.csv")), newline="") as file:
        number = next(row["nhs_number"] for row in csv.DictReader(file) if valid_nhs_number(row["nhs_number"]))
    (folder / "run" / "publish" / "notes.txt").write_text(f"please look at {number[:3]} {number[3:6]} {number[6:]}\n")
    message = run("verify", job, expect=1)
    assert number not in message.replace(" ", ""), "the report repeats the identifier"


run_test(globals())

#!/usr/bin/env python3
"""Releases, as a user makes them: what went wrong in national programmes is set up and refused (program.py says how a
test is started)."""
import csv
import fcntl
import itertools
import json
import os
import subprocess
from fractions import Fraction

from mpi_environment import ENVIRONMENT
from program import (
    AGREEMENT, LIGATURE, MPIEXEC, can_release, column_of, export, fresh, nhs_numbers, population, released_name, run,
    run_test, write_key)


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
    # The last line of the log, the release, is cut off; then its head is made to fit.
    log, head = folder / "run/secure/audit.log", folder / "run/secure/audit.head"
    whole, lines = log.read_text(), log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:-1]))
    assert "its end was cut off" in run("verify", job, expect=1)
    for again in (("release", job, agreement), ("rebuild", job), ("export", job, "--index", folder / "again.csv")):
        assert "its end was cut off" in run(*again, ranks=2, expect=1), again
    assert not (folder / "releases" / "A-1-2").exists() and not (folder / "again.csv").exists()
    head.write_text(f"{len(lines) - 1} {json.loads(lines[-2])['hash']}\n")
    assert "does not have the release" in run("verify", job, expect=1)
    assert "does not have the release" in run("release", job, agreement, expect=1)
    log.write_text(whole)
    run("verify", job)
    log.write_text(whole.replace("University of Leeds", "University of Leads"))
    assert "FAILED audit log" in run("verify", job, expect=1)


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
    # Nor is its key made the dataset's, after which it could never be used again.
    before = (folder / "run/secure/audit.log").read_text()
    refused = run("rebuild", job, "--set", "job.key=leeds.key", ranks=2, expect=2)
    assert "is the key of agreement A-1" in refused, refused
    assert (folder / "run/secure/audit.log").read_text() == before
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
                            ('legal_basis = "section-261"\n', "", "legal_basis"),
                            ('id = "A-1"', 'id = "../A-1"', "'id'"), ("k = 2", 'k = "2"', "'k'"),
                            ("k = 2", "k = 18446744073709551616", "leeds.toml"),
                            ('"University of Leeds"', '"University of Leads"', "University of Leads")):
        agreement.write_text(AGREEMENT.replace(old, new))
        refused(words, "release", job, agreement)
    agreement.unlink()
    os.mkfifo(agreement)  # nobody waits for what may never come
    refused("not a regular file", "release", job, agreement, ranks=2)
    agreement.unlink()
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


def test_a_release_is_of_its_own_run_and_made_alone():
    """Several at once, a dataset or a manifest that is not the run's, and folders that others may enter."""
    folder = population(people=2_000, seed=9)
    job = folder / "job.toml"
    agreement = can_release(folder, job)
    run("rebuild", job, ranks=2)
    secure, publish, releases = folder / "run" / "secure", folder / "run" / "publish", folder / "releases"
    with open(secure / "run.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run is at work" in run("release", job, agreement, ranks=2, expect=1)
        run("register", job)
        run("verify", job)
    # Whoever comes second is refused; each release has a number, an entry and a folder of its own.
    at_once = [subprocess.Popen([MPIEXEC, "-n", "1", LIGATURE, "release", job, agreement], env=ENVIRONMENT,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
    said = [(process.communicate(timeout=600)[0], process.returncode) for process in at_once]
    assert all(code == 0 or code == 1 and "another run is at work" in text for text, code in said), said
    done = sum(code == 0 for _, code in said)
    assert done > 0 and {path.name for path in releases.iterdir()} == {f"A-1-{n + 1}" for n in range(done)}, said
    run("verify", job, ranks=2)

    manifest = publish / "manifest.json"
    whole = manifest.read_text()
    version = json.loads(whole)["consent"]["ledger_version"]
    entries = [json.loads(line) for line in (secure / "audit.log").read_text().splitlines()]
    assert version and [entry["ledger_version"] for entry in entries if entry["action"] == "rebuild"] == [version]
    manifest.write_text(whole.replace(version, ""))
    assert "is not the manifest that the run wrote" in run("release", job, agreement, ranks=2, expect=1)
    (secure / "manifest.json").write_text(manifest.read_text())
    assert "does not have the making of this run" in run("release", job, agreement, ranks=2, expect=1)
    run("key", "new", folder / "second.key")
    run("rebuild", job, "--set", 'job.key="second.key"')
    dataset = (publish / "dataset.h5").read_bytes()
    run("rebuild", job)
    own = (publish / "dataset.h5").read_bytes()
    (publish / "dataset.h5").write_bytes(dataset)
    assert "but another run's" in run("release", job, agreement, ranks=2, expect=1)
    (publish / "dataset.h5").write_bytes(own)

    (releases / f"A-1-{done + 1}.partial").mkdir()
    assert f"A-1-{done + 1}.partial" in run("verify", job, expect=1)
    releases.chmod(0o775)
    secure.chmod(0o777)
    run("release", job, agreement, ranks=2)
    assert (releases.stat().st_mode & 0o7777, secure.stat().st_mode & 0o7777) == (0o775, 0o700)
    run("verify", job)
    released = releases / f"A-1-{done + 1}" / "persons.csv"
    released.write_text(released.read_text() + "\n")
    assert "persons.csv is not what was released" in run("verify", job, ranks=2, expect=1)


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


run_test(globals())

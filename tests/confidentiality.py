#!/usr/bin/env python3
"""No identifier leaves the secure folder: leaks are planted and found, and crashes leave none (program.py says how a test
is started)."""
import csv
import gzip
import itertools
import json
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

from plain_leak_search import find_leaks, written_forms
from program import (
    ENVIRONMENT, LIGATURE, MPIEXEC, can_release, export, population, run, run_test, valid_nhs_number)


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


run_test(globals())

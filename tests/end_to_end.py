#!/usr/bin/env python3
"""Runs the whole program as a user would, and holds its promises to account (program.py says how it is started)."""
import csv
import fcntl
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from program import (
    ENVIRONMENT, LIGATURE, MPIEXEC, SKIPPED, can_release, digest, evaluate, export, fresh, minimal_job, nhs_numbers, population, run,
    run_test, valid_nhs_number)

# --- the tests ---------------------------------------------------------------------------------------------------


def test_same_digest_on_any_ranks_and_threads():
    folder = population()
    job = folder / "job.toml"
    digests = {}
    for ranks in (1, 2, 3, 4):
        for threads in (1, 2, 4):
            run("rebuild", job, "--set", f"job.threads={threads}", ranks=ranks)
            digests[ranks, threads] = digest(job)
    assert len(set(digests.values())) == 1, digests
    run("verify", job, ranks=2)


def test_rows_are_exported_in_one_order_whatever_the_ranks():
    folder = population(people=5_000)
    job = folder / "job.toml"
    index, texts = folder / "index.csv", set()
    for ranks in (1, 2, 3):
        run("rebuild", job, ranks=ranks)
        run("export", job, "--index", index, ranks=4 - ranks)
        texts.add(index.read_bytes() + (folder / "run" / "secure" / "quarantine.csv").read_bytes())
    assert len(texts) == 1


def test_same_digest_whatever_the_order_and_splitting_of_files():
    folder = fresh("splitting")
    generated = population(people=5_000)
    source = generated / "gp" / "gp-00000.csv"
    lines = source.read_text().splitlines(keepends=True)
    header, rows = lines[0], lines[1:]
    parts = []
    for part in range(50):
        path = folder / f"part-{part:02}.csv"
        path.write_text(header + "".join(rows[part * len(rows) // 50 : (part + 1) * len(rows) // 50]))
        parts.append(path)
    shuffled = parts[:]
    random.Random(1).shuffle(shuffled)
    digests = set()
    for name, files in {"whole": [source], "split": parts, "shuffled": shuffled}.items():
        job = minimal_job(folder, {"gp": files}, name=name)
        run("rebuild", job, ranks=3)
        run("verify", job)
        digests.add(digest(job))
    assert len(digests) == 1, digests


def test_same_digest_when_rows_go_to_scratch():
    folder = population(people=5_000)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    in_memory = digest(job)
    run("rebuild", job, "--set", "job.memory=150MiB", ranks=2)
    assert digest(job) == in_memory
    assert not (folder / "run" / "secure" / "scratch").exists()


def interrupted(place, rank, action, ranks, job, *more):
    """A rebuild in which a rank does something to itself (docs/durability.md); returns exit code and standard error."""
    command = [MPIEXEC, "-n", str(ranks), LIGATURE, "rebuild", str(job), *more]
    done = subprocess.run(command, env=dict(ENVIRONMENT, LIGATURE_FAULT=f"{place}:{rank}:{action}"), capture_output=True,
                          text=True, timeout=600)
    assert done.returncode != 0, done.stderr
    return done.returncode, done.stderr


def test_an_interrupted_run_goes_on_to_the_same_digest():
    folder = fresh("population")
    run("synth", "--people", 4_000, "--seed", 5, "--rate-objector-disguised", 0.3, "--out", folder)
    job = folder / "job.toml"
    secure, published = folder / "run" / "secure", folder / "run" / "publish" / "dataset.h5"
    checkpoints = secure / "scratch" / "checkpoint"
    run("rebuild", job, "--checkpoint", "none", ranks=2)
    undisturbed = digest(job)
    known = []
    for place, before, after in (("identities", 1, 4), ("checkpoint-rows-02", 3, 2), ("pairs", 2, 1), ("clusters", 4, 3),
                                 ("publish", 1, 3), ("checkpoint-pairs-postcode", 3, 4)):
        published.unlink()
        shutil.rmtree(checkpoints, ignore_errors=True)
        # It is the first rank that gives a checkpoint its name.
        rank = 0 if place.startswith("checkpoint-") else before - 1
        interrupted(place, rank, "kill", before, job, "--checkpoint", "shards")
        assert not published.exists(), place
        known.append(sorted(path.parent.name for path in checkpoints.glob("*/stage.lck")))
        for path in checkpoints.glob("*/*"):
            assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700, path
        output = run("rebuild", "--resume", job, ranks=after)
        assert "cannot be used" not in output and digest(job) == undisturbed, (place, output)
        assert not (secure / "scratch").exists()
    pairs, rows = ["pairs-date_of_birth", "pairs-postcode"], known[0]
    assert len(rows) > 3 and rows[:3] == ["rows-00", "rows-01", "rows-02"], rows
    assert known == [rows, rows[:2], ["numbers", *rows], ["numbers", "pairs", *pairs, *rows],
                     ["clusters", "numbers", "pairs", *pairs, *rows], ["numbers", pairs[0], *rows]], known
    run("verify", job, ranks=2)

    # What is damaged is made again; what is of another run is refused, with the difference named.
    interrupted("persons", 0, "kill", 2, job)
    for name, offset in (("rows/00000.lck", 5_000), ("numbers/stage.lck", 10), ("clusters/00001.lck", -20)):
        with open(checkpoints / name, "r+b") as file:
            file.seek(offset, os.SEEK_SET if offset > 0 else os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
    output = run("rebuild", "--resume", job, "--set", "model.threshold_bits=9", expect=2)
    assert "model.threshold_bits of the job file is 9 and was not there" in output, output
    extract = next((folder / "gp").glob("*.csv"))
    written = extract.stat().st_mtime_ns
    os.utime(extract, ns=(written, written + 1))
    assert str(extract) in run("rebuild", "--resume", job, expect=2)
    os.utime(extract, ns=(written, written))
    run("rebuild", "--resume", job, "--set", "job.threads=1", ranks=3)
    assert digest(job) == undisturbed

    # Told to stop, it stops at the next safe point, and says so.
    code, output = interrupted("survey", 1, "term", 2, job)
    assert code == 4 and "stopped by signal 15 before stage 'numbers'" in output, (code, output)
    code, output = interrupted("survey", 0, "term", 1, job, "--set", "durability.grace=0")
    assert code == 4 and "in the middle of stage 'survey'" in output, (code, output)
    run("rebuild", "--resume", job, "--set", "durability.scrub=true", ranks=2)
    assert digest(job) == undisturbed

    # What a new run removes is overwritten as well: a second name shows what becomes of the bytes.
    interrupted("persons", 0, "kill", 2, job)
    link = folder / "rows"
    os.link(checkpoints / "rows" / "00001.lck", link)
    assert any(link.read_bytes())
    run("rebuild", job, "--set", "durability.scrub=true", ranks=2)
    assert link.stat().st_size > 0 and not any(link.read_bytes()) and digest(job) == undisturbed


def test_a_finished_run_stands_until_another_has_its_names():
    folder = fresh("population")
    run("synth", "--people", 2_000, "--seed", 8, "--rate-malformed", 0.01, "--out", folder)
    job, secure, publish = folder / "job.toml", folder / "run" / "secure", folder / "run" / "publish"
    agreement = can_release(folder, job)
    run("rebuild", job, ranks=2)
    before, people = digest(job), export(job)

    def stands():
        run("verify", job)
        assert digest(job) == before and export(job) == people

    # One that ends early, in whatever way, takes nothing from it before its first name.
    other = ("--set", "model.threshold_bits=30", "--set", "publish.area=none")
    for place, rank, action, ranks in (("clusters", 1, "kill", 2), ("estimates", 0, "fail", 2), ("name-first", 0, "fail", 1)):
        interrupted(place, rank, action, ranks, job, *other)
        stands()
    message = run("rebuild", job, "--set", "limits.max_quarantined_share=0", ranks=2, expect=3)
    listed = secure / "quarantine.csv.partial"
    assert str(listed) in message and listed.read_bytes() == (secure / "quarantine.csv").read_bytes(), message
    stands()

    # Once it gives its names there is no finished run until all are given, and --resume gives them.
    row = next(iter(people))[1]
    asked = (("digest", job), ("digest", secure), ("verify", publish), ("export", job, "--index", folder / "index.csv"),
             ("evaluate", job, "--truth", folder / "truth.csv"), ("explain", job, row), ("release", job, agreement))
    digests = set()
    for place in ("name-index", "name-identities", "name-lists", "name-dataset", "name-manifest"):
        interrupted(place, 0, "kill", 2, job, *other)
        for arguments in asked if place in ("name-identities", "name-manifest") else asked[:2]:
            message = run(*arguments, expect=2)
            assert "no finished run" in message, (place, arguments, message)
        run("rebuild", "--resume", job, *other)
        digests.add(digest(job))
        run("verify", job)
        assert not list(secure.rglob("*.partial")) + list(publish.rglob("*.partial"))
    assert len(digests) == 1 and before not in digests, digests


def stopped_at(place, job, *more):
    """A rebuild on one rank that stands still where a stage begins, to be gone on with by SIGCONT."""
    process = subprocess.Popen([LIGATURE, "rebuild", str(job), *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               env=dict(ENVIRONMENT, LIGATURE_FAULT=f"{place}:0:stop"), text=True)
    while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def go_on(process, expect=0):
    process.send_signal(signal.SIGCONT)
    _, message = process.communicate(timeout=600)
    assert process.returncode == expect, (process.returncode, message)
    return message


def test_what_changes_while_a_run_is_at_work():
    folder = population(people=500)
    job, secure, publish = folder / "job.toml", folder / "run" / "secure", folder / "run" / "publish"
    run("rebuild", job)
    manifest, text = json.loads((publish / "manifest.json").read_text()), job.read_text()

    # The run that stands can be read and checked, and no other run may publish to the same folder.
    process = stopped_at("estimates", job)
    run("verify", job)
    message = run("rebuild", job, "--set", "job.secure=elsewhere", ranks=2, expect=1)
    assert f"another run publishes to {publish}" in message, message
    # The job file counts as it was read; what overrides it is in the audit log.
    job.write_text("nothing of a job")
    go_on(process)
    assert json.loads((publish / "manifest.json").read_text())["job_file_digest"] == manifest["job_file_digest"]
    job.write_text(text)
    run("rebuild", job, "--set", "job.threads=1", "--set", "publish.area=none")
    made = [json.loads(line) for line in (secure / "audit.log").read_text().splitlines()]
    assert [entry.get("overrides") for entry in made] == [None, None, "job.threads=1\npublish.area=none"], made

    # Of a run whose secure folder has another since, nothing that is secure is used.
    run("rebuild", job, "--set", "job.publish=elsewhere", "--set", "model.threshold_bits=30")
    digest(job)
    for arguments in (("export", job, "--index", folder / "index.csv"), ("evaluate", job, "--truth", folder / "truth.csv")):
        assert "holds another run" in run(*arguments, ranks=2, expect=1), arguments
    run("export", folder / "elsewhere", "--index", folder / "index.csv")

    # An extract that is written to while it is read is no input, though it is as long as it was.
    extract = next((folder / "gp").glob("*.csv"))
    process = stopped_at("intake", job)
    data = extract.read_bytes()
    extract.write_bytes(data.replace(b"M", b"F"))
    message = go_on(process, expect=1)
    assert f"{extract}: it was changed while the job was reading it" in message, message
    extract.write_bytes(data)


def test_one_run_at_a_time():
    folder = population(people=500)
    job = folder / "job.toml"
    run("rebuild", job)
    with open(folder / "run" / "secure" / "run.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run is at work" in run("rebuild", job, ranks=2, expect=1)
    run("rebuild", job, ranks=2)


def test_quality_on_a_synthetic_population():
    folder = population(people=50_000, seed=11)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    figures = evaluate(job, folder / "truth.csv")
    assert figures["pairs"]["f1"] >= 0.998, figures["pairs"]
    assert len(export(job)) == figures["rows"]["kept"]
    # Rows without an error are never torn apart nor mixed up.
    clean = figures["by_error"]["none in either row"]
    assert clean["f1"] >= 0.9999, clean


def test_no_two_numbers_in_one_person():
    """Two numbers in use are two persons.  A row that carries another's number is known as such, and owns none."""
    folder = population(people=20_000, seed=5)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    why = folder / "why.csv"
    run("export", job, "--index", why, "--provenance", ranks=2)
    with open(why, newline="") as file:
        rows = {(row["dataset"], row["row_id"]): row for row in csv.DictReader(file)}
    with open(folder / "superseded.csv", newline="") as file:
        current = {row["old_nhs_number"]: row["new_nhs_number"] for row in csv.DictReader(file)}
    numbers, disowned = {}, 0
    for path in sorted(folder.glob("gp/*.csv")):
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                number = row["nhs_number"].replace(" ", "").replace("-", "")
                found = rows.get(("gp", row["record_id"]))
                if not found or not valid_nhs_number(number):
                    continue
                while number in current:
                    number = current[number]
                flags = set(found["flags"].split())
                disowned += "number_disowned" in flags
                if not flags & {"number_disowned", "number_default", "number_thin"}:
                    numbers.setdefault(found["person"], set()).add(number)
    assert len(numbers) > 10_000, "hardly any row owns a valid number"
    assert 0 < disowned < len(numbers) / 20, f"{disowned} rows carry another's number"
    mixed = {person for person, found in numbers.items() if len(found) > 1}
    assert not mixed, f"{len(mixed)} persons hold two valid NHS numbers in use"


def test_twins_and_ambiguity():
    """Two people who differ in NHS number alone stay two; a row that fits both is left apart."""
    folder = fresh("twins")
    rows = [
        ["record_id", "source", "nhs_number", "date_of_birth", "postcode", "gender"],
        ["a1", "gp", "9434765919", "2004-05-06", "LS1 4AP", "1"],
        ["a2", "gp", "9434765870", "2004-05-06", "LS1 4AP", "1"],
        ["a3", "gp", "", "2004-05-06", "LS1 4AP", "1"],
        ["b1", "gp", "4010232137", "1950-01-02", "M1 1AE", "2"],
        ["b2", "gp", "", "02/01/1950", "m11ae", "F"],
        ["c1", "gp", "", "", "M1 1AE", "2"],
        ["c2", "gp", "", "", "M1 1AE", "2"],
    ]
    path = folder / "rows.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert all(valid_nhs_number(row[2]) for row in rows[1:] if row[2])
    job = minimal_job(folder, {"gp": [path]})
    run("rebuild", job, ranks=2)
    run("verify", job)
    person = {row: found for (_, row), found in export(job).items()}
    assert person["a1"] != person["a2"], "twins with numbers of their own were merged"
    assert person["a3"] not in (person["a1"], person["a2"]), "an ambiguous row was put to one of two candidates"
    assert person["b1"] == person["b2"], "one person in two spellings was not linked"
    assert person["c1"] != person["c2"], "rows that nothing tells apart were taken for one person"
    manifest = json.loads((folder / "job" / "publish" / "manifest.json").read_text())
    assert manifest["clusters"]["ambiguous_clusters"] == 1, manifest["clusters"]


def test_public_data():
    """The FEBRL sets brought to the four identifiers, against the figures published beside them."""
    data = Path(os.environ.get("LIGATURE_PUBLIC_DATA", ""))
    if not (data / "febrl1").is_dir():
        print("skipped: LIGATURE_PUBLIC_DATA names no folder with the public test data")
        sys.exit(SKIPPED)
    folder = fresh("public")
    # F1 and persons exactly right of Splink, its threshold picked on the truth, to four places.
    published = {"febrl1": (0.9960, 0.9920), "febrl2": (0.9961, 0.9985), "febrl3": (0.9965, 0.9940)}
    for name, (f1, exactly_right) in published.items():
        job = minimal_job(folder, {"gp": [data / name / "gp.csv"], "hosp": [data / name / "hosp.csv"]}, name=name)
        run("rebuild", job, ranks=2)
        run("verify", job, ranks=2)
        figures = evaluate(job, data / name / "truth.csv")
        print(name, figures["pairs"])
        assert round(figures["pairs"]["f1"], 4) >= f1 and figures["pairs"]["precision"] == 1, (name, figures["pairs"])
        assert round(figures["persons"]["exactly_right_share"], 4) >= exactly_right, (name, figures["persons"])


def test_counts_reconcile_in_python():
    import h5py  # Debian's python3-h5py

    folder = population(people=5_000, seed=3)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    published = folder / "run" / "publish" / "dataset.h5"
    subprocess.run([sys.executable, "-B", Path(__file__).parent / "read_dataset.py", published], check=True)
    manifest = json.loads((folder / "run" / "publish" / "manifest.json").read_text())
    with h5py.File(published, "r") as dataset:
        persons = dataset["persons/pseudonym"].shape[0]
        assert persons == manifest["persons"] > 4_000
        pseudonyms = dataset["persons/pseudonym"][:]
        assert len(set(pseudonyms.tolist())) == persons and (pseudonyms[:-1] < pseudonyms[1:]).all()
        events = 0
        for name, group in dataset["events"].items():
            person, offsets = group["person"][:], group["offsets"][:]
            events += len(person)
            assert offsets.shape == (persons + 1,) and offsets[0] == 0 and offsets[-1] == len(person)
            assert (person[:-1] <= person[1:]).all(), name
            for column in group:
                if column not in ("offsets",):
                    assert len(group[column]) == len(person), (name, column)
        files = dataset["provenance/files"]
        read, kept, out = (int(files[c][:].sum()) for c in ("rows_read", "rows_kept", "opted_out"))
        quarantined = sum(int(files[c][:].sum()) for c in files if c.startswith("quarantined_"))
        assert read == kept + quarantined + out and kept == events == int(dataset["persons/events"][:].sum())
    # Every row of the extracts, counted by Python.
    rows = 0
    for path in folder.glob("*/*-*.csv"):
        with open(path, newline="") as file:
            rows += sum(1 for _ in csv.reader(file)) - 1
    assert rows == read, (rows, read)
    with open(folder / "truth.csv", newline="") as file:
        assert sum(1 for _ in csv.reader(file)) - 1 == read


def test_bad_rows_are_quarantined_and_the_rest_goes_on():
    folder = fresh("hostile")
    path = folder / "rows.csv"
    good = [f"r{i},gp,,{1950 + i % 50}-03-{1 + i % 28:02},LS{1 + i % 9} {i % 9}AP,{1 + i % 2}\r\n".encode() for i in range(500)]
    bad = {
        "column_count": b"x1,gp,9434765919\r\n",
        "bad_utf8": b"x2,gp,,1950-01-01,LS1 4AP,\xff\xfe\r\n",
        "nul_byte": b"x3,gp,,1950-01-01,LS1\x00 4AP,1\r\n",
        "malformed_quote": b'x4,gp,,"1950-01-01"x,LS1 4AP,1\r\n',
        "too_long": b"x5,gp,," + b"9" * 100_000 + b",LS1 4AP,1\r\n",
        "unterminated_quote": b'x6,gp,,1950-01-01,LS1 4AP,"1\r\n',
    }
    data = b"\xef\xbb\xbfrecord_id,source,nhs_number,date_of_birth,postcode,gender\r\n"
    lines = {}
    for i, (reason, row) in enumerate(bad.items()):
        data += b"".join(good[i * 80 : (i + 1) * 80])
        lines[reason] = data.count(b"\r\n") + 1
        data += row
    data += b"".join(good[480:])
    path.write_bytes(data)
    job = minimal_job(folder, {"gp": [path]})
    for ranks in (1, 3):
        run("rebuild", job, ranks=ranks)
        run("verify", job)
        with open(folder / "job" / "secure" / "quarantine.csv", newline="") as file:
            found = {row["reason"]: int(row["line"]) for row in csv.DictReader(file)}
        assert found == lines, (found, lines)
        assert len(export(job)) == len(good)
    # And the limit that a job file may set on them.
    message = run("rebuild", job, "--set", "limits.max_quarantined_share=0.001", expect=3)
    assert "max_quarantined_share" in message, message


def test_wrong_inputs_stop_the_job_before_any_work():
    folder = fresh("wrong")
    path = folder / "rows.csv"
    path.write_text("record_id,source,nhs_number,date_of_birth,post_code,gender\na,gp,,1950-01-01,LS1 4AP,1\n")
    job = minimal_job(folder, {"gp": [path]})
    message = run("rebuild", job, ranks=2, expect=2)
    assert "postcode" in message and "post_code" in message, message
    message = run("rebuild", minimal_job(folder, {"gp": [folder / "none.csv"]}, name="none"), expect=2)
    assert "none.csv" in message, message
    (folder / "empty.csv").write_text("")
    message = run("rebuild", minimal_job(folder, {"gp": [folder / "empty.csv"]}, name="empty"), expect=2)
    assert "empty.csv" in message, message
    (folder / "ligature.key").chmod(0o644)
    message = run("rebuild", job, ranks=2, expect=2)
    assert "ligature.key" in message and "600" in message, message
    assert not (folder / "job" / "publish" / "dataset.h5").exists()

    # So are files and runs that are wanted only when the extracts have been read, with the key that names them.
    (folder / "ligature.key").chmod(0o600)
    path.write_text("record_id,source,nhs_number,date_of_birth,postcode,gender\na,gp,,1950-01-01,LS1 4AP,1\n")
    (folder / "list.csv").write_text("name\nA\n")
    for key, value, says in (("reference.practices", "none.csv", "no such file"),
                             ("reference.superseded", "list.csv", "old_nhs_number"),
                             ("consent.objections", "none*.csv", "no such file"),
                             ("consent.objections", "list.csv", "nhs_number"),
                             ("consent.previous", "none", "no run at"),
                             ("consent.previous", "list.csv", "")):
        message = run("rebuild", job, "--set", f"{key}={value}", ranks=2, expect=2)
        assert f"{key}: " in message and value in message and says in message, message
        assert not (folder / "job").exists(), key

    # A folder that others may write in is none to publish to.
    (folder / "job" / "publish").mkdir(parents=True)
    (folder / "job" / "publish").chmod(0o777)
    run("rebuild", job, ranks=2)
    assert (folder / "job" / "publish").stat().st_mode & 0o777 == 0o755
    run("verify", "--leaks", job)
    message = run("rebuild", job, "--set", "consent.previous=job/publish", expect=2)
    assert "consent.previous: it is this job's own folder" in message, message


def test_empty_extract_gives_an_empty_dataset():
    folder = fresh("nothing")
    path = folder / "rows.csv"
    path.write_text("record_id,source,nhs_number,date_of_birth,postcode,gender\n")
    job = minimal_job(folder, {"gp": [path]})
    for ranks in (1, 4):
        run("rebuild", job, ranks=ranks)
        run("verify", job, ranks=ranks)
        assert export(job) == {}


def test_plan_tells_what_a_run_needs():
    folder = population(people=20_000, seed=2)
    text = run("plan", folder / "job.toml", ranks=2)
    for word in ("rows", "identities", "pairs", "memory", "disk", "seconds"):
        assert word in text, text

    # The rates of this machine, once and for all; in a file beside whoever asks.
    rates = Path("rates.json")
    os.chdir(folder)
    calibrated = run("plan", folder / "job.toml", "--calibrate", rates, "--calibration-people", "20000", ranks=2)
    assert f"the rates of {rates}" in calibrated, calibrated
    assert json.loads(rates.read_text())["ranks"] == 2
    assert not (folder / "run" / "secure" / "calibration").exists()
    planned = run("plan", folder / "job.toml", "--measured", rates, ranks=2)
    assert calibrated.endswith(planned), planned
    run("plan", folder / "job.toml", "--measured", rates, "--calibrate", rates, expect=2)
    message = run("plan", folder / "job.toml", "--calibrate", "nowhere/rates.json", ranks=2, expect=2)
    assert "--calibrate: there is no folder" in message, message
    assert not (folder / "run" / "secure" / "calibration").exists()
    # What a rebuild needs beside the extracts.
    text = run("plan", folder / "job.toml", "--set", "job.key=absent.key", "--set", "reference.practices=absent.csv")
    assert text.count("would be refused: there is no") == 2 and "absent.key" in text, text


def test_plan_reads_the_beginning_of_compressed_files():
    """However large a file beside it, and however much it unfolds to."""
    folder = fresh("compressed")
    numbers = nhs_numbers(1000)
    rows = 200_000
    with gzip.open(folder / "gp.csv.gz", "wt", compresslevel=1) as file:
        file.write("record_id,nhs_number,date_of_birth,postcode,gender\n")
        for row in range(rows):
            file.write(f"R{row:09},{numbers[row % 1000]},1950-01-{1 + row % 28:02},LS{1 + row % 9} 1AA,{1 + row % 2}\n")
    with open(folder / "large.csv", "w") as file:
        file.write("record_id,nhs_number,date_of_birth,postcode,gender\n")
        file.truncate(4 << 30)  # nothing but zeros, which take no room on the disk
    job = minimal_job(folder, {"gp": ["gp.csv.gz"], "other": ["large.csv"]})
    alone = minimal_job(folder, {"gp": ["gp.csv.gz"]}, name="alone")

    def planned(job, word, ranks):
        text = run("plan", job, ranks=ranks)
        return int(re.search(rf"(?m)^{word} +([0-9,]+) ", text)[1].replace(",", ""))

    for of in (job, alone):
        kept = {planned(of, "rows kept", ranks) for ranks in (1, 3)}
        assert len(kept) == 1 and 0.8 * rows < min(kept) < 1.2 * rows, kept


def test_rows_without_an_id_are_told_apart_by_file_and_line():
    folder = fresh("unnamed")
    for place, number in zip(("north", "south"), nhs_numbers(2)):
        (folder / place).mkdir()
        (folder / place / "gp.csv").write_text(f"nhs_number,date_of_birth,postcode,gender\n{number},1950-01-02,LS1 1AA,1\n")
    job = minimal_job(folder, {"gp": ["*/gp.csv"]})
    job.write_text(job.read_text().replace('row_id = "record_id"\n', ""))
    run("rebuild", job, ranks=2)
    assert set(export(job)) == {("gp", "north/gp.csv:2"), ("gp", "south/gp.csv:2")}
    (folder / "truth.csv").write_text("record_id,person_id\nnorth/gp.csv:2,A\nsouth/gp.csv:2,B\n")
    assert evaluate(job, folder / "truth.csv")["persons"]["exactly_right"] == 2
    message = run("evaluate", job, "--truth", folder / "truth.csv", "--json", "/nonexistent/q.json", expect=2)
    assert "--json: there is no folder" in message and "precision" not in message, message
    for option in ("--in", "--also"):
        message = run("verify", job, "--leaks", option, "nope", ranks=2, expect=2)
        assert f"{option}: there is no nope" in message, message


def test_links_are_explained():
    """Every row says how it came to its person, and explain says why two rows are together or apart."""
    folder = population(people=5_000, seed=13)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    run("verify", job)
    people = export(job)
    texts = set()
    for ranks in (1, 3):
        run("export", job, "--index", folder / "why.csv", "--provenance", ranks=ranks)
        texts.add((folder / "why.csv").read_text())
    assert len(texts) == 1, "the number of ranks shows in the export"
    with open(folder / "why.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["dataset"], row["row_id"]): row["person"] for row in rows} == people
    for row in rows:
        assert (row["weight_bits"] == "") == (row["how"] in ("alone", "one_time")), row
        assert row["rank"] in ("1A", "1B", "2", "3", "4", "5", "6", "7", "8", "unranked", "unmatched"), row
    sizes = {}
    for row in rows:
        sizes[row["person"]] = sizes.get(row["person"], 0) + 1
    assert all((row["rank"] == "unmatched") == (sizes[row["person"]] == 1) for row in rows)

    def told(*chosen, ranks=1):
        names = [f"{row['dataset']}:{row['row_id']}" for row in chosen]
        text = run("explain", job, *names, "--json", folder / "why.json", ranks=ranks)
        return text, json.loads((folder / "why.json").read_text())

    numbers = {}
    for path in folder.glob("*/*-*.csv"):
        with open(path, newline="") as file:
            for row in csv.reader(file, delimiter="|" if path.parent.name == "ae" else ","):
                numbers[row[0]] = row[3].replace(" ", "").replace("-", "")
    assert sum(map(valid_nhs_number, numbers.values())) > len(numbers) / 2, "these are no NHS numbers"
    # One row of each kind of link, with every other row of its person: the links between them are those of the export.
    of_person = {}
    for row in rows:
        of_person.setdefault(row["person"], []).append(row)
    linked = {row["how"]: row for row in rows if row["how"] in ("same_number", "other_identifiers")}
    assert len(linked) == 2, linked
    for row in linked.values():
        for other in of_person[row["person"]]:
            text, figures = told(row, other)
            assert figures["same_person"] and "One person." in text, text
            assert figures["reasons"] in (["linked"], ["same_identity"]), figures
            assert (figures["reasons"] == ["linked"]) == (len(figures["path"]) > 0), figures
            assert text == told(row, other, ranks=3)[0]
            for secret in (numbers[row["row_id"]], numbers[other["row_id"]]):
                assert not secret or secret not in text.replace(" ", ""), "the number itself is shown"
    # Rows of different persons, and what each weight is made of.
    first = rows[0]
    others = [row for row in rows if row["person"] != first["person"]]
    for other in random.Random(1).sample(others, 5):
        text, figures = told(first, other)
        assert not figures["same_person"] and "Two persons." in text and figures["reasons"], text
        for comparison in figures["comparisons"]:
            assert sum(part["bits"] for part in comparison["parts"]) == comparison["total_bits"], comparison
    message = run("explain", job, "no such row", ranks=2, expect=2)
    assert "is the id of no row" in message, message


run_test(globals())

#!/usr/bin/env python3
"""Runs the whole program as a user would, and holds its promises to account.

usage: end_to_end.py LIGATURE MPIEXEC SCRATCH TEST

TEST is one of the functions below whose names begin with "test_".  A test that needs what is not there exits with 77.
"""
import csv
import fcntl
import hashlib
import hmac
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

LIGATURE, MPIEXEC, SCRATCH, TEST = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
SKIPPED = 77

ENVIRONMENT = dict(
    os.environ,
    OMPI_ALLOW_RUN_AS_ROOT="1",
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
    OMPI_MCA_rmaps_base_oversubscribe="1",
    OMPI_MCA_hwloc_base_binding_policy="none",
    OMPI_MCA_mpi_yield_when_idle="1",
    OMPI_MCA_btl_vader_single_copy_mechanism="none",
)


def run(*arguments, ranks=1, expect=0):
    """Runs a job; returns its standard output, and standard error too where it is to fail."""
    command = [MPIEXEC, "-n", str(ranks), LIGATURE, *map(str, arguments)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    if done.returncode != expect:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}")
    return done.stdout if expect == 0 else done.stdout + done.stderr


def fresh(name):
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_key(path):
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


def population(people=20_000, seed=7):
    """A synthetic population with a fixed key, so that runs can be compared by their digests."""
    folder = fresh("population")
    run("synth", "--people", people, "--seed", seed, "--out", folder, ranks=2)
    write_key(folder / "ligature.key")
    return folder


def digest(job):
    return run("digest", job).strip()


def minimal_job(folder, files, name="job", delimiter=",", extra=""):
    """The job file that a reader of the README would write for the plain header."""
    key = write_key(folder / "ligature.key")
    text = f"""
[job]
name = "{name}"
secure = "{name}/secure"
publish = "{name}/publish"
key = "{key}"
"""
    for dataset, paths in files.items():
        listed = ", ".join(json.dumps(str(path)) for path in paths)
        text += f"""
[[extract]]
dataset = "{dataset}"
files = [{listed}]
delimiter = {json.dumps(delimiter)}
[extract.columns]
row_id = "record_id"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
"""
    path = folder / f"{name}.toml"
    path.write_text(text + extra)
    return path


def export(job, ranks=1):
    """Row id -> person, from the index."""
    out = job.with_suffix(".index.csv")
    run("export", job, "--index", out, ranks=ranks)
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    people = {(row["dataset"], row["row_id"]): row["person"] for row in rows}
    assert len(people) == len(rows), "a row is in the index twice"
    return people


def evaluate(job, truth):
    figures = job.with_suffix(".evaluation.json")
    run("evaluate", job, "--truth", truth, "--json", figures, ranks=2)
    return json.loads(figures.read_text())


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
    run("rebuild", job, "--set", "job.memory=1MiB", ranks=2)
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
    for place, before, after in (("identities", 1, 4), ("checkpoint-rows", 3, 2), ("pairs", 2, 1), ("clusters", 4, 3),
                                 ("publish", 1, 3), ("checkpoint-pairs-postcode", 3, 4)):
        published.unlink()
        shutil.rmtree(checkpoints, ignore_errors=True)
        interrupted(place, before - 1, "kill", before, job, "--checkpoint", "shards")
        assert not published.exists(), place
        known.append(sorted(path.parent.name for path in checkpoints.glob("*/stage.lck")))
        for path in checkpoints.glob("*/*"):
            assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700, path
        run("rebuild", "--resume", job, ranks=after)
        assert digest(job) == undisturbed, place
        assert not (secure / "scratch").exists()
    pairs = ["pairs-date_of_birth", "pairs-postcode"]
    assert known == [["rows"], [], ["numbers", "rows"], ["numbers", "pairs", *pairs, "rows"],
                     ["clusters", "numbers", "pairs", *pairs, "rows"], ["numbers", pairs[0], "rows"]], known
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


def valid_nhs_number(text):
    """Modulus 11 stated once more, independently of the engine."""
    if len(text) != 10 or not text.isdigit() or len(set(text)) == 1:
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1))) % 11
    return {11: 0, 10: -1}.get(check, check) == int(text[9])


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
    # Linking on equal NHS numbers alone reaches 0.947, 0.932 and 0.923.
    for name, least in {"febrl1": 0.96, "febrl2": 0.96, "febrl3": 0.95}.items():
        job = minimal_job(folder, {"gp": [data / name / "gp.csv"], "hosp": [data / name / "hosp.csv"]}, name=name)
        run("rebuild", job, ranks=2)
        run("verify", job, ranks=2)
        figures = evaluate(job, data / name / "truth.csv")
        print(name, figures["pairs"])
        assert figures["pairs"]["f1"] >= least and figures["pairs"]["precision"] >= 0.998, (name, figures["pairs"])


def test_counts_reconcile_in_python():
    import h5py  # Debian's python3-h5py

    folder = population(people=5_000, seed=3)
    job = folder / "job.toml"
    run("rebuild", job, ranks=2)
    manifest = json.loads((folder / "run" / "publish" / "manifest.json").read_text())
    with h5py.File(folder / "run" / "publish" / "dataset.h5", "r") as dataset:
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


def nhs_numbers(count):
    """Valid ones, far apart."""
    found, stem = [], 401_023_213
    while len(found) < count:
        for check in range(10):
            if valid_nhs_number(f"{stem}{check}"):
                found.append(f"{stem}{check}")
                break
        stem += 1_009
    return found


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



def test_releases_leave_objectors_out_and_are_accounted_for():
    """A release has names of its own and no objector, whatever the spelling of a row; the log has every use of the run."""
    folder = population(people=5_000, seed=21)
    job = folder / "job.toml"
    with open(job, "a") as file:
        file.write('\n[release]\ncustomers = "customers.csv"\nfolder = "releases"\n')
    (folder / "customers.csv").write_text("recipient,recipient_type,purpose\nUniversity of Leeds,researcher,asthma\n")
    key_id = run("key", "new", folder / "leeds.key").strip()
    assert run("key", "id", folder / "leeds.key").strip() == key_id
    run("key", "new", folder / "leeds.key", expect=2)
    agreement = """[agreement]
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
k = 5
[persons]
columns = ["sex"]
[[dataset]]
name = "gp"
columns = ["row_id", "event_date", "code"]
dates = "month"
"""
    (folder / "leeds.toml").write_text(agreement)
    run("rebuild", job, ranks=2)
    run("rebuild", job, ranks=1)
    people = export(job)
    run("release", job, folder / "leeds.toml", ranks=3)

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

    key = (folder / "leeds.key").read_bytes()
    def new_name(pseudonym):
        message = b"ligature/release/person/1:" + bytes.fromhex(pseudonym)
        return hmac.new(key, message, hashlib.sha256).hexdigest()[:32]
    release = folder / "releases" / "A-1-1"
    with open(release / "persons.csv", newline="") as file:
        released = [row["pseudonym"] for row in csv.DictReader(file)]
    assert released == sorted(released) and set(released) <= {new_name(person) for person in people.values()}
    assert not set(released) & {new_name(person) for person in objectors}, "an objector was released"
    text = "".join(path.read_text() for path in release.iterdir())
    assert not any(person in text for person in people.values()), "a pseudonym of the dataset was released"

    entries = [json.loads(line) for line in (folder / "run/secure/audit.log").read_text().splitlines()]
    assert [entry["action"] for entry in entries] == ["rebuild", "rebuild", "export", "release"], entries
    assert entries[-1]["key_id"] == key_id and entries[-1]["left_out"] >= len(objectors)
    assert "A-1,1,University of Leeds" in run("register", job)
    run("verify", job)
    (folder / "leeds.toml").write_text(agreement.replace("section-261", "regulation-3"))
    assert "who objected" in run("release", job, folder / "leeds.toml", expect=2)
    log = folder / "run/secure/audit.log"
    log.write_text(log.read_text().replace("University of Leeds", "University of Leads"))
    assert "FAILED audit log" in run("verify", job, expect=1)


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


if TEST not in globals() or not TEST.startswith("test_"):
    sys.exit(f"no test {TEST}")
SCRATCH.mkdir(parents=True, exist_ok=True)
globals()[TEST]()

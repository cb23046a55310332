"""What the tests of the whole program share: starting it as a user would, and reading what it leaves.

A test file is started as FILE LIGATURE MPIEXEC SCRATCH TEST; TEST is one of its functions whose names begin with
"test_".  A test that needs what is not there exits with 77.
"""
import csv
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
from pathlib import Path

from mpi_environment import ENVIRONMENT

LIGATURE, MPIEXEC, SCRATCH, TEST = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
SKIPPED = 77


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


def valid_nhs_number(text):
    """Modulus 11 stated once more, independently of the engine."""
    if len(text) != 10 or not text.isdigit() or len(set(text)) == 1:
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1))) % 11
    return {11: 0, 10: -1}.get(check, check) == int(text[9])


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


def run_test(tests):
    """Runs the test that the command line names, of a file's functions."""
    if TEST not in tests or not TEST.startswith("test_"):
        sys.exit(f"no test {TEST}")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    tests[TEST]()

"""Blocks that an adversary, or a careless system, could make: do they cost more than the same pairs spread out?

adversarial.py make FOLDER [--size 100000] [CASE...]   extracts and job files: FOLDER/CASE/{flood,spread}
adversarial.py table FOLDER                            seconds of the linking stages, flood and spread side by side

Each case is a file of ordinary people, and as many records again (at least 30,000 people) that are flooded, or spread, as
the case says.  Between the two: mpirun -n 2 --bind-to none ligature rebuild FOLDER/CASE/flood/job.toml, and spread.

The ratio is of seconds, whatever the pairs: where the spread file has fewer pairs, compare seconds a pair.
"""
import json
import random
import sys
from pathlib import Path

STAGES = ("survey", "numbers", "pairs", "clusters")
JOB = """[job]
name = "adversarial"
secure = "secure"
publish = "publish"
key = "key"
{extracts}"""
EXTRACT = """
[[extract]]
dataset = "{name}"
files = ["{name}.csv"]
delimiter = ","
[extract.columns]
row_id = "record_id"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
"""


def nhs_number(stem, valid=True):
    """Ten digits from nine; None where modulus 11 has no check digit."""
    check = 11 - sum(int(digit) * (10 - place) for place, digit in enumerate(f"{stem:09}")) % 11
    check = 0 if check == 11 else check
    if check == 10:
        return None
    return f"{stem:09}{check if valid else (check + 3) % 10}"


class World:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.stems = {}

    def number(self, valid=True):
        while True:
            stem = self.random.randrange(400_000_000, 800_000_000)
            if stem not in self.stems and (text := nhs_number(stem, valid)):
                self.stems[stem] = True
                return text

    def birth(self):
        return f"{self.random.randrange(1930, 2014)}-{self.random.randrange(1, 13):02}-{self.random.randrange(1, 29):02}"

    def postcode(self):
        area, letters = self.random.choice(("M", "B", "L", "S", "N")), "ABDEFGHJLN"
        return f"{area}{self.random.randrange(1, 30)} {self.random.randrange(1, 10)}" + "".join(
            self.random.choice(letters) for _ in range(2))

    def gender(self):
        return self.random.choice("12")


def ordinary(world, size):
    """People of two datasets, some of whose records lack a number or carry another's."""
    rows = []
    for _ in range(size):
        person = [world.number(), world.birth(), world.postcode(), world.gender()]
        rows.append((0, person))
        again = list(person)
        chance = world.random.random()
        if chance < 0.03:
            again[0] = ""
        elif chance < 0.04:
            again[0] = world.number()  # a wrong one
        elif chance < 0.06:
            again[2] = world.postcode()
        rows.append((1, again))
    return rows


# A case gives record number i of a flood, or of the same spread out.
def invalid(world, i, flood):
    return [world.number(False), "1975-06-07", "B1 1AA" if flood else world.postcode(), world.gender()]


def half_valid(world, i, flood):
    return [world.number(i % 2 == 0), "1975-06-07", "B1 1AA" if flood else world.postcode(), world.gender()]


def valid(world, i, flood):
    return [world.number(), "1975-06-07", "B1 1AA" if flood else world.postcode(), world.gender()]


def no_number(world, i, flood):
    return ["", world.birth(), "B1 1AA" if flood else world.postcode(), world.gender()]


def one_number(world, i, flood):
    if flood:
        return ["4857773456" if i % 20 else "4857773457", world.birth(), world.postcode(), world.gender()]
    return [world.number(i % 20 > 0), world.birth(), world.postcode(), world.gender()]


def one_number_one_birth(world, i, flood):
    if flood:
        return ["4857773456" if i % 20 else "4857773457", "1975-06-07", world.postcode(), world.gender()]
    return [world.number(i % 20 > 0), "1975-06-07", world.postcode(), world.gender()]


def one_valid_number(world, i, flood):
    return ["4857773457" if flood else world.number(), world.birth(), world.postcode(), world.gender()]


def crowded_postcode(world, i, flood):
    number = world.number(i % 10 > 0) if i % 10 != 1 else ""
    return [number, world.birth(), "B1 1AA" if flood else f"B{1 + i % 20} 1AA", world.gender()]


def common_birthday(world, i, flood):
    number = world.number(i % 10 > 0) if i % 10 != 1 else ""
    return [number, "1975-06-07" if flood else world.birth(), world.postcode(), world.gender()]


def placeholders(world, i, flood):
    if flood:
        return [("", "1234567890", "0000000000")[i % 3], ("1900-01-01", "1970-01-01")[i % 2],
                ("ZZ99 3VZ", world.postcode())[i // 2 % 2], "9"]
    return ["", world.birth(), world.postcode(), world.gender()]


CASES = {case.__name__: (case, size) for case, size in (
    (invalid, 100_000), (half_valid, 100_000), (valid, 100_000), (no_number, 100_000), (one_number, 30_000),
    (one_number_one_birth, 30_000), (one_valid_number, 100_000), (crowded_postcode, 5_000), (common_birthday, 30_000),
    (placeholders, 100_000))}


def make(folder, size, names):
    for name in names or CASES:
        case, usual = CASES[name]
        for kind in ("flood", "spread"):
            world = World(7)
            count = min(size, usual)
            rows = ordinary(world, max(count, 30_000))
            rows += [(0, case(world, i, kind == "flood")) for i in range(count)]
            target = folder / name / kind
            target.mkdir(parents=True, exist_ok=True)
            for dataset, file in enumerate(("gp", "hospital")):
                with open(target / f"{file}.csv", "w") as out:
                    out.write("record_id,nhs_number,date_of_birth,postcode,gender\n")
                    for number, (of, fields) in enumerate(rows):
                        if of == dataset:
                            out.write(f"{number}," + ",".join(fields) + "\n")
            (target / "job.toml").write_text(JOB.format(extracts="".join(
                EXTRACT.format(name=file) for file in ("gp", "hospital"))))
            (target / "key").write_bytes(bytes(range(32)))
            (target / "key").chmod(0o600)


def table(folder):
    print(f"{'case':22}{'pairs':>16}{'spread':>16}" + "".join(f"{stage:>18}" for stage in STAGES) + f"{'ratio':>8}")
    for name in CASES:
        seconds, pairs = {}, {}
        for kind in ("flood", "spread"):
            path = folder / name / kind / "secure" / "performance.json"
            if not path.exists():
                break
            run = json.loads(path.read_text())
            seconds[kind] = {stage["name"]: stage["seconds"] for stage in run["stages"]}
            pairs[kind] = run["pairs"]
        if len(seconds) < 2:
            continue
        cells = "".join(f"{seconds['flood'][stage]:9.2f}{seconds['spread'][stage]:9.2f}" for stage in STAGES)
        flood, spread = (sum(seconds[kind][stage] for stage in STAGES) for kind in ("flood", "spread"))
        print(f"{name:22}{pairs['flood']:16,}{pairs['spread']:16,}{cells}{flood / spread:8.2f}")


def main():
    command, folder, *rest = sys.argv[1:]
    size = 100_000
    if rest[:1] == ["--size"]:
        size, rest = int(rest[1]), rest[2:]
    if command == "make":
        make(Path(folder), size, rest)
    else:
        table(Path(folder))


if __name__ == "__main__":
    main()

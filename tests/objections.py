#!/usr/bin/env python3
"""Objections, as those who object would have them (program.py says how a test is started)."""
import csv
import json

from program import (
    digest, export, fresh, minimal_job, nhs_numbers, run, run_test, write_key)


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


def kept_counts(manifest):
    """What a manifest says of the rows kept and of their identities."""
    rows = manifest["rows"]
    assert rows["nhs_valid"] + rows["nhs_invalid"] + rows["nhs_missing"] == rows["kept"], rows
    names = ("kept", "nhs_valid", "nhs_invalid", "nhs_missing", "birth_missing", "birth_placeholder", "postcode_missing",
             "postcode_pseudo", "gender_missing", "one_time")
    return {name: rows[name] for name in names} | {name: manifest[name] for name in ("identities", "linkable_identities")}


def test_objectors_in_disguise_are_left_out():
    """Half of the objectors' rows lose their number or have it misspelt; half of the rest are of other sources."""
    folder = fresh("objectors")
    run("synth", "--people", 20_000, "--seed", 21, "--out", folder, "--rate-objector-disguised", 0.5, ranks=2)
    write_key(folder / "ligature.key")
    job = folder / "job.toml"
    digests, counted = set(), []
    for ranks in (1, 2, 3, 4):
        run("rebuild", job, ranks=ranks)
        digests.add(digest(job))
        counted.append(kept_counts(json.loads((folder / "run" / "publish" / "manifest.json").read_text())))
    assert len(digests) == 1 and all(of == counted[0] for of in counted), (digests, counted)
    run("verify", job, ranks=2)
    kept = export(job)
    theirs, others = objectors_rows(folder)
    disguised = {row for row, errors in theirs.items() if "nhs_missing" in errors or "nhs_mistyped" in errors}
    assert len(disguised) > 500, len(disguised)
    assert not [row for row in theirs if row in kept and row not in disguised and "nhs" not in theirs[row]]
    # What is left of them is what linkage cannot tell to be theirs: without a ledger, none of it is with a row that went.
    text = job.read_text()
    plain_job = folder / "plain.toml"
    plain_job.write_text(text[: text.index("[consent]")].replace("run/", "plain/"))
    run("rebuild", plain_job, ranks=2)
    plain = export(plain_job)
    objectors = {plain[row] for row in plain if row not in kept}
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
    expected = kept_counts(json.loads((folder / "rest" / "publish" / "manifest.json").read_text()))
    assert counted[0] == expected, {name: (counted[0][name], expected[name]) for name in expected}
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
    # All ranks write the ledger and count what stands; that there are several must not show.
    digests, lists = set(), set()
    for ranks in (1, 2, 3, 4):
        run("rebuild", job, ranks=ranks)
        digests.add(digest(job))
        secure = folder / "keep" / "secure"
        lists.add(tuple((secure / name).read_text() for name in ("objections.csv", "objections-by-practice.csv")))
    assert len(digests) == 1 and len(lists) == 1, (digests, lists)
    run("verify", job, ranks=2)
    everything = {("gp", line.split(",")[0]) for line in gp[1:]} | {("ae", line.split(",")[0]) for line in ae[1:]}
    barred = {("gp", "late0"), ("gp", "out0"), ("ae", "while0"), ("ae", "after0"), ("gp", "out1"), ("ae", "while1"),
              ("gp", "late2"), ("gp", "out2"), ("gp", "in2"), ("ae", "while2"), ("ae", "after2")}
    kept = export(job)
    assert everything - kept.keys() == barred, (everything - kept.keys()) ^ barred
    assert kept["gp", "early0"] == kept["ae", "before0"] and kept["ae", "after1"] == kept["gp", "in1"]
    manifest = json.loads((folder / "keep" / "publish" / "manifest.json").read_text())
    assert manifest["rows"]["opted_out_by_linkage"] == 5, manifest["rows"]
    assert kept_counts(manifest)["kept"] == len(kept)
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
    # A list of providers that was changed afterwards is not believed.
    with open(folder / "keep" / "publish" / "providers.csv", "a") as file:
        file.write("gp,A81003,,,sent,9,,,,,,,,,,\n")
    assert "is not what that run wrote" in run("rebuild", job_named("next", 'previous = "keep/publish"\n' + seen), expect=2)
    assert "providers.csv is not what the run wrote" in run("verify", folder / "keep" / "publish", expect=1)
    run("rebuild", job_named("keep", 'previous = "keep/publish"'), expect=2)  # a run is not held against itself


def test_counts_are_held_against_the_last_run():
    folder = fresh("counts")
    numbers = nhs_numbers(60)
    (folder / "gp.csv").write_text("record_id,nhs_number,date_of_birth,postcode,gender\n" + "".join(
        f"g{i},{number},1950-01-{1 + i % 28:02},LS1 1AA,{1 + i % 2}\n" for i, number in enumerate(numbers)))

    def job_named(name, ledger, previous=None, code=None):
        (folder / f"{name}.csv").write_text(ledger)
        extra = f'[consent]\nobjections = ["{name}.csv"]\n' + (f'previous = "{previous}/publish"\n' if previous else "")
        if code:
            extra += f'[[consent.acknowledge]]\ncode = "{code}"\nreason = "looked at"\n'
        return minimal_job(folder, {"gp": ["gp.csv"]}, name=name, extra=extra)

    def plain(count):
        return "nhs_number,kind,date\n" + "".join(f"{number},ndoo,2013-01-01\n" for number in numbers[:count])

    def coded(*sent):
        lines = [f"{number},ndoo,2013-01-01,{code}\n" for code, those in sent for number in those]
        return "nhs_number,kind,date,practice_code\n" + "".join(lines)

    # A ledger that does not say who sent its entries.
    run("rebuild", job_named("before", plain(50)))
    message = run("rebuild", job_named("after", plain(20), "before"), ranks=2, expect=3)
    assert "all objections (ndoo:jump)" in message and "practice not stated (ndoo:jump)" in message, message
    run("rebuild", job_named("after", plain(20), "before", "all"), ranks=2)

    # A practice that comes as suddenly as another goes.
    run("rebuild", job_named("march", coded(("A81001", numbers[:20]), ("A81002", numbers[20:40]))))
    april = coded(("A81001", numbers[:20]), ("A81003", numbers[20:40]))
    message = run("rebuild", job_named("april", april, "march"), ranks=2, expect=3)
    assert "practice A81002 (ndoo:zero)" in message and "practice A81003 (ndoo:jump)" in message, message
    # No practice had been named before: there is nothing to hold them against one by one.
    message = run("rebuild", job_named("named", april, "before"), ranks=2, expect=3)
    assert "practice not stated (ndoo:zero)" in message and "A8100" not in message, message

    # Numbers of people where the practice should be are not repeated in a message.
    run("rebuild", job_named("mistaken", coded((numbers[50], numbers[:20]), ("LS1 1AA", numbers[20:40]))))
    message = run("rebuild", job_named("repaired", coded(("A81001", numbers[:40])), "mistaken"), ranks=2, expect=3)
    assert message.count("practice whose code is not shown (ndoo:zero)") == 2, message
    assert numbers[50] not in message and "LS1" not in message, message

    # What the last run counted must be there, and be what it wrote.
    counts = folder / "march" / "secure" / "objections-by-practice.csv"
    text = counts.read_text()
    run("verify", str(folder / "march" / "publish"), ranks=2)
    counts.write_text(text.replace("A81002,0,0,20", "A81002,0,0,0"))
    message = run("verify", str(folder / "march" / "publish"), ranks=2, expect=1)
    assert "FAILED objections by practice are what the run counted" in message, message
    message = run("rebuild", job_named("april", april, "march", "all"), ranks=2, expect=2)
    assert "objections-by-practice.csv is not what that run wrote" in message, message
    counts.unlink()
    message = run("rebuild", job_named("april", april, "march", "all"), ranks=2, expect=2)
    assert f"there is no {counts}" in message, message


def test_objectors_are_found_though_others_carry_their_number():
    """Somebody else's rows have an objector's number by mistake: who links to the objector is left out all the same."""
    folder = fresh("contested")
    numbers = nhs_numbers(40)

    def identifiers(person):
        return (numbers[person], f"{1940 + person}-0{1 + person % 9}-1{person % 9}",
                f"LS{1 + person % 9} {person % 9}{'ABDEFGHJLN'[person % 10]}{'PQRSTUWXYZ'[person // 10]}", 1 + person % 2)

    header = "record_id,provider,patient,nhs_number,date_of_birth,postcode,gender,sent"
    rows = {"gp": [header], "outpatient": [header]}

    def say(name, person, sent="2014-03-01", number=None, dataset="gp", patient="", **other):
        nhs, birth, postcode, gender = identifiers(person)
        nhs = nhs if number is None else number
        rows[dataset].append(f"{name},RA{person % 3},{patient},{nhs},{other.get('birth', birth)},"
                             f"{other.get('postcode', postcode)},{gender},{sent}")

    for person in range(10, 40):
        say(f"gp{person}", person)
        say(f"op{person}", person, dataset="outpatient")
    # One row each of the objector 0 and, by mistake, of 10: nobody has the better claim to the number.
    say("own0", 0)
    say("mistake10", 10, number=numbers[0], dataset="outpatient")
    say("unnumbered0", 0, number="", dataset="outpatient")
    say("mistyped0", 0, number=numbers[0][:4] + str((int(numbers[0][4]) + 1) % 10) + numbers[0][5:])
    # What was sent under the number of 1 before the objection is not the objector's; what is barred since is.
    say("mistake11", 11, number=numbers[1], sent="2014-01-01", dataset="outpatient")
    say("own1a", 1)
    say("own1b", 1)
    say("unnumbered1", 1, number="", dataset="outpatient")
    # A row of 2 with another date of birth goes back to the number, and takes along what shares its patient number.
    for name in ("own2a", "own2b", "own2c"):
        say(name, 2)
    say("misborn2", 2, birth="1942-03-21", postcode="LS8 8XX", dataset="outpatient", patient="777")
    say("unnumbered2", 2, birth="1942-03-21", postcode="LS8 8XX", number="", dataset="outpatient", patient="777")
    for dataset, lines in rows.items():
        (folder / f"{dataset}.csv").write_text("\n".join(lines) + "\n")
    (folder / "optout.csv").write_text("nhs_number,kind,date\n" + "".join(f"{numbers[p]},type1,2014-02-01\n" for p in range(3)))
    job = minimal_job(folder, {name: [f"{name}.csv"] for name in rows}, extra="[consent]\nobjections = [\"optout.csv\"]\n")
    job.write_text(job.read_text().replace('gender = "gender"', 'gender = "gender"\nprovider = "provider"\nlocal_id = "patient"\nextracted = "sent"'))
    digests = set()
    for ranks in (1, 2, 3, 4):
        run("rebuild", job, ranks=ranks)
        digests.add(digest(job))
    assert len(digests) == 1, digests
    run("verify", job)
    everything = {(dataset, line.split(",")[0]) for dataset, lines in rows.items() for line in lines[1:]}
    kept = export(job)
    gone = {name for _, name in everything - kept.keys()}
    assert gone == {"own0", "mistake10", "unnumbered0", "mistyped0", "own1a", "own1b", "unnumbered1",
                    "own2a", "own2b", "own2c", "misborn2", "unnumbered2"}, gone
    assert kept["gp", "gp10"] == kept["outpatient", "op10"] != kept["gp", "gp11"] == kept["outpatient", "op11"]


run_test(globals())

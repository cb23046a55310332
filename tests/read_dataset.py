#!/usr/bin/env python3
"""Opens a published dataset with h5py alone and holds it to docs/dataset.md: python3 read_dataset.py dataset.h5

Prints persons, events and content digest; exits with 1 and a message at the first thing that is not as specified.
"""
import sys

import h5py
import numpy


def expect(holds, otherwise):
    if not holds:
        sys.exit(f"read_dataset: {otherwise}")


def text(item, name):
    """An attribute as text: h5py gives strings of fixed width as bytes."""
    return item.attrs[name].decode()


def check_columns(file):
    """Every column says what it is; codes index their dictionary."""
    for group in [file["persons"], *file["events"].values()]:
        expect(text(group, "meaning"), f"{group.name} has no meaning")
        for column in group.values():
            for name in ("unit", "meaning", "missing", "dictionary"):
                expect(name in column.attrs, f"{column.name} has no attribute {name}")
            expect(text(column, "meaning"), f"{column.name} has no meaning")
            if text(column, "dictionary"):
                codes, missing = column[:], int(text(column, "missing"))
                expect(missing == numpy.iinfo(codes.dtype).max, f"{column.name}: missing is not the largest code")
                values = file[text(column, "dictionary")]
                expect(numpy.all((codes < len(values)) | (codes == missing)), f"{column.name}: a code without value")


def check_provenance(file):
    """Every table and column says what it is, and every number what it counts."""
    for group in file["provenance"].values():
        expect(not text(group, "meaning").startswith("part of"), f"{group.name} has no meaning of its own")
        for column in group.values():
            expect(text(column, "meaning"), f"{column.name} has no meaning")
            expect(column.dtype.kind == "S" or text(column, "unit"), f"{column.name} has no unit")


def check_dictionaries(file):
    for values in file["dictionaries"].values():
        expect(h5py.check_string_dtype(values.dtype).encoding == "utf-8", f"{values.name} is not UTF-8")
        texts = list(values[:])
        expect(texts == sorted(set(texts)), f"{values.name} is not sorted, or repeats")


def check_events(file):
    persons = file["persons"]
    pseudonyms = persons["pseudonym"][:]
    expect(pseudonyms.dtype == numpy.dtype("S32"), "pseudonyms are not of 32 characters")
    expect(numpy.all(pseudonyms[:-1] < pseudonyms[1:]), "persons are not in order")
    counts = numpy.zeros(len(pseudonyms), dtype="int64")
    for bit, name in enumerate(names(persons["datasets"])):
        events = file["events"][name]
        offsets = events["offsets"][:]
        expect(len(offsets) == len(pseudonyms) + 1 and offsets[0] == 0, f"{name}: offsets do not begin at 0")
        expect(offsets[-1] == len(events["person"]), f"{name}: offsets do not end at the rows")
        rows = numpy.diff(offsets).astype("int64")
        expect(numpy.array_equal(numpy.repeat(numpy.arange(len(rows)), rows), events["person"][:]),
               f"{name}: person and offsets disagree")
        has = (persons["datasets"][:] >> bit) & 1
        expect(numpy.array_equal(has == 1, rows > 0), f"{name}: the bit mask disagrees")
        counts += rows
    expect(numpy.array_equal(counts, persons["events"][:]), "events of persons do not add up")
    return len(pseudonyms), int(counts.sum())


def names(mask):
    """The datasets of the bit mask, lowest bit first."""
    expect("names" in mask.attrs, f"{mask.name} does not name its bits")
    return text(mask, "names").split(",")


def main(path):
    with h5py.File(path, "r") as file:
        expect(file.attrs["schema_version"] == 1, "another schema version")
        check_columns(file)
        check_dictionaries(file)
        check_provenance(file)
        persons, events = check_events(file)
        kept = int(file["provenance/files/rows_kept"][:].sum())
        expect(kept == events, f"{kept} rows kept, {events} events")
        print(f"persons={persons} events={events} content_digest={text(file, 'content_digest')}")


if __name__ == "__main__":
    main(sys.argv[1])

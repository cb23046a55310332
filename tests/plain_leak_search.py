"""A plain search for identifiers in published files: every identifier, in every spelling, in every text, one by one.

It shares nothing with the program's own search (jobs/verify): no sets, no hashes, no tables of shapes.  Slow, and easy
to see to be right: what both find alike is what there is.
"""
import gzip
import re
from datetime import date
from pathlib import Path


def nhs_spellings(number):
    yield number
    for separator in (" ", "-", ".", "/", "_", "\t"):
        yield separator.join((number[:3], number[3:6], number[6:]))
    yield f"{number[:3]} {number[3:6]}-{number[6:]}"
    yield f"{number[:5]} {number[5:]}"


def postcode_spellings(postcode):
    outward, inward = postcode.split()
    for text in (f"{outward} {inward}", f"{outward}  {inward}", f"{outward}-{inward}", outward + inward):
        yield text
        yield text.lower()


def date_spellings(birth):
    day = date.fromisoformat(birth)
    for pattern in ("%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y%m%d", "%d%m%Y", "%d-%b-%Y", "%d %B %Y",
                    "%d%b%Y"):
        yield day.strftime(pattern)


def written_forms(number, birth, postcode):
    """What might be written of a person: each spelling of the number and the postcode, and birth dates beside one."""
    yield from nhs_spellings(number)
    yield from ("NHS" + number, "0000" + number, number + birth.replace("-", ""))
    yield from postcode_spellings(postcode)
    for day in date_spellings(birth):
        yield f"{day}, {postcode}"
        yield f"{postcode} | 1 | {day}"


def is_word(character):
    return character.isascii() and character.isalnum()


def occurrences(text, spelling, alone=True):
    """Where a spelling stands in a text; alone: with no letter or digit on either side."""
    begin = text.find(spelling)
    while begin >= 0:
        end = begin + len(spelling)
        if not alone or not (is_word(text[begin - 1 : begin]) or is_word(text[end : end + 1])):
            yield begin, end
        begin = text.find(spelling, begin + 1)


def hits_in_text(text, identifiers):
    """Number of times that an identifier is spelt in a text, by kind."""
    found = {}

    def add(kind, count):
        if count:
            found[kind] = found.get(kind, 0) + count

    for number in sorted({of[0] for of in identifiers}):
        add("NHS number", sum(1 for spelling in nhs_spellings(number) for _ in occurrences(text, spelling)))
        # Beside letters, behind zeros, before eight digits that are a date.
        for begin, end in occurrences(text, number, alone=False):
            word_begin, word_end = begin, end
            while word_begin > 0 and is_word(text[word_begin - 1]):
                word_begin -= 1
            while word_end < len(text) and is_word(text[word_end]):
                word_end += 1
            head, tail = text[word_begin:begin], text[end:word_end]
            lone = (head.isalpha() and not tail) or (head and not head.strip("0") and not tail)
            add("NHS number", int(bool(lone or (not head and re.fullmatch(r"(19|20)\d{6}", tail)))))
    places = {}
    for postcode in sorted({of[2] for of in identifiers}):
        places[postcode] = sorted({place for spelling in postcode_spellings(postcode) for place in occurrences(text, spelling)})
        add("postcode", len(places[postcode]))
    for birth, postcode in sorted({(of[1], of[2]) for of in identifiers}):
        for day in date_spellings(birth) if places[postcode] else ():
            for day_place in occurrences(text, day):
                for place in places[postcode]:
                    first, last = sorted((day_place, place))
                    between = text[first[1] : last[0]]
                    add("birth date and postcode", int(first[1] <= last[0] and len(between) <= 48 and "\n" not in between))
    return found


def texts_of(path):
    """The texts of a file: (place, text).  Of an HDF5 file its tables, and all that is no table."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if not data.startswith(b"\x89HDF"):
        yield str(path), path.name + "\n" + data.decode("latin-1")
        return
    import h5py
    words = [path.name]
    tables = []

    def visit(name, thing):
        words.append(name)
        words.extend(f"{key} {value}" for key, value in thing.attrs.items())
        if isinstance(thing, h5py.Dataset):
            tables.append((f"{path}:/{name}", thing))

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
        yield str(path), "\n".join(words)
        for place, table in tables:
            if table.dtype.kind == "S":
                yield place, "\n".join(value.decode("latin-1") for value in table[()])
            elif table.dtype.itemsize == 8:
                yield place, "\n".join(str(int(value)) for value in table[()] if value == int(value))


def find_leaks(folders, identifiers):
    """(place, kind) -> number of hits, over all files of some folders.  identifiers: (NHS number, ISO date, postcode)."""
    found = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                for place, text in texts_of(path):
                    for kind, hits in hits_in_text(text, identifiers).items():
                        found[place, kind] = hits
    return found

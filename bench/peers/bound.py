"""How many persons could any method get exactly right?  An upper bound for an artificial population, by Bayes' rule.

usage: bound.py POPULATION INDEX [--error-scale 1] [--mixed K]

POPULATION: a folder of `ligature synth --people-file`; --error-scale as given to it.  INDEX: dataset,row_id,person
(`ligature export`): only its rows take part, and the persons it found are scored beside the bound.

A row that lost its NHS number is put to somebody by what is left of it.  Take an oracle that knows more than any method
may: who all *other* rows belong to, everybody's true date of birth, gender, home and household, which rows carry which
error, and every probability of the generator.  Whatever a method sees, the oracle sees, so no method decides better.
For one such row Bayes' rule gives it the chance of each person, proportional to

  registration   the chance that this system holds this date of birth and gender of the person: 1 if other rows show so
  use            (n + 1) P(n + 1 rows) / P(n rows) of this source: people who use much care have more rows to lose
  address        the chance of this postcode in this system on this day, given what other rows of the household show:
                 nobody who moved, the practice behind, the hospital behind or learning, to or from which postcode

and the best decision (the likeliest person, or "a person without other rows", who stays alone) is right with the largest
of these chances, q.  A person whose row is put wrongly is not exactly right.  So of N persons at most N - sum(1 - q) are
expected to be, over rows of different persons.  What would need a larger model errs towards a higher bound: counted as
right are all rows with a wrong date of birth, of people born in the year, of practices, with a number that is wrong or
another's, and of people who lost a number twice; people whose date of birth differs are no candidates.

Chances that are right are calibrated: of the oracle's own decisions as many must be right as it expects.  Both are printed.

--mixed K: the bound for methods that mix the records of different people in at most K found persons: a row is put to
somebody only as long as the wrong ones, surest rows first, are expected to be K at most.
"""
import argparse
import sys
from collections import defaultdict

import duckdb

NEIGHBOURHOOD, AREA, TRUST, LIVED_IN = 10_000, 10, 25, 200  # jobs/synth/places.hpp, population.cpp
COLUMNS = {  # provider, number, date of birth, postcode, gender, day
    "gp": ("practice_code", "date_of_birth", "postcode", "gender", "event_date", ","),
    "inpatient": ("provider", "dob", "postcode", "sex", "admission_date", ","),
    "outpatient": ("provider_code", "birth_date", "home_postcode", "sex_code", "appointment_date", ","),
    "ae": ("site", "patient_birth_date", "postcode_of_residence", "gender", "arrival_date", "|"),
}
DATE_FORMATS = {"gp": "%Y-%m-%d", "inpatient": "%d/%m/%Y", "outpatient": "%Y%m%d", "ae": "%d-%b-%Y"}
MOVED = 0.31 / (0.25 + 0.75 * (1 - 1 / 6))
BEHIND, LEARNING, TWO_MOVES = 0.25, 1 / 3, 0.3
USES = ((0.35, 0.6), (1.3, 0.3), (4.0, 0.1))  # how much care, and of how many
MEANS = {"gp": 1.0, "inpatient": 0.4, "outpatient": 2.2, "ae": 0.4}  # rows beyond the registration
UNIT_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


def load(folder, index, error_scale):
    db = duckdb.connect()
    parts = []
    for name, (provider, birth, postcode, gender, day, delimiter) in COLUMNS.items():
        parts.append(
            f"select '{name}' dataset, record_id, {provider} provider, try_strptime({birth}, '{DATE_FORMATS[name]}')::date birth,"
            f" regexp_replace(upper({postcode}), ' ', '', 'g') postcode, upper(left({gender}, 1)) gender,"
            f" datediff('day', date '2013-04-01', try_strptime({day}, '{DATE_FORMATS[name]}')::date) as day"
            f" from read_csv('{folder}/{name}/*.csv', all_varchar=true, header=true, delim='{delimiter}', null_padding=true,"
            f" strict_mode=false, ignore_errors=true)"
        )
    db.execute("create table extract as " + " union all ".join(parts))
    db.execute(
        f"create table truth as select *, coalesce(errors, '') as flags from read_csv('{folder}/truth.csv', all_varchar=true, header=true)"
    )
    db.execute(f"create table found as select * from read_csv('{index}', all_varchar=true, header=true)")
    rows = db.execute(
        "select t.record_id, t.dataset, t.person_id, t.flags, f.person, provider, birth, postcode, gender, day"
        " from truth t join extract using (dataset, record_id) left join found f on f.dataset = t.dataset and f.row_id = t.record_id"
        " order by t.dataset, t.record_id"
    ).fetchall()
    people = db.execute(
        f"select person_id, household, date_of_birth::date, gender, replace(postcode, ' ', '') from"
        f" read_csv('{folder}/people.csv', all_varchar=true, header=true) order by 1"
    ).fetchall()
    return rows, people


def exactly_right(rows):
    """Persons with kept rows, and those of them whose rows are one found person and nobody else's."""
    of_person, of_found = defaultdict(set), defaultdict(set)
    for row in rows:
        if row[4] is not None:
            of_person[row[2]].add(row[4])
            of_found[row[4]].add(row[2])
    right = sum(len(found) == 1 and len(of_found[next(iter(found))]) == 1 for found in of_person.values())
    mixed = sum(len(persons) > 1 for persons in of_found.values())
    return len(of_person), right, mixed


GENDERS = {"1": "M", "2": "F", "M": "M", "F": "F"}


def plain_postcode(text):
    """As standardised: a letter for a digit put back."""
    if not text or len(text) < 5:
        return text
    digits = str.maketrans("OI", "01")
    outward, inward = text[:-3], text[-3:]
    return outward[:1] + outward[1:-1] + outward[-1:].translate(digits) + inward[:1].translate(digits) + inward[1:]


class Row:
    __slots__ = ("dataset", "person", "system", "birth", "postcode", "gender", "day", "kept", "lost", "flags")


class Person:
    __slots__ = ("number", "household", "birth", "gender", "home", "rows", "kept", "counts", "registered", "lost")

    def __init__(self, number, household, birth, gender, home):
        self.number, self.household, self.birth, self.gender, self.home = number, household, birth, gender, home
        self.rows, self.kept, self.lost = 0, 0, 0
        self.counts = dict.fromkeys(COLUMNS, 0)
        self.registered = {}  # system: (rows that show it, is the date of birth right, gender)


def age_factor(years):
    use = 1.5 if years < 1 else 0.65 if years < 16 else 0.85 if years < 45 else 1.05 if years < 65 else 1.6 if years < 80 else 2.0
    return use / 0.997


def use_weight(person, source, own):
    """(n + 1) P(n + 1) / P(n) of rows of the source, over how much care the person uses, given all other rows."""
    counts = dict(person.counts)
    if own:
        counts[source] -= 1
    counts["gp"] = max(0, counts["gp"] - 1)  # the registration is no measure of use
    years = int((41362 - (person.birth.toordinal() - 693594)) * 100 / 36525)
    factor = age_factor(years)
    total = weighed = 0.0
    for use, share in USES:
        chance = share
        for name, mean in MEANS.items():
            ratio = mean * use * factor / (1 + mean * use * factor)
            chance *= (1 - ratio) * ratio ** counts[name]
        ratio = MEANS[source] * use * factor
        total += chance
        weighed += chance * ratio / (1 + ratio)
    return (counts[source] + 1) * weighed / total


def mistyped(true, text):
    """The chance that a mistyped postcode reads so (mistyped_postcode of jobs/synth/errors.cpp)."""
    if len(true) != len(text) or true == text:
        return 0.0
    differ = [i for i in range(len(true)) if true[i] != text[i]]
    last = len(true) - 1
    swap = 0.3 if true[last] != true[last - 1] else 0.0
    if differ == [last - 1, last] and true[last] == text[last - 1] and true[last - 1] == text[last]:
        return swap
    if len(differ) != 1:
        return 0.0
    at = differ[0]
    if at == last - 2:
        return (0.5 - swap) / 9
    if at in (last - 1, last):
        return 0.2 / (len(UNIT_LETTERS) - 1) * 2  # the shift is one of nine of nineteen: at most twice the even chance
    return 0.1 / 9 if at == last - 3 else 0.0


class Household:
    """What other rows show of its addresses; rows are taken out for the one that is judged."""

    def __init__(self):
        self.shown = {"practice": [], "trust": [], "second": []}  # (row, moved, postcode or None, day)

    def states(self, without):
        """Posterior of (nobody moved or the practice behind, hospital behind, learning), the days on which it may have learnt, and the
        earlier postcodes that are known."""
        practice, trust, second = (
            [each for each in self.shown[system] if each[0] is not without] for system in ("practice", "trust", "second")
        )
        none = lambda rows: not any(moved for _, moved, _, _ in rows)
        every = lambda rows: all(moved for _, moved, _, _ in rows)
        after = max((day for _, moved, _, day in trust if moved), default=-1)
        until = min((day for _, moved, _, day in trust if not moved), default=364)
        still = 1 - MOVED if none(practice) and none(trust) and none(second) else 0.0
        behind = MOVED * BEHIND if every(practice) and none(trust) and none(second) else 0.0
        never = learns = 0.0
        if none(practice) and every(second):
            never = MOVED * (1 - BEHIND) * (1 - LEARNING) if every(trust) else 0.0
            learns = MOVED * (1 - BEHIND) * LEARNING * max(0, until - after) / 365
        known = lambda rows: next((postcode for _, moved, postcode, _ in rows if moved and postcode), None)
        total = still + behind + never + learns
        if total == 0:
            return None
        return (still + behind) / total, never / total, learns / total, after, until, known(trust), known(second)


class Places:
    def __init__(self, people):
        self.of_sector = {}
        for person in people:
            if not person.home.startswith("ZZ99"):
                self.of_sector[person.home[:-2]] = person.number // NEIGHBOURHOOD
        self.count = max(self.of_sector.values()) + 1

    def moved_from(self, postcode, home):
        """The chance that somebody of the neighbourhood once lived at the postcode, having moved."""
        there = self.of_sector.get(postcode[:-2])
        if there is None:
            return 0.0
        return (0.6 * (there == home) + 0.25 * (there // AREA == home // AREA) / AREA + 0.15 / self.count) / LIVED_IN


def address_weight(row, person, household, places, chance_mistyped):
    """The chance of the row's postcode, given that it has one: up to a factor that is the same for all candidates."""
    if not row.postcode or (row.postcode.startswith("ZZ99") and row.postcode != "ZZ993VZ"):
        return 1.0
    if person.home == "ZZ993VZ" or row.postcode == "ZZ993VZ":
        return float(person.home == row.postcode)
    states = household.states(row)
    if states is None:
        return 0.0
    at_home, never, learns, after, until, first, second = states
    if row.system == "trust":
        span = until - after
        yet = min(max(until - max(row.day, after), 0), span) / span if span > 0 else 0.0  # the share of days later than the row's
        earlier = never + learns * yet
        known, other = first, second
    else:
        earlier = never + learns
        known, other = second, first
    places_of = [(person.home, 1 - earlier)]
    law = 0.0
    if known:
        places_of.append((known, earlier))
    elif other:
        places_of.append((other, earlier * (1 - TWO_MOVES)))
        law = earlier * TWO_MOVES
    else:
        law = earlier
    weight = law * places.moved_from(row.postcode, person.number // NEIGHBOURHOOD)
    for place, chance in places_of:
        weight += chance * ((1 - chance_mistyped) * (place == row.postcode) + chance_mistyped * mistyped(place, row.postcode))
    return weight


def prepare(raw, people_raw):
    people = {}
    for identifier, household, birth, gender, home in people_raw:
        people[identifier] = Person(int(identifier[1:]), household, birth, gender, home)
    provider_rows = defaultdict(lambda: defaultdict(int))
    for record in raw:
        if record[1] != "gp":
            provider_rows[int(record[2][1:]) // NEIGHBOURHOOD // TRUST][record[5]] += 1
    own_trust = {trust: max(counts, key=counts.get) for trust, counts in provider_rows.items()}
    rows, households = [], defaultdict(Household)
    for record_id, dataset, identifier, flags, found, provider, birth, postcode, gender, day in raw:
        flags = set(flags.split("|")) if flags else set()
        if "resubmitted" in flags:
            continue  # says nothing new
        person = people[identifier]
        row = Row()
        row.dataset, row.person, row.birth, row.day, row.flags = dataset, person, birth, day, flags
        row.postcode, row.gender, row.kept = plain_postcode(postcode), GENDERS.get(gender), found is not None
        trust = own_trust.get(person.number // NEIGHBOURHOOD // TRUST)
        row.system = "practice" if dataset == "gp" else "trust" if provider == trust else "second"
        row.lost = bool(flags & {"nhs_missing", "nhs_filler", "newborn_unnumbered"})
        person.rows += 1
        person.kept += row.kept
        person.counts[dataset] += 1
        person.lost += row.lost
        seen = person.registered.get(row.system, (0, True, None))[0]
        right = not flags & {"birth_wrong", "birth_placeholder", "birth_missing"}
        person.registered[row.system] = (seen + 1, right, row.gender)
        if row.postcode and not row.postcode.startswith("ZZ99"):
            shown = None if "postcode_mistyped" in flags else row.postcode
            households[person.household].shown[row.system].append((row, "postcode_moved" in flags, shown, row.day))
        rows.append(row)
    return rows, list(people.values()), households


def decide(rows, people, households, error_scale):
    """For each row that is judged: the chance of each candidate; [(q of somebody, is that right, q of alone, is that right)]."""
    places = Places(people)
    born = defaultdict(list)
    for person in people:
        if person.kept > 0 or person.rows == 0:
            born[person.birth].append(person)
    chance_mistyped, wrong, missing = 0.003 * error_scale, 0.0033 * error_scale, 0.005 * error_scale
    birth_right = (1 - 0.0049 * error_scale) * (1 - 0.0005 * error_scale) ** 2
    decisions = []
    for row in rows:
        true = row.person
        if not row.kept or not row.lost or row.system == "practice" or true.lost > 1 or true.birth.toordinal() >= 734959:
            continue  # the last: 2013-04-01
        if row.flags & {"birth_wrong", "birth_placeholder", "birth_missing", "malformed"} or row.birth != true.birth:
            continue
        somebody, alone, alone_is_right, best, total = 0.0, 0.0, False, None, 0.0
        for person in born[true.birth]:
            own = person is true
            if person.lost - own > 0:
                continue  # known to have lost another row's number
            seen, right, gender = person.registered.get(row.system, (0, True, None))
            if seen - own > 0:
                weight = float(right and gender == row.gender)
            else:
                of_gender = missing * (1 - wrong) if row.gender is None else wrong if row.gender != person.gender else (1 - wrong) * (1 - missing)
                weight = birth_right * of_gender
            if weight == 0:
                continue
            weight *= use_weight(person, row.dataset, own)
            weight *= address_weight(row, person, households[person.household], places, chance_mistyped)
            total += weight
            if person.kept - own == 0:
                alone += weight
                alone_is_right |= own
            elif weight > somebody:
                somebody, best = weight, person
        if total > 0:
            decisions.append((somebody / total, best is true, alone / total, alone_is_right))
        else:
            decisions.append((1.0, True, 0.0, False))  # outside the model: counted as right
    return decisions


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("population")
    parser.add_argument("index")
    parser.add_argument("--error-scale", type=float, default=1)
    parser.add_argument("--mixed", type=float)
    arguments = parser.parse_args()
    raw, people_raw = load(arguments.population, arguments.index, arguments.error_scale)
    persons, right, mixed = exactly_right(raw)
    rows, people, households = prepare(raw, people_raw)
    decisions = decide(rows, people, households, arguments.error_scale)

    best = [(p, ok) if p >= q else (q, alone) for p, ok, q, alone in decisions]
    lost = sum(1 - p for p, _ in best)
    print(f"persons {persons:,}; exactly right in the index {right:,} ({right / persons:.2%}); found persons that mix {mixed}")
    print(f"rows judged {len(decisions):,}; the oracle expects to put {sum(p for p, _ in best):,.0f} right, and put {sum(ok for _, ok in best):,}")
    for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 0.999), (0.999, 1.01)):
        band = [(p, ok) for p, ok in best if low <= p < high]
        print(f"  sure by {low:.3f} to {min(high, 1):.3f}: {len(band):6,} rows, {sum(p for p, _ in band):9,.1f} expected right, {sum(ok for _, ok in band):6,} were")
    print(f"bound: {1 - lost / persons:.2%} of persons exactly right at most")
    if arguments.mixed is not None:
        left = arguments.mixed
        lost = 0.0
        for p, _, q, _ in sorted(decisions, reverse=True):
            if p >= q and left >= 1 - p:
                left -= 1 - p
                lost += 1 - p
            else:
                lost += 1 - q
        print(f"bound with at most {arguments.mixed:g} found persons that mix: {1 - lost / persons:.2%}")


if __name__ == "__main__":
    sys.exit(main())

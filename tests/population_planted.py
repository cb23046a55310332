"""A test population with known m: two rows a person, each level of each field drawn independently.

The levels are those of docs/model.md, stated once more so that the engine is held against a second reading of them.
"""
import bisect
import itertools
from collections import Counter, defaultdict
from itertools import accumulate

from population_values import AREAS, DAY, UNIT_LETTERS, Numbers, is_real, mistyped, mistyped_postcode

PLANTED = {
    "nhs_number": {"exact": 0.955, "near": 0.03, "other": 0.015},
    "date_of_birth": {"exact": 0.93, "swapped": 0.008, "one_digit": 0.03, "two_parts": 0.016, "same_year": 0.006,
                      "other": 0.01},
    "postcode": {"exact": 0.72, "near": 0.02, "sector": 0.02, "district": 0.05, "area": 0.08, "other": 0.11},
    "gender": {"same": 0.985, "different": 0.015},
}
PLANTED_MISSING = {"nhs_number": 0.12, "date_of_birth": 0.02, "postcode": 0.03, "gender": 0.04}  # of second rows


def differing(one, two):
    return [i for i in range(len(one)) if one[i] != two[i]] if len(one) == len(two) else None


def neighbours_swapped(one, two, within=((0, 99),)):
    places = differing(one, two)
    return (places is not None and len(places) == 2 and places[1] == places[0] + 1
            and one[places[0]] == two[places[1]] and one[places[1]] == two[places[0]]
            and any(low <= places[0] and places[1] < high for low, high in within))


def date_level(one, two):
    """The level of two dates, as docs/model.md defines them, stated once more."""
    a, b = (f"{y:04}{m:02}{d:02}" for y, m, d in (one, two))
    if a == b:
        return "exact"
    if (one[0], one[2], one[1]) == two or neighbours_swapped(a, b, ((0, 4), (4, 6), (6, 8))):
        return "swapped"
    if len(differing(a, b)) == 1:
        return "one_digit"
    same = [x == y for x, y in zip(one, two)]
    return "two_parts" if sum(same) == 2 else "same_year" if same[0] else "other"


def postcode_level(one, two):
    """The same for postcodes, written with their blank."""
    if one == two:
        return "exact"
    a, b = one.replace(" ", ""), two.replace(" ", "")
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    if len(a) == len(b):
        if len(differing(a, b)) == 1 or neighbours_swapped(a, b):
            return "near"
    elif any(longer[:i] + longer[i + 1:] == shorter for i in range(len(longer))):
        return "near"
    (out_a, in_a), (out_b, in_b) = one.split(), two.split()
    if out_a == out_b:
        return "sector" if in_a[0] == in_b[0] else "district"
    return "area" if area_of(out_a) == area_of(out_b) else "other"


def area_of(outward):
    """Planted outward codes end in their digits."""
    return outward.rstrip("0123456789")


def best_on_single_pairs(people, u):
    """Precision and recall, in expectation, of linking every pair with an identifier in common that is likelier one
    person than two (Bayes' rule on the true m and u).  Who also weighs that a person has one row in each file, or
    the runner-up, can do a little better in precision."""
    found = right = 0.0
    for pattern in itertools.product(*([*m, "missing"] for m in PLANTED.values())):
        same = different = 1.0
        for (field, m), level in zip(PLANTED.items(), pattern):
            missing = PLANTED_MISSING[field]
            same *= missing if level == "missing" else (1 - missing) * m[level]
            different *= missing if level == "missing" else (1 - missing) * u[field][level]
        different *= people - 1
        if "exact" in pattern[:3] and same > different:
            right += same
            found += same + different
    return {"precision": right / found, "recall": right}


def planted_rows(rng, people):
    """Two rows a person: gp holds the truth, hospital a value of the level that was drawn for each field."""
    numbers, taken, postcodes, tree = Numbers(rng), set(), [], defaultdict(list)
    while len(postcodes) < max(240, people // 40):
        districts = [f"{AREAS[len(postcodes) // 120 % len(AREAS)]}{number}" for number in rng.sample(range(1, 80), 3)]
        for outward in districts:  # three districts of three sectors of 13 or 14 units, 120 postcodes in all
            for i in range(40):
                code = f"{outward} {i % 3}{rng.choice(UNIT_LETTERS)}{rng.choice(UNIT_LETTERS)}"
                while code in taken:
                    code = code[:-2] + rng.choice(UNIT_LETTERS) + rng.choice(UNIT_LETTERS)
                taken.add(code)
                postcodes.append(code)
    for code in postcodes:
        outward, inward = code.split()
        for part in (f"{outward} {inward[0]}", outward, area_of(outward)):
            tree[part].append(code)
    first, days = DAY(1930, 1, 1).toordinal(), 29200
    strict = {"two_digits": 0.0, "dropped_digit": 0.0}
    levels = {field: (list(m), list(accumulate(m.values()))) for field, m in PLANTED.items()}
    counts = {field: Counter() for field in PLANTED}

    def draw_date(date, level):
        year, month, day = date
        for _ in range(300 if level == "swapped" else 30_000):
            other = DAY.fromordinal(first + int(rng.random() * days))
            if level in ("exact", "missing"):
                return date
            if level == "swapped":
                digits = list(f"{year:04}{month:02}{day:02}")
                at = rng.choice((0, 1, 2, 4, 6, -1))
                if at >= 0:
                    digits[at], digits[at + 1] = digits[at + 1], digits[at]
                    found = (int("".join(digits[:4])), int("".join(digits[4:6])), int("".join(digits[6:])))
                else:
                    found = (year, day, month)
            elif level in ("one_digit", "two_parts"):
                found = rng.choice(((other.year, month, day), (year, other.month, day), (year, month, other.day)))
            else:
                found = (year if level == "same_year" else other.year, other.month, other.day)
            if 1930 <= found[0] <= 2010 and is_real(found) and date_level(date, found) == level:
                return found
        return None  # 22 November 1955 has nothing to swap

    def draw_postcode(code, level):
        outward, inward = code.split()
        part = {"sector": f"{outward} {inward[0]}", "district": outward, "area": area_of(outward)}.get(level)
        for _ in range(200):
            if level == "exact":
                return code
            found = mistyped_postcode(rng, code) if level == "near" else rng.choice(tree[part] if part else postcodes)
            if postcode_level(code, found) == level:
                return found
        raise SystemExit(f"populations: too few people for a postcode at the level {level}")

    rows = []
    for place in range(people):
        gender, postcode = 1 + int(rng.random() * 2), rng.choice(postcodes)
        number = numbers.issue(("any", place), 9)  # a run for each person, so that no two hold neighbours but by chance
        drawn = {}
        for field, (names, up_to) in levels.items():
            missing = rng.random() < PLANTED_MISSING[field]
            drawn[field] = "missing" if missing else names[bisect.bisect(up_to, rng.random() * up_to[-1])]
            counts[field][drawn[field]] += 1
        second_date = None
        while second_date is None:
            day = DAY.fromordinal(first + int(rng.random() * days))
            date = (day.year, day.month, day.day)
            second_date = draw_date(date, drawn["date_of_birth"])
        level = drawn["nhs_number"]
        second_number = {"exact": number, "missing": ""}.get(level)
        if level == "near":
            second_number = mistyped(rng, number, strict)
        elif level == "other":
            second_number = numbers.issue(("other", place), 9)
        rows.append(("gp", place, number, date, postcode, gender, []))
        rows.append(("hospital", place, second_number,
                     None if drawn["date_of_birth"] == "missing" else second_date,
                     "" if drawn["postcode"] == "missing" else draw_postcode(postcode, drawn["postcode"]),
                     {"same": gender, "different": 3 - gender, "missing": 0}[drawn["gender"]],
                     [f"{field}_{name}" for field, name in drawn.items() if name not in ("exact", "same")]))
    sampled = {"date_of_birth": Counter(), "postcode": Counter()}
    for _ in range(100_000):
        one, two = rng.choice(rows), rng.choice(rows)
        if one[1] != two[1] and one[3] and two[3]:
            sampled["date_of_birth"][date_level(one[3], two[3])] += 1
        if one[1] != two[1] and one[4] and two[4]:
            sampled["postcode"][postcode_level(one[4], two[4])] += 1
    u = {field: {level: (sampled[field][level] + 0.5) / sum(sampled[field].values()) for level in PLANTED[field]}
         for field in sampled}
    u["date_of_birth"]["exact"], u["postcode"]["exact"] = 1 / days, 1 / len(postcodes)
    u["gender"] = {"same": 0.5, "different": 0.5}
    u["nhs_number"] = {"exact": 1e-9, "near": 1e-8, "other": 1.0}  # nobody has another's number, or a neighbour of it
    planted = {"m": PLANTED, "missing": PLANTED_MISSING, "drawn": counts,
               "u_of_true_values": {"date_of_birth": {"exact": 1 / days}, "postcode": {"exact": 1 / len(postcodes)},
                                    "gender": {"same": 0.5}},
               "best_on_single_pairs": best_on_single_pairs(people, u),
               "pairs_of_two_people_sampled": sampled,
               "pairs_between_datasets": {"same_person": people, "different_persons": people * (people - 1)}}
    return rows, planted

"""What can be linked at all: bounds on recall for a test population, and the rows that nothing can link."""
from collections import Counter, defaultdict

NOT_A_KEY = {"nhs_filler", "nhs_default", "birth_placeholder", "birth_default", "postcode_default", "postcode_pseudo"}


def mark_unlinkable(rows):
    """Adds the error `unlinkable` to rows that share no identifier with any other row of their person, and counts.

    Two bounds on recall.  by_any_identifier: pairs joined by chains of rows that share a number, a date or a postcode
    (defaults are none); no linkage that compares only rows agreeing on something can exceed it.  by_sound_keys: chains
    of rows sharing a number and something else, or date, postcode and gender that nobody else has; a linkage
    that weighs partial agreement may exceed it.
    """
    of_person, holders = defaultdict(list), defaultdict(set)
    keys = []
    for place, (_, person, number, date, postcode, gender, errors) in enumerate(rows):
        bad = NOT_A_KEY.intersection(errors)
        number = "" if bad and bad & {"nhs_filler", "nhs_default"} else number
        date = None if bad and bad & {"birth_placeholder", "birth_default"} else date
        postcode = "" if bad and bad & {"postcode_default", "postcode_pseudo"} else postcode
        keys.append((number, date, postcode, gender))
        of_person[person].append(place)
        if date and postcode:
            holders[date, postcode].add(person)
    pairs = any_pairs = sound_pairs = unlinkable = 0

    def joined(places, keys_of):
        """Pairs among the rows that chains of equal keys connect."""
        parent = list(range(len(places)))

        def root(i):
            while parent[i] != i:
                parent[i] = i = parent[parent[i]]
            return i

        seen = {}
        for i, place in enumerate(places):
            for key in keys_of(place):
                parent[root(i)] = root(seen.setdefault(key, i))
        return sum(n * (n - 1) // 2 for n in Counter(map(root, range(len(places)))).values())

    def identifiers(place):
        return [(i, key) for i, key in enumerate(keys[place][:3]) if key]

    def sound(place):
        number, date, postcode, gender = keys[place]
        found = [("home", date, postcode)] if date and postcode and len(holders[date, postcode]) == 1 else []
        if number and date:
            found += [(number, date[:2]), (number, date[0], date[2], 0), (number, 0, date[1:])]
        return found + [(number, postcode)] if number and postcode else found

    for places in of_person.values():
        if len(places) == 1:
            continue
        pairs += len(places) * (len(places) - 1) // 2
        any_pairs += joined(places, identifiers)
        sound_pairs += joined(places, sound)
        held = Counter(key for place in places for key in set(identifiers(place)))
        for place in places:
            if all(held[key] == 1 for key in identifiers(place)):
                rows[place][6].append("unlinkable")
                unlinkable += 1
    return {"rows": len(rows), "people_with_rows": len(of_person), "true_pairs": pairs,
            "unlinkable_rows": unlinkable, "recall_by_any_identifier": any_pairs / max(1, pairs),
            "recall_by_sound_keys": sound_pairs / max(1, pairs),
            "errors": Counter(error for row in rows for error in row[6])}

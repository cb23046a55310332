"""The people of the test populations: families, the towns they live in, and their NHS numbers.

Families have children, children leave home, people move between towns of unequal size, and homes that fall vacant are
let again.  Before 1996 families were renumbered together; since then babies are numbered in order of birth.
"""
import bisect
import math
from itertools import accumulate

from population_values import AREAS, DAY, FIRST, LAST, UNIT_LETTERS, Numbers

NO_FIXED_ABODE = "ZZ99 3VZ"


class Town:
    """Streets with a postcode each are built as people come; a home that is left may be let again."""

    def __init__(self, rng, area, districts, taken):
        self.rng, self.area, self.districts, self.taken = rng, area, districts, taken
        self.building, self.vacant = [], []
        self.halls = [self.new_postcode() for _ in range(2)]
        self.prison, self.care_homes = self.new_postcode(), [self.new_postcode() for _ in range(3)]

    def new_postcode(self):
        while True:
            unit = self.rng.choice(UNIT_LETTERS) + self.rng.choice(UNIT_LETTERS)
            code = f"{self.area}{self.rng.choice(self.districts)} {int(self.rng.random() * 10)}{unit}"
            if code not in self.taken:
                self.taken.add(code)
                return code

    def home(self):
        if self.vacant and self.rng.random() < 0.6:
            return self.vacant.pop(int(self.rng.random() * len(self.vacant)))
        if len(self.building) < 5:
            self.building.append([self.new_postcode(), 1 + min(99, int(self.rng.expovariate(1 / 18)))])
        street = self.rng.choice(self.building)
        street[1] -= 1
        if street[1] == 0:
            self.building.remove(street)
        return street[0]


def make_towns(rng, people):
    taken, areas, towns = set(), AREAS[:], []
    rng.shuffle(areas)
    for i in range(max(2, people // 5000)):
        first = 1 + int(rng.random() * 20)
        towns.append(Town(rng, areas[i % len(areas)], range(first, first + 2 + 20 // (i + 2)), taken))
    return towns, list(accumulate(1 / (i + 1.5) for i in range(len(towns))))


class Person:
    __slots__ = ("born", "date", "gender", "number", "old", "homes", "death", "family", "multiple", "mother", "town",
                 "communal", "knows_birthday", "numbered", "has_practice", "issued_twice")

    def __init__(self, rng, born, gender, family, rates):
        self.born, self.gender, self.family = born, gender, family
        day = DAY.fromordinal(born)
        self.date = (day.year, day.month, day.day)
        self.number, self.old, self.homes, self.mother, self.communal = None, None, [], None, False
        self.multiple, self.issued_twice = 0, False  # siblings of the same birth and gender
        self.death = born + int(365.25 * (rng.gauss(82, 11) if rng.random() > 0.004 else rng.random() * 60))
        self.knows_birthday = rng.random() >= rates["unknown_birthday"]
        self.numbered = rng.random() < rates["numbered_people"]
        self.has_practice = rng.random() < 0.97
        family.append(self)

    def home(self, day):
        """(postcode, town) on a day; homes are (first day, postcode, town) in order."""
        found = self.homes[0]
        for home in self.homes:
            if home[0] > day:
                break
            found = home
        return found[1], found[2]


def moves_a_year(age):
    return 0.33 if age < 28 else 0.17 if age < 40 else 0.07 if age < 62 else 0.03


class World:
    def __init__(self, rng, people, rates):
        self.rng, self.rates, self.people = rng, rates, []
        self.towns, self.town_weights = make_towns(rng, people)
        self.numbers = Numbers(rng)
        while len(self.people) < people:
            (self.lone_adult if rng.random() < 0.12 else self.family)()
        del self.people[people:]
        kept = set(map(id, self.people))
        for person in self.people:
            person.family[:] = [member for member in person.family if id(member) in kept]
        self.special_circumstances()
        self.issue_numbers()

    def any_town(self):
        return bisect.bisect(self.town_weights, self.rng.random() * self.town_weights[-1])

    def timeline(self, born, first, last, town, start=None):
        """Homes from the first to the last day, with a move now and then, most of them within the town."""
        day, homes = first, [(first, start or self.towns[town].home(), town)]
        while not self.rates["settled"]:
            day += 1 + int(self.rng.expovariate(moves_a_year((day - born) / 365) / 365))
            if day >= last:
                break
            self.towns[town].vacant.append(homes[-1][1])
            town = town if self.rng.random() < 0.7 else self.any_town()
            homes.append((day, self.towns[town].home(), town))
        return homes

    def lone_adult(self):
        """Came from elsewhere, half of them while the rows were written; some with a birthday given by an office."""
        rng = self.rng
        born = LAST - int(365.25 * (18 + rng.expovariate(1 / 17)))
        if rng.random() < self.rates["january_migrant"]:
            born = DAY(DAY.fromordinal(born).year, 1, 1).toordinal()
        person = Person(rng, born, 1 if rng.random() < 0.55 else 2, [], self.rates)
        arrival = FIRST if rng.random() < 0.5 else FIRST + int(rng.random() * (LAST - FIRST))
        town = self.any_town()
        shared = self.towns[town].building[0][0] if self.towns[town].building and rng.random() < 0.3 else None
        person.homes = self.timeline(born, max(arrival, born), LAST, town, shared)
        self.people.append(person)

    def family(self):
        rng, rates, family = self.rng, self.rates, []
        settled = rates["settled"]
        earliest, latest = (1968, 1990) if settled else (1915, 1993)
        born = DAY(earliest, 1, 1).toordinal() + int(rng.random() * 365.25 * (latest - earliest))
        mother, town = Person(rng, born, 2, family, rates), self.any_town()
        mother.homes = self.timeline(born, FIRST, LAST, town)
        if rng.random() < 0.75:
            father = Person(rng, born - int(rng.gauss(2.3, 4) * 365), 1, family, rates)
            father.homes = mother.homes
        when = born + int(365.25 * max(16, rng.gauss(26, 5)))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5))):
            if when >= LAST or when - born > 365 * 46:
                break
            form, gender = rng.random(), 1 if rng.random() < 0.512 else 2
            babies = 3 if form < rates["triplets"] else 2 if form < rates["triplets"] + rates["twins"] else 1
            alike = rng.random() < rates["same_sex"]
            set_of = [Person(rng, when, gender if alike or i == 0 else 1 + (rng.random() < 0.5), family, rates)
                      for i in range(babies)]
            for baby in set_of:
                baby.mother = mother
                baby.multiple = sum(1 for other in set_of if other.gender == baby.gender) - 1
                self.upbringing(baby, mother.homes)
            when += 280 + int(rng.expovariate(1 / 800))
        self.people.extend(family)

    def upbringing(self, child, family_homes):
        """At home until 18 or later, then perhaps a hall of residence, then homes of one's own."""
        rng = self.rng
        leaves = child.born + int(365.25 * (18 + rng.expovariate(1 / 3.5)))
        if self.rates["settled"] or leaves >= LAST:
            child.homes = family_homes
            return
        at_home = [home for home in family_homes if home[0] < leaves] if leaves > FIRST else []
        town = self.any_town() if rng.random() < 0.4 else family_homes[0][2]
        own_from = max(FIRST, leaves)
        if leaves > FIRST and rng.random() < 0.35:
            at_home.append((leaves, rng.choice(self.towns[town].halls), town))
            child.communal = True
            own_from = leaves + 365 * (1 + int(rng.random() * 3))
        child.homes = at_home + (self.timeline(child.born, own_from, LAST, town) if own_from < LAST else [])

    def special_circumstances(self):
        """Care homes, prisons and the street."""
        rng = self.rng
        for person in self.people:
            age = (LAST - person.born) / 365.25
            if rng.random() < self.rates["no_fixed_abode"] and age > 18:
                person.homes = [(FIRST, NO_FIXED_ABODE, person.homes[0][2])]
            elif age > 83 and person.death > FIRST and rng.random() < 0.25 and not self.rates["settled"]:
                town = person.homes[-1][2]
                day = max(FIRST, person.born + int(365.25 * (80 + rng.random() * 5)))
                person.homes = [home for home in person.homes if home[0] < day]
                person.homes.append((day, rng.choice(self.towns[town].care_homes), town))
                person.communal = True
            elif person.gender == 1 and 20 < age < 50 and rng.random() < self.rates["prison"]:
                town, day = self.any_town(), FIRST + int(rng.random() * (LAST - FIRST))
                back = (day + 400, *person.home(day + 400))
                person.homes = [home for home in person.homes if home[0] < day]
                person.homes += [(day, self.towns[town].prison, town), back]
                person.communal = True

    def issue_numbers(self):
        """Before 1996 families were renumbered together; since then babies are numbered in order of birth."""
        rng, numbers, rates = self.rng, self.numbers, self.rates
        at_birth = DAY(1996, 1, 1).toordinal()
        for person in self.people:
            person.town = person.homes[0][2]
            if person.born < at_birth:
                run = ("lists", person.town, 1 + int(rng.random() * 3)) if person.mother is None else (
                    "lists", person.mother.town, 0)
                person.number = numbers.issue(run, 1 if person.multiple else 4)
        order = {id(person): place for place, person in enumerate(self.people)}
        babies = [person for person in self.people if person.born >= at_birth]
        for person in sorted(babies, key=lambda p: (p.born, order.get(id(p.mother), -1), order[id(p)])):
            person.number = numbers.issue(("births", person.town), 3 if not person.multiple else 1)
        superseded = []
        for person in self.people:
            if rng.random() < rates["superseded"]:
                listed = rng.random() >= rates["superseded_unlisted"]
                until = FIRST + int(rng.random() * (LAST - FIRST))
                old = numbers.issue(("lists", self.any_town(), 0), 4)
                person.old = (old, until, listed)
                if listed and rng.random() < 0.1:  # a chain of two replacements, the middle number never seen
                    middle = numbers.issue(("lists", self.any_town(), 0), 4)
                    superseded += [(old, middle), (middle, person.number)]
                elif listed:
                    superseded.append((old, person.number))
        self.superseded = sorted(superseded)
        # A number issued to two babies, and never put right.
        babies = [p for p in self.people if at_birth <= p.born < at_birth + 500 and p.old is None and not p.multiple]
        rng.shuffle(babies)
        for one, two in zip(babies[0::2], babies[1::2][: math.ceil(rates["issued_twice"] * len(self.people))]):
            two.number = one.number
            one.issued_twice = two.issued_twice = True

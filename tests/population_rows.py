"""The rows that organisations write about the people of a test population, with their errors.

An organisation registers a person once; what is wrong in the registration is wrong in all its rows.  A careless
registration is wrong in more than one field, which breaks the independence that linkage models assume.
"""
from population_values import FIRST, LAST, guessed_date, mistyped, mistyped_postcode, wrong_date
from population_world import NO_FIXED_ABODE

NOT_KNOWN = "ZZ99 3WZ"
DEFAULT_BIRTHDAY = (1955, 11, 17)  # kind fillers; on no published list
WHOLE_DATE_DEFAULT = (1970, 1, 1)  # kind heaped: one supplier's date for whatever is not known


class Registration:
    """What one organisation believes of a person.  It is careless or not in all things alike."""

    __slots__ = ("birth", "birth_error", "gender", "gender_error", "number", "number_error", "postcode", "default",
                 "carelessness")


class Records:
    def __init__(self, world, rng, rates):
        self.world, self.rng, self.rates = world, rng, rates
        self.rows = []  # (dataset, person's place, number, date, postcode, gender, errors)
        self.default_number = world.numbers.issue("default", 5)
        self.default_postcode = world.towns[0].new_postcode()
        for place, person in enumerate(world.people):
            self.of_person(place, person)

    def of_person(self, place, person):
        rng = self.rng
        first, last = max(FIRST, person.homes[0][0], person.born), min(LAST, person.death)
        if last <= first:
            return
        years = (last - first) / 3650
        need = rng.gammavariate(0.9, 1 / 0.9) * (0.3 + 0.7 * years)
        visits = []
        if person.has_practice:
            visits += ["gp"] * (1 + int(rng.expovariate(0.55) * need))
        if rng.random() > 0.12:
            visits += ["hospital"] * min(60, int(rng.expovariate(1) * 2.2 * need + rng.random()))
        visits = [(first + int(rng.random() * (last - first)), dataset) for dataset in visits]
        if person.born >= FIRST:
            if rng.random() < 0.9:
                visits.append((person.born, "hospital"))
            if person.has_practice:
                visits.append((person.born + 5 + int(rng.random() * 40), "gp"))
        visits.sort()
        known, elsewhere = {}, self.world.any_town()
        for day, dataset in visits:
            postcode, town = person.home(day)
            if dataset == "hospital" and rng.random() < 0.12:
                town = elsewhere
            registration = known.get((dataset, town))
            if registration is None:
                registration = known[dataset, town] = self.register(person, dataset, town, day, postcode)
            else:
                self.refresh(registration, person, dataset, day, postcode)
            self.rows.append(self.row(place, person, dataset, day, registration))

    def register(self, person, dataset, town, day, postcode):
        rng, rates, new = self.rng, self.rates, Registration()
        care = new.carelessness = rng.gammavariate(0.6, 1 / 0.6)
        supplier = town % 3 if dataset == "hospital" else None
        new.postcode, new.birth, new.birth_error, new.default = postcode, person.date, "", False
        if rng.random() < rates["birth_wrong"] * care:
            new.birth, new.birth_error = wrong_date(rng, person.date, rates["impossible_date"]), "birth_wrong"
        elif rng.random() < rates["birth_january"] * care:
            new.birth, new.birth_error = (person.date[0], 1, 1), "birth_placeholder"
        elif rng.random() < rates["birth_1900"] * care:
            new.birth, new.birth_error = (1900, 1, 1), "birth_placeholder"
        elif rng.random() < rates["birth_missing"] * care:
            new.birth, new.birth_error = None, "birth_missing"
        if not person.knows_birthday or rates["unknown_birthday"] and rng.random() < 0.14:
            if supplier == 1:
                new.birth, new.birth_error = WHOLE_DATE_DEFAULT, "birth_default"
            else:
                convention = (6, 30) if (town + (dataset == "gp")) % 2 else (1, 1)
                new.birth, new.birth_error = guessed_date(rng, person.date, convention), "birth_unknown"
        if supplier == 1 and rng.random() < rates["default_birthday"]:
            new.birth, new.birth_error = DEFAULT_BIRTHDAY, "birth_default"
        new.gender, new.gender_error = person.gender, ""
        if rng.random() < rates["gender_wrong"] * care:
            new.gender, new.gender_error = 3 - person.gender, "gender_wrong"
        elif rng.random() < rates["gender_missing"] * care:
            new.gender, new.gender_error = 0, "gender_missing"
        if supplier == 2 and rng.random() < rates["default_postcode"]:
            new.postcode, new.default = self.default_postcode, True
        self.number_at_registration(new, person, dataset, supplier, day)
        return new

    def number_at_registration(self, new, person, dataset, supplier, day):
        rng, rates, care = self.rng, self.rates, new.carelessness
        new.number, new.number_error = person.number, ""
        if person.old and day < person.old[1]:
            new.number, new.number_error = person.old[0], "nhs_superseded" + ("" if person.old[2] else "_unlisted")
        if person.issued_twice:
            new.number_error = "nhs_issued_twice"
        if day - person.born < 45:
            form = rng.random()
            if form < rates["newborn_under_mother"] and person.mother and person.mother.number:
                new.number, new.number_error = person.mother.number, "nhs_mother"
                return
            if form < rates["newborn_under_mother"] + rates["newborn_unnumbered"]:
                new.number, new.number_error = "", "newborn_unnumbered"
                return
        if supplier == 0 and rng.random() < rates["default_number"]:
            new.number, new.number_error = self.default_number, "nhs_default"
        elif not person.numbered or rng.random() < rates[f"{dataset}_unnumbered"]:
            new.number, new.number_error = "", "nhs_missing"
        elif rng.random() < rates["number_of_another"] * care:
            new.number, new.number_error = self.number_of_another(person)

    def number_of_another(self, person):
        """A relative's number, that of any person, or that of somebody who has no row here."""
        rng = self.rng
        relatives = [other for other in person.family if other is not person]
        form = rng.random()
        if form < 0.4 and relatives:
            return rng.choice(relatives).number, "nhs_relative"
        if form < 0.7:
            other = rng.choice(self.world.people)
            if other.number != person.number:
                return other.number, "nhs_stranger"
        return self.world.numbers.issue(("lists", self.world.any_town(), 0), 4), "nhs_absent_stranger"

    def refresh(self, known, person, dataset, day, postcode):
        """A later visit: addresses and numbers are brought up to date, more often by a practice than by a hospital."""
        rng = self.rng
        if known.postcode != postcode and not known.default and rng.random() < (0.75 if dataset == "gp" else 0.25):
            known.postcode = postcode
        if known.number_error in ("nhs_mother", "newborn_unnumbered"):
            if day - person.born > 45 or rng.random() < 0.3:
                known.number, known.number_error = person.number, ""
        elif known.number_error == "nhs_missing" and person.numbered and rng.random() < 0.25:
            known.number, known.number_error = person.number, ""
        elif known.number_error.startswith("nhs_superseded") and day >= person.old[1]:
            if rng.random() >= self.rates["number_kept_old"]:
                known.number, known.number_error = person.number, ""

    def row(self, place, person, dataset, day, known):
        rng, rates, care, draw = self.rng, self.rates, known.carelessness, self.rng.random
        number, number_error, birth, birth_error = known.number, known.number_error, known.birth, known.birth_error
        gender, gender_error, postcode = known.gender, known.gender_error, known.postcode
        if number:
            if draw() < rates["row_unnumbered"]:
                number, number_error = "", "nhs_missing"
            elif draw() < rates["row_mistyped"] * care:
                number, number_error = mistyped(rng, number, rates), "nhs_mistyped"
            elif draw() < rates["row_filler"] * care:
                number, number_error = rng.choice(("0000000000", "9999999999", "1234567890")), "nhs_filler"
            elif draw() < rates["row_under_another"] * care:
                number, number_error = self.number_of_another(person)
        if birth and draw() < rates["row_birth_wrong"] * care:
            birth, birth_error = wrong_date(rng, birth, rates["impossible_date"]), "birth_wrong"
        if gender and draw() < rates["row_gender_wrong"] * care:
            gender, gender_error = 3 - gender, "gender_wrong"
        if postcode == NO_FIXED_ABODE:
            postcode_error = "postcode_pseudo"
        elif known.default:
            postcode_error = "postcode_default"
        elif draw() < rates["row_postcode_missing"] * care:
            postcode, postcode_error = "", "postcode_missing"
        elif draw() < rates["row_postcode_pseudo"] * care:
            postcode, postcode_error = NOT_KNOWN, "postcode_pseudo"
        else:
            postcode_error = "" if postcode == person.homes[-1][1] else "postcode_moved"
            if draw() < rates["row_postcode_mistyped"] * care:
                postcode, postcode_error = mistyped_postcode(rng, postcode), "postcode_mistyped"
        errors = [error for error in (number_error, birth_error, gender_error, postcode_error) if error]
        if person.multiple:
            errors.append("multiple_birth")
        if person.communal:
            errors.append("communal")
        return dataset, place, number, birth, postcode, gender, errors

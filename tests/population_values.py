"""NHS numbers, dates and postcodes of the test populations: how they are given out and how they come to be wrong.

Numbers are issued in runs, so that neighbours in number are neighbours in life.  Check digit: ISB 0149 (modulus 11).
How dates go wrong: one part in nine of ten, as CRATE's empirical rates have it (docs/model.md, S1).
"""
import datetime

DAY = datetime.date
FIRST, LAST = DAY(2004, 4, 1).toordinal(), DAY(2014, 3, 31).toordinal()  # the days that rows are from
AREAS = ("AL B BA BB BD BH BL BN BR BS CA CB CF CH CM CO CR CT CV CW DA DE DH DL DN DT DY E EN EX FY GL GU HA HD HG HP"
         " HR HU HX IG IP KT L LA LE LN LS LU M ME MK N NE NG NN NP NR NW OL OX PE PL PO PR RG RH RM S SA SE SG SK SL"
         " SN SO SP SR SS ST SW SY TA TF TN TQ TR TS TW UB W WA WD WF WN WR WS WV YO").split()
UNIT_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


def with_check_digit(stem):
    """The NHS number of nine digits, or None where modulus 11 gives them none."""
    rest, weighted = stem, 0
    for weight in range(2, 11):
        rest, digit = divmod(rest, 10)
        weighted += weight * digit
    check = -weighted % 11
    return None if check == 10 else f"{stem:09d}{check}"


class Numbers:
    """Issues numbers in runs: each run begins somewhere in the English ranges and goes up in small steps."""

    def __init__(self, rng):
        self.rng, self.runs, self.issued = rng, {}, set()

    def issue(self, run, largest_step):
        stem = self.runs.get(run)
        if stem is None:
            stem = self.rng.choice((400, 400, 600, 700, 700, 700)) * 10**6 + int(self.rng.random() * 99e6)
        while True:
            stem += 1 + int(self.rng.random() * largest_step)
            number = with_check_digit(stem)
            if number and number not in self.issued and len(set(number)) > 1:
                self.runs[run] = stem
                self.issued.add(number)
                return number


def mistyped(rng, number, rates):
    digits = list(number)
    form, place = rng.random(), int(rng.random() * 9)
    if form < rates["dropped_digit"]:
        del digits[place]
    elif form < rates["dropped_digit"] + 0.22 and digits[place] != digits[place + 1]:
        digits[place], digits[place + 1] = digits[place + 1], digits[place]
    else:
        places = [place]
        if rng.random() < rates["two_digits"]:
            places.append((place + 1 + int(rng.random() * 9)) % 10)
        for at in places:
            digits[at] = str((int(digits[at]) + 1 + int(rng.random() * 9)) % 10)
    return "".join(digits)


def is_real(date):
    try:
        DAY(*date)
    except ValueError:
        return False
    return True


def wrong_date(rng, date, impossible_share=0.0):
    """One part wrong in nine of ten, day before month before year; the rest exchanged or wrong in several parts."""
    for _ in range(1000):
        year, month, day = date
        form = rng.random()
        if form < 0.50:
            day = day + rng.choice((-1, 1)) if rng.random() < 0.4 else 1 + int(rng.random() * 31)
        elif form < 0.72:
            month = month + rng.choice((-1, 1)) if rng.random() < 0.4 else 1 + int(rng.random() * 12)
        elif form < 0.88:
            year += rng.choice((-10, -3, -2, -1, -1, 1, 1, 2, 3, 10))
        elif form < 0.93:
            month, day = day, month
        elif form < 0.96:
            year = year // 100 * 100 + year % 10 * 10 + year // 10 % 10
        else:
            year, month, day = year + rng.choice((-1, 0, 1)), 1 + int(rng.random() * 12), 1 + int(rng.random() * 31)
        found = (year, month, day)
        if found != date and 0 < month < 32 and 0 < day < 32:
            if is_real(found) and DAY(*found).toordinal() <= LAST or rng.random() < impossible_share:
                return found
    raise AssertionError("no date near a date")


def guessed_date(rng, date, day_and_month):
    """A conventional day in a year that is right, or rounded to 0 or 5, or off by one."""
    form, year = rng.random(), date[0]
    if form < 0.35:
        year = min(2010, 5 * round(year / 5))
    elif form < 0.5:
        year = min(2013, year + rng.choice((-1, 1)))
    return (year, *day_and_month)


def mistyped_postcode(rng, postcode):
    characters = list(postcode)
    if rng.random() < 0.2 and characters[-1] != characters[-2]:
        characters[-1], characters[-2] = characters[-2], characters[-1]
    else:
        at = -1 - int(rng.random() * 3)
        alphabet = "0123456789" if at == -3 else UNIT_LETTERS
        characters[at] = rng.choice([c for c in alphabet if c != characters[at]])
    return "".join(characters)

"""Brings field values to the form that all methods compare, so that no method is favoured by its reading of the files.

The engine's rules, stated once more: ISB 0149 for NHS numbers (ten digits, modulus 11, no fillers), real dates from 1895
on that are no placeholders, upper-case postcodes of the NHS Data Dictionary's forms without spaces and with O/0 and I/1
put right by position; ZZ99 postcodes and unknown gender are missing.

Each rule stands twice: in Python, plain, and as SQL for DuckDB, which is what the methods run, so that none waits for an
interpreter.  check_standard.py holds one against the other on the values of extracts.
"""

import datetime
import re

FILLERS = (123456789, 987654321, 1234567881, 1234567890, 4857773456, 9876543210)

# True of a BIGINT `n` of ten digits; "the weighted sum is a multiple of 11" is the check digit's rule in one line.
NHS_CHECK_SQL = "(" + " + ".join(f"(n // {10 ** (10 - i)} % 10) * {11 - i}" for i in range(1, 11)) + ") % 11 = 0"
NHS_FILLER_SQL = f"(n % 1111111111 = 0 OR n IN {FILLERS})"
# From the table `value(raw)` of distinct texts to (raw, value, valid).
NHS_NUMBER_SQL = f"""
    WITH digits AS (SELECT raw, regexp_replace(raw, '[ \\-\\xA0]', '', 'g') AS text FROM value),
         number AS (SELECT raw, text::BIGINT AS n FROM digits WHERE regexp_full_match(text, '[0-9]{{10}}'))
    SELECT raw, n, {NHS_CHECK_SQL} AS valid FROM number WHERE NOT {NHS_FILLER_SQL}"""


def nhs_number(text):
    """(number, whether its check digit is right), or None."""
    text = re.sub("[ \\-\xa0]", "", text or "")
    if not re.fullmatch("[0-9]{10}", text) or len(set(text)) == 1 or int(text) in FILLERS:
        return None
    return int(text), sum(int(digit) * (11 - i) for i, digit in enumerate(text, 1)) % 11 == 0


PLACEHOLDER_BIRTHS = frozenset(
    "19000101 18000101 19010101 18991230 18991231 00010101 15821015 16010101 17530101 18401231 18581117 20991231 "
    "29991231 99991231".split()
)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
TIME = r"(?:[T: ]\s*\d{1,2}:?\d{2}.*)?"
YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.]?)(\d{{1,2}})\2(\d{{1,2}}){TIME}")
DAY_FIRST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){TIME}")
MONTH_NAMED = re.compile(rf"(\d{{1,2}})[- /.]?([a-z]{{3,9}})[- /.]?(\d{{4}}){TIME}", re.IGNORECASE)


def birth(text, keep_impossible=False):
    """YYYYMMDD, or None.  keep_impossible: 31 February stays, as digits that a fuzzy comparison may still use."""
    text = (text or "").strip()
    if match := YEAR_FIRST.fullmatch(text):
        year, month, day = match[1], match[3], match[4]
        if not match[2] and len(month + day) != 4:
            return None
    elif match := DAY_FIRST.fullmatch(text):
        day, month, year = match[1], match[3], match[4]
    elif (match := MONTH_NAMED.fullmatch(text)) and match[2][:3].lower() in MONTHS:
        day, month, year = match[1], str(MONTHS.index(match[2][:3].lower()) + 1), match[3]
    else:
        return None
    digits = f"{year}{int(month):02}{int(day):02}"
    if digits in PLACEHOLDER_BIRTHS:
        return None
    try:
        real = datetime.date(int(year), int(month), int(day)) >= datetime.date(1895, 1, 1)
    except ValueError:
        return digits if keep_impossible else None
    return digits if real else None


TIME_SQL = r"(?:[T: ]\s*[0-9]{1,2}:?[0-9]{2}.*)?$"
BLANKS_SQL = "E' \\t\\n\\r\\x0b\\x0c' || chr(160)"
# From the table `value(raw)` of distinct texts to (raw, value, kept): kept has impossible dates, too.  What Python's patterns
# say by a back reference is a second group here.
BIRTH_SQL = f"""
    WITH trimmed AS (SELECT raw, trim(raw, {BLANKS_SQL}) AS text FROM value),
         dated AS (
        SELECT raw, text,
               regexp_extract(text, '^([0-9]{{4}})([-/.]?)([0-9]{{1,2}})([-/.]?)([0-9]{{1,2}}){TIME_SQL}',
                              ['year', 'first', 'month', 'second', 'day']) AS y
        FROM trimmed),
         read AS (  -- CASE spares what has been read already
        SELECT raw, y, CASE WHEN y.year = '' THEN
               regexp_extract(text, '^([0-9]{{1,2}})([-/.])([0-9]{{1,2}})([-/.])([0-9]{{4}}){TIME_SQL}',
                              ['day', 'first', 'month', 'second', 'year']) END AS d,
               CASE WHEN y.year = '' THEN
               regexp_extract(text, '^([0-9]{{1,2}})[- /.]?([A-Za-z]{{3,9}})[- /.]?([0-9]{{4}}){TIME_SQL}',
                              ['day', 'month', 'year']) END AS n
        FROM dated),
         parts AS (
        SELECT raw,
               CASE WHEN y.year <> '' THEN y.year WHEN d.year <> '' THEN d.year ELSE n.year END AS year,
               CASE WHEN y.year <> '' THEN
                         CASE WHEN y.first = y.second AND (y.first <> '' OR length(y.month || y.day) = 4) THEN y.month END
                    WHEN d.year <> '' THEN CASE WHEN d.first = d.second THEN d.month END
                    ELSE nullif(list_position({MONTHS}, lower(n.month[:3])), 0)::VARCHAR END AS month,
               CASE WHEN y.year <> '' THEN y.day WHEN d.year <> '' THEN d.day ELSE n.day END AS day
        FROM read),
         told AS (
        SELECT raw, year || lpad(month, 2, '0') || lpad(day, 2, '0') AS digits,
               CASE WHEN year <> '0000' THEN try_cast(year || '-' || month || '-' || day AS DATE) END AS date
        FROM parts WHERE month IS NOT NULL AND year <> '')
    SELECT raw, CASE WHEN date >= DATE '1895-01-01' THEN digits END AS value,
           CASE WHEN date IS NULL THEN digits ELSE value END AS kept
    FROM told WHERE digits NOT IN {tuple(sorted(PLACEHOLDER_BIRTHS))}"""

POSTCODE = re.compile(r"(?:[A-Z][A-Z]?[0-9][0-9A-Z]?|NPT)[0-9][A-Z]{2}")
TO_DIGIT = str.maketrans("OIL", "011")
TO_LETTER = str.maketrans("01", "OL")


def mended(text):
    """The postcode with characters put right whose place admits only a digit or only a letter."""
    outward, inward = text[:-3], text[-3:]
    inward = inward[0].translate(TO_DIGIT) + inward[1:].translate(TO_LETTER)
    if len(outward) == 2:
        outward = outward[0] + outward[1].translate(TO_DIGIT)
    elif len(outward) == 3:
        last = outward[2].translate(TO_DIGIT)
        second = outward[1]
        if not last.isdigit():
            second = second.translate(TO_DIGIT)
        elif second in "0I":  # AO9 and A19: no district starts with 0, no area ends in I
            second = {"0": "O", "I": "1"}[second]
        outward = outward[0] + second + last
    else:
        outward = outward[0] + outward[1].translate(TO_LETTER) + outward[2:].translate(TO_DIGIT)
    front = "I" if outward[0] == "1" and outward[1] in "GMPV" else outward[0].translate(TO_LETTER)
    return front + outward[1:] + inward


def postcode(text):
    """SW1A1AA, or None."""
    text = re.sub(r"[^0-9A-Z]", "", (text or "").upper())
    if not 5 <= len(text) <= 7 or text.startswith("ZZ"):
        return None
    if POSTCODE.fullmatch(text) and text[1] != "I":
        return text
    repaired = mended(text)
    repairs = sum(a != b for a, b in zip(text, repaired))
    if repairs > 2 or not any(c.isdigit() for c in text) or not POSTCODE.fullmatch(repaired):
        return None
    return None if repaired.startswith("ZZ") else repaired


# From the table `value(raw)` of distinct texts to (raw, value), as postcode() and mended().
POSTCODE_SQL = f"""
    WITH cleaned AS (SELECT raw, regexp_replace(upper(raw), '[^0-9A-Z]', '', 'g') AS text FROM value),
         plausible AS (SELECT raw, text, regexp_full_match(text, '{POSTCODE.pattern}') AND text[2] <> 'I' AS good
                       FROM cleaned WHERE length(text) BETWEEN 5 AND 7 AND NOT starts_with(text, 'ZZ')),
         halves AS (SELECT raw, text, text[:-4] AS o, translate(text[-3], 'OIL', '011')
                           || translate(text[-2:], '01', 'OL') AS inward, translate(text[3], 'OIL', '011') AS last
                    FROM plausible WHERE NOT good),
         outwards AS (
        SELECT raw, text, inward,
               CASE length(o)
                    WHEN 2 THEN o[1] || translate(o[2], 'OIL', '011')
                    WHEN 3 THEN o[1] || CASE WHEN NOT regexp_full_match(last, '[0-9]') THEN translate(o[2], 'OIL', '011')
                                             ELSE translate(o[2], '0I', 'O1') END || last
                    ELSE o[1] || translate(o[2], '01', 'OL') || translate(o[3:], 'OIL', '011') END AS o
        FROM halves),
         repaired AS (
        SELECT raw, text, CASE WHEN o[1] = '1' AND o[2] IN ('G', 'M', 'P', 'V') THEN 'I'
                               ELSE translate(o[1], '01', 'OL') END || o[2:] || inward AS repaired
        FROM outwards)
    SELECT raw, text AS value FROM plausible WHERE good
    UNION ALL
    SELECT raw, repaired FROM repaired
    WHERE hamming(text, repaired) <= 2 AND regexp_matches(text, '[0-9]')
          AND regexp_full_match(repaired, '{POSTCODE.pattern}') AND NOT starts_with(repaired, 'ZZ')"""

GENDERS = {"1": "1", "m": "1", "male": "1", "man": "1", "2": "2", "f": "2", "female": "2", "woman": "2"}


def gender(text):
    """1 male, 2 female, else None."""
    return GENDERS.get((text or "").strip().lower())


# From the table `value(raw)` of distinct texts to (raw, value).
GENDER_SQL = f"""
    SELECT raw, CASE {" ".join(f"WHEN text = '{spelt}' THEN '{code}'" for spelt, code in GENDERS.items())} END AS value
    FROM (SELECT raw, lower(trim(raw, {BLANKS_SQL})) AS text FROM value)"""

"""The catalogue of faults: a function for each planted fault, and the check that has to find it.

Belongs here: one function for each fault; it changes one field of a clean record and returns the field's name. The
name of the function is the name of the fault. Does not belong here: finding faults
(``kaygraph_viz.course.patterns.checks``).
"""

# ruff: noqa: RUF001 (letters that look like other letters are the point of one fault)
from __future__ import annotations

from collections.abc import Callable
from datetime import date

from customer_clean import COUNTRIES, DOMAINS, CustomerMaker, Row

SQL = (
    "'); DROP TABLE customers;--", "' OR '1'='1", "x' UNION SELECT email, phone FROM customers --",
    "'; DELETE FROM orders WHERE 1=1; --", "admin'--", "1; UPDATE customers SET note=''", '" or ""="', "' and 1=1 #",
)  # fmt: skip
SCRIPTS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<SCRIPT SRC=//example.org/x.js></SCRIPT>",
    "javascript:alert(document.cookie)", "<svg/onload=alert(1)>", "<iframe src=//example.net></iframe>", "</script >",
)  # fmt: skip
LOOKALIKES = str.maketrans("aceiopxyAEOT", "асеіорхуΑЕΟТ")  # Cyrillic and Greek letters that look like Latin ones


def day(row: Row, name: str) -> date:
    """Return one date of a record."""
    return date.fromisoformat(row[name])


def inside(text: str, extra: str, at: int) -> str:
    """Return the text with ``extra`` put in before position ``at``."""
    return text[:at] + extra + text[at:]


def sql_injection(maker: CustomerMaker, row: Row) -> str:
    """Append a piece of SQL to the name or the note."""
    field = maker.rng.pick(("name", "note"))
    row[field] += maker.rng.pick(SQL)
    return field


def script_injection(maker: CustomerMaker, row: Row) -> str:
    """Append an HTML tag or address that runs a script to the name or the note."""
    field = maker.rng.pick(("name", "note"))
    row[field] = f"{row[field]} {maker.rng.pick(SCRIPTS)}".strip()
    return field


def control_character(maker: CustomerMaker, row: Row) -> str:
    """Put a bell, backspace, escape or delete character into the name."""
    row["name"] = inside(row["name"], maker.rng.pick("\x07\x08\x1b\x7f"), 2)
    return "name"


def bidi_override(maker: CustomerMaker, row: Row) -> str:
    """Put a direction override into the name, so that it is shown in another order than it is stored."""
    row["name"] = inside(row["name"], maker.rng.pick("\u202e\u202d\u2066\u2067"), 1)
    return "name"


def homoglyph_name(maker: CustomerMaker, row: Row) -> str:
    """Replace one letter of a Latin name by a Cyrillic or Greek letter that looks the same."""
    given = maker.rng.pick(("Jonathan", "Patricia", "Alexander", "Veronica"))
    name = f"{given} {maker.rng.pick(('Cooper', 'Baxter', 'Parker'))}"
    at = maker.rng.pick([at for at, sign in enumerate(name) if sign.translate(LOOKALIKES) != sign])
    row["name"] = name[:at] + name[at].translate(LOOKALIKES) + name[at + 1 :]
    return "name"


def email_missing_at(_maker: CustomerMaker, row: Row) -> str:
    """Leave out the at sign."""
    row["email"] = row["email"].replace("@", "")
    return "email"


def email_double_dot(maker: CustomerMaker, row: Row) -> str:
    """Double a dot before or after the at sign."""
    local, domain = row["email"].split("@")
    row["email"] = maker.rng.pick((f"{local.replace('.', '..')}@{domain}", f"{local}@{domain.replace('.', '..')}"))
    return "email"


def email_trailing_space(_maker: CustomerMaker, row: Row) -> str:
    """Append a space."""
    row["email"] += " "
    return "email"


def email_full_width(_maker: CustomerMaker, row: Row) -> str:
    """Write the first letter in its full-width form."""
    row["email"] = chr(ord(row["email"][0]) + 0xFEE0) + row["email"][1:]
    return "email"


def impossible_date(maker: CustomerMaker, row: Row) -> str:
    """Make one of the dates a 31 February."""
    field = maker.rng.pick(("birth_date", "signup_date"))
    row[field] = row[field][:4] + "-02-31"
    return field


def postal_code_malformed(maker: CustomerMaker, row: Row) -> str:
    """Make the postal code something that no country writes."""
    code = row["postal_code"]
    row["postal_code"] = maker.rng.pick((f"{code[:2]}#{code[3:]}", f"{code}-", f"{code[:2]}--{code[2:]}", "N/A", "?"))
    return "postal_code"


def phone_too_short(_maker: CustomerMaker, row: Row) -> str:
    """Cut the phone number after three digits of the national number."""
    prefix, _, national = row["phone"].partition(" ")
    row["phone"] = f"{prefix} {''.join(sign for sign in national if sign.isdigit())[:3]}"
    return "phone"


def swapped_day_and_month(maker: CustomerMaker, row: Row) -> str:
    """Swap day and month of the signup, so that it is a real day but comes after the last order."""
    year, month = 2019 + maker.rng.below(6), 1 + maker.rng.below(11)
    written_as = 1 + month + maker.rng.below(12 - month)
    meant, written = date(year, month, written_as), date(year, written_as, month)
    row["last_order_date"] = maker.rng.between(meant, date.fromordinal(written.toordinal() - 1)).isoformat()
    row["signup_date"] = written.isoformat()
    return "signup_date"


def underage(maker: CustomerMaker, row: Row) -> str:
    """Make the customer younger than 18 on the reference date."""
    row["birth_date"] = maker.rng.between(date(2008, 1, 2), date(2017, 12, 31)).isoformat()
    return "birth_date"


def too_old(maker: CustomerMaker, row: Row) -> str:
    """Make the customer older than 120 on the reference date."""
    row["birth_date"] = maker.rng.between(date(1860, 1, 1), date(1904, 12, 31)).isoformat()
    return "birth_date"


def signup_before_birth(maker: CustomerMaker, row: Row) -> str:
    """Make the signup earlier than the birth."""
    birth = day(row, "birth_date").toordinal()
    row["signup_date"] = date.fromordinal(birth - 30 - maker.rng.below(3_000)).isoformat()
    return "signup_date"


def last_order_before_signup(maker: CustomerMaker, row: Row) -> str:
    """Make the last order earlier than the signup."""
    signup = day(row, "signup_date").toordinal()
    row["last_order_date"] = date.fromordinal(signup - 1 - maker.rng.below(400)).isoformat()
    return "last_order_date"


def signup_in_future(maker: CustomerMaker, row: Row) -> str:
    """Make the signup later than the reference date."""
    row["signup_date"] = maker.rng.between(date(2026, 1, 2), date(2027, 12, 31)).isoformat()
    return "signup_date"


def postal_code_of_other_country(maker: CustomerMaker, row: Row) -> str:
    """Write a postal code in the shape of another country."""
    own = {shape(template) for template in COUNTRIES[row["country"]].postal.split("|")}
    others = [t for country in COUNTRIES.values() for t in country.postal.split("|") if shape(t) not in own]
    row["postal_code"] = maker.rng.fill(maker.rng.pick(others))
    return "postal_code"


def shape(template: str) -> str:
    """Return the shape of a postal code without spaces, which some countries leave out: ``9`` digits, ``A`` letters."""
    signs = ("9" if s == "#" or s.isdigit() else "A" if s == "@" or s.isalpha() else s for s in template)
    return "".join(signs).replace(" ", "")


def phone_of_other_country(maker: CustomerMaker, row: Row) -> str:
    """Write a phone number with the calling code of another country."""
    own = COUNTRIES[row["country"]].phone.split()[0]
    others = [country.phone for country in COUNTRIES.values() if country.phone.split()[0] != own]
    row["phone"] = maker.rng.fill(maker.rng.pick(others).split("|")[0])
    return "phone"


def duplicate_other_case(maker: CustomerMaker, row: Row) -> str:
    """Make the record a second entry of an earlier customer, with the e-mail address in another case."""
    original = maker.rng.pick(maker.clean)
    row |= {name: original[name] for name in ("name", "phone", "birth_date", "city", "country", "postal_code")}
    row["email"] = maker.rng.pick((original["email"].upper(), original["email"].title()))
    return "email"


def unknown_city(maker: CustomerMaker, row: Row) -> str:
    """Name a city of another country, or one that does not exist."""
    elsewhere = [city for code in COUNTRIES if code != row["country"] for city in maker.cities[code][:3]]
    row["city"] = maker.rng.pick((maker.rng.pick(elsewhere), "Atlantis", "Springhollow", "Neu-Nirgendheim"))
    if row["city"] in maker.cities[row["country"]]:  # a name that two countries share
        row["city"] = "Nowhereville"
    return "city"


def undeliverable_domain(maker: CustomerMaker, row: Row) -> str:
    """Use a mail domain that accepts no mail."""
    row["email"] = f"{row['email'].split('@')[0]}@{maker.rng.pick(DOMAINS['undeliverable'].split())}"
    return "email"


def disposable_domain(maker: CustomerMaker, row: Row) -> str:
    """Use a mail domain of throw-away addresses."""
    row["email"] = f"{row['email'].split('@')[0]}@{maker.rng.pick(DOMAINS['disposable'].split())}"
    return "email"


Fault = Callable[[CustomerMaker, Row], str]
CATALOGUE: dict[str, tuple[Fault, ...]] = {
    "security": (sql_injection, script_injection, control_character, bidi_override, homoglyph_name),
    "format": (
        email_missing_at, email_double_dot, email_trailing_space, email_full_width, impossible_date,
        postal_code_malformed, phone_too_short,
    ),
    "business": (
        swapped_day_and_month, underage, too_old, signup_before_birth, last_order_before_signup, signup_in_future,
        postal_code_of_other_country, phone_of_other_country, duplicate_other_case,
    ),
    "external": (unknown_city, undeliverable_domain, disposable_domain),
}  # fmt: skip

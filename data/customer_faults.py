"""The catalogue of faults: what each planted fault does to a record, and which check has to find it.

Belongs here: one function for each fault; it changes one field of a clean record and returns the field's name. The
name of the function is the name of the fault. Does not belong here: finding faults
(``kaygraph_viz.patterns.checks``).
"""

# ruff: noqa: RUF001 (letters that look like other letters are the point of one fault)
from __future__ import annotations

from collections.abc import Callable
from datetime import date

from customer_clean import COUNTRIES, DOMAINS, Row, World

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


def sql_injection(world: World, row: Row) -> str:
    """Append a piece of SQL to the name or the note."""
    place = world.dice.pick(("name", "note"))
    row[place] += world.dice.pick(SQL)
    return place


def script_injection(world: World, row: Row) -> str:
    """Append an HTML tag or address that runs a script to the name or the note."""
    place = world.dice.pick(("name", "note"))
    row[place] = f"{row[place]} {world.dice.pick(SCRIPTS)}".strip()
    return place


def control_character(world: World, row: Row) -> str:
    """Put a bell, backspace, escape or delete character into the name."""
    row["name"] = inside(row["name"], world.dice.pick("\x07\x08\x1b\x7f"), 2)
    return "name"


def bidi_override(world: World, row: Row) -> str:
    """Put a direction override into the name, so that it is shown in another order than it is stored."""
    row["name"] = inside(row["name"], world.dice.pick("\u202e\u202d\u2066\u2067"), 1)
    return "name"


def homoglyph_name(world: World, row: Row) -> str:
    """Replace one letter of a Latin name by a Cyrillic or Greek letter that looks the same."""
    given = world.dice.pick(("Jonathan", "Patricia", "Alexander", "Veronica"))
    name = f"{given} {world.dice.pick(('Cooper', 'Baxter', 'Parker'))}"
    at = world.dice.pick([at for at, sign in enumerate(name) if sign.translate(LOOKALIKES) != sign])
    row["name"] = name[:at] + name[at].translate(LOOKALIKES) + name[at + 1 :]
    return "name"


def email_missing_at(_world: World, row: Row) -> str:
    """Leave out the at sign."""
    row["email"] = row["email"].replace("@", "")
    return "email"


def email_double_dot(world: World, row: Row) -> str:
    """Double a dot before or after the at sign."""
    local, domain = row["email"].split("@")
    row["email"] = world.dice.pick((f"{local.replace('.', '..')}@{domain}", f"{local}@{domain.replace('.', '..')}"))
    return "email"


def email_trailing_space(_world: World, row: Row) -> str:
    """Append a space."""
    row["email"] += " "
    return "email"


def email_full_width(_world: World, row: Row) -> str:
    """Write the first letter in its full-width form."""
    row["email"] = chr(ord(row["email"][0]) + 0xFEE0) + row["email"][1:]
    return "email"


def impossible_date(world: World, row: Row) -> str:
    """Make one of the dates a 31 February."""
    place = world.dice.pick(("birth_date", "signup_date"))
    row[place] = row[place][:4] + "-02-31"
    return place


def postal_code_malformed(world: World, row: Row) -> str:
    """Make the postal code something that no country writes."""
    code = row["postal_code"]
    row["postal_code"] = world.dice.pick((f"{code[:2]}#{code[3:]}", f"{code}-", f"{code[:2]}--{code[2:]}", "N/A", "?"))
    return "postal_code"


def phone_too_short(_world: World, row: Row) -> str:
    """Cut the phone number after three digits of the national number."""
    prefix, _, national = row["phone"].partition(" ")
    row["phone"] = f"{prefix} {''.join(sign for sign in national if sign.isdigit())[:3]}"
    return "phone"


def swapped_day_and_month(world: World, row: Row) -> str:
    """Swap day and month of the signup, so that it is a real day but comes after the last order."""
    year, month = 2019 + world.dice.below(6), 1 + world.dice.below(11)
    written_as = 1 + month + world.dice.below(12 - month)
    meant, written = date(year, month, written_as), date(year, written_as, month)
    row["last_order_date"] = world.dice.between(meant, date.fromordinal(written.toordinal() - 1)).isoformat()
    row["signup_date"] = written.isoformat()
    return "signup_date"


def underage(world: World, row: Row) -> str:
    """Make the customer younger than 18 on the reference date."""
    row["birth_date"] = world.dice.between(date(2008, 1, 2), date(2017, 12, 31)).isoformat()
    return "birth_date"


def too_old(world: World, row: Row) -> str:
    """Make the customer older than 120 on the reference date."""
    row["birth_date"] = world.dice.between(date(1860, 1, 1), date(1904, 12, 31)).isoformat()
    return "birth_date"


def signup_before_birth(world: World, row: Row) -> str:
    """Let the customer sign up before birth."""
    birth = day(row, "birth_date").toordinal()
    row["signup_date"] = date.fromordinal(birth - 30 - world.dice.below(3_000)).isoformat()
    return "signup_date"


def last_order_before_signup(world: World, row: Row) -> str:
    """Let the customer order before signing up."""
    signup = day(row, "signup_date").toordinal()
    row["last_order_date"] = date.fromordinal(signup - 1 - world.dice.below(400)).isoformat()
    return "last_order_date"


def signup_in_future(world: World, row: Row) -> str:
    """Let the customer sign up after the reference date."""
    row["signup_date"] = world.dice.between(date(2026, 1, 2), date(2027, 12, 31)).isoformat()
    return "signup_date"


def postal_code_of_other_country(world: World, row: Row) -> str:
    """Write a postal code in the shape of another country."""
    own = {shape(template) for template in COUNTRIES[row["country"]].postal.split("|")}
    others = [t for country in COUNTRIES.values() for t in country.postal.split("|") if shape(t) not in own]
    row["postal_code"] = world.dice.fill(world.dice.pick(others))
    return "postal_code"


def shape(template: str) -> str:
    """Return the shape of a postal code without spaces, which some countries leave out: ``9`` digits, ``A`` letters."""
    signs = ("9" if s == "#" or s.isdigit() else "A" if s == "@" or s.isalpha() else s for s in template)
    return "".join(signs).replace(" ", "")


def phone_of_other_country(world: World, row: Row) -> str:
    """Write a phone number with the calling code of another country."""
    own = COUNTRIES[row["country"]].phone.split()[0]
    others = [country.phone for country in COUNTRIES.values() if country.phone.split()[0] != own]
    row["phone"] = world.dice.fill(world.dice.pick(others).split("|")[0])
    return "phone"


def duplicate_other_case(world: World, row: Row) -> str:
    """Make the record a second entry of an earlier customer, with the e-mail address in another case."""
    original = world.dice.pick(world.clean)
    row |= {name: original[name] for name in ("name", "phone", "birth_date", "city", "country", "postal_code")}
    row["email"] = world.dice.pick((original["email"].upper(), original["email"].title()))
    return "email"


def unknown_city(world: World, row: Row) -> str:
    """Name a city of another country, or one that does not exist."""
    elsewhere = [city for code in COUNTRIES if code != row["country"] for city in world.cities[code][:3]]
    row["city"] = world.dice.pick((world.dice.pick(elsewhere), "Atlantis", "Springhollow", "Neu-Nirgendheim"))
    if row["city"] in world.cities[row["country"]]:  # a name that two countries share
        row["city"] = "Nowhereville"
    return "city"


def undeliverable_domain(world: World, row: Row) -> str:
    """Use a mail domain that accepts no mail."""
    row["email"] = f"{row['email'].split('@')[0]}@{world.dice.pick(DOMAINS['undeliverable'].split())}"
    return "email"


def disposable_domain(world: World, row: Row) -> str:
    """Use a mail domain of throw-away addresses."""
    row["email"] = f"{row['email'].split('@')[0]}@{world.dice.pick(DOMAINS['disposable'].split())}"
    return "email"


Fault = Callable[[World, Row], str]
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

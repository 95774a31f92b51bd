"""Make ``profiles.csv`` and ``companies.csv``, always byte for byte the same.

Belongs here: the profiles of users, their accounts and employers. Does not belong here: the customers themselves
(``make_customers``), and the random source (``customer_clean``).

Needs only the standard library, ``customers.csv`` and ``cities.csv`` beside this file. Run::

    python data/make_profiles.py
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from customer_clean import CITIES_PER_COUNTRY, COUNTRIES, RandomSource, Row
from make_customers import read_cities, write_csv

SEED = 20260103
COMPANIES = 120
PROFILE_COLUMNS = ("customer_id", "user_name", "language", "plan", "points", "interests", "accounts", "company_id")
COMPANY_COLUMNS = ("company_id", "name", "domain", "industry", "employees", "founded", "city", "country")

LANGUAGES = {
    "US": "en", "GB": "en", "DE": "de", "FR": "fr", "CA": "en", "ES": "es", "IT": "it", "BR": "pt", "IN": "hi",
    "JP": "ja", "PL": "pl", "NL": "nl", "GR": "el", "UA": "uk", "BG": "bg", "SE": "sv", "NO": "nb", "DK": "da",
    "FI": "fi", "PT": "pt", "BE": "nl", "CH": "de", "AT": "de", "CZ": "cs", "IE": "en", "TR": "tr", "MX": "es",
    "KR": "ko", "AU": "en", "NZ": "en", "ZA": "en", "SG": "en",
}  # fmt: skip
PLANS = ("basic", "basic", "basic", "plus", "plus", "pro")
INTERESTS = (
    "astronomy", "baking", "chess", "choirs", "cycling", "drawing", "films", "gardening", "hiking", "history",
    "jazz", "kites", "knitting", "maps", "poetry", "railways", "rowing", "tea", "theatre", "woodwork",
)  # fmt: skip
MOODS = ("brisk", "calm", "eager", "fond", "keen", "merry", "plain", "quiet", "ready", "sunny", "tidy", "witty")
ANIMALS = ("badger", "crane", "dormouse", "finch", "heron", "ibex", "lynx", "marten", "otter", "plover", "seal", "wren")
NETWORKS = ("chirrup", "pictura", "linkwise", "reelbox")
FIRST_WORDS = ("Amber", "Bright", "Copper", "Distant", "Even", "Fallow", "Granite", "Hollow", "Ivory", "Juniper")
SECOND_WORDS = ("Anvil", "Bridge", "Candle", "Ferry", "Harbour", "Kettle", "Lantern", "Meadow", "Quarry", "Thimble")
INDUSTRIES = (
    "boat building", "book printing", "bicycles", "ceramics", "clocks", "furniture", "instruments", "lighting",
    "logistics", "optics", "paper", "seeds", "software", "textiles", "tools", "translation",
)  # fmt: skip


def companies(rng: RandomSource, cities: dict[str, list[str]]) -> list[Row]:
    """Return the companies, each with a name of its own."""
    names = rng.shuffled((first, second) for first in FIRST_WORDS for second in SECOND_WORDS)
    # There are fewer pairs of words than companies: the rest are daughters of the first ones.
    daughters = [(f"New {first}", second) for first, second in names[: COMPANIES - len(names)]]
    return [company(rng, cities, number, *name) for number, name in enumerate([*names, *daughters], start=1)]


def company(rng: RandomSource, cities: dict[str, list[str]], number: int, first: str, second: str) -> Row:
    """Make one company; one person works in the smallest, 90,000 in the largest."""
    country = rng.pick(sorted(COUNTRIES))
    return {
        "company_id": f"K{number:03d}",
        "name": f"{first} {second}",
        "domain": f"{first}-{second}.example.com".lower().replace(" ", "-"),
        "industry": rng.pick(INDUSTRIES),
        "employees": str((1 + rng.below(9)) * 10 ** rng.below(5)),
        "founded": str(1850 + rng.below(175)),
        "city": rng.pick(cities[country][:CITIES_PER_COUNTRY]),
        "country": country,
    }


def profiles(rng: RandomSource, customers: Iterable[Row], employers: Sequence[str]) -> list[Row]:
    """Return the profiles; one customer in twenty has none."""
    return [profile(rng, row, employers) for row in customers if not rng.one_in(20)]


def profile(rng: RandomSource, customer: Row, employers: Sequence[str]) -> Row:
    """Make one profile. No word of it comes from the customer's name, which may be a spoiled one."""
    return {
        "customer_id": customer["customer_id"],
        "user_name": nickname(rng),
        "language": LANGUAGES[customer["country"]],
        "plan": rng.pick(PLANS),
        "points": str(rng.below(50) * rng.below(100)),
        "interests": " ".join(sorted(rng.shuffled(INTERESTS)[: rng.below(5)])),
        "accounts": " ".join(account(rng, network) for network in rng.shuffled(NETWORKS)[: rng.below(4)]),
        "company_id": "" if rng.one_in(3) else rng.pick(employers),
    }


def account(rng: RandomSource, network: str) -> str:
    """Return ``network:handle:followers``; few accounts have many followers."""
    return f"{network}:{nickname(rng)}:{rng.below(10) * 10 ** rng.below(5) + rng.below(10)}"


def nickname(rng: RandomSource) -> str:
    """Return a name like ``quiet-otter-17``."""
    return f"{rng.pick(MOODS)}-{rng.pick(ANIMALS)}-{10 + rng.below(90)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both files into the folder given by ``--out`` (default: the folder of this script)."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Make profiles.csv and companies.csv.")
    parser.add_argument("--out", type=Path, default=here, help="folder to write into")
    out: Path = parser.parse_args(arguments).out
    rng = RandomSource(SEED)
    made = companies(rng, read_cities(here / "cities.csv"))
    with (here / "customers.csv").open(encoding="utf-8", newline="") as file:
        users = profiles(rng, csv.DictReader(file), [one["company_id"] for one in made])
    write_csv(out / "companies.csv", COMPANY_COLUMNS, made)
    write_csv(out / "profiles.csv", PROFILE_COLUMNS, users)


if __name__ == "__main__":
    main()

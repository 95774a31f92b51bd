"""Make ``customers.csv``, its answer key ``customers_key.csv`` and ``domains.csv``, always byte for byte the same.

Belongs here: the numbers and the order of customers and faults, and writing the files. Does not belong here: making a
clean customer (``customer_clean``), and the faults (``customer_faults``).

Needs only the standard library and ``cities.csv`` beside this file. Run::

    python data/make_customers.py
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from customer_clean import DOMAINS, CustomerMaker, RandomSource, Row
from customer_faults import CATALOGUE, Fault

SEED = 20260101
CUSTOMERS = 2_000
FAULTS_OF_A_KIND = 17
FIRST_CLEAN = 40  # these first records stay clean, so that a duplicate always has an earlier original
COLUMNS = (
    "customer_id", "name", "email", "phone", "birth_date", "signup_date", "last_order_date",
    "city", "country", "postal_code", "note",
)  # fmt: skip
KEY_COLUMNS = ("customer_id", "fault", "field", "check")


def make(maker: CustomerMaker) -> tuple[list[Row], list[Row]]:
    """Return all customers and their answer key."""
    customers, key = [], []
    for number, (check, plant) in enumerate(plan(maker.rng), start=1):
        row = maker.customer(number)
        answer = {"customer_id": row["customer_id"], "fault": "", "field": "", "check": check}
        if plant:
            answer |= {"fault": plant.__name__, "field": plant(maker, row)}
        else:
            maker.clean.append(row)
        customers.append(row)
        key.append(answer)
    return customers, key


def plan(rng: RandomSource) -> list[tuple[str, Fault | None]]:
    """Return, for each customer in turn, the check that has to find its fault, and the function of the fault."""
    faults = [(check, plant) for check, plants in CATALOGUE.items() for plant in plants] * FAULTS_OF_A_KIND
    nothing: list[tuple[str, Fault | None]] = [("", None)]
    rest = rng.shuffled([*faults, *nothing * (CUSTOMERS - FIRST_CLEAN - len(faults))])
    return nothing * FIRST_CLEAN + rest


def read_cities(path: Path) -> dict[str, list[str]]:
    """Return the names of the cities of each country, the largest first."""
    cities: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cities.setdefault(row["country"], []).append(row["name"])
    return cities


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write one table as UTF-8 with line feeds as line ends on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the three files into the folder given by ``--out`` (default: the folder of this script)."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Make customers.csv, customers_key.csv and domains.csv.")
    parser.add_argument("--out", type=Path, default=here, help="folder to write into")
    out: Path = parser.parse_args(arguments).out
    customers, key = make(CustomerMaker(RandomSource(SEED), read_cities(here / "cities.csv")))
    write_csv(out / "customers.csv", COLUMNS, customers)
    write_csv(out / "customers_key.csv", KEY_COLUMNS, key)
    domains = ({"domain": name, "status": status} for status, names in DOMAINS.items() for name in names.split())
    write_csv(out / "domains.csv", ("domain", "status"), domains)


if __name__ == "__main__":
    main()

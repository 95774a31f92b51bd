"""Make ``orders.csv`` and its answer key ``orders_key.csv``, always byte for byte the same.

Belongs here: making good orders, their number, and writing the files. Does not belong here: the faults of broken ones
(``order_faults``), and the random source (``customer_clean``).

Needs only the standard library, ``customers.csv`` and ``customers_key.csv`` beside this file. Run::

    python data/make_orders.py
"""

from __future__ import annotations

import argparse
import csv
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from customer_clean import RandomSource, Row
from make_customers import write_csv
from order_faults import CATALOGUE, Fault

SEED = 20260102
ORDERS = 10_000
PRODUCTS = 240
MAX_LINES = 50
FAULTS_OF_A_KIND = 3
FIRST_GOOD = 40
FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2025, 12, 31)  # the 24 months before the reference date
BUSY = (8, 7, 8, 8, 9, 8, 7, 7, 9, 10, 13, 14)  # the weight of each month of a year
COLUMNS = ("order_id", "customer_id", "order_date", "country", "items", "total_cents")
KEY_COLUMNS = ("order_id", "fault", "field")


class Shop:
    """Makes orders from the customers and the prices of the products."""

    def __init__(self, rng: RandomSource, customers: Sequence[Row]) -> None:
        self.rng = rng
        self.customers = [row for row in customers if row["last_order_date"] >= FIRST_DAY.isoformat()]
        # Prices over two orders of magnitude, so that equal numbers of lines are not equal amounts.
        self.prices = {
            f"P{number:03d}": (100 + rng.below(900)) * rng.pick((1, 1, 1, 10, 10, 100))
            for number in range(1, PRODUCTS + 1)
        }

    def orders(self) -> list[Row]:
        """Return all orders by date, the last one of each customer on the day that ``customers.csv`` says."""
        placed = [(row["last_order_date"], row["customer_id"], row["country"]) for row in self.customers]
        placed += self.earlier(ORDERS - len(placed))
        return [self.order(f"N{number:05d}", *one) for number, one in enumerate(sorted(placed), start=1)]

    def earlier(self, count: int) -> list[tuple[str, str, str]]:
        """Return day, customer and country of `count` orders, more in the busy months."""
        months = [(year, month) for year in (2024, 2025) for month in range(1, 13) for _ in range(BUSY[month - 1])]
        active = {month: self.active(*month) for month in set(months)}
        drawn = []
        for _ in range(count):
            month = self.rng.pick(months)
            row = self.rng.pick(active[month])
            first, last = stay(row, *month)
            drawn.append((self.rng.between(first, last).isoformat(), row["customer_id"], row["country"]))
        return drawn

    def active(self, year: int, month: int) -> list[Row]:
        """Return the customers who had signed up and still ordered in a month."""
        return [row for row in self.customers if stay(row, year, month)[0] <= stay(row, year, month)[1]]

    def order(self, number: str, day: str, customer: str, country: str) -> Row:
        """Make one good order."""
        names = sorted(self.prices)
        chosen = self.rng.shuffled(names)[: self.line_count()]
        lines = [(name, 1 + min(self.rng.below(6), self.rng.below(6)), self.prices[name]) for name in chosen]
        return {
            "order_id": number,
            "customer_id": customer,
            "order_date": day,
            "country": country,
            "items": ";".join(f"{name}:{quantity}:{price}" for name, quantity, price in lines),
            "total_cents": str(sum(quantity * price for _, quantity, price in lines)),
        }

    def line_count(self) -> int:
        """Return 1 to 50, half of the time 1, seldom many: a Pareto distribution with exponent 1, cut off.

        The chance of ``n`` lines or more is ``(1 / n - 1 / 51) / (1 - 1 / 51)``. With this exponent, only the four
        basic operations are needed, whose results are the same on every machine; those of powers are not.
        """
        share = self.rng.below(2**40) / 2**40
        return int(1 / (1 - share * (1 - 1 / (MAX_LINES + 1))))


def stay(row: Row, year: int, month: int) -> tuple[date, date]:
    """Return the days of a month between signup and last order; the first comes after the last if there are none."""
    first, last = date(year, month, 1), date(year, month, monthrange(year, month)[1])
    signup, last_order = date.fromisoformat(row["signup_date"]), date.fromisoformat(row["last_order_date"])
    return max(first, signup), min(last, last_order)


def make(shop: Shop) -> tuple[list[Row], list[Row]]:
    """Return all orders and the answer key of the broken ones."""
    orders, key = shop.orders(), []
    for order, spoil in zip(orders, plan(shop.rng), strict=True):
        if spoil:
            answer = {"order_id": order["order_id"], "fault": spoil.__name__, "field": spoil(shop.rng, order)}
            key.append(answer)
    return orders, key


def plan(rng: RandomSource) -> list[Fault | None]:
    """Return, for each order in turn, the function of its fault, or None."""
    faults = list(CATALOGUE) * FAULTS_OF_A_KIND
    nothing: list[Fault | None] = [None]
    return nothing * FIRST_GOOD + rng.shuffled([*faults, *nothing * (ORDERS - FIRST_GOOD - len(faults))])


def clean_customers(folder: Path) -> list[Row]:
    """Return the customers without a planted fault."""
    with (folder / "customers_key.csv").open(encoding="utf-8", newline="") as file:
        spoiled = {row["customer_id"] for row in csv.DictReader(file) if row["fault"]}
    with (folder / "customers.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["customer_id"] not in spoiled]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both files into the folder given by ``--out`` (default: the folder of this script)."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Make orders.csv and orders_key.csv.")
    parser.add_argument("--out", type=Path, default=here, help="folder to write into")
    out: Path = parser.parse_args(arguments).out
    orders, key = make(Shop(RandomSource(SEED), clean_customers(here)))
    write_csv(out / "orders.csv", COLUMNS, orders)
    write_csv(out / "orders_key.csv", KEY_COLUMNS, key)


if __name__ == "__main__":
    main()

"""The database of a pipeline of orders: a row for each order, and one for each that could not be loaded.

Belongs here: SQLite, and that each order is there once. Does not belong here: what is loaded and when (``pipeline``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from os import PathLike
from types import TracebackType
from typing import Any, Self

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.checks import checked_seconds
from kaygraph_viz.clock import sleep
from kaygraph_viz.execute.pipeline.stages import DeadLetter
from kaygraph_viz.sync import Lock
from kaygraph_viz.trace.attributes import describe_error

__all__ = ["OrderRow", "OrderStore"]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One row of the database; its last five fields are empty until the order has been enriched.

    Parameters
    ----------
    order_id, customer_id, ordered_on, country
        As in `Order`.
    lines
        The number of its lines.
    net_cents, tax_cents
        The sum of its lines, and the tax on that [cents].
    customer, city
        The name and the city of the customer.
    country_name
        The name of the country; empty for a city that the service does not know.
    language, plan
        As in the customer's profile; empty for one without a profile.
    """

    order_id: str
    customer_id: str
    ordered_on: str
    country: str
    lines: int
    net_cents: int
    tax_cents: int
    customer: str = ""
    city: str = ""
    country_name: str = ""
    language: str = ""
    plan: str = ""


class OrderStore:
    """A SQLite database with a row for each order, and one for each order that could not be loaded.

    An order is in one of the two tables, never in both: loading it deletes its dead letter. Any number of threads may
    use one store. Close it, or use it as a context manager.

    Parameters
    ----------
    path
        The file; default: a database in memory, which is gone when the store is closed.
    write_s
        The time that each write takes in addition, as on a slow disk [s].

    Examples
    --------
    >>> with OrderStore() as store:
    ...     row = OrderRow("N1", "C1", "2025-12-01", "FR", 1, 450, 90)
    ...     store.load(row)
    ...     store.load(row)
    ...     store.rows() == [row]
    True
    """

    def __init__(self, path: str | PathLike[str] = ":memory:", *, write_s: float = 0.0) -> None:
        self.write_s = checked_seconds("write_s", write_s, "write_s=0.01")
        self._lock = Lock()  # one connection for all threads: SQLite has one writer at a time anyway
        self._connection = sqlite3.connect(path, check_same_thread=False)
        with self._writing() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")  # no row is lost when the program dies
            connection.execute(f"CREATE TABLE IF NOT EXISTS orders ({_columns(OrderRow)}, PRIMARY KEY (order_id))")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS dead_letters "
                "(order_id TEXT PRIMARY KEY, stage TEXT, field TEXT, reason TEXT, attempts INTEGER)"
            )

    def load(self, row: OrderRow) -> None:
        """Write one order, in place of one with the same number."""
        if self.write_s:
            sleep(self.write_s)
        values = astuple(row)
        marks = ", ".join("?" for _ in values)
        with self._writing() as connection:
            connection.execute(f"INSERT OR REPLACE INTO orders VALUES ({marks})", values)  # noqa: S608  (only marks)
            connection.execute("DELETE FROM dead_letters WHERE order_id = ?", (row.order_id,))

    def write_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Write which orders could not be loaded, and why, except those that an earlier run has loaded."""
        with self._writing() as connection:
            for letter in letters:
                order_id = str(getattr(letter.item, "order_id", f"item {letter.index}"))
                field = str(getattr(letter.error, "field", ""))
                reason = letter.status if letter.error is None else describe_error(letter.error)
                connection.execute(
                    "INSERT OR REPLACE INTO dead_letters SELECT ?, ?, ?, ?, ? "
                    "WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = ?)",
                    (order_id, letter.stage, field, reason, letter.attempts, order_id),
                )

    def rows(self) -> list[OrderRow]:
        """Return the orders, sorted by number."""
        return [OrderRow(*found) for found in self._read("SELECT * FROM orders ORDER BY order_id")]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return the orders that could not be loaded, sorted by number: ``order_id stage field reason attempts``."""
        names = ("order_id", "stage", "field", "reason", "attempts")
        found = self._read("SELECT * FROM dead_letters ORDER BY order_id")
        return [dict(zip(names, values, strict=True)) for values in found]

    def totals(self) -> dict[str, int]:
        """Return the numbers of orders and dead letters, and the sums of the orders [cents]."""
        ((orders, net_cents, tax_cents),) = self._read(
            "SELECT COUNT(*), COALESCE(SUM(net_cents), 0), COALESCE(SUM(tax_cents), 0) FROM orders"
        )
        ((letters,),) = self._read("SELECT COUNT(*) FROM dead_letters")
        return {"orders": orders, "dead_letters": letters, "net_cents": net_cents, "tax_cents": tax_cents}

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection as connection:  # a transaction: an error rolls it back
            yield connection

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query).fetchall()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the database."""
        self.close()


def _columns(row: type[OrderRow]) -> str:
    kinds = {"int": "INTEGER", "str": "TEXT"}
    return ", ".join(f"{field.name} {kinds[str(field.type)]} NOT NULL" for field in fields(row))

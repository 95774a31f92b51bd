"""A pipeline: orders are validated, priced, enriched over HTTP and loaded into a database, all at the same time.

Belongs here: the stages, the nodes and their graph, and the SQLite database. Does not belong here: the price of an
order (``batch``), and requests over HTTP (``sources``).

The graph is ``OrderPipelineNode >> LoadReportNode``. A load is idempotent: the number of an order is its key, so an
order that is loaded again replaces itself. After any failure run it again: nothing is lost, nothing is there twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from datetime import date
from os import PathLike
from types import TracebackType
from typing import Any, Self

import kaygraph_viz as kv
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.errors import DataError, OptionError, ServiceUnavailable, short
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.batch import check_order_date, order_error, price_order
from kaygraph_viz.course.patterns.records import value_of
from kaygraph_viz.course.patterns.sources import LocationAnswer, ProfileAnswer, Question, Sources, wait_for_service
from kaygraph_viz.course.services.datasets import REFERENCE_DATE, Order, load_countries, load_customers
from kaygraph_viz.graph.node import Shared
from kaygraph_viz.trace.row import describe_error


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One row of the database; its last five fields are empty until the order has been enriched."""

    # as in `Order`
    order_id: str
    customer_id: str
    ordered_on: str
    country: str
    lines: int  # the number of its lines
    # the sum of its lines, and the tax on that [cents]
    net_cents: int
    tax_cents: int
    # the name and the city of the customer
    customer: str = ""
    city: str = ""
    country_name: str = ""  # the name of the country; empty for a city that the service does not know
    # as in the customer's profile; empty for one without a profile
    language: str = ""
    plan: str = ""


class OrderStore:
    """A SQLite database with a row for each order, and one for each order that could not be loaded."""

    def __init__(self, path: str | PathLike[str] = ":memory:", *, write_s: float = 0.0) -> None:
        self.write_s = checked_seconds("write_s", write_s, "write_s=0.01")
        self._lock = kv.Lock()  # one connection for all threads: SQLite has one writer at a time anyway
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
            kv.sleep(self.write_s)
        values = astuple(row)
        marks = ", ".join("?" for _ in values)
        with self._writing() as connection:
            connection.execute(f"INSERT OR REPLACE INTO orders VALUES ({marks})", values)  # noqa: S608  (only marks)
            connection.execute("DELETE FROM dead_letters WHERE order_id = ?", (row.order_id,))

    def write_dead_letters(self, letters: Iterable[kv.DeadLetter]) -> None:
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


Customers = Mapping[str, Mapping[str, str]]


# -- the stages ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrderValidator:
    """The stage that checks customer, country and date of an order."""

    customers: Collection[str]
    countries: Collection[str]
    today: date = REFERENCE_DATE

    def __call__(self, order: Order) -> Order:
        """Return the order, or raise a `DataError` with its number and the wrong field."""
        if not isinstance(order, Order):
            raise DataError(f"expected an Order, as load_orders() gives it, got {short(order)}")
        if order.customer_id not in self.customers:
            raise order_error(order, "customer_id", f"there is no customer {order.customer_id!r}")
        if order.country not in self.countries:
            raise order_error(order, "country", f"there is no country {order.country!r}")
        check_order_date(order, self.today)
        return order


def price(order: Order) -> OrderRow:
    """Return the row of an order with its net amount and tax: the stage that computes.

    In simulated time it uses as much CPU as the order costs the shop (`Order.cost_s`).

    Raises
    ------
    DataError
        If a line cannot be read, or the lines do not make the total.
    """
    kv.cost(order.cost_s)
    priced = price_order(order)
    amounts = priced.lines, priced.net_cents, priced.tax_cents
    return OrderRow(order.order_id, order.customer_id, order.order_date, order.country, *amounts)


class Enricher:
    """The stage that waits: it asks the services for the customer's profile and city."""

    def __init__(self, sources: Sources, customers: Customers) -> None:
        if not isinstance(sources, Sources) or not {"profile", "location"} <= set(sources.names):
            example = 'customer_sources(server.base_url, ("profile", "location"))'
            raise OptionError("sources", sources, "Sources with profile and location", example)
        self._sources = sources
        self._by_name = {source.name: source for source in sources}
        self._customers = customers

    def __call__(self, row: OrderRow) -> OrderRow:
        """Return the row with the answers of the services."""
        customer = self._customers[row.customer_id]
        profile = self._ask("profile", customer)
        location = self._ask("location", customer)
        return replace(
            row,
            customer=customer["name"],
            city=customer["city"],
            country_name=location.country_name if isinstance(location, LocationAnswer) else "",
            language=profile.language if isinstance(profile, ProfileAnswer) else "",
            plan=profile.plan if isinstance(profile, ProfileAnswer) else "",
        )

    def _ask(self, name: str, customer: Mapping[str, str]) -> Any:
        source = self._by_name[name]
        until_ns = current_clock().now_ns() + round(source.deadline_s * 1e9)
        return self._sources.ask(Question(source, customer, until_ns)).value


# -- the nodes -----------------------------------------------------------------------------------------------------


class OrderPipelineNode(kv.PipelineNode):
    """Load ``shared["orders"]`` into a store and store ``shared["pipeline_result"]``, a `PipelineResult`."""

    def __init__(
        self,
        store: OrderStore,
        sources: Sources,
        *,
        max_workers: int = 8,
        executor: str = "thread",
        buffer: int = 8,
        **options: Any,
    ) -> None:
        customers = {customer["customer_id"]: customer for customer in load_customers()}
        enrich = Enricher(sources, customers)
        patient = kv.RetryPolicy(3, wait_for_service, retry_on=(ServiceUnavailable,))
        validate = OrderValidator(frozenset(customers), frozenset(load_countries()))
        writer = "serial" if executor == "serial" else "thread"
        stages = [
            kv.Stage("validate", validate, buffer=buffer, executor=executor),
            kv.Stage("price", price, buffer=buffer, executor=executor),
            kv.Stage("enrich", enrich, max_workers, buffer, executor=executor, retry=patient),
            kv.Stage("load", store.load, buffer=buffer, executor=writer),
        ]
        super().__init__(stages, **options)
        self.store = store

    def prep(self, shared: Shared) -> Iterable[Order]:
        """Return ``shared["orders"]``."""
        orders: Iterable[Order] = value_of(shared, "orders", "load_orders()")
        return orders

    def post(self, shared: Shared, prep_res: Any, exec_res: kv.PipelineResult) -> None:
        """Write the dead letters to the database, and store ``shared["pipeline_result"]``."""
        self.store.write_dead_letters(exec_res.dead_letters)
        shared["pipeline_result"] = exec_res


class LoadReportNode(kv.Node):
    """Compare the orders that were read with those in the database, and store ``shared["load_report"]``."""

    def __init__(self, store: OrderStore) -> None:
        super().__init__()
        self.store = store

    def prep(self, shared: Shared) -> kv.PipelineResult:
        """Return ``shared["pipeline_result"]``."""
        result: kv.PipelineResult = shared["pipeline_result"]
        return result

    def exec(self, prep_res: kv.PipelineResult) -> dict[str, Any]:
        """Return the report."""
        loaded, dead = len(prep_res.values), len(prep_res.dead_letters)
        totals = self.store.totals()
        return {
            "read": prep_res.read,
            "loaded": loaded,
            "dead_letters": dead,
            "is_complete": prep_res.read == loaded + dead,
            "rows_in_database": totals["orders"],
            "letters_in_database": totals["dead_letters"],
            "net_cents": totals["net_cents"],
            "tax_cents": totals["tax_cents"],
            "bottleneck": prep_res.bottleneck,
            "orders_per_s": prep_res.stages[-1].throughput_per_s,
        }

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[str, Any]) -> None:
        """Store ``shared["load_report"]``."""
        shared["load_report"] = exec_res


def etl_graph(store: OrderStore, sources: Sources, **options: Any) -> kv.Graph:
    """Return the graph ``OrderPipelineNode >> LoadReportNode``, for orders."""
    load = OrderPipelineNode(store, sources, **options)
    load >> LoadReportNode(store)
    return kv.Graph(start=load, node_id="orders to database")

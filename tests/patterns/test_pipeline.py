"""Orders into a database: nothing lost and nothing twice, on every kind of worker, also in a second run."""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import contextmanager

import pytest

from kaygraph_viz.base.errors import DataError, OptionError, ServiceUnavailable
from kaygraph_viz.course.patterns.pipeline import (
    Enricher,
    OrderPipelineNode,
    OrderRow,
    OrderStore,
    OrderValidator,
    etl_graph,
    price,
)
from kaygraph_viz.course.patterns.sources import customer_sources
from kaygraph_viz.course.services.datasets import load_countries, load_customers, load_orders, load_orders_key
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS, DeadLetter
from kaygraph_viz.recording import record

# == pipeline =======================================================================================================


QUICK = ServiceSettings(latency_s=0)
BOTH = ("profile", "location")


@pytest.fixture(scope="module")
def orders():
    """All broken orders, and two good ones before each of them."""
    everything, key = load_orders(), load_orders_key()
    places = [at for at, order in enumerate(everything) if order.order_id in key]
    return [everything[at - back] for at in places for back in (2, 1, 0)]


@contextmanager
def services(settings=QUICK, **options):
    with serve(settings) as server, customer_sources(server.base_url, BOTH, **options) as sources:
        yield sources


def loaded(orders, store, settings=QUICK, **options):
    with services(settings) as sources:
        etl_graph(store, sources, **options).run(shared := {"orders": orders})
    return shared


def row(number, **values):
    return OrderRow(**{"order_id": number, "customer_id": "C1", "ordered_on": "2025-12-01", "country": "FR",
                       "lines": 1, "net_cents": 450, "tax_cents": 90} | values)  # fmt: skip


# -- the stages ----------------------------------------------------------------------------------------------------


def test_good_orders_pass_and_broken_ones_are_told_by_their_field(orders):
    key = load_orders_key()
    customers = frozenset(customer["customer_id"] for customer in load_customers())
    validate = OrderValidator(customers, frozenset(load_countries()))
    found = {}
    for order in orders:
        try:
            price(validate(order))
        except DataError as error:
            found[error.order_id] = error.field
    assert found == {number: fault.field for number, fault in key.items()}


def test_enriching_adds_what_the_services_know():
    customers = {customer["customer_id"]: customer for customer in load_customers()}
    with services() as sources:
        found = Enricher(sources, customers)(row("N1", customer_id="C00001"))
    assert (found.customer, found.city, found.country_name) == ("Noah Null", "Montréal", "Canada")
    assert (found.language, found.plan) == ("en", "basic")


def test_a_customer_without_profile_has_no_plan():
    from kaygraph_viz.course.services.datasets import load_profiles

    customers = {customer["customer_id"]: customer for customer in load_customers()}
    without = next(number for number in customers if number not in load_profiles())
    with services() as sources:
        assert Enricher(sources, customers)(row("N1", customer_id=without)).plan == ""


def test_a_service_without_an_answer_is_an_error():
    with services(ServiceSettings(latency_s=0, failure_rate=1)) as sources, pytest.raises(ServiceUnavailable):
        Enricher(sources, {"C1": load_customers(1)[0]})(row("N1"))


def test_both_sources_are_needed():
    with serve(QUICK) as server, customer_sources(server.base_url, ("profile",)) as sources:
        with pytest.raises(OptionError, match="Sources with profile and location"):
            Enricher(sources, {})


# -- the whole of it -----------------------------------------------------------------------------------------------


def test_rows_and_dead_letters_are_what_was_read(orders, tmp_path):
    key = load_orders_key()
    with OrderStore(tmp_path / "orders.db") as store:
        shared = loaded(orders, store)
        rows, letters = store.rows(), store.dead_letters()
    assert len(rows) + len(letters) == len(orders) == 81
    assert {found.order_id for found in rows} == {order.order_id for order in orders} - set(key)
    assert {found["order_id"]: found["field"] for found in letters} == {n: fault.field for n, fault in key.items()}
    assert {found["stage"] for found in letters} == {"validate", "price"}
    assert sum(found.net_cents for found in rows) == sum(o.total_cents for o in orders if o.order_id not in key)
    report = shared["load_report"]
    assert (report["read"], report["loaded"], report["dead_letters"], report["is_complete"]) == (81, 54, 27, True)
    assert (report["rows_in_database"], report["letters_in_database"]) == (54, 27)


@pytest.mark.parametrize("executor", STAGE_KINDS)
def test_every_kind_and_number_of_workers_loads_the_same(orders, executor):
    with record(clock="virtual"), OrderStore() as store:
        loaded(orders, store, settings=None)
        expected = store.rows(), store.dead_letters()
    for workers in (1, 2, 8):
        with record(clock="virtual"), OrderStore() as store:
            loaded(orders, store, settings=None, max_workers=workers, executor=executor, buffer=2)
            assert (store.rows(), store.dead_letters()) == expected


@pytest.mark.parametrize("executor", ["serial", "thread", "process"])
def test_real_services_and_workers_load_the_same(orders, executor):
    with record(clock="virtual"), OrderStore() as store:
        loaded(orders, store)
        expected = store.rows(), store.dead_letters()
    with record(), OrderStore() as store:
        loaded(orders, store, max_workers=2, executor=executor)
        assert (store.rows(), store.dead_letters()) == expected


def test_a_simulated_run_is_the_same_every_time(orders, tmp_path, repetitions):
    def run():
        faulty = ServiceSettings(failure_rate=0.1, drop_rate=0.05, rate_limit=60)
        with record(clock="virtual", seed=0) as trace, OrderStore(write_s=0.002) as store:
            loaded(orders, store, settings=faulty, max_workers=3, buffer=2)
        return trace.save(tmp_path / "trace.jsonl").read_bytes()

    assert len({run() for _ in repetitions}) == 1


@pytest.mark.parametrize("at", [0, 1, 25, 53])
def test_a_load_that_died_half_way_is_run_again_and_each_order_is_there_once(orders, at, tmp_path):
    class Dies(OrderStore):
        written = itertools.count()

        def load(self, row):
            if next(self.written) == at:
                raise OSError("disk full")
            super().load(row)

    path = tmp_path / "orders.db"
    with Dies(path) as store, pytest.raises(OSError, match="disk full"):
        loaded([order for order in orders if order.order_id not in load_orders_key()], store, on_error="raise")
    with OrderStore(path) as store:
        assert len(store.rows()) == at
        loaded(orders, store)
        assert (len(store.rows()), len(store.dead_letters())) == (54, 27)
        loaded(orders, store)  # once more changes nothing
        assert (len(store.rows()), len(store.dead_letters())) == (54, 27)


class DiesAt:
    """A stage whose process dies at one order."""

    def __init__(self, order_id):
        self.order_id = order_id

    def __call__(self, order):
        if order.order_id == self.order_id:
            os._exit(9)
        return price(order)


@pytest.mark.processes
def test_an_order_whose_process_died_is_a_dead_letter_until_it_is_loaded(orders, tmp_path):
    from dataclasses import replace

    victim = orders[0].order_id
    with OrderStore(tmp_path / "orders.db") as store, services() as sources:
        node = OrderPipelineNode(store, sources)
        validate, pricing, *rest = node.stages
        node.stages = (validate, replace(pricing, fn=DiesAt(victim), executor="process"), *rest)
        node.run(shared := {"orders": orders})
        assert [found["order_id"] for found in store.dead_letters() if found["stage"] == "price"][:1] == [victim]
        assert shared["pipeline_result"].dead_letters[0].status == "lost"
        assert len(store.rows()) + len(store.dead_letters()) == len(orders)
        loaded(orders, store)
        assert (len(store.rows()), len(store.dead_letters())) == (54, 27)


def test_orders_that_a_dead_service_holds_back_are_loaded_when_it_is_back(orders):
    some = orders[:6]
    with record(clock="virtual"), OrderStore() as store:
        shared = loaded(some, store, settings={"location": ServiceSettings(failure_rate=1)})
        letters = [found for found in shared["pipeline_result"].dead_letters if found.stage == "enrich"]
        assert [(found.attempts, type(found.error).__mro__[1]) for found in letters] == [(3, ServiceUnavailable)] * 4
        assert (len(store.rows()), len(store.dead_letters())) == (0, 6)
        loaded(some, store)
        assert (len(store.rows()), len(store.dead_letters())) == (4, 2)


def test_a_slow_disk_is_felt_by_the_source():
    with record(clock="virtual") as trace, OrderStore(write_s=0.05) as store:
        shared = loaded(load_orders(limit=40), store, settings=None, max_workers=8, buffer=2)
    result = shared["pipeline_result"]
    assert result.bottleneck == shared["load_report"]["bottleneck"] == "load"
    assert max(facts.longest_queue for facts in result.stages) == 2
    assert sum(branch.blocked_ns for branch in trace.where(name="source")) / 1e9 > 1
    assert [branch.blocked_ns for branch in trace.where(name="load")] == [0] * 40


def test_waiting_for_services_is_done_by_many_at_once():
    makespans = []
    for workers in (1, 4):
        with record(clock="virtual") as trace, OrderStore() as store:
            loaded(load_orders(limit=40), store, settings=None, max_workers=workers)
        makespans.append(trace.makespan_s)
    assert makespans[0] > 3.5 * makespans[1]


def test_without_orders_it_says_what_to_write():
    with OrderStore() as store, services() as sources, pytest.raises(DataError, match=r"graph.run\(\{\"orders\""):
        etl_graph(store, sources).run({})


# == order store ====================================================================================================


def letter(order_id, stage="price"):
    return DeadLetter(0, error=ValueError("bad"), status="error", stage=stage, item=row(order_id))


def test_loading_an_order_takes_its_dead_letter_away():
    with OrderStore() as store:
        store.write_dead_letters([letter("N1"), letter("N2")])
        store.load(row("N1"))
        assert [found["order_id"] for found in store.dead_letters()] == ["N2"]


def test_an_order_that_is_there_gets_no_dead_letter():
    with OrderStore() as store:
        store.load(row("N1"))
        store.write_dead_letters([letter("N1", "load")])
        assert store.totals() == {"orders": 1, "dead_letters": 0, "net_cents": 450, "tax_cents": 90}


def test_a_letter_says_what_was_wrong():
    with OrderStore() as store:
        store.write_dead_letters([letter("N1"), DeadLetter(7, status="lost", stage="validate", item="?", attempts=2)])
        assert store.dead_letters() == [
            {"order_id": "N1", "stage": "price", "field": "", "reason": "ValueError: bad", "attempts": 1},
            {"order_id": "item 7", "stage": "validate", "field": "", "reason": "lost", "attempts": 2},
        ]


def test_a_write_that_fails_changes_nothing(tmp_path):
    with OrderStore(tmp_path / "orders.db") as store:
        store.load(row("N1"))
        with pytest.raises(sqlite3.Error):
            store.load(row("N1", net_cents=None))
        assert store.rows() == [row("N1")]

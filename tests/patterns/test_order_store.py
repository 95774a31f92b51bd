"""The database of orders: each order is there once, as a row or as a dead letter."""

from __future__ import annotations

import sqlite3

import pytest

from kaygraph_viz.execute.pipeline.stages import DeadLetter
from kaygraph_viz.patterns.order_store import OrderRow, OrderStore


def row(number, **values):
    return OrderRow(**{"order_id": number, "customer_id": "C1", "ordered_on": "2025-12-01", "country": "FR",
                       "lines": 1, "net_cents": 450, "tax_cents": 90} | values)  # fmt: skip


def letter(order_id, stage="price"):
    return DeadLetter(0, error=ValueError("bad"), status="error", stage=stage, item=row(order_id))


def test_an_order_that_comes_again_takes_its_own_place():
    with OrderStore() as store:
        for net_cents in (450, 500):
            store.load(row("N1", net_cents=net_cents))
        assert [(found.order_id, found.net_cents) for found in store.rows()] == [("N1", 500)]


def test_rows_come_back_as_they_were():
    with OrderStore() as store:
        store.load(row("N2", customer="Anna-Lena Köhler", plan="plus"))
        assert store.rows() == [row("N2", customer="Anna-Lena Köhler", plan="plus")]


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


def test_what_was_loaded_is_in_the_file(tmp_path):
    with OrderStore(tmp_path / "orders.db") as store:
        store.load(row("N1"))
    with OrderStore(tmp_path / "orders.db") as store:
        assert store.rows() == [row("N1")]


def test_a_write_that_fails_changes_nothing(tmp_path):
    with OrderStore(tmp_path / "orders.db") as store:
        store.load(row("N1"))
        with pytest.raises(sqlite3.Error):
            store.load(row("N1", net_cents=None))
        assert store.rows() == [row("N1")]

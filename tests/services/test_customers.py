"""The shipped customers, their answer key, and the mail domains."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.customers import CUSTOMER_COLUMNS, load_customers, load_customers_key, load_domains


@pytest.mark.parametrize("limit", [-1, 1.5, "2", True])
def test_impossible_limit_is_refused(limit):
    with pytest.raises(OptionError, match="limit must be"):
        load_customers(limit=limit)


def test_changing_a_customer_changes_nothing_for_the_next_caller():
    load_customers()[0]["name"] = "changed"
    assert load_customers()[0]["name"] != "changed"


@pytest.mark.parametrize("load", [load_customers_key, load_domains])
def test_changing_a_mapping_changes_nothing_for_the_next_caller(load):
    load().clear()
    assert load()


def test_every_value_of_a_customer_is_text():
    assert all(tuple(one) == CUSTOMER_COLUMNS for one in load_customers(limit=50))
    assert all(isinstance(value, str) for one in load_customers() for value in one.values())


def test_answer_key_has_an_entry_for_each_customer():
    key = load_customers_key()
    assert [*key] == [one["customer_id"] for one in load_customers()]
    assert {entry.is_clean for entry in key.values()} == {True, False}


def test_a_planted_fault_names_its_field_and_its_check():
    faults = [entry for entry in load_customers_key().values() if not entry.is_clean]
    assert all(entry.check for entry in faults)
    assert {entry.field for entry in faults} - {""} <= set(CUSTOMER_COLUMNS)


def test_domains_have_one_of_three_statuses():
    assert set(load_domains().values()) == {"deliverable", "undeliverable", "disposable"}

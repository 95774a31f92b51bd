"""The format check: single values and how they are written."""

# ruff: noqa: RUF001 (letters that look like other letters are what is tested)
from __future__ import annotations

from datetime import date

import pytest

from kaygraph_viz.patterns.formats import check_format
from kaygraph_viz.services.datasets import CUSTOMER_COLUMNS, load_customers

GOOD = load_customers(limit=1)[0]


@pytest.mark.parametrize("field", CUSTOMER_COLUMNS)
def test_missing_field_is_a_format_finding(field):
    record = {name: value for name, value in GOOD.items() if name != field}
    assert [(finding.field, finding.code) for finding in check_format(record)] == [(field, "missing")]


@pytest.mark.parametrize("value", [None, 7, 1.5, b"bytes", ["x"], {"a": 1}, date(2020, 1, 1), float("nan")])
@pytest.mark.parametrize("field", CUSTOMER_COLUMNS)
def test_value_that_is_no_text_is_a_format_finding(field, value):
    findings = check_format(GOOD | {field: value})
    assert (field, "string_type") in [(finding.field, finding.code) for finding in findings]


@pytest.mark.parametrize("field", sorted(set(CUSTOMER_COLUMNS) - {"note", "last_order_date"}))
def test_empty_field_is_a_format_finding(field):
    assert field in [finding.field for finding in check_format(GOOD | {field: ""})]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("birth_date", "19900517"),
        ("birth_date", "1990-W20-4"),
        ("birth_date", "1990-5-17"),
        ("birth_date", "2023-02-29"),
        ("birth_date", "0000-01-01"),
        ("birth_date", "1990-05-17T00:00"),
        ("birth_date", "١٩٩٠-٠٥-١٧"),
        ("phone", "020 7946 0000"),
        ("phone", "+44 20 7946 0000 ext. 5"),
        ("phone", "+44 20 CALL NOW"),
        ("phone", "+999 123456789"),
        ("email", "a b@example.com"),
        ("email", "ann@"),
        ("email", "ann@\uff45xample.com"),
        ("email", "ann@example.com\n"),
        ("country", "XX"),
        ("country", "fr"),
        ("postal_code", "ABC"),
        ("postal_code", "12\u066034"),
        ("postal_code", "1" * 13),
    ],
)
def test_value_written_in_another_way_is_found(field, value):
    assert [finding.field for finding in check_format(GOOD | {field: value})] == [field]


def test_postal_code_may_be_empty_where_there_is_none():
    record = GOOD | {"country": "AO", "postal_code": ""}
    assert check_format(record) == []

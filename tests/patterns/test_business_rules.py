"""The business check: values that contradict each other, the date or other records."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.patterns.business_rules import BusinessRules
from kaygraph_viz.services.datasets import REFERENCE_DATE, load_customers

CUSTOMERS = load_customers(limit=200)
GOOD = CUSTOMERS[0]


@pytest.fixture(scope="module")
def rules():
    return BusinessRules.from_records(CUSTOMERS, today=REFERENCE_DATE)


def codes(findings):
    return [finding.code for finding in findings]


def business_codes(**changes):
    record = GOOD | changes
    return codes(BusinessRules.from_records([record], today=REFERENCE_DATE).check(record))


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        ("2008-01-01", []),  # 18 on the day
        ("2008-01-02", ["underage"]),
        ("1905-01-02", []),  # 120 on the day
        ("1905-01-01", ["too_old"]),
        ("2026-01-02", ["in_future"]),
    ],
)
def test_age_on_the_day(birth, expected):
    assert business_codes(birth_date=birth, signup_date="", last_order_date="") == expected


@pytest.mark.parametrize(("today", "is_underage"), [(date(2022, 2, 28), True), (date(2022, 3, 1), False)])
def test_leap_day_child_is_a_year_older_from_the_first_of_march(today, is_underage):
    record = {"birth_date": "2004-02-29"}
    found_codes = codes(BusinessRules.from_records([record], today=today).check(record))
    assert found_codes == (["underage"] if is_underage else [])


def test_order_on_the_day_of_signup_is_fine():
    assert business_codes(signup_date="2024-05-05", last_order_date="2024-05-05") == []


def test_number_of_the_other_country_with_the_same_calling_code_is_found():
    record = {"phone": "+1 416-555-0100", "country": "US"}
    assert codes(BusinessRules.from_records([], today=REFERENCE_DATE).check(record)) == ["phone_of_other_country"]


def test_first_of_two_duplicates_is_the_original():
    records = [{"customer_id": "1", "email": "ann@example.com"}, {"customer_id": "2", "email": "ANN@example.com"}]
    rules = BusinessRules.from_records(iter(records), today=REFERENCE_DATE)
    assert [codes(rules.check(record)) for record in records] == [[], ["duplicate_email"]]


def test_tagged_address_is_another_address():
    records = [{"customer_id": "1", "email": "ann@example.com"}, {"customer_id": "2", "email": "ann+x@example.com"}]
    rules = BusinessRules.from_records(records, today=REFERENCE_DATE)
    assert [rules.check(record) for record in records] == [[], []]


def test_repeated_customer_number_is_found_in_every_record_that_has_it():
    records = [{"customer_id": "1"}, {"customer_id": "1"}, {"customer_id": "2"}]
    rules = BusinessRules.from_records(records, today=REFERENCE_DATE)
    expected = [["duplicate_customer_id"], ["duplicate_customer_id"], []]
    assert [codes(rules.check(record)) for record in records] == expected


def test_rules_survive_pickling(rules):
    again = pickle.loads(pickle.dumps(rules))
    assert [again.check(customer) for customer in CUSTOMERS] == [rules.check(customer) for customer in CUSTOMERS]


@pytest.mark.parametrize("today", ["2026-01-01", None, datetime(2026, 1, 1, tzinfo=UTC)])
def test_today_must_be_a_date(today):
    with pytest.raises(OptionError, match="today must be"):
        BusinessRules.from_records([], today=today)

"""The four checks together: against the answer key, and on broken and huge values."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import DataError
from kaygraph_viz.patterns.checks import (
    BusinessRules,
    check_format,
    check_security,
)
from kaygraph_viz.services.datasets import (
    CUSTOMER_COLUMNS,
    REFERENCE_DATE,
    load_customers,
    load_customers_key,
)

CUSTOMERS = load_customers()
KEY = load_customers_key()
GOOD = CUSTOMERS[0]
HUGE = 200_000


@pytest.fixture(scope="module")
def rules():
    return BusinessRules.from_records(CUSTOMERS, today=REFERENCE_DATE)


def codes(findings):
    return [finding.code for finding in findings]


@pytest.mark.parametrize("record", [{}, {"name": None}, {7: "x"}, dict.fromkeys(CUSTOMER_COLUMNS)])
def test_broken_record_never_passes_the_format_and_external_checks(verifier, record):
    assert check_format(record)
    assert verifier.check(record)


@pytest.mark.parametrize("record", [{}, {"name": None}, {7: "x"}, dict.fromkeys(CUSTOMER_COLUMNS)])
def test_broken_record_does_not_crash_the_other_checks(rules, record):
    assert check_security(record) + rules.check(record) == []


@pytest.mark.parametrize("record", [None, "text", ["name"], 7])
def test_what_is_no_mapping_is_refused_by_every_check(rules, verifier, record):
    for check in (check_security, check_format, rules.check, verifier.check):
        with pytest.raises(DataError, match="must be a mapping"):
            check(record)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "'",
        "' or ",
        "<",
        "<a ",
        "/*",
        "'--  ",
        "@",
        "a.",
        "1",
        "\0",
        "\u0316\u0300",
        "\u0430 b ",
        "union select a ",
    ],
)
def test_huge_values_are_judged_by_every_check(rules, verifier, unit):
    # A pattern that backtracks without bound would need hours here, so that finishing at all is the test.
    record = dict.fromkeys(CUSTOMER_COLUMNS, unit * (20_000 // len(unit))) | {"note": unit * (HUGE // len(unit))}
    check_security(record)
    rules.check(record)
    assert {finding.code for finding in check_format(record)} == {"string_too_long"}
    assert set(codes(verifier.check(record))) == {"not_verifiable"}


@pytest.mark.parametrize("field", CUSTOMER_COLUMNS)
def test_half_a_surrogate_pair_is_found_and_crashes_nothing(rules, verifier, field):
    record = GOOD | {field: "a\ud800"}
    rules.check(record)
    verifier.check(record)
    assert "control_character" in codes(check_security(record))
    assert field in [finding.field for finding in check_format(record)]


def test_messages_never_repeat_the_value():
    hostile = "<script>alert(1)</script>\u202e'; DROP TABLE x;--"
    findings = check_security(dict.fromkeys(CUSTOMER_COLUMNS, hostile))
    assert not any("<" in str(finding) or "\u202e" in str(finding) for finding in findings)

"""The four checks of a customer record: what each finds, what it leaves alone, and broken or huge values."""

# ruff: noqa: RUF001 (letters that look like other letters are what is tested)
from __future__ import annotations

import gzip
import pickle
import socket
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from kaygraph_viz.base.errors import DataError, OptionError, ServiceUnavailable
from kaygraph_viz.course.patterns import checks
from kaygraph_viz.course.patterns.checks import AddressVerifier, BusinessRules, check_format, check_security
from kaygraph_viz.course.services.datasets import CUSTOMER_COLUMNS, REFERENCE_DATE, load_customers
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve

# == checks =========================================================================================================


CUSTOMERS = load_customers()
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


# == formats ========================================================================================================


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


# == security =======================================================================================================


@pytest.mark.parametrize(
    "text",
    [
        "' or 1=1 --",
        '" OR "a"="a',
        "') or ('1'='1",
        "1 or 1=1",
        "x' oR\t'a' LIKE 'a",
        "' or a=a --",
        "admin'--",
        "x'; drop table customers",
        "1;DELETE FROM customers WHERE 1=1",
        "1; insert into users values (1)",
        "UNION/**/SELECT/**/password, id",
        "x' union all select null, null --",
        "0 union select 1",
        "x'; exec xp_cmdshell 'dir'",
        "1; WAITFOR DELAY '0:0:5'",
        "\uff07 \uff2f\uff32 \uff071\uff07=\uff071",  # full-width letters
    ],
)
def test_sql_is_found(text):
    assert "sql_injection" in codes(check_security({"name": text}))


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "< SCRIPT src=x>",
        "<ScRiPt\n>",
        "<img src=x onerror=alert(1)>",
        "<body onload=alert(1)>",
        '<a href="x"onclick=alert(1)>',
        "<svg/onload=alert(1)>",
        "javascript:alert(1)",
        "JAVASCRIPT : alert(1)",
        "data:text/html;base64,xx",
        "\uff1cscript\uff1e",
    ],
)
def test_script_is_found(text):
    assert "script_injection" in codes(check_security({"note": text}))


@pytest.mark.parametrize(
    "text",
    [
        "O'Brien and D'Angelo",
        "Drop",
        "Select",
        "Union Select Committee",
        "the trade union selects members",
        "rock 'n' roll or jazz = fine",
        "don't call; update from the branch",
        "said 'fine' -- and meant it",
        "we <3 this",
        "1 < 2 and 3 > 2",
        "a<b",
        "<base-line> text",
        "JavaScript: beginner",
        "javascript: the good parts",
        "on = off",
        "size 1=small or 2=large",
        "first\nsecond\tthird",
        "Müller; Weiß, Øyvind",
    ],
)
def test_ordinary_text_is_not_accused(text):
    assert check_security({"note": text}) == []


@pytest.mark.parametrize(
    "name", ["Ελένη Ξένου", "Олена Шевчук", "Anna Петрова", "山田 はな子", "Ōno", "مریم‌السادات", "Łukasz Żak", "Ω-3"]
)
def test_names_in_one_script_for_each_word_are_not_accused(name):
    assert check_security({"name": name}) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\x00b", "control_character"),
        ("a\x9bb", "control_character"),
        ("two\nlines", "control_character"),
        ("a\u202eb", "bidi_override"),
        ("a\u2066b", "bidi_override"),
        ("a\u200bb", "invisible_character"),
        ("\ufeffa", "invisible_character"),
        ("P\u0430tricia", "homoglyph"),
        ("M\u03bfre", "homoglyph"),
    ],
)
def test_deceiving_characters_are_found(text, code):
    assert codes(check_security({"name": text})) == [code]


# == business rules =================================================================================================


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
    assert [again.check(customer) for customer in CUSTOMERS[:200]] == [
        rules.check(customer) for customer in CUSTOMERS[:200]
    ]


@pytest.mark.parametrize("today", ["2026-01-01", None, datetime(2026, 1, 1, tzinfo=UTC)])
def test_today_must_be_a_date(today):
    with pytest.raises(OptionError, match="today must be"):
        BusinessRules.from_records([], today=today)


# == external =======================================================================================================


def answer(status=200, body=b"", headers=()):
    """Return an application that gives one fixed answer."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


def failure(base_url, timeout_s=30):
    """Return the error that a check raises when the service at this address gives no usable answer."""
    with AddressVerifier(base_url, timeout_s=timeout_s) as verifier, pytest.raises(ServiceUnavailable) as caught:
        verifier.check(GOOD)
    return caught.value


@pytest.mark.parametrize("status", [500, 503, 404, 302, 204])
def test_answer_other_than_200_is_unavailable_and_never_a_pass(status):
    with serve(app=answer(status)) as server:
        error = failure(server.base_url)
    assert (error.status, error.retry_after_s) == (status, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"fine",
        b"[]",
        b"{}",
        b'{"city_known": null, "domain_status": "deliverable"}',
        b'{"city_known": "yes", "domain_status": "deliverable"}',
        b'{"city_known": true, "domain_status": "perhaps"}',
        b"[" * 60_000,
        b" " * 70_000,
        b"\xff\xfe",
    ],
)
def test_nonsense_is_unavailable_and_never_a_pass(body):
    with serve(app=answer(body=body)) as server:
        assert failure(server.base_url)


def test_half_a_body_is_unavailable():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"50")]})
        await send({"type": "http.response.body", "body": b'{"city_known": true', "more_body": False})

    with serve(app=app) as server:
        assert failure(server.base_url)


def test_hanging_service_is_unavailable():
    with serve(ServiceSettings(hang_rate=1)) as server:
        assert failure(server.base_url, timeout_s=0.05).reason == "no complete answer within 0.05 s"


def test_answer_that_comes_in_drops_after_the_deadline_is_given_up(verifier, monkeypatch):
    times_ns = iter([0, round((verifier.timeout_s + 1) * 1e9)])
    monkeypatch.setattr(checks, "current_clock", lambda: SimpleNamespace(now_ns=lambda: next(times_ns)))
    with pytest.raises(ServiceUnavailable, match="no complete answer within 30 s"):
        verifier.check(GOOD)


def test_service_that_is_down_is_unavailable():
    with socket.socket() as taken:  # bound but not listening: nobody else can take the port meanwhile
        taken.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert error.reason.startswith("ConnectError")
    assert isinstance(error, ConnectionError)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"city": ""}, "city"), ({"country": None}, "country"), ({"email": "ann"}, "email"), ({"city": "a\0"}, "city")],
)
def test_question_that_cannot_be_asked_is_a_finding_without_a_request(changes, field):
    with serve(app=answer(500)) as server, AddressVerifier(server.base_url) as verifier:
        findings = verifier.check(GOOD | changes)
        assert [(finding.field, finding.code) for finding in findings] == [(field, "not_verifiable")]
        assert server.requests == ()


def test_pickled_verifier_works(verifier):
    with pickle.loads(pickle.dumps(verifier)) as again:
        assert again.check(GOOD) == []
        assert repr(again) == repr(verifier)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "2", True])
def test_timeout_that_is_no_positive_number_is_refused(timeout_s):
    with pytest.raises(OptionError, match="timeout_s must be"):
        AddressVerifier("http://127.0.0.1:80", timeout_s=timeout_s)


def test_a_compressed_answer_is_refused_before_it_is_unpacked():
    with serve(app=answer(body=gzip.compress(b" " * 1_000_000), headers=[(b"content-encoding", b"gzip")])) as server:
        assert "is compressed (gzip)" in str(failure(server.base_url))


def test_credentials_in_the_address_are_not_shown():
    with AddressVerifier(f"http://ada:{'hunter2'}@127.0.0.1:1") as verifier:
        assert "hunter2" not in repr(verifier)
        with pytest.raises(ServiceUnavailable) as caught:
            verifier.check(GOOD)
    assert "hunter2" not in str(caught.value) + caught.value.url

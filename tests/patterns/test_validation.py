"""Parallel validation: right verdicts, the same for any number of workers, and none without all checks."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections import defaultdict
from itertools import pairwise

import pytest

from kaygraph_viz.base.errors import DataError, OptionError, ServiceUnavailable
from kaygraph_viz.course.patterns import sources, validation
from kaygraph_viz.course.patterns.checks import AddressVerifier, local_checks
from kaygraph_viz.course.patterns.records import CHECKS, Finding
from kaygraph_viz.course.patterns.validation import compare_with_key, validation_graph
from kaygraph_viz.course.services.datasets import KeyEntry, load_customers, load_customers_key
from kaygraph_viz.course.services.endpoints import ServiceSettings, verify
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.recording import record

CUSTOMERS = load_customers()
KEY = load_customers_key()
CLEAN = [customer for customer in CUSTOMERS if KEY[customer["customer_id"]].is_clean]
SOME = CUSTOMERS[::10]
GUARD_S = 30  # against a test that hangs; never waited for
FOUND = Finding("format", "name", "name_missing", "it is missing")


def passes(_record):
    return []


def finds(_record):
    return [FOUND]


def unavailable(_record):
    raise ServiceUnavailable("http://service.example.com", "it answered 503", 503)


def run(checks, records, **options):
    shared = {"records": records}
    validation_graph(checks, **options).run(shared)
    return shared


def verdicts(checks, records, **options):
    return run(checks, records, **options)["verdicts"]


def ask(base_url, records, *, timeout_s=GUARD_S, **options):
    """Run only the external check against the service at this address."""
    with AddressVerifier(base_url, timeout_s=timeout_s) as verifier:
        return run({"external": verifier.check}, records, **options)


@pytest.fixture(scope="module")
def checks():
    """The four real checks, with a service that answers at once."""
    with local_checks(CUSTOMERS, ServiceSettings(latency_s=0), timeout_s=GUARD_S) as checks:
        yield checks


@pytest.fixture(scope="module")
def everything(checks):
    return run(checks, CUSTOMERS, max_workers=8)


@pytest.fixture(scope="module")
def one_by_one(checks):
    return verdicts(checks, SOME, executor="serial")


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr(sources, "MIN_WAIT_S", 0.0)


# -- all records against the answer key ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", sorted({entry.fault for entry in KEY.values()} - {""}))
def test_every_planted_fault_is_found_by_its_check_in_its_field(everything, fault):
    missed = [
        verdict.customer_id
        for verdict in everything["verdicts"]
        if (entry := KEY[verdict.customer_id]).fault == fault
        # a signup that is too late is noticed at the last order, which then comes before it
        and not {(entry.check, entry.field), (entry.check, "last_order_date")}
        & {(finding.check, finding.field) for finding in verdict.findings}
    ]
    assert missed == []


def test_no_clean_record_is_rejected_or_left_for_review(everything):
    status = {verdict.customer_id: verdict.status for verdict in everything["verdicts"]}
    assert {status[customer["customer_id"]] for customer in CLEAN} == {"accepted"}


def test_summary_adds_up(everything):
    summary, judged = everything["validation_summary"], everything["verdicts"]
    assert [verdict.customer_id for verdict in judged] == [one["customer_id"] for one in CUSTOMERS]
    assert summary["accepted"] == sum(verdict.status == "accepted" for verdict in judged)
    assert summary["records"] == 2_000
    assert summary["accepted"] + summary["rejected"] + summary["needs_review"] == summary["records"]
    assert summary["total_checks"] == 4 * summary["records"]
    parts = summary["passed_checks"], summary["failed_checks"], summary["unavailable_checks"]
    assert sum(parts) == summary["total_checks"]
    assert summary["unavailable_checks"] == summary["needs_review"] == 0


def test_comparison_with_the_key_counts_each_kind():
    key = {
        "1": KeyEntry("underage", "birth_date", "business"),
        "2": KeyEntry("email_missing_at", "email", "format"),
        "3": KeyEntry("", "", ""),
        "4": KeyEntry("", "", ""),
    }
    found = [
        validation.Verdict("1", "rejected", (FOUND,)),  # by another check than the one that has to find it
        validation.Verdict("2", "rejected", (FOUND,)),
        validation.Verdict("3", "rejected", (FOUND,)),
        validation.Verdict("4", "needs review", (), {"external": "down"}),
        validation.Verdict("not in the key", "rejected", (FOUND,)),
    ]
    assert compare_with_key(found, key) == validation.KeyComparison(
        planted=2, found=1, clean=2, wrongly_rejected=1, unreviewed=1
    )


# -- parallel -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_verdicts_are_those_of_the_serial_run_for_any_number_of_workers(checks, one_by_one, workers):
    assert verdicts(checks, SOME, max_workers=workers) == one_by_one


def test_four_workers_run_the_four_checks_of_one_record_at_once():
    meeting = threading.Barrier(4)

    def meet(_record):
        meeting.wait(GUARD_S)  # breaks, and so leaves the record for review, unless all four are there
        return []

    (verdict,) = verdicts(dict.fromkeys(CHECKS, meet), [{"customer_id": "7"}], max_workers=4)
    assert verdict.status == "accepted"


# -- a service that does not answer -------------------------------------------------------------------------------


def test_service_down_leaves_every_record_for_review(no_waits):
    with serve(ServiceSettings(latency_s=0)) as server:
        gone = server.base_url
    shared = ask(gone, CLEAN[:4], max_workers=4)
    assert [verdict.status for verdict in shared["verdicts"]] == ["needs review"] * 4
    assert all("external: could not be checked" in reason for one in shared["verdicts"] for reason in one.reasons)


def test_service_that_hangs_leaves_the_record_for_review_and_says_why(no_waits):
    with serve(ServiceSettings(hang_rate=1)) as server:
        (verdict,) = ask(server.base_url, CLEAN[:1], timeout_s=0.05)["verdicts"]
    assert verdict.status == "needs review"
    assert "no complete answer within 0.05 s" in verdict.reasons[0]


def test_service_that_fails_is_tried_three_times_and_then_left_for_review(no_waits):
    with serve(ServiceSettings(latency_s=0, failure_rate=1)) as server:
        shared = ask(server.base_url, CLEAN[:5], max_workers=4)
    assert [verdict.status for verdict in shared["verdicts"]] == ["needs review"] * 5
    assert all("503" in verdict.reasons[0] for verdict in shared["verdicts"])
    assert len(server.requests) == 15


def fails_once():
    """Return a service that answers each question 503 at first and rightly the second time."""
    asked = set()

    async def app(scope, receive, send):
        query = scope["query_string"].decode()
        status = 200 if query in asked else 503
        asked.add(query)
        question = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(verify(**question)).encode()})

    return app


def test_service_that_fails_once_is_asked_again_and_the_record_accepted(no_waits):
    with serve(app=fails_once()) as server:
        shared = ask(server.base_url, CLEAN[:3], max_workers=2)
    assert [verdict.status for verdict in shared["verdicts"]] == ["accepted"] * 3
    assert [outcome.attempts for outcome in shared["check_outcomes"]] == [2, 2, 2]


@pytest.fixture(scope="module")
def over_its_rate():
    """Six records for a service that lets three calls a second through, and what its log says."""
    with serve(ServiceSettings(latency_s=0, rate_limit=3)) as server:
        shared = ask(server.base_url, CLEAN[:6], max_workers=6)
    return shared, server.requests


def test_records_over_the_rate_are_accepted_in_the_end(over_its_rate):
    shared, log = over_its_rate
    assert 429 in {request.status for request in log}
    assert [verdict.status for verdict in shared["verdicts"]] == ["accepted"] * 6


def test_no_call_comes_back_before_the_time_that_the_service_asked_for(over_its_rate):
    _, log = over_its_rate
    tries = defaultdict(list)
    for request in log:
        tries[request.query].append(request)
    waits = [
        later.received_ns - earlier.received_ns for requests in tries.values() for earlier, later in pairwise(requests)
    ]
    assert len(waits) == sum(request.status == 429 for request in log)
    assert min(waits) >= 1_000_000_000  # Retry-After: 1


# -- verdicts -----------------------------------------------------------------------------------------------------


def test_finding_of_one_check_rejects_even_if_another_could_not_be_made(no_waits):
    (verdict,) = verdicts({"format": finds, "external": unavailable}, [{"customer_id": "7"}])
    assert (verdict.status, verdict.findings, list(verdict.unavailable)) == ("rejected", (FOUND,), ["external"])
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["format", "external"]


class BadMessageError(Exception):
    def __str__(self):
        raise ValueError("not even its message can be read")


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), SystemExit(3), MemoryError(), BadMessageError()])
def test_check_that_raises_something_else_leaves_the_record_for_review(error):
    def broken(_record):
        raise error

    (verdict,) = verdicts({"format": passes, "external": broken}, [{"customer_id": "7"}])
    assert (verdict.status, list(verdict.unavailable)) == ("needs review", ["external"])


def test_check_that_raises_for_one_record_does_not_touch_the_others():
    def broken_for_two(one):
        if one["customer_id"] == "2":
            raise KeyError("city")
        return []

    found = verdicts({"format": broken_for_two}, [{"customer_id": str(number)} for number in range(4)], max_workers=2)
    assert [verdict.status for verdict in found] == ["accepted", "accepted", "needs review", "accepted"]


@pytest.mark.parametrize("answer", [None, True, "", 0, {}])
def test_check_that_returns_no_list_never_accepts_a_record(answer):
    (verdict,) = verdicts({"format": passes, "business": lambda _: answer}, [{"customer_id": "7"}])
    assert verdict.status == "needs review"
    assert "must return a list of findings" in verdict.reasons[0]


def test_check_that_overruns_its_timeout_leaves_the_record_for_review():
    end = threading.Event()

    def waits(_record):
        end.wait(GUARD_S)
        return []

    try:
        (verdict,) = verdicts(
            {"format": passes, "external": waits}, [{"customer_id": "7"}], max_workers=2, timeout=0.05
        )
    finally:
        end.set()
    assert (verdict.status, list(verdict.unavailable)) == ("needs review", ["external"])
    assert "timeout" in verdict.reasons[0]


# -- input that cannot be used ------------------------------------------------------------------------------------


@pytest.mark.parametrize("malformed", [None, 7, "a text", ["name", "Ada"], object()])
def test_record_that_is_no_mapping_is_never_accepted_and_the_others_are_judged(checks, malformed):
    first, second = verdicts(checks, [malformed, CLEAN[0]], max_workers=4)
    assert (first.status, first.customer_id, second.status) == ("needs review", "", "accepted")


@pytest.mark.parametrize("values", [{}, {"customer_id": None, "name": 3}, {"email": "x" * 100_000}])
def test_malformed_record_is_rejected(checks, values):
    (verdict,) = verdicts(checks, [values], max_workers=4)
    assert verdict.status == "rejected"


def test_empty_list_gives_no_verdicts_and_a_summary_of_zeros():
    shared = run({"format": passes}, [])
    assert shared["verdicts"] == []
    assert set(shared["validation_summary"].values()) == {0}


@pytest.mark.parametrize("records", [None, "C00001", b"C00001", {"customer_id": "7"}, iter([])])
def test_records_that_are_no_list_are_a_clear_error(records):
    with pytest.raises(DataError, match=r'shared\["records"\] must be a list of records, got'):
        run({"format": passes}, records)


@pytest.mark.parametrize("checks_given", [{}, {"format": None}, None, [passes]])
def test_no_check_at_all_is_refused_since_it_would_accept_everything(checks_given):
    with pytest.raises(OptionError, match="checks must be"):
        validation_graph(checks_given)


# -- in simulated time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "async", "dask"])
def test_in_simulated_time_a_run_is_the_same_to_the_byte(kind, tmp_path, repetitions):
    customers = load_customers()[::250]

    def saved(number):
        settings = ServiceSettings(latency_s=0.05, failure_rate=0.35)
        with record(clock="virtual") as trace, local_checks(customers, settings) as checks:
            graph = validation_graph(checks, max_workers=4, executor=kind)
            graph.run(shared := {"records": customers})
        assert len(shared["verdicts"]) == len(customers)
        return trace.save(tmp_path / f"{number}.jsonl").read_bytes()

    assert len({saved(number) for number in repetitions}) == 1

"""Parallel validation: right verdicts, the same for any number of workers, and none without all checks."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.errors import DataError, OptionError, ServiceUnavailable
from kaygraph_viz.patterns.checks import AddressVerifier, local_checks
from kaygraph_viz.patterns.findings import Finding
from kaygraph_viz.patterns.validation import validation_graph
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.datasets import load_customers, load_customers_key
from kaygraph_viz.trace.recorder import record

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


# -- verdicts -----------------------------------------------------------------------------------------------------


def test_finding_of_one_check_rejects_even_if_another_could_not_be_made(no_waits):
    (verdict,) = verdicts({"format": finds, "external": unavailable}, [{"customer_id": "7"}])
    assert (verdict.status, verdict.findings, list(verdict.unavailable)) == ("rejected", (FOUND,), ["external"])
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["format", "external"]


def test_accepted_record_has_no_reasons():
    (verdict,) = verdicts({"format": passes}, [{"customer_id": "7"}])
    assert (verdict.status, verdict.reasons, verdict.unavailable) == ("accepted", [], None)


class BadMessageError(Exception):
    def __str__(self):
        raise ValueError("not even its message can be read")


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), SystemExit(3), MemoryError(), BadMessageError()])
def test_check_that_raises_something_else_leaves_the_record_for_review(error):
    def broken(_record):
        raise error

    (verdict,) = verdicts({"format": passes, "external": broken}, [{"customer_id": "7"}])
    assert (verdict.status, list(verdict.unavailable)) == ("needs review", ["external"])


def test_error_that_is_no_fault_of_the_service_is_not_tried_again():
    calls = []

    def broken(one):
        calls.append(one)
        raise ZeroDivisionError

    verdicts({"format": broken}, [{"customer_id": "7"}])
    assert len(calls) == 1


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


@pytest.mark.parametrize("records", [None, 7, "C00001", b"C00001", {"customer_id": "7"}, iter([])])
def test_records_that_are_no_list_are_a_clear_error(records):
    with pytest.raises(DataError, match=r'shared\["records"\] must be a list of records, got'):
        run({"format": passes}, records)


def test_missing_records_are_a_clear_error():
    with pytest.raises(DataError, match="must be a list of records, got None"):
        validation_graph({"format": passes}).run({})


@pytest.mark.parametrize("checks_given", [{}, {"format": None}, None, [passes]])
def test_no_check_at_all_is_refused_since_it_would_accept_everything(checks_given):
    with pytest.raises(OptionError, match="checks must be"):
        validation_graph(checks_given)


@pytest.mark.parametrize("workers", [0, -1, True, 1e9, "4"])
def test_impossible_number_of_workers_is_refused(workers):
    with pytest.raises(OptionError, match="max_workers must be"):
        validation_graph({"format": passes}, max_workers=workers)


def test_number_of_tries_can_be_chosen(no_waits):
    shared = run({"external": unavailable}, [{}], max_retries=2)
    assert shared["check_outcomes"][0].attempts == 2


# -- in simulated time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "async", "dask"])
def test_in_simulated_time_a_run_is_the_same_to_the_byte(kind, tmp_path):
    customers = load_customers()[::250]

    def saved(number):
        settings = ServiceSettings(latency_s=0.05, failure_rate=0.35)
        with record(clock="virtual") as trace, local_checks(customers, settings) as checks:
            graph = validation_graph(checks, max_workers=4, executor=kind)
            graph.run(shared := {"records": customers})
        assert len(shared["verdicts"]) == len(customers)
        return trace.save(tmp_path / f"{number}.jsonl").read_bytes()

    assert len({saved(number) for number in range(20)}) == 1

"""The patterns on the shipped data: what is run and which facts are given."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import DataError, OptionError
from kaygraph_viz.patterns import examples
from kaygraph_viz.patterns.checks import CHECKS
from kaygraph_viz.patterns.examples import EXAMPLES, run_example, sample_record, validate_records
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.datasets import load_customers, load_customers_key
from kaygraph_viz.services.server import serve

CUSTOMERS = load_customers()
KEY = load_customers_key()


@pytest.fixture(scope="module", autouse=True)
def fast_service():
    """Answer at once: how long the service takes is not the point here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "serve", lambda settings: serve(settings or ServiceSettings(latency_s=0)))
        yield


@pytest.fixture(scope="module")
def run():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "load_customers", lambda: CUSTOMERS[:500])
        return run_example("validation", workers=3)


def test_facts_agree_with_the_key(run):
    planted = sum(not KEY[customer["customer_id"]].is_clean for customer in CUSTOMERS[:500])
    facts = dict(run.facts)
    assert facts["planted faults found"] == f"{planted} of {planted}"
    assert facts["clean records rejected"] == f"0 of {500 - planted}"
    assert (facts["rejected"], facts["accepted"], facts["needs review"]) == (str(planted), str(500 - planted), "0")


def test_traces_are_of_the_same_branches_one_at_a_time_and_in_parallel(run):
    assert list(run.traces) == ["serial", "parallel"]
    counts = [trace.validate().counts()["branch"] for trace in run.traces.values()]
    assert counts == [4 * 10, 4 * 10]
    assert run.trace is run.traces["parallel"]


def test_serial_run_uses_one_worker_and_the_parallel_run_no_more_than_asked_for(run):
    lanes = {name: {span.lane for span in trace.where(kind="branch")} for name, trace in run.traces.items()}
    assert len(lanes["serial"]) == 1
    assert len(lanes["parallel"]) <= 3


def test_notes_say_why_some_records_were_rejected(run):
    assert len(run.notes) == 3
    assert all("was rejected: " in note for note in run.notes)


def test_unknown_example_names_those_that_exist():
    with pytest.raises(OptionError, match="example must be one of validation or all, got 'enrichment'"):
        run_example("enrichment")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("workers", [0, -1, True, 1e9, 4097, "4"])
def test_impossible_number_of_workers_is_refused(name, workers):
    with pytest.raises(OptionError, match="workers must be a whole number from 1 to 4096"):
        run_example(name, workers=workers)


def test_sample_record_is_shipped_and_has_a_planted_fault():
    sample = sample_record()
    assert sample in CUSTOMERS
    assert not KEY[sample["customer_id"]].is_clean


def test_shipped_record_is_no_duplicate_of_itself():
    (verdict,), _ = validate_records([sample_record()])
    assert [finding.check for finding in verdict.findings] == [KEY[verdict.customer_id].check]
    assert "duplicate" not in verdict.findings[0].code


def test_shipped_clean_record_is_accepted():
    clean = next(customer for customer in CUSTOMERS if KEY[customer["customer_id"]].is_clean)
    (verdict,), run = validate_records([clean], workers=4)
    assert verdict.status == "accepted"
    assert {span.name for span in run.trace.validate().where(kind="branch")} == set(CHECKS)


def test_copy_of_a_shipped_customer_under_another_number_is_a_duplicate():
    clean = next(customer for customer in CUSTOMERS if KEY[customer["customer_id"]].is_clean)
    (verdict,), _ = validate_records([{**clean, "customer_id": "C99999"}])
    assert [finding.code for finding in verdict.findings] == ["duplicate_email"]


def test_number_of_a_shipped_customer_cannot_be_taken_by_another_record():
    clean = next(customer for customer in CUSTOMERS if KEY[customer["customer_id"]].is_clean)
    (verdict,), _ = validate_records([{**clean, "email": f"other.{clean['email']}"}])
    assert [finding.code for finding in verdict.findings] == ["duplicate_customer_id"]


def test_records_that_are_no_mappings_are_a_clear_error():
    with pytest.raises(DataError, match="a record must be a mapping"):
        validate_records(["Ada"])

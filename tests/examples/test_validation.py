"""Validation as an example: what is run and which facts are given."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.errors import DataError
from kaygraph_viz.course.examples import validation
from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.examples.validation import run, sample_record, validate_records
from kaygraph_viz.course.patterns.records import CHECKS
from kaygraph_viz.course.services.datasets import load_customers, load_customers_key

CUSTOMERS = load_customers()
KEY = load_customers_key()
CLEAN = next(customer for customer in CUSTOMERS if KEY[customer["customer_id"]].is_clean)
SIMULATED = Setup(clock="virtual")


@pytest.fixture(scope="module")
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "load_customers", lambda: CUSTOMERS[:300])
        return run(Setup(workers=3, clock="virtual"))


def table(found):
    return {fact.label: fact for fact in found.facts}


def test_verdicts_about_all_agree_with_the_key(few):
    planted, facts = sum(not KEY[customer["customer_id"]].is_clean for customer in CUSTOMERS[:300]), table(few)
    found, wrong = facts["planted faults found"], facts["clean records rejected"]
    assert (found.value, found.remark) == (str(planted), f"of {planted}, by the answer key")
    assert (wrong.value, wrong.remark) == ("0", f"of {300 - planted}")
    assert (facts["rejected"].value, facts["accepted"].value) == (str(planted), str(300 - planted))


def test_a_sample_is_measured(few):
    assert (few.measured.items, few.measured.failed) == (40, 0)
    assert 2 < few.measured.speedup <= 3.01


def test_with_a_number_of_items_only_these_are_validated():
    found = run(Setup(items=7, clock="virtual"))
    assert found.title.endswith("each of 7 customer records")
    assert found.measured.items == 7
    assert sum(int(table(found)[label].value) for label in ("accepted", "rejected", "needs review")) == 7


def test_seed_decides_how_long_the_service_takes():
    def makespan(seed):
        return run(Setup(items=3, clock="virtual", seed=seed)).measured.makespan_s

    assert makespan(0) == makespan(0) != makespan(1)


def test_sample_record_is_shipped_and_has_a_planted_fault():
    sample = sample_record()
    assert sample in CUSTOMERS
    assert not KEY[sample["customer_id"]].is_clean


def test_shipped_record_is_no_duplicate_of_itself():
    (verdict,), _ = validate_records([sample_record()], SIMULATED)
    assert [finding.check for finding in verdict.findings] == [KEY[verdict.customer_id].check]
    assert "duplicate" not in verdict.findings[0].code


def test_shipped_clean_record_is_accepted():
    (verdict,), found = validate_records([CLEAN], SIMULATED)
    assert verdict.status == "accepted"
    assert {span.name for span in found.trace.validate().where(kind="branch")} == set(CHECKS)


def test_copy_of_a_shipped_customer_under_another_number_is_a_duplicate():
    (verdict,), _ = validate_records([{**CLEAN, "customer_id": "C99999"}], SIMULATED)
    assert [finding.code for finding in verdict.findings] == ["duplicate_email"]


def test_number_of_a_shipped_customer_cannot_be_taken_by_another_record():
    (verdict,), _ = validate_records([{**CLEAN, "email": f"other.{CLEAN['email']}"}], SIMULATED)
    assert [finding.code for finding in verdict.findings] == ["duplicate_customer_id"]


def test_few_records_are_compared_with_a_serial_run_and_many_are_not(monkeypatch):
    monkeypatch.setattr(validation, "MAX_COMPARED", 1)
    few, many = (validate_records([CLEAN] * count, SIMULATED)[1] for count in (1, 2))
    assert (list(few.traces), list(many.traces)) == (["serial", "parallel"], ["parallel"])
    assert few.measured.speedup is not None
    assert many.measured.speedup is None


def test_records_that_are_no_mappings_are_a_clear_error():
    with pytest.raises(DataError, match="a record must be a mapping"):
        validate_records(["Ada"], SIMULATED)

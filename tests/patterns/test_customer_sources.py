"""The sources of facts about customers: which there are, how strictly answers are read, and whether they agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.patterns.customer_sources import (
    AGREEMENTS,
    CompanyAnswer,
    LocationAnswer,
    ProfileAnswer,
    SocialAnswer,
    customer_sources,
)
from kaygraph_viz.patterns.sources import SourceResult
from kaygraph_viz.services.endpoints import company, location, profile

EMPLOYED = "C00003"
RECORD = {"customer_id": EMPLOYED, "phone": "+33 1 23 45 67 89"}
ANSWERS = {
    "profile": ProfileAnswer(**profile(EMPLOYED) | {"interests": ()}),
    "location": LocationAnswer(**location("Lyon", "FR") | {"phone_prefixes": ("33",)}),
    "social": SocialAnswer(customer_id=EMPLOYED, accounts=(), followers=0),
    "company": CompanyAnswer(**company(customer_id=EMPLOYED)),
}
RESULTS = {name: SourceResult(name, "ok", answer) for name, answer in ANSWERS.items()}


def compared(record=RECORD, **changed):
    """Compare the answers, of which some are replaced by another result."""
    return {name: agreement(record, RESULTS | changed) for name, agreement in AGREEMENTS.items()}


# -- which sources ------------------------------------------------------------------------------------------------


def test_each_source_has_its_own_address_deadline_and_limit():
    limit = RateLimit(5)
    sources = customer_sources("http://127.0.0.1:1/", ("verify", "social"), deadline_s=3, limits={"social": limit})
    assert [(one.url, one.deadline_s, one.limit) for one in sources] == [
        ("http://127.0.0.1:1/verify", 3, None),
        ("http://127.0.0.1:1/social", 3, limit),
    ]


def test_limit_alone_is_one_for_each_source():
    limit = RateLimit(5, in_flight=2, per_minute=60, name="ours")
    limits = [source.limit for source in customer_sources("http://127.0.0.1:1", ("verify", "social"), limits=limit)]
    assert [repr(each) for each in limits] == [repr(limit)] * 2
    assert limits[0] is not limits[1]


@pytest.mark.parametrize("options", [{"names": ("profile", "weather")}, {"limits": {"weather": RateLimit(5)}}])
def test_source_that_does_not_exist_is_refused(options):
    with pytest.raises(OptionError, match="weather"):
        customer_sources("http://127.0.0.1:1", **options)


# -- whether answers agree ----------------------------------------------------------------------------------------


def test_answers_about_one_customer_agree():
    assert compared() == {"employer": True, "customer": True, "phone": True}


def test_company_other_than_that_of_the_profile_is_a_contradiction():
    other = replace(ANSWERS["company"], company_id="K999")
    assert compared(company=SourceResult("company", "ok", other))["employer"] is False
    assert compared(company=SourceResult("company", "not found"))["employer"] is False


def test_profile_without_an_employer_agrees_with_no_company():
    jobless = replace(ANSWERS["profile"], company_id=None)
    without = {"profile": SourceResult("profile", "ok", jobless), "company": SourceResult("company", "not found")}
    assert compared(**without)["employer"] is True


def test_customer_known_to_one_source_only_is_a_contradiction():
    assert compared(social=SourceResult("social", "not found"))["customer"] is False
    both = {name: SourceResult(name, "not found") for name in ("profile", "social")}
    assert compared(**both)["customer"] is True


@pytest.mark.parametrize(
    ("phone", "agrees"), [("+44 20 7946 0000", False), ("+3 31", True), ("01 23 45 67 89", None), ("", None)]
)
def test_phone_number_is_compared_by_the_prefix_of_the_country(phone, agrees):
    assert compared(RECORD | {"phone": phone})["phone"] is agrees


def test_city_without_phone_prefixes_says_nothing_about_the_phone():
    place = replace(ANSWERS["location"], phone_prefixes=())
    assert compared(location=SourceResult("location", "ok", place))["phone"] is None


@pytest.mark.parametrize("status", ["timeout", "not asked", "broken answer"])
def test_source_that_did_not_answer_is_not_compared(status):
    silent = {name: SourceResult(name, status) for name in RESULTS}
    assert set(compared(**silent).values()) == {None}

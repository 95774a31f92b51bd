"""What the services know."""

from __future__ import annotations

import pytest

from kaygraph_viz.services.datasets import load_companies, load_customers, load_profiles
from kaygraph_viz.services.endpoints import ENDPOINTS, company, location, profile, social, verify

HERMIT = next(c["customer_id"] for c in load_customers() if c["customer_id"] not in load_profiles())
EMPLOYED = next(user for user in load_profiles().values() if user.company_id)
UNEMPLOYED = next(user for user in load_profiles().values() if not user.company_id)


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("example.com", "deliverable"),
        ("EXAMPLE.com.", "deliverable"),
        ("closed.example.com", "undeliverable"),
        ("throwaway.example.org", "disposable"),
        ("nobody.knows.example.org", "unknown"),
    ],
)
def test_domain_status(domain, status):
    assert verify(domain=domain)["domain_status"] == status


@pytest.mark.parametrize(
    ("city", "country", "known"),
    [
        ("São Paulo", "BR", True),
        ("sao paulo", "br", True),
        ("São Paulo", "PT", False),
        ("Atlantis", "GR", False),
        ("x" * 100_000, "GR", False),
    ],
)
def test_city_is_known_only_in_its_country(city, country, known):
    assert verify(city, country)["city_known"] is known


def test_accounts_are_the_business_of_another_service():
    assert "accounts" not in profile(EMPLOYED.customer_id)


def test_profile_without_employer_says_none():
    assert profile(UNEMPLOYED.customer_id)["company_id"] is None


@pytest.mark.parametrize("ask", [profile, social])
@pytest.mark.parametrize("customer_id", [HERMIT, "C99999", "", "x" * 100_000])
def test_nothing_is_known_about_a_customer_without_profile(ask, customer_id):
    assert ask(customer_id) is None


def test_social_adds_up_the_followers():
    user = next(user for user in load_profiles().values() if len(user.accounts) == 3)
    found = social(user.customer_id)
    assert [account["handle"] for account in found["accounts"]] == [account.handle for account in user.accounts]
    assert found["followers"] == sum(account.followers for account in user.accounts)


def test_company_is_found_by_its_number_and_by_who_works_there():
    assert company(customer_id=EMPLOYED.customer_id) == company(company_id=EMPLOYED.company_id)
    assert company(EMPLOYED.company_id)["name"] == load_companies()[EMPLOYED.company_id].name


@pytest.mark.parametrize("customer_id", [HERMIT, UNEMPLOYED.customer_id])
def test_no_company_of_those_who_work_for_none(customer_id):
    assert company(customer_id=customer_id) is None


def test_location_tells_where_a_city_is():
    found = location("lyon", "fr")
    assert (found["city"], found["country_name"], found["phone_prefixes"]) == ("Lyon", "France", ["33"])
    assert (round(found["latitude"]), round(found["longitude"])) == (46, 5)


def test_largest_city_of_a_name_is_meant():
    assert location("Springfield", "US")["population"] == 170_188


def test_location_of_an_unknown_city_is_not_known():
    assert location("Atlantis", "GR") is None


# -- questions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDPOINTS)
def test_example_of_every_service_can_be_asked_and_is_answered(name):
    endpoint = ENDPOINTS[name]
    question = endpoint.question(dict(part.split("=") for part in endpoint.example.split("&")))
    assert endpoint.answer(**question) is not None


def test_what_a_service_does_not_know_to_ask_for_is_ignored():
    assert ENDPOINTS["profile"].question({"customer_id": " C00001 ", "colour": "red"}) == {"customer_id": "C00001"}


@pytest.mark.parametrize("params", [{}, {"city": "Lyon"}, {"city": "Lyon", "country": " "}])
def test_incomplete_question_is_none(params):
    assert ENDPOINTS["location"].question(params) is None


def test_two_ways_to_spell_a_question_have_one_key():
    endpoint = ENDPOINTS["location"]
    assert endpoint.key({"city": "São Paulo", "country": "BR"}) == endpoint.key({"city": "SAO PAULO", "country": "br"})


def test_two_services_have_different_keys_for_one_customer():
    question = {"customer_id": "C00001"}
    assert ENDPOINTS["profile"].key(question) != ENDPOINTS["social"].key(question)

"""The profiles and companies are made up, and fit the customers."""

from __future__ import annotations

import re

from kaygraph_viz.services import datasets

PROFILES = datasets.load_profiles()
COMPANIES = datasets.load_companies()
CUSTOMERS = {customer["customer_id"]: customer for customer in datasets.load_customers()}


def test_one_customer_in_twenty_has_no_profile():
    assert len(PROFILES) == 1895
    assert PROFILES.keys() < CUSTOMERS.keys()


def test_employers_are_in_the_list_of_companies():
    employers = {profile.company_id for profile in PROFILES.values()}
    assert employers - {""} == set(COMPANIES)
    assert len(COMPANIES) == 120


def test_companies_have_names_and_domains_of_their_own():
    assert len({company.name for company in COMPANIES.values()}) == 120
    assert len({company.domain for company in COMPANIES.values()}) == 120


def test_domains_are_reserved_ones():
    assert all(re.fullmatch(r"[a-z-]+\.example\.com", company.domain) for company in COMPANIES.values())


def test_companies_are_in_cities_of_their_country():
    cities = {(city.country, city.name) for city in datasets.load_cities()}
    assert {(company.country, company.city) for company in COMPANIES.values()} <= cities


def test_nothing_in_a_profile_comes_from_the_name_of_the_customer():
    nickname = r"[a-z]+-[a-z]+-\d\d"
    names = [profile.user_name for profile in PROFILES.values()]
    names += [account.handle for profile in PROFILES.values() for account in profile.accounts]
    assert all(re.fullmatch(nickname, name) for name in names)


def test_some_have_no_account_and_some_several():
    assert {len(profile.accounts) for profile in PROFILES.values()} == {0, 1, 2, 3}


def test_a_user_has_at_most_one_account_in_a_network():
    for profile in PROFILES.values():
        assert len({account.network for account in profile.accounts}) == len(profile.accounts)

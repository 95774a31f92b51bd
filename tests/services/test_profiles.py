"""Reading profiles and companies."""

from __future__ import annotations

import pytest

from kaygraph_viz.services.profiles import SocialAccount, load_companies, load_profiles


def test_profile_is_taken_apart():
    profile = load_profiles()["C00004"]
    assert (profile.language, profile.points, profile.interests) == ("de", 1470, ("jazz", "maps"))
    assert profile.accounts == (SocialAccount("linkwise", "keen-wren-52", 3),)


def test_profile_without_accounts_and_employer_has_nothing_there():
    profile = load_profiles()["C00001"]
    assert (profile.accounts, profile.company_id) == ((), "")


def test_company_has_numbers():
    company = load_companies()["K001"]
    assert (company.name, company.employees, company.founded) == ("Hollow Kettle", 9, 1988)


@pytest.mark.parametrize("load", [load_profiles, load_companies])
def test_changing_a_mapping_changes_nothing_for_the_next_caller(load):
    load().clear()
    assert load()

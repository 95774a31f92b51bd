"""The shipped data: what is in the files, and files that are missing or broken."""

from __future__ import annotations

import re

import pytest

from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.course.services import datasets
from kaygraph_viz.course.services.datasets import (
    Order,
    SocialAccount,
    data_path,
    load_companies,
    load_countries,
    load_customers,
    load_customers_key,
    load_domains,
    load_orders,
    load_orders_key,
    load_profiles,
    load_speeches,
    read_table,
)

# == files ==========================================================================================================


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two empty folders in the places where an installed package and a checkout keep their data."""
    pair = (tmp_path / "package" / "_data", tmp_path / "data")
    for folder in pair:
        folder.mkdir(parents=True)
    monkeypatch.setattr(datasets, "_FOLDERS", pair)
    return pair


def test_data_of_the_installed_package_comes_first(folders):
    for folder in folders:
        (folder / "domains.csv").write_text("domain,status\n", encoding="utf-8")
    assert data_path("domains.csv") == folders[0] / "domains.csv"


def test_missing_file_is_an_error_that_names_both_places(folders):
    with pytest.raises(DataError) as caught:
        data_path("nothing.csv")
    assert all(str(folder) in str(caught.value) for folder in folders)


@pytest.mark.parametrize("name", ["", "../README.md", "/etc/hostname", "a/b.csv", "a\\b.csv", "a\0.csv", ".."])
def test_only_plain_file_names_are_accepted(name):
    with pytest.raises(DataError):
        data_path(name)


def test_wrong_columns_are_an_error_that_names_the_expected_ones(folders):
    (folders[1] / "domains.csv").write_text("name,state\n", encoding="utf-8")
    with pytest.raises(DataError, match="columns domain, status, got name, state"):
        read_table("domains.csv", ("domain", "status"))


def test_short_row_is_an_error_that_names_the_row(folders):
    (folders[1] / "domains.csv").write_text("domain,status\nexample.com\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2: expected 2 values, got 1"):
        read_table("domains.csv", ("domain", "status"))


def test_empty_file_is_an_error(folders):
    (folders[1] / "domains.csv").write_bytes(b"")
    with pytest.raises(DataError, match="must start with the columns"):
        read_table("domains.csv", ("domain", "status"))


def test_file_of_a_folder_is_found_in_it(folders):
    (folders[1] / "speeches").mkdir()
    (folders[1] / "speeches" / "1790.txt").touch()
    assert data_path("1790.txt", folder="speeches") == folders[1] / "speeches" / "1790.txt"
    with pytest.raises(DataError, match="plain name"):
        data_path("1790.txt", folder="../speeches")


# == customers ======================================================================================================


@pytest.mark.parametrize("limit", [-1, 1.5, "2", True])
def test_impossible_limit_is_refused(limit):
    with pytest.raises(OptionError, match="limit must be"):
        load_customers(limit=limit)


def test_answer_key_has_an_entry_for_each_customer():
    key = load_customers_key()
    assert [*key] == [one["customer_id"] for one in load_customers()]
    assert {entry.is_clean for entry in key.values()} == {True, False}


# == orders =========================================================================================================


def order(items):
    return Order("N7", "C00001", "2025-12-01", "FR", items, 1)


@pytest.mark.parametrize("items", ["", "P001", "P001:2", "P001:2:", "P001:2:4,50", "P001:two:450", "P001:2:450:9"])
def test_items_that_cannot_be_read_are_an_error_that_names_order_and_line(items):
    with pytest.raises(DataError, match=r"^order N7, line 2: expected sku:quantity:unit_price_cents, got"):
        order(f"P001:1:1;{items}").lines()


def test_order_without_items_costs_as_much_as_one_with_a_single_line():
    assert (order("").line_count, order("").cost_s) == (0, 0.002)


# == places =========================================================================================================


def test_country_with_two_calling_codes_has_both():
    assert load_countries()["DO"].phone_prefixes == ("1809", "1829")


def test_namibia_is_text_and_no_missing_value():
    assert load_countries()["NA"].name == "Namibia"


def test_postal_codes_of_a_country_follow_its_rule():
    rule = load_countries()["PT"].postal_code_regex
    assert re.fullmatch(rule, "1000-001")
    assert not re.fullmatch(rule, "1000")


# == profiles =======================================================================================================


def test_profile_is_taken_apart():
    profile = load_profiles()["C00004"]
    assert (profile.language, profile.points, profile.interests) == ("de", 1470, ("jazz", "maps"))
    assert profile.accounts == (SocialAccount("linkwise", "keen-wren-52", 3),)


@pytest.mark.parametrize(
    "load",
    [
        load_customers_key,
        load_domains,
        load_orders,
        load_orders_key,
        load_countries,
        load_profiles,
        load_companies,
        load_customers,
    ],
)
def test_changing_what_was_read_changes_nothing_for_the_next_caller(load):
    load().clear()
    assert load()


# == speeches =======================================================================================================


def test_spoken_ones_are_some_of_all():
    every, spoken = load_speeches(spoken_only=False), load_speeches()
    assert (len(every), len(spoken)) == (249, 110)
    assert spoken == [speech for speech in every if speech.is_spoken]


def test_oldest_comes_first():
    years = [speech.year for speech in load_speeches(spoken_only=False)]
    assert (years[0], years[-1]) == (1790, 2026)
    assert years == sorted(years)


def test_text_is_that_of_the_speech():
    (speech,) = [one for one in load_speeches() if one.speech_id == "1961-Kennedy-1"]
    assert (speech.year, speech.president) == (1961, "Kennedy")
    assert "Mr. Speaker, Mr. Vice President, Members of the Congress:" in speech.text[:120]

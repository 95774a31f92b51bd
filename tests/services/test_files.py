"""The shipped data: what is in the files, and files that are missing or broken."""

from __future__ import annotations

import dataclasses
import re

import pytest

from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.course.services import datasets
from kaygraph_viz.course.services.datasets import (
    CUSTOMER_COLUMNS,
    Order,
    OrderLine,
    SocialAccount,
    data_path,
    load_cities,
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


def test_header_is_no_row(folders):
    (folders[1] / "domains.csv").write_text("domain,status\nexample.com,disposable\n", encoding="utf-8")
    assert read_table("domains.csv", ("domain", "status")) == (("example.com", "disposable"),)


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


def test_changing_a_customer_changes_nothing_for_the_next_caller():
    load_customers()[0]["name"] = "changed"
    assert load_customers()[0]["name"] != "changed"


@pytest.mark.parametrize("load", [load_customers_key, load_domains])
def test_changing_a_mapping_changes_nothing_for_the_next_caller(load):
    load().clear()
    assert load()


def test_every_value_of_a_customer_is_text():
    assert all(tuple(one) == CUSTOMER_COLUMNS for one in load_customers(limit=50))
    assert all(isinstance(value, str) for one in load_customers() for value in one.values())


def test_answer_key_has_an_entry_for_each_customer():
    key = load_customers_key()
    assert [*key] == [one["customer_id"] for one in load_customers()]
    assert {entry.is_clean for entry in key.values()} == {True, False}


def test_a_planted_fault_names_its_field_and_its_check():
    faults = [entry for entry in load_customers_key().values() if not entry.is_clean]
    assert all(entry.check for entry in faults)
    assert {entry.field for entry in faults} - {""} <= set(CUSTOMER_COLUMNS)


def test_domains_have_one_of_three_statuses():
    assert set(load_domains().values()) == {"deliverable", "undeliverable", "disposable"}


# == orders =========================================================================================================


def order(items):
    return Order("N7", "C00001", "2025-12-01", "FR", items, 1)


def test_lines_are_taken_apart():
    assert order("P001:2:450;P007:1:1200").lines() == (OrderLine("P001", 2, 450), OrderLine("P007", 1, 1200))


@pytest.mark.parametrize("items", ["", "P001", "P001:2", "P001:2:", "P001:2:4,50", "P001:two:450", "P001:2:450:9"])
def test_items_that_cannot_be_read_are_an_error_that_names_order_and_line(items):
    with pytest.raises(DataError, match=r"^order N7, line 2: expected sku:quantity:unit_price_cents, got"):
        order(f"P001:1:1;{items}").lines()


def test_order_without_items_costs_as_much_as_one_with_a_single_line():
    assert (order("").line_count, order("").cost_s) == (0, 0.002)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_cost_is_that_of_the_lines(count):
    assert order(";".join(["P001:1:1"] * count)).cost_s == pytest.approx(0.002 * count)


def test_limit_returns_the_first_orders():
    assert load_orders(3) == load_orders()[:3]


def test_impossible_limit_of_orders_is_refused():
    with pytest.raises(OptionError, match="limit must be"):
        load_orders(-1)


def test_changing_a_list_changes_nothing_for_the_next_caller():
    load_orders().clear()
    load_orders_key().clear()
    assert load_orders()
    assert load_orders_key()


def test_order_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_orders(1)[0].total_cents = 0


# == places =========================================================================================================


def test_country_with_two_calling_codes_has_both():
    assert load_countries()["DO"].phone_prefixes == ("1809", "1829")


def test_namibia_is_text_and_no_missing_value():
    assert load_countries()["NA"].name == "Namibia"


def test_cities_have_numbers():
    lyon = next(city for city in load_cities() if (city.name, city.country) == ("Lyon", "FR"))
    assert (round(lyon.latitude), round(lyon.longitude), lyon.population > 400_000) == (46, 5, True)


def test_changing_the_countries_changes_nothing_for_the_next_caller():
    load_countries().clear()
    assert load_countries()


def test_cities_are_sorted_by_country_and_the_largest_first():
    order = [(city.country, -city.population) for city in load_cities()]
    assert order == sorted(order)
    assert min(city.population for city in load_cities()) >= 100_000


def test_every_city_is_in_a_country():
    assert {city.country for city in load_cities()} <= load_countries().keys()


def test_postal_codes_of_a_country_follow_its_rule():
    rule = load_countries()["PT"].postal_code_regex
    assert re.fullmatch(rule, "1000-001")
    assert not re.fullmatch(rule, "1000")


# == profiles =======================================================================================================


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
def test_changing_the_profiles_changes_nothing_for_the_next_caller(load):
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


def test_names_are_their_own():
    assert len({speech.speech_id for speech in load_speeches(spoken_only=False)}) == 249


def test_text_is_that_of_the_speech():
    (speech,) = [one for one in load_speeches() if one.speech_id == "1961-Kennedy-1"]
    assert (speech.year, speech.president) == (1961, "Kennedy")
    assert "Mr. Speaker, Mr. Vice President, Members of the Congress:" in speech.text[:120]

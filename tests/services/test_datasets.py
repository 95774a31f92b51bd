"""Reading the shipped files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaygraph_viz.errors import DataError, OptionError
from kaygraph_viz.services import datasets, files


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two empty folders in the places where an installed package and a checkout keep their data."""
    pair = (tmp_path / "package" / "_data", tmp_path / "data")
    for folder in pair:
        folder.mkdir(parents=True)
    monkeypatch.setattr(files, "_FOLDERS", pair)
    return pair


def test_data_path_points_to_a_file():
    assert datasets.data_path("customers.csv").is_file()


def test_data_of_the_installed_package_comes_first(folders):
    for folder in folders:
        (folder / "domains.csv").write_text("domain,status\n", encoding="utf-8")
    assert datasets.data_path("domains.csv") == folders[0] / "domains.csv"


def test_missing_file_is_an_error_that_names_both_places(folders):
    with pytest.raises(DataError) as caught:
        datasets.data_path("nothing.csv")
    assert all(str(folder) in str(caught.value) for folder in folders)


@pytest.mark.parametrize("name", ["", "../README.md", "/etc/hostname", "a/b.csv", "a\\b.csv", "a\0.csv", ".."])
def test_only_plain_file_names_are_accepted(name):
    with pytest.raises(DataError):
        datasets.data_path(name)


def test_wrong_columns_are_an_error_that_names_the_expected_ones(folders):
    (folders[1] / "domains.csv").write_text("name,state\n", encoding="utf-8")
    with pytest.raises(DataError, match="columns domain, status, got name, state"):
        datasets.load_domains()


def test_short_row_is_an_error_that_names_the_row(folders):
    (folders[1] / "domains.csv").write_text("domain,status\nexample.com\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2: expected 2 values, got 1"):
        datasets.load_domains()


def test_empty_file_is_an_error(folders):
    (folders[1] / "domains.csv").write_bytes(b"")
    with pytest.raises(DataError, match="must start with the columns"):
        datasets.load_domains()


def test_limit_returns_the_first_customers():
    assert datasets.load_customers(limit=3) == datasets.load_customers()[:3]


def test_limit_zero_returns_nothing():
    assert datasets.load_customers(limit=0) == []


@pytest.mark.parametrize("limit", [-1, 1.5, "2", True])
def test_impossible_limit_is_refused(limit):
    with pytest.raises(OptionError, match="limit must be"):
        datasets.load_customers(limit=limit)


def test_changing_a_customer_changes_nothing_for_the_next_caller():
    datasets.load_customers()[0]["name"] = "changed"
    assert datasets.load_customers()[0]["name"] != "changed"


@pytest.mark.parametrize("load", [datasets.load_customers_key, datasets.load_countries, datasets.load_domains])
def test_changing_a_mapping_changes_nothing_for_the_next_caller(load):
    load().clear()
    assert load()


def test_country_with_two_calling_codes_has_both():
    assert datasets.load_countries()["DO"].phone_prefixes == ("1809", "1829")


def test_namibia_is_text_and_no_missing_value():
    assert datasets.load_countries()["NA"].name == "Namibia"


def test_cities_have_numbers():
    lyon = next(city for city in datasets.load_cities() if (city.name, city.country) == ("Lyon", "FR"))
    assert (round(lyon.latitude), round(lyon.longitude), lyon.population > 400_000) == (46, 5, True)


def test_error_about_missing_data_can_be_caught_as_value_error():
    with pytest.raises(ValueError, match=str(Path("data"))):
        datasets.data_path("nothing.csv")

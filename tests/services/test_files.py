"""Reading the shipped files."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import DataError
from kaygraph_viz.services import files
from kaygraph_viz.services.files import data_path, read_table


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two empty folders in the places where an installed package and a checkout keep their data."""
    pair = (tmp_path / "package" / "_data", tmp_path / "data")
    for folder in pair:
        folder.mkdir(parents=True)
    monkeypatch.setattr(files, "_FOLDERS", pair)
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

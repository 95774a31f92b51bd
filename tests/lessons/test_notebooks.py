"""Where the notebooks are, in a package and in a checkout."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import DataError
from kaygraph_viz.lessons import notebooks
from kaygraph_viz.lessons.notebooks import notebooks_folder


def test_those_of_the_package_come_first(tmp_path, monkeypatch):
    package, checkout = tmp_path / "_notebooks", tmp_path / "notebooks"
    checkout.mkdir()
    monkeypatch.setattr(notebooks, "FOLDERS", (package, checkout))
    assert notebooks_folder() == checkout
    package.mkdir()
    assert notebooks_folder() == package


def test_an_installation_without_lessons_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "FOLDERS", (tmp_path / "_notebooks",))
    with pytest.raises(DataError, match="this installation has no notebooks"):
        notebooks_folder()

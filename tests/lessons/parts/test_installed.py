"""Libraries that a lesson needs: one friendly sentence where one is missing."""

from __future__ import annotations

import sys

import pytest

from kaygraph_viz.lessons.parts.installed import is_here


def test_what_is_installed_needs_no_words(capsys):
    assert (is_here("pytest"), capsys.readouterr().out) == (True, "")


@pytest.mark.parametrize(("package", "name"), [("distributed", "Dask"), ("joblib", "joblib")])
def test_what_is_missing_is_named_with_the_command_that_installs_it(package, name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert not is_here(package)
    assert capsys.readouterr().out == f"This cell needs {name}: run `%pip install {package}` and restart the kernel.\n"

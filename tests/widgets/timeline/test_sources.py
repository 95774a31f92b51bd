"""The files for the browser: short, and unable to run or load what others wrote."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from kaygraph_viz.widgets.timeline.sources import SCRIPTS, script, stylesheet


def test_scripts_put_no_text_into_markup_and_load_nothing():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script())
    assert not re.search(r"\bimport\b|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", script())
    assert "http" not in stylesheet()


@pytest.mark.parametrize("name", [*SCRIPTS, "timeline.css"])
def test_files_for_the_browser_are_in_the_package_and_short(name):
    text = files("kaygraph_viz.widgets.timeline").joinpath(name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 450

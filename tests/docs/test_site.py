"""The whole site is built without a warning, and its pages are without a fault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from build_steps.check_pages import faults, pages_of

import kaygraph_viz as kv

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_nb")
    folder = tmp_path_factory.mktemp("site")
    (folder / "lite" / "lab").mkdir(parents=True)
    (folder / "lite" / "lab" / "index.html").write_text("the lessons for the browser", encoding="utf-8")
    env = os.environ | {"KAYGRAPH_VIZ_LITE": str(folder / "lite")}
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-d", folder / "trees"]
    command += ["docs", folder / "pages"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "pages"


@pytest.mark.thorough
@pytest.mark.processes
def test_every_link_leads_somewhere_and_every_picture_has_a_text(site):
    assert list(faults(site)) == []
    assert len(pages_of(site)) > 100


@pytest.mark.thorough
@pytest.mark.processes
@pytest.mark.parametrize("name", kv.__all__)
def test_every_public_name_has_an_anchor(site, name):
    target = f'id="kaygraph_viz.{name}"'
    assert any(target in page.read_text(encoding="utf-8") for page in (site / "reference").rglob("*.html"))


@pytest.mark.thorough
@pytest.mark.processes
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_lesson_is_shown_with_its_pictures_and_without_the_cell_for_checks(site, path):
    page = (site / "lessons" / f"{path.stem}.html").read_text(encoding="utf-8")
    assert "<img alt=" in page
    assert "Run this lesson" in page
    (address,) = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>Try it in your browser</a>', page)
    target, name = address.split("?path=")
    assert (site / "lessons" / target).read_text(encoding="utf-8") == "the lessons for the browser"
    assert name == path.name
    assert not re.search(r"checks: \d+/\d+", page)

"""The list of the lessons: each notebook is there once, with the time that its head says."""

from __future__ import annotations

import json
import re

import pytest

from tests.notebooks.cases import PATHS

OVERVIEW = (PATHS[0].parent / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[(\d\d) [^\]]+\]\(([\w.]+)\) \| (\d+) \|", re.MULTILINE)
MINUTES = {name: int(minutes) for _, name, minutes in ROW.findall(OVERVIEW)}
LINK = re.compile(r"\]\((\d\d_\w+\.ipynb)\)")


def markdown(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_each_lesson_is_listed_once_with_its_number():
    assert sorted(name for _, name, _ in ROW.findall(OVERVIEW)) == [path.name for path in PATHS]
    assert [name for number, name, _ in ROW.findall(OVERVIEW) if not name.startswith(number)] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_time_of_a_lesson_fits_one_sitting_and_is_the_same_everywhere(path):
    said = int(re.search(r"^\*Time:\* (\d+) minutes", markdown(path), re.MULTILINE)[1])
    assert said == MINUTES[path.name]
    assert 20 <= said <= 45


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_links_to_other_lessons_lead_somewhere(path):
    assert [name for name in LINK.findall(markdown(path)) if not (path.parent / name).exists()] == []


def test_the_first_page_names_each_lesson_and_the_time_of_the_first():
    page = (PATHS[0].parents[1] / "README.md").read_text(encoding="utf-8")
    listed = page.split("## Lessons")[1].split("\n## ")[0]
    assert sorted(re.findall(r"\((\d\d)\)", listed)) == [path.stem[:2] for path in PATHS]
    assert f"it takes {MINUTES[PATHS[0].name]} minutes" in page

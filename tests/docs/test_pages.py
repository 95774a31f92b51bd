"""The pages of the site before they are built: nothing public is left out, and no page is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kaygraph_viz as kv
from kaygraph_viz import testing
from kaygraph_viz.base import errors
from kaygraph_viz.course.lessons import goals

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
TREE = re.compile(r"```\{toctree\}\n(?::[^\n]*\n)*\n?([^`]*)```")


def documented(module):
    """Return the names below a line that says which module they are from."""
    sections = re.split(r"\.\. currentmodule:: ", REFERENCE)[1:]
    listed = [section.partition("\n")[2] for section in sections if section.partition("\n")[0] == module]
    return set(re.findall(r"^(?:   |\.\. py:data:: )(\w+)$", "\n".join(listed), re.MULTILINE))


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("kaygraph_viz", kv.__all__),
        ("kaygraph_viz.testing", testing.__all__),
        ("kaygraph_viz.course.lessons.lesson", ["Lesson"]),
        ("kaygraph_viz.course.lessons.goals", goals.__all__),
    ],
)
def test_the_reference_has_every_public_name_and_no_other(module, names):
    assert documented(module) == set(names)


def test_the_page_of_errors_has_all_of_them():
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    ours = [value for value in vars(errors).values() if getattr(value, "__module__", "") == errors.__name__]
    raised = {value.__name__ for value in ours if isinstance(value, type) and issubclass(value, BaseException)}
    assert re.findall(r"autoexception:: (\w+)", page) == sorted(raised, key=list(vars(errors)).index)


def test_every_lesson_is_a_page_in_the_order_of_their_list():
    listed = re.findall(r"\]\((\d\d_\w+)\.ipynb\) \|", (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8"))
    pages = TREE.search((DOCS / "lessons" / "index.md").read_text(encoding="utf-8"))[1].split()
    assert pages == listed
    assert sorted(pages) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_every_page_is_in_the_contents():
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}
    named = set()
    for path in DOCS.rglob("*.md"):
        for tree in TREE.findall(path.read_text(encoding="utf-8")):
            named |= {(path.parent / name).resolve().relative_to(DOCS).as_posix() for name in tree.split()}
    assert pages == {name for name in named if not re.match(r"lessons/\d", name)}


def test_the_readme_leads_to_pages_that_exist():
    links = re.findall(r"\]\((docs/[^)#]*)[^)]*\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []

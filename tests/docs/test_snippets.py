"""Every snippet of the site runs: those of a page one after the other, in simulated time, with shared names."""

from __future__ import annotations

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from build_steps.snippets import run, snippets

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
WITH_SNIPPETS = [name for name, page in PAGES.items() if any(each.is_run for each in snippets(page))]
NEEDS = {"howto/record_dask.md": "dask"}


@pytest.mark.leaves_threads  # Dask keeps its pool
@pytest.mark.parametrize("name", WITH_SNIPPETS)
def test_the_snippets_of_a_page_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip(NEEDS.get(name, "kaygraph_viz"))
    names = {}
    for snippet in snippets(PAGES[name]):
        if snippet.is_run:
            run(snippet.code, names, page=name, line=snippet.line)
    plt.close("all")


def test_each_how_to_page_has_a_snippet_that_runs():
    pages = {name for name in PAGES if name.startswith("howto/")} - {"howto/index.md"}
    assert pages <= set(WITH_SNIPPETS)


@pytest.mark.parametrize("name", PAGES)
def test_each_snippet_is_python(name):
    for snippet in snippets(PAGES[name]):
        compile(snippet.code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)  # as in a notebook


def test_an_error_names_the_page_and_the_line():
    snippet = snippets("Text\n\n```python\nx = 1\nx.y\n```\n")[0]
    with pytest.raises(AttributeError) as caught:
        run(snippet.code, {}, page="page.md", line=snippet.line)
    last = caught.traceback[-1]
    assert (last.frame.code.raw.co_filename, last.lineno + 1) == ("page.md", 5)

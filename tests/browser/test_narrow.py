"""On a narrow screen the words in charts can be read: a wide chart moves inside its own box, and the page does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaygraph_viz.html_report.report import save_report
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

STYLE = (Path(__file__).resolve().parents[2] / "docs/_static/site.css").read_text(encoding="utf-8")
READABLE, WIDE, SMALL = 704, 1408, 300  # pixels; at the first, letters of a chart are 10 pixels high
SVG = "<img alt='' src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='100'/>\">"


@pytest.fixture
def narrow(browser):
    with browser.new_context(viewport={"width": 400, "height": 800}) as context:
        yield context.new_page()


def widths(page, selector):
    return page.eval_on_selector_all(selector, "all => all.map(it => it.getBoundingClientRect().width)")


def test_pictures_of_the_site_move_inside_their_boxes(narrow):
    boxes = (f'<a class="picture">{SVG.format(WIDE)}</a>', f'<div class="output">{SVG.format(WIDE)}</div>')
    small = f'<a class="picture">{SVG.format(SMALL)}</a>'
    narrow.set_content(f"<style>{STYLE}</style><article class='bd-article'>{''.join(boxes)}{small}</article>")
    narrow.wait_for_function("() => [...document.images].every(it => it.complete)")
    assert widths(narrow, "img") == [READABLE, READABLE, SMALL]
    assert narrow.evaluate("document.documentElement.scrollWidth") == 400


def test_a_wide_diagram_of_a_report_moves_inside_its_box(narrow, tmp_path):
    names = [f"n{number}" for number in range(8)]
    graph = GraphView("g", tuple(NodeView(name, name) for name in names), tuple(map(EdgeView, names, names[1:])))
    path = save_report(make_trace(bar("a", "t-1", 0, 1)), tmp_path / "run.html", graph=graph)
    narrow.goto(path.as_uri())
    narrow.wait_for_selector(".kv-diagram svg")
    assert widths(narrow, ".kv-diagram svg") == [READABLE]
    assert narrow.evaluate("document.documentElement.scrollWidth") == 400

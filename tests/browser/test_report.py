"""The page that one sends, opened from its file: the chart moves, and nothing is asked of anybody."""

from __future__ import annotations

import pytest

from kaygraph_viz.html_report.report import save_report
from kaygraph_viz.plot.style import LOOP_HELD_UP
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

from .test_timeline import CANVAS, STATE, Chart

GRAPH = GraphView("g", (NodeView("load", "Load"), NodeView("check", "Check", True)), (EdgeView("load", "check"),))


def trace(age_s: float = 2):
    """Return a run of two nodes, the second with two branches."""
    load = (bar("load", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")])
    branches = [
        bar("format", "t-1", 1, 2, cpu_s=0.5),
        bar("age", "t-2", 1, 1 + age_s, status="error", error="ValueError: no age"),
    ]
    return make_trace(load, (bar("check", "main", 1, 1 + age_s, kind="node"), branches))


class OpenPage:
    """A page of its own, for `Chart`."""

    def __init__(self, page):
        self.page = page

    def wait_for(self, condition):
        self.page.wait_for_function(condition)


@pytest.fixture
def opened(open_page, listener, tmp_path):
    """Open a report from its file."""
    pages = []

    def opened(*args, **options):
        path = save_report(*args, path=tmp_path / "run.html", **options)
        listener.allowed += (path.as_uri(),)
        pages.append(open_page(path.as_uri()))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


def test_zoom_search_and_selection_shared_with_the_diagram(opened, listener):
    page = opened(trace(), graph=GRAPH)
    chart = Chart(OpenPage(page))
    chart.wait_for("it.frames > 0")
    assert page.locator("figure:visible").count() == 0  # the pictures are for those without scripts
    chart.press("+", "+")
    chart.wait_for("it.to - it.from < 1.7")
    chart.press("Home")
    chart.wait_for("it.from == 0 && it.to > 3")
    chart.click(1.5, 1)
    chart.wait_for("it.selected == 4")
    assert "0.500 s" in page.locator(".kv-facts").inner_text()
    page.locator(".kv-box[aria-label*='Load']").first.press("Enter")
    chart.wait_for("it.node == 'load' && it.matches == 1 && it.selected == ''")
    page.locator(".kv-tools input").fill("no age")
    chart.wait_for("it.matches == 1 && it.node == ''")
    page.keyboard.press("Enter")
    chart.wait_for("it.selected == 5")
    assert listener.requests == [page.url]


def test_a_branch_around_others_shows_its_own_work_its_waiting_and_what_held_up_the_loop(opened):
    held = bar("loop blocked", "task-1", 7, 8, kind="wait")
    main = bar("main", "task-1", 0, 9, cpu_s=5, status="error", error="E: no room")
    page = opened(make_trace((main, [held, bar("job", "task-2", 2, 6, cpu_s=0)])))
    chart = Chart(OpenPage(page))
    chart.wait_for("it.frames > 0")

    def hovered(time_s):
        chart.hover(time_s, 0)
        return page.locator(".kv-tip").inner_text().split("\n")

    assert hovered(1)[:2] == ["main", "worker"]
    assert "its own work, beside its branches" in hovered(1)
    waits = hovered(4)
    assert waits[0] == "main"
    assert waits[waits.index("waiting for its branches") + 1] == "4.00 s"
    blocked = hovered(7.5)
    assert blocked[blocked.index("held up the loop") + 1] == "1.00 s"
    assert "held up the loop" not in hovered(6.5)
    assert chart.kind(4, 0) == "around"
    assert chart.kind(7.5, 0, height=0.87) == LOOP_HELD_UP.colour.lower()
    assert {"waiting for its branches", "held up the loop"} <= set(page.locator(".kv-legend").inner_text().split("\n"))
    chart.click(4, 0)
    chart.wait_for("it.selected == 1")
    facts = page.locator(".kv-facts").inner_text().split("\n")
    pairs = dict(zip(facts[1::2], facts[2::2], strict=True))
    assert pairs == {
        "worker": "task-1", "from": "0 s", "took": "9.00 s", "its own work": "5.00 s",
        "waiting for its branches": "4.00 s", "ended": "error", "error": "E: no room",
    }  # fmt: skip


def test_several_runs_move_on_their_own(opened):
    page = opened({"before": trace(), "after": trace(age_s=1)})
    page.wait_for_function(f"() => document.querySelectorAll('{CANVAS}').length == 2")
    first = Chart(OpenPage(page))
    first.wait_for("it.frames > 0")
    first.press("+", "+")
    first.wait_for("it.to - it.from < 1.7")
    second = page.locator(CANVAS).nth(1)
    assert second.evaluate("it => it.dataset.to - it.dataset.from > 1.9")


def test_without_scripts_it_is_a_page_of_pictures(browser, tmp_path):
    path = save_report(trace(), tmp_path / "run.html", graph=GRAPH)
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.locator("figure img:visible").count() == 2
        assert page.locator("canvas").count() == 0


def test_a_changed_script_does_not_run(opened, open_page, tmp_path):
    page = opened(trace())
    path = tmp_path / "run.html"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('<script type="module">', '<script type="module">window.hit = 1;'), encoding="utf-8")
    page.goto(path.as_uri())
    assert page.evaluate("window.hit") is None
    assert page.evaluate(STATE) == {}

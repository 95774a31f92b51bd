"""Names from user code in a real browser: shown as text, never executed, and no request leaves the computer."""

from __future__ import annotations

import pytest

from kaygraph_viz.html_report.report import save_report
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

# Each would leave a mark: a value, a dialog, a request, or text that runs the wrong way.
NAMES = [
    "<script>window.hit = 1; alert(1)</script>", "<img src=x onerror='window.hit = 1'>",
    "\"><img src='http://example.com/a.png'>", "'><svg onload='window.hit = 1'>", "</style></script></title></pre>",
    "]]></svg><script>window.hit = 1</script>", "&lt;script&gt;window.hit = 1&lt;/script&gt;", "<!--",
    "`${window.hit = 1}`", "<iframe srcdoc='<script>parent.hit = 1</script>'>", "javascript:window.hit=1",
    "[a](javascript:window.hit=1)",
    "$\\href{javascript:window.hit=1}{a}$", "a\0b\u202ec\u2066", "\ud800", "<b>long</b> " * 100_000, "",
]  # fmt: skip
MARKS = """() => ({
    hit: window.hit ?? null,
    elements: [...document.querySelectorAll('[onerror], [onload], iframe[srcdoc], [src*="example.com"]')].length,
    links: [...document.querySelectorAll('a[href^="javascript:"]')].length,
})"""
NO_MARKS = {"hit": None, "elements": 0, "links": 0}

SET_UP = f"""
import kaygraph_viz as kv
from kaygraph_viz.execute.outcome import Outcome, Outcomes
from kaygraph_viz.execute.explore import explore
from kaygraph_viz.course.lessons.grade import grade
from kaygraph_viz.course.lessons.predict import Prediction
from kaygraph_viz.course.lessons.goals import all_ok
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground.playground import playground

names = {NAMES!r}
def trace_of(names):
    branches = [bar(name, name[:80], i, i + 1, index=i, status="error", error=name) for i, name in enumerate(names)]
    return make_trace((bar(names[1], "main", 0, len(names), kind="node"),
                       [(bar("exec", "main", 0, len(names), kind="phase", workers=2), branches)]))
trace = trace_of(names)
def fail(workers):
    raise ValueError("".join(names))
"""
SHOWN = {
    "traces and their numbers": "display(trace, kv.summarize(trace), kv.explain(trace), kv.critical_path(trace))",
    "comparisons": "display(kv.compare(trace, trace_of(names[::-1])))",
    "what-ifs": "display(kv.what_if(trace, workers=[1, 2]))",
    "outcomes": "display(Outcomes(Outcome(i, error=ValueError(n), status='error') for i, n in enumerate(names)))",
    "one outcome": "display(Outcome(0, error=ValueError(''.join(names)), status='error'))",
    "charts and their descriptions": "display(describe(kv.gantt(trace, title=names[0])))",
    "grades": "display(grade(trace, [all_ok(2)]))",
    "predictions": "display(Prediction(names[0], names[1], options=names), *trace)",
    "panels": "panel = playground(fail, recorded={1: trace}, workers=1); panel",
}


@pytest.fixture
def report(open_page, listener, tmp_path):
    """A report of hostile names, opened from its file."""
    spans = [bar(name, name, i, i + 1, status="error", error=name) for i, name in enumerate(NAMES)]
    nodes = tuple(NodeView(f"{i} {name}", name, True, branches=tuple(NAMES)) for i, name in enumerate(NAMES))
    edges = (EdgeView(nodes[0].node_id, nodes[1].node_id, NAMES[0]),)
    path = save_report(make_trace(*spans), tmp_path / "run.html", graph=GraphView(NAMES[0], nodes, edges))
    listener.allowed += (path.as_uri(),)
    page = open_page(path.as_uri())
    yield page
    page.close()


def test_a_report_shows_hostile_names_as_text(report, listener):
    report.wait_for_function("() => document.querySelector('canvas')?.dataset.frames > 0")
    report.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert "<script>window.hit = 1; alert(1)</script>" in report.locator("body").inner_text()
    assert report.evaluate(MARKS) == NO_MARKS
    assert listener.requests == [report.url]


def test_outputs_of_a_notebook_show_hostile_names_as_text(open_cells):
    notebook = open_cells(SET_UP + "print('ready')", *SHOWN.values())
    notebook.run_all()
    assert notebook.errors() == []
    panel = notebook.panel()
    before = panel.text()
    panel.click("Run")
    panel.wait_for_text_other_than(before)
    assert notebook.dialogs() == []
    assert notebook.page.evaluate(MARKS) == NO_MARKS

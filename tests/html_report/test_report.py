"""The report: one file that shows a run, loads nothing, and executes nothing of the names in it."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib import pyplot as plt

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.html_report import report as html_report
from kaygraph_viz.html_report.report import page_script, run_data, runs_block, save_report, spans_table
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView
from kaygraph_viz.widgets.timeline.scene_data import STYLES, stylesheet

HOSTILE = [
    "<script>document.title='hit'</script>", "<img src=x onerror=alert(1)>", "\"><script src='http://example.com/'>",
    "a\0b\u202ec", "`'\"\\", "", "long " * 200_000, "\ud800", "</style><style>*{background:url(http://example.com/)}",
    "]]></svg><script>", "&lt;script&gt;", "<!--", "javascript:alert(1)",
]  # fmt: skip


ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "figure", "img", "figcaption", "div",
    "details", "summary", "table", "tr", "th", "td", "footer", "script",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")


class Page(HTMLParser):
    """What a browser finds in a page: its elements, their attributes, and the text by element."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements, self.text, self._open = [], {}, []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.setdefault(self._open[-1] if self._open else "", []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def images(self):
        return [base64.b64decode(image["src"].partition(",")[2]) for image in self.all("img")]


def report(tmp_path, trace, **options):
    return Page(save_report(trace, tmp_path / "run.html", **options))


def small():
    return make_trace(
        (bar("exec", "main", 0, 3, kind="phase", executor="thread", workers=2),
         [bar("a", "thread-1", 0, 1, cpu_s=0.5, index=0),
          bar("b", "thread-2", 0, 3, status="error", error="ValueError: no", attempt=2, index=1)])
    )  # fmt: skip


def check_harmless(page):
    """Check that there is nothing in a page that could be executed or fetched."""
    assert {tag for tag, _ in page.elements} <= ALLOWED
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "action", "srcset")]
        assert attributes.get("src", "data:image/").startswith("data:image/"), tag
        assert "url(" not in attributes.get("style", "")
    assert page.text["style"] == [html_report.STYLE + stylesheet()]
    assert not re.search(r"url\(|@import", page.text["style"][0])
    data, code = page.text["script"]
    assert page.all("script") == [{"type": "application/json", "id": "runs"}, {"type": "module"}]
    assert code == page_script()
    assert json.loads(data)["styles"] == STYLES
    for image in page.images():
        if not image.startswith(b"\x89PNG"):
            check_harmless_picture(ET.fromstring(image))


def check_harmless_picture(svg):
    elements = list(svg.iter())
    assert not {element.tag.rpartition("}")[2] for element in elements} & {"script", "foreignObject", "a", "text"}
    links = [value for element in elements for name, value in element.items() if name.endswith("href")]
    assert [link for link in links if not link.startswith(("#", "data:image/png;base64,"))] == []


def test_a_report_shows_the_chart_the_numbers_the_reasons_and_the_spans(tmp_path):
    page = report(tmp_path, small())
    cells = page.text["td"] + page.text["th"]
    assert {"speedup", "critical path", "useful work", "straggler tail", "ValueError: no", "error, 2 attempts"} <= set(
        cells
    )
    assert page.text["h1"] == ["Run"]
    assert page.text["summary"] == ["Description of the chart", "Spans (3)"]
    (image,) = page.all("img")
    assert image["alt"].startswith("Gantt chart of 2 branches on 2 workers")
    check_harmless(page)


def test_the_policy_forbids_the_network_and_every_script_but_ours(tmp_path):
    page = report(tmp_path, small())
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    ours = base64.b64encode(sha256(page.text["script"][1].encode()).digest()).decode()
    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'", "script-src": f"'sha256-{ours}'", "img-src": "data:", "style-src": "'unsafe-inline'",
        "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip


def test_hostile_texts_are_only_shown(tmp_path):
    spans = [bar(word, word, i, i + 1, status="error", error=word) for i, word in enumerate(HOSTILE)]
    names = [f"{number} {word}" for number, word in enumerate(HOSTILE)]
    nodes = tuple(NodeView(name, name, is_parallel=True, branches=tuple(HOSTILE)) for name in names)
    graph = GraphView(HOSTILE[0], nodes, tuple(EdgeView(a, b, a) for a, b in pairwise(names)))
    page = report(tmp_path, make_trace(*spans), graph=graph)
    check_harmless(page)
    shown = "".join(text for texts in page.text.values() for text in texts)
    assert not set(shown) & {"\0", "\u202e"}
    assert len(page.source) < 2_000_000


@pytest.mark.parametrize("title", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_title_is_only_shown(tmp_path, title):
    page = report(tmp_path, make_trace(), title=title)
    check_harmless(page)
    assert len(page.source) < 200_000


def test_a_graph_adds_its_diagram_and_gives_the_title(tmp_path):
    class Double(kv.ParallelBatchNode):
        def prep(self, shared):
            return [1, 2]

        def exec(self, item):
            return 2 * item

    graph = kv.Graph(start=Double(max_workers=2))
    with kv.record(clock="virtual") as trace:
        graph.run({})
    page = report(tmp_path, trace, graph=graph)
    assert page.text["h1"] == ["Run of Graph"]
    assert [image["alt"].split()[0] for image in page.all("img")] == ["Gantt", "Diagram"]
    check_harmless(page)


def test_memory_in_use_is_shown_if_it_was_recorded(tmp_path):
    with kv.record(memory=True) as trace, kv.span("a"):
        pass
    assert [image["alt"].split()[0] for image in report(tmp_path, trace).all("img")] == ["Gantt", "Curve"]


def test_what_was_used_of_limits_is_shown(tmp_path):
    limit = kv.RateLimit(in_flight=2, per_minute=5, name="<b>")
    with kv.record(clock="virtual") as trace, kv.span("a"), limit:
        kv.sleep(1)
    page = report(tmp_path, trace)
    assert page.text["h2"][:2] == ["<b>: calls in flight", "<b>: calls per minute"]
    assert [image["alt"].split()[0] for image in page.all("img")] == ["Gantt", "Curve", "Curve"]
    check_harmless(page)


def test_a_picture_with_very_many_lines_is_made_of_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "MAX_SVG", 1000)
    page = report(tmp_path, small())
    assert page.images()[0].startswith(b"\x89PNG")
    check_harmless(page)


def test_equal_traces_make_equal_reports(tmp_path):
    one, two = (save_report(small(), tmp_path / f"{name}.html") for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_no_figure_is_left_open(tmp_path):
    before = plt.get_fignums()
    report(tmp_path, small())
    assert plt.get_fignums() == before


def test_a_failed_report_leaves_the_old_file_and_no_figure(tmp_path, monkeypatch):
    path = save_report(small(), tmp_path / "run.html")
    before, figures = path.read_bytes(), plt.get_fignums()

    def full(figure):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(html_report, "_image", full)
    with pytest.raises(OSError, match="No space left"):
        save_report(small(), path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["run.html"]
    assert plt.get_fignums() == figures


def test_several_runs_are_shown_below_each_other_and_two_are_compared(tmp_path):
    page = report(tmp_path, {"before": small(), "after <b>": small()})
    assert page.text["h2"][:3] == ["before", "after <b>", "What changed"]
    assert [figure.get("data-instead") for figure in page.all("figure")] == ["0", "1"]
    assert [one["head"]["title"] for one in json.loads(page.text["script"][0])["runs"]] == ["before", "after <b>"]
    check_harmless(page)
    three = report(tmp_path, dict.fromkeys("abc", small()))
    assert "What changed" not in three.text["h2"]


@pytest.mark.thorough
def test_a_hundred_thousand_spans_take_less_than_4_mb(tmp_path):
    rng = np.random.default_rng(1)
    took = rng.lognormal(-6, 1, (100, 1000))
    ends = took.cumsum(axis=1)
    spans = [
        bar(
            f"fetch {item % 50}",
            f"thread-{lane + 1}",
            float(ends[lane, item] - took[lane, item]),
            float(ends[lane, item]),
        )
        for lane in range(100)
        for item in range(1000)
    ]
    assert save_report(make_trace(*spans), tmp_path / "run.html").stat().st_size < 4_000_000


def test_something_else_than_a_trace_or_a_graph_is_refused(tmp_path):
    with pytest.raises(OptionError, match="trace must be"):
        save_report("run", tmp_path / "run.html")
    with pytest.raises(OptionError, match="graph must be"):
        save_report(small(), tmp_path / "run.html", graph=5)
    assert list(tmp_path.iterdir()) == []


def test_the_label_of_a_call_stands_where_the_number_of_an_item_would(tmp_path):
    page = save_report(make_trace(bar("fetch", "t", 0, 1, label='"<b>.html"')), tmp_path / "run.html")
    assert "&quot;&lt;b&gt;.html&quot;" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("lane", "heading"), [("task-1", "loop"), ("thread-1", "interpreter")])
def test_the_time_in_which_a_span_could_have_gone_on_is_named_after_what_it_waited_for(tmp_path, lane, heading):
    page = save_report(make_trace(bar("a", lane, 0, 2, parts=[("gil", 1), ("cpu", 1)])), tmp_path / "run.html")
    assert re.search(f"<th[^>]*>{heading}</th>", page.read_text(encoding="utf-8"))


def table_of(trace):
    return spans_table(trace.columns, trace.dropped)


def test_of_many_spans_those_that_failed_and_took_longest_are_listed_and_the_others_told(monkeypatch):
    monkeypatch.setattr(html_report, "MAX_SPANS", 3)
    spans = [bar(f"b{i}", "t-1", i, i + 0.1 * (1 + i % 3), status="error" if i == 3 else "ok") for i in range(9)]
    table = table_of(make_trace(*spans, dropped=7))
    assert re.findall(r"<td[^>]*>(b\d)</td>", table) == ["b2", "b3", "b5"]
    assert "3 of 9 spans" in table
    assert "6 are not shown here" in table
    assert "The recording did not keep 7 spans" in table


def cells_of(trace):
    """Return the table, row by row, by heading."""
    rows = re.findall(r"<tr>(.*?)</tr>", table_of(trace), re.DOTALL)
    head, *others = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [dict(zip(head, row, strict=True)) for row in others]


def test_the_table_says_for_how_long_spans_did_what():
    held_up = [("blocked", 0.5), ("wait", 1), ("gil", 0.5), ("cpu", 1), ("pause", 1)]
    trace = make_trace(bar("a", "t-1", 0, 4, cpu_s=1, blocked_s=0.5, parts=held_up), bar("b", "t-2", 0, 2, cpu_s=0.5))
    a, b = cells_of(trace)
    names = ("took", "CPU", "waiting", "interpreter", "blocked", "pause")
    assert [a[name] for name in names] == ["4.00 s", "1.00 s", "1.00 s", "0.500 s", "0.500 s", "1.00 s"]
    assert [b[name] for name in names] == ["2.00 s", "0.500 s", "", "", "", ""]  # nobody knows what else it did


TRACE = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))


def test_no_text_ends_the_block():
    hostile = ["</script>", "</SCRIPT >", "<!--<script>", "]]>"]
    block = runs_block([run_data(make_trace(*(bar(name, name, 0, 1) for name in hostile)), title="</script>")])
    content = re.fullmatch(r'<script type="application/json" id="runs">(.*)</script>', block)[1]
    assert "<" not in content
    assert json.loads(content)["runs"][0]["head"]["title"] == "</script>"


def test_the_script_cannot_end_its_element_and_asks_for_nothing():
    assert not re.search(r"</script|<!--|fetch\(|XMLHttpRequest|import\s*\(|eval\(|innerHTML", page_script())

"""The data of a page: what the script reads, and that no text in it can become code."""

from __future__ import annotations

import base64
import gzip
import json
import re

from kaygraph_viz.html_report.live_chart import page_script, run_data, runs_block
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import GraphView, NodeView
from kaygraph_viz.widgets.timeline.packing import pack

TRACE = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))


def test_the_columns_arrive_as_they_were_packed():
    data = run_data(TRACE)
    assert gzip.decompress(base64.b64decode(data["data"])) == pack(TRACE).data
    assert data["head"] == pack(TRACE).head
    assert data["scene"] == {}


def test_a_title_and_a_graph_are_handed_over():
    data = run_data(TRACE, GraphView("g", (NodeView("load", "Load"),)), "Mon\x1bday")
    assert data["head"]["title"] == "Monday"
    assert [box["node"] for box in data["scene"]["boxes"]] == ["load"]


def test_no_text_ends_the_block():
    hostile = ["</script>", "</SCRIPT >", "<!--<script>", "]]>"]
    block = runs_block([run_data(make_trace(*(bar(name, name, 0, 1) for name in hostile)), title="</script>")])
    content = re.fullmatch(r'<script type="application/json" id="runs">(.*)</script>', block)[1]
    assert "<" not in content
    assert json.loads(content)["runs"][0]["head"]["title"] == "</script>"


def test_the_script_cannot_end_its_element_and_asks_for_nothing():
    assert not re.search(r"</script|<!--|fetch\(|XMLHttpRequest|import\s*\(|eval\(|innerHTML", page_script())

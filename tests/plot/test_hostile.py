"""Several modules together: names from user code are plain text in every picture."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.compare import compare
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.curves.pairs import paired_bars
from kaygraph_viz.plot.curves.queues import queue_depth
from kaygraph_viz.plot.curves.speedup import speedup_curve
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import GraphView, NodeView

NAMES = ["$x^2$", r"\frac{1}{$", "<script>alert(1)</script>", "a\x00b\u202ec\u2066", "名前 🎉", "", "long " * 200_000,
         "%s {} `'\"", "line\nbreak\ttab", "\ud800", "z" + "\u0336" * 500]  # fmt: skip


def trace_of(name):
    lane = name[:50] + "-1"
    branches = [bar(name, lane, 1, 3, queued_s=1, index=0), bar(name, lane, 3, 4, queued_s=2, index=1, status="error")]
    return make_trace(
        (bar(name, "main", 0, 4, kind="node", buffer=2), [(bar("exec", "main", 0, 4, kind="phase"), branches)])
    )


PICTURES = {
    "gantt": lambda trace, name: gantt({name: trace, "other": trace}, title=name, critical_path=True),
    "by node": lambda trace, name: gantt(trace, title=name, group_by="node", color_by="name"),
    "image": lambda trace, name: gantt(trace, title=name, max_bars=1),
    "concurrency": lambda trace, name: concurrency(trace, title=name),
    "queues": lambda trace, name: queue_depth(trace, title=name),
    "speedup": lambda trace, name: speedup_curve(trace, title=name),
    "pairs": lambda trace, name: paired_bars(compare(trace, trace), title=name),
    "diagram": lambda trace, name: diagram(GraphView(name, (NodeView(name, name, True),)), trace=trace, title=name),
}


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name[:12]) for name in NAMES])
@pytest.mark.parametrize("picture", PICTURES)
def test_names_are_drawn_as_plain_text(picture, name, neat):
    ax = PICTURES[picture](trace_of(name), name)
    said = neat(ax)
    description = str(describe(ax)) + ax.get_label()
    for text in (*said, description):
        assert not any(char in text for char in "\x00\u202e\u2066\ud800\t")
    assert all(len(text) < 260 for text in said)
    assert len(description) < 5_000
    texts = [*ax.texts, *ax.get_yticklabels(), ax._left_title]
    assert not any(text._preprocess_math(text.get_text())[1] for text in texts)

"""Diagrams as Mermaid and DOT."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.diagram.markup import diagram_text
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

NODES = (NodeView("load", "Load"), NodeView("check", "Check", True, ("a", "b")), NodeView("end", "End"))


EDGES = (EdgeView("load", "check"), EdgeView("check", "end", "ok"), EdgeView("end", "load", "again"))


GRAPH = GraphView("g", NODES, EDGES)


NESTED = GraphView("outer", (NodeView("in", "Graph", graph=GRAPH), NodeView("out", "Out")), (EdgeView("in", "out"),))


HOSTILE = ['"]; click n1 "x', '"];', "%%{init: {}}%%", "<script>alert(1)</script>", "a\\", "`x`", "end", "#quot;",
           "x\n n9 --> n1", "[(|]", "\u202egnp", "y" * 100_000]  # fmt: skip


def run():
    branches = [bar("a", "t-1", 1, 2), bar("b", "t-2", 1, 4)]
    return make_trace(
        (bar("load", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")]),
        (bar("check", "main", 1, 4, kind="node"), [(bar("exec", "main", 1, 4, kind="phase"), branches)]),
    )


def mermaid_of(text):
    """Return labels by id and edges of a text, and check that each line is one of those that Mermaid knows."""
    labels, edges, depth = {}, [], 0
    first, *lines = text.splitlines()
    assert first == "flowchart LR"
    for line in map(str.strip, lines):
        box = re.fullmatch(r'(subgraph )?(n\d+)\["([^"\n<]*(?:<br/>[^"\n<]*)*)"\]', line)
        arrow = re.fullmatch(r'(n\d+) (-->|==>|-\.->)(?:\|"([^"|]*)"\|)? (n\d+)', line)
        depth += bool(box and box[1]) - (line == "end")
        if box:
            labels[box[2]] = box[3]
        elif arrow:
            edges.append(arrow.groups())
        else:
            assert line == "end" or re.fullmatch(r"class(Def)? [\w,]+ [\w:,#-]+", line), line
    assert depth == 0
    assert all(end in labels for edge in edges for end in (edge[0], edge[3]))
    return labels, edges


def dot_of(text):
    """Return labels by id and edges of a text, and check that quotes and braces are balanced."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "Q", text)
    assert '"' not in bare
    assert bare.count("{") == bare.count("}")
    statements = [line.strip() for line in text.splitlines()]
    labels = dict(
        match.groups() for line in statements if (match := re.match(r'(n\d+) \[label="((?:[^"\\]|\\.)*)"', line))
    )
    edges = [match.groups() for line in statements if (match := re.match(r"(n\d+) -> (n\d+)", line))]
    assert all(end in labels for edge in edges for end in edge)
    return labels, edges


def test_mermaid_has_nodes_branches_and_edges():
    labels, edges = mermaid_of(diagram_text(GRAPH))
    assert list(labels.values()) == ["Load<br/>load", "Check<br/>check", "a", "b", " ", "End<br/>end"]
    assert {(a, text, b) for a, _, text, b in edges} == {
        ("n1", None, "n2"), ("n2", None, "n3"), ("n3", None, "n5"), ("n2", None, "n4"), ("n4", None, "n5"),
        ("n5", "ok", "n6"), ("n6", "again", "n1"),
    }  # fmt: skip


def test_dot_has_the_same():
    labels, edges = dot_of(diagram_text(GRAPH, "dot"))
    assert list(labels.values()) == ["Load\\nload", "Check\\ncheck", "a", "b", "", "End\\nend"]
    assert len(edges) == 7


def test_a_trace_adds_times_the_critical_path_and_what_was_never_taken():
    labels, edges = mermaid_of(diagram_text(GRAPH, trace=run()))
    assert "3.00 s, 75#37;" in labels["n2"]
    arrows = {(a, b): arrow for a, arrow, _, b in edges}
    assert arrows["n1", "n2"] == arrows["n2", "n4"] == "==>"
    assert arrows["n2", "n3"] == "-->"
    assert arrows["n6", "n1"] == "-.->"
    assert "class n1,n2,n4 critical" in diagram_text(GRAPH, trace=run())
    assert "critical" not in diagram_text(GRAPH, trace=run(), critical_path=False)
    assert 'n2 -> n4 [color="#7A1FA2", penwidth=2];' in diagram_text(GRAPH, "dot", trace=run())


def test_a_nested_graph_is_a_group():
    labels, edges = mermaid_of(diagram_text(NESTED))
    assert labels["n1"] == "Graph<br/>in"
    assert ("n1", "-->", None, "n8") in edges
    text = diagram_text(NESTED, "dot")
    assert "subgraph cluster_n1 {" in text
    assert re.search(r"n\d -> n8 \[ltail=cluster_n1\];", text)
    dot_of(text)


def test_graphs_in_nested_graphs_and_empty_ones_stay_closed():
    top = GraphView("top", (NodeView("mid", "Mid", graph=NESTED), NodeView("no", "None", graph=GraphView("", ()))),
                    (EdgeView("mid", "no"),))  # fmt: skip
    labels, _ = mermaid_of(diagram_text(top))
    assert "Graph<br/>in<br/>a graph of 3" in labels.values()
    assert "None<br/>no<br/>a graph of 0" in labels.values()
    dot_of(diagram_text(top, "dot"))


def test_long_chains_and_wide_fans_collapse():
    names = [f"n{number}" for number in range(10_000)]
    chain = GraphView("c", tuple(NodeView(n, n) for n in names), tuple(EdgeView(a, b) for a, b in pairwise(names)))
    fan = GraphView("f", chain.nodes, tuple(EdgeView("n0", name) for name in names[1:]))
    for view in (chain, fan):
        labels, edges = mermaid_of(diagram_text(view))
        assert len(labels) <= 12
        assert len(edges) <= 12
        assert any("more nodes" in label for label in labels.values())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_within_their_quotes(name):
    nodes = (NodeView("x", name, True, (name,)), NodeView("y", name))
    view = GraphView(name, nodes, (EdgeView("x", "y", name),))
    labels, edges = mermaid_of(diagram_text(view))
    assert (len(labels), len(edges)) == (4, 3)
    labels, edges = dot_of(diagram_text(view, "dot"))
    assert (len(labels), len(edges)) == (4, 3)
    assert all(len(label) < 300 for label in labels.values())


@pytest.mark.parametrize("options", [{"format": "svg"}, {"graph": 3}, {"trace": 3}, {"max_branches": 1}])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        diagram_text(**{"graph": GRAPH, **options})

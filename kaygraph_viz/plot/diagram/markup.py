"""A diagram for other tools: Mermaid, which many web pages draw, DOT for Graphviz, and what notebooks show.

Belongs here: the nodes and edges that the drawn diagram has, in these languages. Does not belong here: drawing
(``diagram``).

Names of nodes and edges become quoted texts in which all characters with a meaning are escaped; ids are made here, so
no name can change the structure.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from kaygraph_viz.base.checks import checked_whole, checked_word
from kaygraph_viz.plot.canvas import checked_trace
from kaygraph_viz.plot.description import alt_text
from kaygraph_viz.plot.diagram.description import HasStructure, checked_view
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.layering import Item, layered_graph
from kaygraph_viz.plot.diagram.scene import Box, branch_boxes, closed_box, more_box, node_box
from kaygraph_viz.plot.diagram.stats import GraphStats, graph_stats
from kaygraph_viz.plot.style import BAR, BOX_FILLS, CRITICAL, FAILED, TEXT
from kaygraph_viz.trace.trace import GraphView, NodeView, Trace

HARMLESS = frozenset(" .,:()+_/-…·")  # in Mermaid; everything else but letters and digits is written as a number


def diagram_text(
    graph: GraphView | HasStructure,
    format: str = "mermaid",
    *,
    trace: Trace | None = None,
    critical_path: bool = True,
    max_branches: int = 6,
) -> str:
    """Return the diagram of a graph as text that other tools draw.

    Parameters
    ----------
    graph, trace, critical_path, max_branches
        As for `diagram`.
    format
        ``"mermaid"``: put it into a fenced block of that name in a Markdown page, and GitHub, GitLab and many others
        draw it. ``"dot"``: for Graphviz, as in ``dot -Tsvg``.

    Returns
    -------
    str
        The same nodes, branches and edges as in the drawing, in the same order.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range.

    Examples
    --------
    >>> from kaygraph_viz.trace.trace import EdgeView, NodeView
    >>> view = GraphView("g", (NodeView("a", "Load"), NodeView("b", "Check")), (EdgeView("a", "b", "ok"),))
    >>> print(diagram_text(view))
    flowchart LR
        n1["Load<br/>a"]
        n2["Check<br/>b"]
        n1 -->|"ok"| n2
        classDef nodeBox fill:#FFFFFF,stroke:#2F4858,color:#1A1A1A
        class n1,n2 nodeBox
    """
    checked_word("format", format, FORMATS, 'diagram_text(graph, "mermaid")')
    view = checked_view(graph)
    run = None if trace is None else checked_trace(trace)
    stats = graph_stats(run, view, critical_path=critical_path)
    checked_whole("max_branches", max_branches, 2, example="max_branches=6")
    outline = _Outline(max_branches)
    outline.add_graph(view, stats, outline.parts)
    return "\n".join(FORMATS[format](outline))


@dataclass(frozen=True)
class _Part:
    """A box with its id, or a group of parts with the text of its box as heading."""

    name: str
    box: Box
    parts: list[_Part] | None = None


@dataclass(frozen=True)
class _Edge:
    """An arrow between two parts, by their ids."""

    source: str
    target: str
    text: str = ""
    is_critical: bool = False
    is_faint: bool = False


@dataclass
class _Outline:
    """The boxes and arrows of a diagram, without positions."""

    max_branches: int
    parts: list[_Part] = field(default_factory=list)
    edges: list[_Edge] = field(default_factory=list)
    count: int = 0

    def add_graph(
        self, view: GraphView, stats: GraphStats | None, parts: list[_Part], *, is_inside: bool = False
    ) -> None:
        """Add the nodes and edges of a graph to `parts`; graphs inside it are opened one level deep."""
        graph = layered_graph(view, stats)
        ends = [self._add_item(item, stats, parts, is_inside=is_inside) for item in graph.items]
        for route in graph.routes:
            source, target = ends[route.source][1], ends[route.target][0]
            self.edges.append(_Edge(source, target, route.text, route.is_critical, route.taken == 0))

    def _add_item(
        self, item: Item, stats: GraphStats | None, parts: list[_Part], *, is_inside: bool
    ) -> tuple[str, str]:
        """Add an item, and return the ids of the parts at which arrows to it end and arrows from it start."""
        if item.view is None:
            return (self._add(parts, more_box(item.hidden)),) * 2
        if item.view.graph is None:
            return self._add_node(item.view, stats, parts)
        if is_inside or not item.view.graph.nodes:
            return (self._add(parts, closed_box(item.view, stats)),) * 2
        inside: list[_Part] = []
        name = self._add(parts, node_box(item.view, stats), inside)
        inner = stats.within(item.view.node_id) if stats is not None else None
        self.add_graph(item.view.graph, inner, inside, is_inside=True)
        return name, name

    def _add_node(self, view: NodeView, stats: GraphStats | None, parts: list[_Part]) -> tuple[str, str]:
        box = node_box(view, stats)
        name = self._add(parts, box)
        if box.style != "parallel":
            return name, name
        node = stats.nodes.get(view.node_id) if stats is not None else None
        branches = [(self._add(parts, each), each) for each in branch_boxes(view, node, self.max_branches)]
        join = self._add(parts, Box(0, 0, 0, 0, style="join"))
        for branch, each in branches:
            self.edges += [_Edge(name, branch, "", each.is_critical), _Edge(branch, join, "", each.is_critical)]
        return name, join

    def _add(self, parts: list[_Part], box: Box, inside: list[_Part] | None = None) -> str:
        self.count += 1
        parts.append(_Part(f"n{self.count}", box, inside))
        return parts[-1].name


def _boxes(parts: Sequence[_Part]) -> Iterator[_Part]:
    """Yield all parts that are not groups."""
    for part in parts:
        if part.parts is None:
            yield part
        else:
            yield from _boxes(part.parts)


def _mermaid(outline: _Outline) -> Iterator[str]:
    yield "flowchart LR"
    yield from _mermaid_parts(outline.parts, 1)
    for edge in outline.edges:
        arrow = "-.->" if edge.is_faint else "==>" if edge.is_critical else "-->"
        action = f'|"{_mermaid_text(edge.text)}"|' if edge.text else ""
        yield f"    {edge.source} {arrow}{action} {edge.target}"
    for style, colour in BOX_FILLS.items():
        names = [part.name for part in _boxes(outline.parts) if part.box.style == style]
        if names:  # the suffix is needed: a class "node" would hold for all boxes in Mermaid
            yield f"    classDef {style}Box fill:{colour},stroke:{BAR},color:{TEXT}"
            yield f"    class {','.join(names)} {style}Box"
    for word, colour in (("critical", CRITICAL.colour), ("failed", FAILED)):
        names = [part.name for part in _boxes(outline.parts) if getattr(part.box, f"is_{word}")]
        if names:
            yield f"    classDef {word} stroke:{colour},stroke-width:3px"
            yield f"    class {','.join(names)} {word}"


def _mermaid_parts(parts: Sequence[_Part], depth: int) -> Iterator[str]:
    indent = "    " * depth
    for part in parts:
        label = "<br/>".join(_mermaid_text(line.text) for line in part.box.lines) or " "
        if part.parts is None:
            yield f'{indent}{part.name}["{label}"]'
            continue
        yield f'{indent}subgraph {part.name}["{label}"]'
        yield from _mermaid_parts(part.parts, depth + 1)
        yield f"{indent}end"


def _mermaid_text(text: str) -> str:
    """Return a text with numeric codes for characters with a meaning: quotes, directives, HTML, Markdown."""
    return "".join(char if char.isalnum() or char in HARMLESS else f"#{ord(char)};" for char in text)


def _dot(outline: _Outline) -> Iterator[str]:
    yield "digraph {"
    yield "    rankdir=LR; compound=true;"
    yield '    node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];'
    yield f'    edge [color="{BAR}", fontname="sans-serif", fontsize=10];'
    yield from _dot_parts(outline.parts, 1)
    groups = {part.name: list(_boxes(part.parts)) for part in outline.parts if part.parts}
    for edge in outline.edges:
        yield f"    {_dot_edge(edge, groups)};"
    yield "}"


def _dot_parts(parts: Sequence[_Part], depth: int) -> Iterator[str]:
    indent = "    " * depth
    for part in parts:
        label = "\\n".join(_dot_text(line.text) for line in part.box.lines)
        if part.parts is None:
            box = part.box
            edge, width = (FAILED, 2) if box.is_failed else (CRITICAL.colour, 2) if box.is_critical else (BAR, 1)
            style = f'label="{label}", fillcolor="{BOX_FILLS[box.style]}", color="{edge}", penwidth={width}'
            if box.style == "join":
                style = f'label="", width=0.06, height=0.6, style=filled, fillcolor="{BAR}"'
            yield f"{indent}{part.name} [{style}];"
            continue
        yield f"{indent}subgraph cluster_{part.name} {{"
        yield f'{indent}    label="{label}"; labeljust=l; style=dashed; fontname="sans-serif";'
        yield from _dot_parts(part.parts, depth + 1)
        yield f"{indent}}}"


def _dot_edge(edge: _Edge, groups: Mapping[str, Sequence[_Part]]) -> str:
    """Return an edge; Graphviz joins boxes only, so that of a group is cut at the border of its cluster."""
    ends, stats = [], []
    for name, place, side in ((edge.source, -1, "ltail"), (edge.target, 0, "lhead")):
        ends.append(groups[name][place].name if name in groups else name)
        stats += [f"{side}=cluster_{name}"] if name in groups else []
    stats += [f'label="{_dot_text(edge.text)}"'] if edge.text else []
    stats += ["style=dotted"] if edge.is_faint else []
    stats += [f'color="{CRITICAL.colour}"', "penwidth=2"] if edge.is_critical else []
    return f"{ends[0]} -> {ends[1]}" + (f" [{', '.join(stats)}]" if stats else "")


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


FORMATS: Mapping[str, Callable[[_Outline], Iterator[str]]] = {"mermaid": _mermaid, "dot": _dot}


# -- in a notebook ---------------------------------------------------------------------------------------------------

DPI = 100
MERMAID, PNG = "text/vnd.mermaid", "image/png"


def shown_formats(view: GraphView, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a diagram in the formats that front ends know, as IPython wants it: Mermaid, a picture, and a text."""
    figure = Figure()
    axes = diagram(view, ax=figure.add_subplot())
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI, bbox_inches="tight")
    data = {
        MERMAID: diagram_text(view),
        PNG: base64.b64encode(picture.getvalue()).decode(),
        "text/plain": text,
    }
    return data, {PNG: {"alt": alt_text(axes.figure)}}

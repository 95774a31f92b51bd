"""Graphs and runs for tests of diagrams, and what is asked of a drawing."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import strategies as st
from matplotlib.colors import to_hex

from kaygraph_viz.plot.style import CRITICAL
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

CHECKS = ("security", "format", "business", "external")


def chain(*ids):
    nodes = tuple(NodeView(name, name.title()) for name in ids)
    return GraphView("chain", nodes, tuple(EdgeView(a, b) for a, b in pairwise(ids)))


VALIDATION = GraphView(
    "validation",
    (NodeView("input", "Input"), NodeView("validate", "ParallelValidationNode", True, CHECKS),
     NodeView("aggregate", "AggregationNode"), NodeView("output", "Output")),
    (EdgeView("input", "validate"), EdgeView("validate", "aggregate"), EdgeView("aggregate", "output")),
)  # fmt: skip


REVIEW = GraphView(
    "review",
    tuple(NodeView(name, name.title()) for name in ("draft", "review", "publish", "reject", "log")),
    (EdgeView("draft", "review"), EdgeView("review", "draft", "revise"), EdgeView("review", "publish", "approve"),
     EdgeView("review", "reject", "decline"), EdgeView("publish", "log"), EdgeView("reject", "log"),
     EdgeView("draft", "draft", "think"), EdgeView("draft", "log", "give up")),
)  # fmt: skip


NESTED = GraphView(
    "outer",
    (NodeView("fetch", "Fetch"), NodeView("inner", "Graph", graph=VALIDATION), NodeView("done", "Done")),
    (EdgeView("fetch", "inner"), EdgeView("inner", "done", "ok")),
)


WIDE = GraphView(
    "wide",
    (NodeView("p", "FanOut", True, tuple(f"branch {i}" for i in range(18))), NodeView("q", "Batch", True)),
    (EdgeView("p", "q"),),
)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def assert_tidy(ax):
    """No two texts collide, everything is inside the Axes, and every text is inside its box."""
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    inside = ax.get_window_extent(renderer).padded(1)
    boxes = [text.get_window_extent(renderer) for text in ax.texts]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    patches = [patch.get_window_extent(renderer) for patch in ax.patches]
    for box in [*boxes, *patches]:
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1
        assert inside.y0 <= box.y0
        assert box.y1 <= inside.y1


def assert_boxes_apart(ax):
    boxes = [patch for patch in ax.patches if str(patch.get_gid()).startswith("box-")]
    extents = [box.get_path().get_extents(box.get_patch_transform()).extents for box in boxes]
    for a, b in combinations(extents, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 9))
    ends = st.integers(0, count - 1)
    edges = draw(
        st.lists(st.tuples(ends, ends, st.sampled_from(["default", "retry", "a longer action", "b"])), max_size=14)
    )
    kinds = draw(
        st.lists(st.sampled_from([(False, ()), (True, ()), (True, ("x", "y"))]), min_size=count, max_size=count)
    )
    nodes = tuple(NodeView(f"n{number}", "Node", *kind) for number, kind in enumerate(kinds))
    return GraphView("g", nodes, tuple(EdgeView(f"n{a}", f"n{b}", action) for a, b, action in edges))


def critical(ax):
    """Return the texts in boxes that are highlighted, and how many arrows are."""
    colour = CRITICAL.colour.lower()
    marked = [patch for patch in ax.patches if to_hex(patch.get_edgecolor()) == colour]
    boxes = [patch.get_extents() for patch in marked if str(patch.get_gid()).startswith("box-")]
    ax.figure.canvas.draw()
    inside = [text.get_text() for text in ax.texts if any(box.overlaps(text.get_window_extent()) for box in boxes)]
    return inside, len([patch for patch in ax.patches if patch.get_gid() == "arrow-critical"])


def checked(*lengths):
    branches = [
        bar(name, f"t-{n}", 1, 1 + length) for n, (name, length) in enumerate(zip(CHECKS, lengths, strict=False))
    ]
    end = 1 + max(lengths)
    return make_trace(
        (bar("input", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")]),
        (bar("validate", "main", 1, end, kind="node"), [(bar("exec", "main", 1, end, kind="phase"), branches)]),
        (bar("aggregate", "main", end, end + 1, kind="node"), [bar("exec", "main", end, end + 1, kind="phase")]),
    )

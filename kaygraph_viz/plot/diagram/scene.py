"""What a diagram shows: boxes, arrows, frames and labels in points, and the times and counts written into them.

Belongs here: what a drawing consists of, the statistics of nodes from a trace, and the drawing of one node: a box, a
box opened into its branches, or a frame around a nested graph. Does not belong here: how the nodes stand to each other
(``layering``), and any plotting library (``diagram``).

A point is 1/72 inch; x grows to the right, y downwards. Boxes are as large as their texts need, so nothing that is
drawn at this size, or smaller as a whole, can overflow or collide.

The id of a node is unique within its graph only: a graph in it may have a node with the same id, and be called as the
graph around it. So each span has a scope: 0 for the nodes of the graph that is drawn, and one for each of these nodes,
for what lies directly in it. Graphs of other libraries know no ids: their nodes are recorded by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.plot.diagram.critical_path import GraphPath
from kaygraph_viz.plot.labels import clean, width_pt
from kaygraph_viz.plot.style import Size
from kaygraph_viz.trace.columns import SpanColumns, repeated, sums, tally
from kaygraph_viz.trace.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.trace.nesting import Nesting, Places
from kaygraph_viz.trace.span import KINDS
from kaygraph_viz.trace.trace import GraphView, NodeView, Trace

Point: TypeAlias = tuple[float, float]
STACK_PT = 5.0  # how far the shadows of a stack of boxes stick out


class Line(NamedTuple):
    """One line of text in a box."""

    text: str
    is_bold: bool = False
    is_small: bool = False


@dataclass(frozen=True)
class Box:
    """A box with centred lines of text; `style` is one of ``node parallel branch more join``."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[Line, ...] = ()
    style: str = "node"
    is_stacked: bool = False
    is_failed: bool = False
    is_critical: bool = False
    node_id: str = ""
    branch: str = ""

    @property
    def right(self) -> float:
        """Its right end, shadows of a stack included [pt]."""
        return self.x + self.width + self.is_stacked * STACK_PT

    @property
    def bottom(self) -> float:
        """Its lower end, shadows of a stack included [pt]."""
        return self.y + self.height + self.is_stacked * STACK_PT


@dataclass(frozen=True)
class Frame:
    """A border around the nodes of a nested graph, with its name at the top left."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Label:
    """A text centred at a point, with the size it needs."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Arrow:
    """An arrow along a path of points, with rounded corners or as a curve."""

    points: tuple[Point, ...]
    is_curve: bool = False
    is_faint: bool = False
    has_head: bool = True
    is_critical: bool = False


@dataclass
class Scene:
    """A drawing that arrows enter at the left and leave at the right, both at the height of its `axis`."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    middle: float | None = None  # the height of the axis, if it is not half the height
    entry: float = 0.0  # the distance of the first box from the left

    @property
    def axis(self) -> float:
        """The height at which arrows come in and go out [pt]."""
        return self.height / 2 if self.middle is None else self.middle

    def add(self, other: Scene, dx: float, dy: float) -> None:
        """Add all shapes of another drawing, moved by (dx, dy)."""
        self.boxes += [replace(box, x=box.x + dx, y=box.y + dy) for box in other.boxes]
        self.frames += [replace(frame, x=frame.x + dx, y=frame.y + dy) for frame in other.frames]
        self.labels += [replace(label, x=label.x + dx, y=label.y + dy) for label in other.labels]
        self.arrows += [replace(arrow, points=_moved(arrow.points, dx, dy)) for arrow in other.arrows]


def _moved(points: Iterable[Point], dx: float, dy: float) -> tuple[Point, ...]:
    return tuple((x + dx, y + dy) for x, y in points)


# -- spans of nodes --------------------------------------------------------------------------------------------------

NODE = KINDS.index("node")


def with_node_ids(columns: SpanColumns, view: GraphView) -> SpanColumns:
    """Return the spans, those of nodes named by their ids."""
    nodes = [node for node in _all_nodes(view) if node.span_name is not None]
    wanted = {node.span_name for node in nodes}
    is_named = np.array([*(name in wanted for name in columns.names), False], np.bool_)[columns.rows["name"]]
    if not is_named.any():
        return columns
    is_node = is_named & columns.is_kind("node", "graph")
    if not is_node.any():
        is_node = is_named & columns.is_kind("branch")
        rows = columns.rows.copy()
        rows["kind"][is_node] = NODE
        columns = replace(columns, rows=rows)
    if len({node.span_name for node in nodes}) == len({node.node_id for node in nodes}):
        return columns
    return _named_apart(Nesting.of(columns), np.flatnonzero(is_node).tolist(), view)


def _all_nodes(view: GraphView) -> Iterator[NodeView]:
    for node in view.nodes:
        yield node
        if node.graph is not None:
            yield from _all_nodes(node.graph)


def _named_apart(nesting: Nesting, positions: list[int], view: GraphView) -> SpanColumns:
    columns = nesting.columns
    around = np.append(nesting.nearest(columns.is_kind("node", "graph")), -1)[nesting.parent].tolist()
    parent, name = nesting.parent.tolist(), columns.column("name").tolist()
    code_of = {text: code for code, text in enumerate(columns.names)}
    rows, found = columns.rows.copy(), dict[int, NodeView]()
    before: dict[int, NodeView] = {}  # by the span in which nodes follow each other
    for at in positions:  # they are in the order of time
        outer = found.get(around[at])
        inside = outer.graph if outer is not None and outer.graph is not None else view
        possible = [node for node in inside.nodes if node.span_name == columns.names[name[at]]]
        last = before.get(parent[at])
        following = {edge.target for edge in inside.edges if last is not None and edge.source == last.node_id}
        node = next((node for node in possible if node.node_id in following), possible[0] if possible else None)
        if node is not None:  # a successor of the one before it, else the first of that name
            found[at] = before[parent[at]] = node
            rows["name"][at] = code_of.setdefault(node.node_id, len(code_of))
    return replace(columns, rows=rows, names=tuple(code_of))


# -- statistics of nodes ---------------------------------------------------------------------------------------------


MAX_AT_ONCE = 100  # nodes that ran at the same time are counted as predecessors of those after them


@dataclass(frozen=True)
class BranchStats:
    """Statistics of the branches of one name within one node: number, mean service time [s], failures, retries."""

    count: int
    mean_s: float
    not_ok: int
    retries: int
    is_critical: bool = False


@dataclass(frozen=True)
class NodeStats:
    """Statistics of one node: number of runs, total time [s], failures, and branches by name in order of appearance."""

    runs: int
    total_s: float
    not_ok: int
    branches: Mapping[str, BranchStats]
    is_critical: bool = False
    is_opened: bool = False


@dataclass(frozen=True)
class GraphStats:
    """Statistics of all nodes and edges of a graph."""

    nodes: Mapping[str, NodeStats] = field(default_factory=dict)
    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    critical: frozenset[tuple[str, str]] = frozenset()
    makespan_s: float = 0.0
    inner: Mapping[str, GraphStats] | None = None

    def within(self, node_id: str) -> GraphStats:
        """Return the statistics of the graph that a node is."""
        return self if self.inner is None else self.inner.get(node_id, GraphStats(makespan_s=self.makespan_s, inner={}))


def graph_stats(trace: Trace | None, view: GraphView | None = None, *, critical_path: bool = True) -> GraphStats | None:
    """Return the statistics of a graph from a trace, or None without one."""
    if trace is None:
        return None
    columns = trace.columns if view is None else with_node_ids(trace.columns, view)
    nesting, names = Nesting.of(columns), columns.names
    scope = _scopes(nesting, view)
    path = GraphPath.of(nesting, scope) if critical_path else GraphPath()
    nodes, taken = _nodes(nesting, scope, path), _item_counts(nesting, scope) | _follow_counts(nesting, scope)

    def stats(number: int, inner: Mapping[str, GraphStats] | None) -> GraphStats:
        mine = {(a, b): count for (where, a, b), count in taken.items() if where == number}
        critical = frozenset((a, b) for where, a, b in path.edges if where == number)
        return GraphStats(nodes.get(number, {}), mine, critical, trace.makespan_s, inner)

    if view is None:
        return stats(0, None)
    graphs = {node.node_id for node in view.nodes if node.graph is not None}
    inner = {name: stats(number, {}) for number, name in enumerate(names, 1) if name in graphs}
    return stats(0, inner)


def _scopes(nesting: Nesting, view: GraphView | None) -> Ints:
    """Return the scope of each node and graph: 0, 1 and the position of a name, or -1 for what is not drawn."""
    columns = nesting.columns
    is_node, name = columns.is_kind("node", "graph"), columns.column("name")
    if view is None:
        return np.where(is_node, 0, -1)
    outer = _outer(nesting, is_node)
    ids = {node.node_id for node in view.nodes}
    is_known = np.array([text in ids for text in columns.names], np.bool_)[name] & is_node
    is_around = np.zeros(len(name), np.bool_)
    is_around[outer[is_known & (outer >= 0)]] = True
    is_around &= np.array([text == view.name for text in columns.names], np.bool_)[name]
    if is_around.any():
        is_around &= ~(nesting.within(is_around)[outer] & (outer >= 0))
        is_top = is_known & is_around[outer] & (outer >= 0)
    else:
        is_top = is_known & ~(nesting.within(is_known)[outer] & (outer >= 0))
    is_inner = is_node & ~is_top & is_top[outer] & (outer >= 0)
    return np.where(is_top, 0, np.where(is_inner, 1 + name[outer], -1))


def _outer(nesting: Nesting, is_node: Bools) -> Places:
    """Return the node or graph around each span, -1 where there is none."""
    return np.where(nesting.parent >= 0, nesting.nearest(is_node)[nesting.parent], -1)


def _nodes(nesting: Nesting, scope: Ints, path: GraphPath) -> dict[int, dict[str, NodeStats]]:
    """Return the statistics of all nodes by scope and id."""
    names = nesting.columns.names
    owner = nesting.nearest(scope >= 0)
    owned = np.flatnonzero(nesting.columns.is_kind("branch") & (owner >= 0))
    owned = owned[owner[owned] == nesting.nearest(nesting.columns.is_kind("node", "graph"))[owned]]
    branches: dict[tuple[int, int], dict[str, BranchStats]] = {}
    for (where, code, name), (count, total_s, not_ok, retries) in _sums(nesting, owned, owner[owned], scope).items():
        is_critical = (where, names[code], names[name]) in path.branches
        stats = BranchStats(count, total_s / count, not_ok, retries, is_critical)
        branches.setdefault((where, code), {})[names[name]] = stats
    nodes: dict[int, dict[str, NodeStats]] = {}
    positions = np.flatnonzero(scope >= 0)
    for (where, code, _), (count, total_s, not_ok, _) in _sums(nesting, positions, positions, scope).items():
        key = where, names[code]
        marks = key in path.nodes, key in path.opened
        found = NodeStats(count, total_s, not_ok, branches.get((where, code), {}), *marks)
        nodes.setdefault(where, {})[names[code]] = found
    return nodes


def _sums(
    nesting: Nesting, positions: Ints, owners: Ints, scope: Ints
) -> dict[tuple[int, int, int], tuple[int, float, int, int]]:
    """Return number, time [s], failures and retries of spans by scope and name of their owner, and their own name."""
    columns = nesting.columns
    name, size = columns.column("name"), len(columns.names)
    keys, first, group = np.unique(
        (scope[owners] * size + name[owners]) * size + name[positions], return_index=True, return_inverse=True
    )
    values = (
        columns.column("ended_ns") - columns.column("started_ns"),
        ~columns.is_status("ok"),
        (columns.column("attempt") - 1).clip(min=0),
    )
    time_ns, not_ok, retries = (sums(group, value[positions], len(keys)) for value in values)
    count = tally(group, len(keys))
    return {
        (*divmod(int(keys[k]) // size, size), int(keys[k]) % size): (
            int(count[k]),
            float(time_ns[k]) / 1e9,
            int(not_ok[k]),
            int(retries[k]),
        )
        for k in np.argsort(first).tolist()
    }


def _follow_counts(nesting: Nesting, scope: Ints) -> dict[tuple[int, str, str], int]:
    """Count how often one node followed another within the same parent, without those that overlapped."""
    columns = nesting.columns
    nodes = np.flatnonzero(scope >= 0)
    started, ended = (columns.column(name)[nodes] for name in ("started_ns", "ended_ns"))
    parent = nesting.parent[nodes]
    order = np.lexsort((ended, started, parent))
    nodes, started, ended, parent = nodes[order], started[order], ended[order], parent[order]
    begins = group_cluster_starts(started, ended, first_of_runs(parent))
    firsts = np.append(np.flatnonzero(begins), len(nodes))
    cluster = np.cumsum(begins) - 1
    size = np.minimum(np.diff(firsts), MAX_AT_ONCE)  # of each cluster
    is_first = np.append(True, parent[firsts[1:-1]] != parent[firsts[:-2]]) if len(size) else begins
    earlier = np.where(is_first, 0, np.append(0, size[:-1]))[cluster] if len(size) else begins
    after = repeated(np.arange(len(nodes)), earlier)
    before = np.arange(len(after)) - repeated(np.cumsum(earlier) - earlier, earlier) + firsts[cluster[after] - 1]
    return _counted(nesting, scope, nodes[before], nodes[after])


def _counted(nesting: Nesting, scope: Ints, before: Places, after: Places) -> dict[tuple[int, str, str], int]:
    """Count pairs of nodes of one scope, by their names."""
    names, name = nesting.columns.names, nesting.columns.column("name")
    is_pair = scope[before] == scope[after]
    before, after = before[is_pair], after[is_pair]
    pairs = zip(scope[before].tolist(), name[before].tolist(), name[after].tolist(), strict=True)
    return {(where, names[a], names[b]): count for (where, a, b), count in Counter(pairs).items()}


def _item_counts(nesting: Nesting, scope: Ints) -> dict[tuple[int, str, str], int]:
    """Count the links between branches of two nodes within the same parent."""
    columns = nesting.columns
    links = [(number, target) for number, targets in columns.links.items() for target in targets]
    if not links:
        return {}
    owner = nesting.nearest(scope >= 0)
    ids = columns.column("span_id")
    order = np.argsort(ids)
    wanted = np.array(links, np.int64)
    at = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    after, before = np.where((ids[at] == wanted).all(axis=1), owner[at].T, -1)
    goes_on = (before != after) & (np.minimum(before, after) >= 0) & (nesting.parent[before] == nesting.parent[after])
    return _counted(nesting, scope, before[goes_on], after[goes_on])


# -- the drawing of one node -----------------------------------------------------------------------------------------

PAD_X, PAD_Y, LINE_PT, SMALL_LINE_PT = 9.0, 6.0, 12.5, 11.0
BRANCH_GAP, FAN_WIDTH, JOIN_WIDTH = 9.0, 34.0, 5.0
FRAME_PAD = 16.0
NAME_LIMIT = 34


def lines_size(lines: Sequence[Line]) -> tuple[float, float]:
    """Return width and height that lines of text need [pt]."""
    width = max(
        (width_pt(text, Size.small_font if small else Size.font, is_bold=bold) for text, bold, small in lines),
        default=0.0,
    )
    return width, sum(SMALL_LINE_PT if line.is_small else LINE_PT for line in lines)


def make_box(
    lines: Sequence[Line],
    style: str,
    *,
    is_failed: bool = False,
    is_stacked: bool = False,
    is_critical: bool = False,
    shows: tuple[str, str] = ("", ""),
) -> Box:
    """Return a box that is just large enough for its lines; `shows` is a node id and a branch."""
    width, height = lines_size(lines)
    kind = style, is_stacked, is_failed, is_critical
    return Box(0, 0, width + 2 * PAD_X, height + 2 * PAD_Y, tuple(lines), *kind, *shows)


def box_scene(box: Box) -> Scene:
    """Return a drawing of a single box."""
    return Scene(box.width, box.height, [box])


def more_box(number: int) -> Box:
    """Return the box that replaces nodes that are left out, with their number."""
    return make_box([Line(f"… {counted(number, 'more node')}")], "more")


def closed_box(view: NodeView, stats: GraphStats | None) -> Box:
    """Return the box of a nested graph that is not opened, with its number of nodes."""
    size = len(view.graph.nodes) if view.graph is not None else 0
    lines = [*node_lines(view, stats), Line(f"a graph of {size:,}", is_small=True)]
    return make_box(lines, "more", shows=(view.node_id, ""))


def node_box(view: NodeView, stats: GraphStats | None) -> Box:
    """Return the box of a node, without its branches."""
    node = stats.nodes.get(view.node_id) if stats is not None else None
    style = "parallel" if view.is_parallel or view.branches else "node"
    bad, critical = (node.not_ok > 0, node.is_critical) if node is not None else (False, False)
    lines, shows = node_lines(view, stats), (view.node_id, "")
    return make_box(lines, style, is_failed=bad, is_critical=critical, shows=shows)


def node_lines(view: NodeView, stats: GraphStats | None) -> list[Line]:
    """Return the text in the box of a node: class, id where it differs, times where there is a trace."""
    label, node_id = clean(view.label, NAME_LIMIT), clean(view.node_id, NAME_LIMIT)
    lines = [Line(label, is_bold=True)]
    if node_id != label:
        lines.append(Line(node_id, is_small=True))
    if stats is not None:
        lines.append(Line(_times(stats.nodes.get(view.node_id), stats.makespan_s), is_small=True))
    return lines


def _times(node: NodeStats | None, makespan_s: float) -> str:
    if node is None:
        return "did not run"
    share = f", {node.total_s / makespan_s:.0%}" if makespan_s else ""
    if node.runs == 1:
        return duration(node.total_s) + share
    return f"x {node.runs:,}, mean {duration(node.total_s / node.runs)}{share}"


def node_scene(view: NodeView, stats: GraphStats | None, max_branches: int) -> Scene:
    """Return the drawing of a node, opened into its branches where it is parallel."""
    box = node_box(view, stats)
    if box.style != "parallel":
        return box_scene(box)
    node = stats.nodes.get(view.node_id) if stats is not None else None
    return _fan(box, branch_boxes(view, node, max_branches))


def branch_boxes(view: NodeView, node: NodeStats | None, most: int) -> list[Box]:
    """Return a box for each branch of a node by name, at most `most`, the last one for all that are left out."""
    known = dict.fromkeys(view.branches)
    measured = node.branches if node is not None else {}
    names = list(known | dict.fromkeys(measured))
    if not names:
        return [make_box([Line("one branch per item")], "branch", is_stacked=True)]
    shown = names
    if len(names) > most:  # those on the critical path, then the first ones
        critical = [name for name in names if name in measured and measured[name].is_critical][: most - 1]
        kept = {*critical, *[name for name in names if name not in critical][: most - 1 - len(critical)]}
        shown = [name for name in names if name in kept]
    boxes = [_branch_box(view.node_id, name, measured.get(name)) for name in shown]
    if len(shown) < len(names):
        is_hidden = node is not None and node.is_opened and not any(box.is_critical for box in boxes)
        more = Line(f"… and {len(names) - len(shown):,} more")
        boxes.append(make_box([more], "more", is_stacked=True, is_critical=is_hidden))
    return boxes


def _branch_box(node_id: str, name: str, stats: BranchStats | None) -> Box:
    label, shows = clean(name, NAME_LIMIT), (node_id, name)
    if stats is None:
        return make_box([Line(label)], "branch", shows=shows)
    many = stats.count > 1
    times = f"mean {duration(stats.mean_s)}" if many else duration(stats.mean_s)
    notes = [f"{stats.not_ok:,} not ok" if many else "not ok"] if stats.not_ok else []
    if stats.retries:
        notes.append(counted(stats.retries, "retry", "retries"))
    lines = [Line(f"{label} x {stats.count:,}" if many else label), Line(", ".join([times, *notes]), is_small=True)]
    is_failed, is_critical = stats.not_ok > 0, stats.is_critical
    return make_box(lines, "branch", is_failed=is_failed, is_stacked=many, is_critical=is_critical, shows=shows)


def _fan(box: Box, branches: list[Box]) -> Scene:
    """Return the drawing of a parallel node: box, branches and the bar at which they meet, on one middle line."""
    width = max(branch.width for branch in branches)
    height = sum(branch.height for branch in branches) + BRANCH_GAP * (len(branches) - 1)
    scene = Scene(height=max(height, box.height))
    scene.add(box_scene(box), 0, scene.axis - box.height / 2)
    left = box.width + FAN_WIDTH
    join = left + width + FAN_WIDTH
    y = scene.axis - height / 2
    for branch in branches:
        scene.add(box_scene(replace(branch, width=width)), left, y)
        middle = y + branch.height / 2
        scene.arrows += [
            Arrow(((box.width, scene.axis), (left, middle)), is_curve=True, is_critical=branch.is_critical),
            Arrow(((left + width, middle), (join, middle)), is_critical=branch.is_critical),
        ]
        y += branch.height + BRANCH_GAP
    scene.boxes.append(Box(join, scene.axis - height / 2, JOIN_WIDTH, height, style="join"))
    scene.width = join + JOIN_WIDTH
    return scene


def framed(inner: Scene, view: NodeView, stats: GraphStats | None) -> Scene:
    """Return the drawing of a nested graph: its nodes within a frame, with its name at the top."""
    name = clean(view.graph.name if view.graph is not None else view.label, NAME_LIMIT)
    first, *rest = node_lines(view, stats)
    lines = [
        Line(name, is_bold=True),
        *([first._replace(is_bold=False, is_small=True)] if first.text != name else []),
        *(line for line in rest if line.text != name),
    ]
    title_width, title_height = lines_size(lines)
    width = max(inner.width, title_width) + 2 * FRAME_PAD
    top = title_height + FRAME_PAD
    height = top + inner.height + FRAME_PAD
    scene = Scene(width, height, middle=top + inner.axis)
    scene.frames.append(Frame(0, 0, width, height, tuple(lines)))
    left = (width - inner.width) / 2
    scene.add(inner, left, top)
    scene.arrows.append(Arrow(((0, scene.axis), (left + inner.entry, scene.axis))))
    return scene

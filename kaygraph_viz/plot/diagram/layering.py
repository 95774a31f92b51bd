"""The nodes of a graph in columns from left to right, and the routes of the arrows between them.

Belongs here: loops, columns, what is left out of long chains and wide fans, and positions in points. Does not belong
here: what a single node looks like (``scene``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import networkx as nx
import numpy as np

from kaygraph_viz.plot.diagram.scene import (
    Arrow,
    Label,
    Point,
    Scene,
    box_scene,
    closed_box,
    framed,
    more_box,
    node_scene,
)
from kaygraph_viz.plot.diagram.stats import GraphStats
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.rows import stack
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from kaygraph_viz.trace.trace import GraphView, NodeView

MAX_COLUMNS = 12
KEPT_AT_EACH_END = 5
MAX_IN_COLUMN = 8
LABEL_LIMIT = 26


@dataclass(frozen=True)
class Item:
    """A node of the diagram, or a number of nodes that are left out there."""

    column: int
    view: NodeView | None
    hidden: int = 0


@dataclass
class Route:
    """All edges from one item to another, drawn as one arrow."""

    source: int
    target: int
    actions: list[str] = field(default_factory=list)
    taken: int | None = None
    is_critical: bool = False

    @property
    def text(self) -> str:
        """The actions other than ``default``, and how often the route was taken if more than once."""
        words = [" / ".join(action for action in self.actions if action != "default")]
        if self.taken is not None and self.taken > 1:
            words.append(f"x {self.taken:,}")
        text = " ".join(filter(None, words))
        return clean(text, LABEL_LIMIT) if text else ""


@dataclass(frozen=True)
class LayeredGraph:
    """Items in the order of their columns, and the routes between them, by position in `items`."""

    items: tuple[Item, ...]
    routes: tuple[Route, ...]


def layered_graph(view: GraphView, stats: GraphStats | None) -> LayeredGraph:
    """Return the layers of a graph as columns from left to right."""
    place = {node.node_id: number for number, node in reversed(list(enumerate(view.nodes)))}
    edges = [edge for edge in view.edges if edge.source in place and edge.target in place]
    column_of = _columns(len(view.nodes), [(place[edge.source], place[edge.target]) for edge in edges])
    count = max(column_of, default=0) + 1
    last = count - KEPT_AT_EACH_END
    places = [(column, False) for column in column_of]
    if count > MAX_COLUMNS:  # the middle of a long graph is taken out
        places = [
            (KEPT_AT_EACH_END, True)
            if KEPT_AT_EACH_END <= column < last
            else (column if column < last else column - last + KEPT_AT_EACH_END + 1, False)
            for column in column_of
        ]
    items, item_of = _items(view, places)

    routes: dict[tuple[int, int], Route] = {}
    pairs: dict[tuple[int, int], set[tuple[str, str]]] = {}
    for edge in edges:
        ends = item_of[place[edge.source]], item_of[place[edge.target]]
        if ends[0] == ends[1] and items[ends[0]].view is None:
            continue
        route = routes.setdefault(ends, Route(*ends))
        if edge.action not in route.actions and all(items[end].view is not None for end in ends):
            route.actions.append(edge.action)
        pairs.setdefault(ends, set()).add((edge.source, edge.target))
    if stats is not None:
        for ends, route in routes.items():
            route.taken = sum(stats.taken.get(pair, 0) for pair in pairs[ends])
            route.is_critical = not stats.critical.isdisjoint(pairs[ends])
    return LayeredGraph(tuple(items), tuple(routes.values()))


def _columns(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    closing, on_path = list[tuple[int, int]](), set[int]()
    for source, target, kind in nx.dfs_labeled_edges(
        graph
    ):  # edges that lead back to a node on the path from the start
        if kind == "forward":
            on_path.add(target)
        elif kind == "reverse":
            on_path.discard(target)
        elif target in on_path:
            closing.append((source, target))
    graph.remove_edges_from(closing)
    column = [0] * count
    for node in nx.topological_sort(graph):
        column[node] = max((column[before] + 1 for before in graph.predecessors(node)), default=0)
    return column


def _items(view: GraphView, columns: list[tuple[int, bool]]) -> tuple[list[Item], list[int]]:
    """Return the items of nodes in columns, some left out, and for each node the position of its item."""
    members: dict[tuple[int, bool], list[int]] = {}
    for node, place in enumerate(columns):
        members.setdefault(place, []).append(node)
    items: list[Item] = []
    item_of = [0] * len(columns)
    for (column, is_hidden), nodes in sorted(members.items()):
        shown = [] if is_hidden else nodes if len(nodes) <= MAX_IN_COLUMN else nodes[: MAX_IN_COLUMN - 1]
        for number, node in enumerate(nodes):
            item_of[node] = len(items) + min(number, len(shown))
        items += [Item(column, view.nodes[node]) for node in shown]
        if len(shown) < len(nodes):
            items.append(Item(column, None, len(nodes) - len(shown)))
    return items, item_of


# -- positions -------------------------------------------------------------------------------------------------------

GAP, NODE_GAP, TRACK, LABEL_HEIGHT = 38.0, 18.0, 17.0, 11.0
LABEL_POSITIONS = (0.5, 0.25, 0.75, 0.1, 0.9)


def graph_scene(view: GraphView, stats: GraphStats | None, max_branches: int, *, level: int = 0) -> Scene:
    """Return the drawing of a graph; graphs inside it are opened one level deep."""
    graph = layered_graph(view, stats)
    blocks = [_block(item, stats, max_branches, level) for item in graph.items]
    return _Placement(graph, blocks).finished()


def _block(item: Item, stats: GraphStats | None, max_branches: int, level: int) -> Scene:
    if item.view is None:
        return box_scene(more_box(item.hidden))
    if item.view.graph is None:
        return node_scene(item.view, stats, max_branches)
    if level:
        return box_scene(closed_box(item.view, stats))
    inner = stats.within(item.view.node_id) if stats is not None else None
    return framed(graph_scene(item.view.graph, inner, max_branches, level=level + 1), item.view, stats)


@dataclass
class _Placement:
    """The layout of one graph: places its blocks in columns and draws the routes between them."""

    graph: LayeredGraph
    blocks: list[Scene]
    scene: Scene = field(default_factory=Scene)
    left: list[float] = field(default_factory=list)  # by column
    right: list[float] = field(default_factory=list)
    at: list[Point] = field(default_factory=list)  # top left corner by item

    def finished(self) -> Scene:
        self._place_columns()
        self._place_blocks()
        for block, (x, y) in zip(self.blocks, self.at, strict=True):
            self.scene.add(block, x, y)
        direct, above, below = list[Route](), list[Route](), list[Route]()
        for route in self.graph.routes:
            step = self._column(route.target) - self._column(route.source)
            (direct if step == 1 else above if step > 1 else below).append(route)
        for route in sorted(direct, key=lambda route: (self._axis(route.source), self._axis(route.target))):
            self._draw_direct(route)
        self._draw_around(above, upwards=True)
        self._draw_around(below, upwards=False)
        return self._cropped()

    def _column(self, item: int) -> int:
        return self.graph.items[item].column

    def _place_columns(self) -> None:
        """Make each column as wide as its widest block, and each gap as wide as its widest label."""
        count = max((item.column for item in self.graph.items), default=-1) + 1
        widths, gaps = [0.0] * count, [GAP] * count
        for item, block in zip(self.graph.items, self.blocks, strict=True):
            widths[item.column] = max(widths[item.column], block.width)
        for route in self.graph.routes:
            column = self._column(route.source)
            if self._column(route.target) == column + 1 and route.text:
                gaps[column] = max(gaps[column], width_pt(route.text, Size.small_font) + 30)
        x = 0.0
        for width, gap in zip(widths, gaps, strict=True):
            self.left.append(x)
            self.right.append(x + width)
            x += width + gap

    def _place_blocks(self) -> None:
        """Stack each column around the middle line, in the order of the mean heights of its predecessors."""
        self.at = [(0.0, 0.0)] * len(self.blocks)
        before: dict[int, list[int]] = {}
        for route in self.graph.routes:
            before.setdefault(route.target, []).append(route.source)
        for column, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            mine = list[tuple[float, int]]()
            for number, item in enumerate(self.graph.items):
                if item.column == column:
                    known = [self._axis(each) for each in before.get(number, ()) if self._column(each) < column]
                    mine.append((sum(known) / len(known) if known else 0.0, number))
            mine.sort()
            height = sum(self.blocks[number].height for _, number in mine) + NODE_GAP * (len(mine) - 1)
            y = -self.blocks[mine[0][1]].axis if len(mine) == 1 else -height / 2
            for _, number in mine:
                block = self.blocks[number]
                self.at[number] = ((left + right - block.width) / 2, y)
                y += block.height + NODE_GAP

    def _axis(self, item: int) -> float:
        return self.at[item][1] + self.blocks[item].axis

    def _exit(self, item: int) -> Point:
        return self.at[item][0] + self.blocks[item].width, self._axis(item)

    def _entry(self, item: int) -> Point:
        return self.at[item][0], self._axis(item)

    def _draw_direct(self, route: Route) -> None:
        """Draw a route to the next column: straight out of this one, a curve in the gap, straight into the next."""
        start, end = self._exit(route.source), self._entry(route.target)
        column = self._column(route.source)
        points = (start, (self.right[column], start[1]), (self.left[column + 1], end[1]), end)
        self.scene.arrows.append(Arrow(points, is_curve=True, is_faint=route.taken == 0, is_critical=route.is_critical))
        if route.text:
            x = (self.right[column] + self.left[column + 1]) / 2
            tries = [self._label(route, x, start[1] + share * (end[1] - start[1])) for share in LABEL_POSITIONS]
            first = tries[0]
            near = [each for each in self.scene.labels if abs(each.x - first.x) < (each.width + first.width) / 2]
            lowest = max((each.y for each in near), default=0.0) + LABEL_HEIGHT + 1  # where all places are taken
            free = (label for label in tries if all(abs(label.y - each.y) * 2 >= 2 * LABEL_HEIGHT + 1 for each in near))
            self.scene.labels.append(next(free, replace(first, y=lowest)))

    def _label(self, route: Route, x: float, y: float) -> Label:
        return Label(x, y, width_pt(route.text, Size.small_font) + 4, LABEL_HEIGHT, route.text)

    def _draw_around(self, routes: list[Route], *, upwards: bool) -> None:
        """Draw routes that skip columns or lead back, on tracks above or below all blocks."""
        if not routes:
            return
        spans = list[tuple[float, float]]()
        for number, route in enumerate(routes):
            turns = self._turns(route, number)
            middle, half = sum(turns) / 2, (width_pt(route.text, Size.small_font) + 12) / 2
            spans.append((min(*turns, middle - half), max(*turns, middle + half) + 2))
        levels = stack(*np.array(spans, np.float64).round().astype(np.int64).T).tolist()
        edge = min(y for _, y in self.at) if upwards else self._lowest()
        sign = -1 if upwards else 1
        for number, (route, level) in enumerate(zip(routes, levels, strict=True)):
            y = edge + sign * TRACK * (level + 1)
            start, end = self._exit(route.source), self._entry(route.target)
            out, into = self._turns(route, number)
            points = (start, (out, start[1]), (out, y), (into, y), (into, end[1]), end)
            self.scene.arrows.append(Arrow(points, is_faint=route.taken == 0, is_critical=route.is_critical))
            if route.text:
                self.scene.labels.append(self._label(route, (out + into) / 2, y))

    def _lowest(self) -> float:
        blocks = max(y + block.height for (_, y), block in zip(self.at, self.blocks, strict=True))
        return max([blocks, *(label.y + label.height / 2 for label in self.scene.labels)])

    def _turns(self, route: Route, number: int) -> tuple[float, float]:
        """Return where a route leaves the gap behind its source and enters the one before its target."""
        inset = 9 + 3 * (number % 4)
        return self.right[self._column(route.source)] + inset, self.left[self._column(route.target)] - inset

    def _cropped(self) -> Scene:
        """Move everything so that the drawing begins at (0, 0), and note its size."""
        points = [point for arrow in self.scene.arrows for point in arrow.points]
        for box in self.scene.boxes:
            points += [(box.x, box.y), (box.right, box.bottom)]
        for frame in self.scene.frames:
            points += [(frame.x, frame.y), (frame.x + frame.width, frame.y + frame.height)]
        for label in self.scene.labels:
            points += [(label.x + s * label.width / 2, label.y + s * label.height / 2) for s in (-1, 1)]
        if not points:
            return Scene()
        x, y = (min(values) for values in zip(*points, strict=True))
        width, height = (max(values) - low for values, low in zip(zip(*points, strict=True), (x, y), strict=True))
        cropped = Scene(width, height, middle=self._axis(0) - y, entry=self._entry(0)[0] - x)
        cropped.add(self.scene, -x, -y)
        return cropped

"""Names of spans in tables and sentences.

Belongs here: names that tell the spans of different nodes apart. Does not belong here: labels that have to fit into a
bar (``plot``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.trace.counting import tally

__all__ = ["named"]


MAX_NAMES = 12


def named(nesting: Nesting, positions: Places) -> tuple[Ints, list[str]]:
    """Return the name of each span as a number, and the text for each number."""
    columns = nesting.columns
    name = columns.column("name")
    node = nesting.nearest(columns.is_kind("node"))
    has_many = _has_many_names(nesting, node) & (node >= 0)
    is_of_node = columns.is_kind("phase", "wait", "attempt") & (node >= 0)
    name_of_node = np.append(name, -1)[node]
    owner = np.where(is_of_node, name_of_node, -1)
    pairs = _paired(owner, np.where(has_many, name_of_node, name), len(columns.names))[positions]
    pairs, number = np.unique(pairs, return_inverse=True)
    parts = zip(*(part.tolist() for part in np.divmod(pairs, len(columns.names) or 1)), strict=True)
    return number, [(f"{columns.names[of - 1]}: " if of else "") + columns.names[own] for of, own in parts]


def _has_many_names(nesting: Nesting, node: Places) -> Bools:
    """Return a mask of the branches of nodes whose branches have many names."""
    is_branch = nesting.columns.is_kind("branch")
    names = len(nesting.columns.names) or 1
    pairs = np.unique(_paired(node, nesting.columns.column("name"), names)[is_branch])
    count = tally(pairs // names, len(node) + 1)  # the first place is for branches without a node
    return is_branch & (count[node + 1] > MAX_NAMES)


def _paired(owner: Ints, name: Ints, names: int) -> Ints:
    """Return one number for each pair of an owner, from -1, and a name."""
    return (owner + 1) * np.int64(names) + name

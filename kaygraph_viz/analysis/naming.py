"""Names of spans in tables and sentences.

Belongs here: names that tell the spans of different nodes apart. Does not belong here: labels that have to fit into a
bar (``plot``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.trace.counting import tally

__all__ = ["named"]


MAX_NAMES = 12


def named(nesting: Nesting, positions: Places) -> tuple[Ints, list[str]]:
    """Return the name of each span as a number, and the text for each number."""
    columns = nesting.columns
    name = columns.column("name")
    node = nesting.nearest(columns.is_kind("node"))

    # Branches of a node that gives them many names, as one for each item, are all called by the name of the node.
    is_branch, size = columns.is_kind("branch"), len(columns.names) or 1
    names_of_nodes = np.unique(_paired(node, name, size)[is_branch])
    count = tally(names_of_nodes // size, len(node) + 1)  # the first place is for branches without a node
    has_many = is_branch & (count[node + 1] > MAX_NAMES) & (node >= 0)

    is_of_node = columns.is_kind("phase", "wait", "attempt") & (node >= 0)
    name_of_node = np.append(name, -1)[node]
    owner = np.where(is_of_node, name_of_node, -1)
    pairs = _paired(owner, np.where(has_many, name_of_node, name), len(columns.names))[positions]
    pairs, number = np.unique(pairs, return_inverse=True)
    parts = zip(*(part.tolist() for part in np.divmod(pairs, size)), strict=True)
    return number, [(f"{columns.names[of - 1]}: " if of else "") + columns.names[own] for of, own in parts]


def _paired(owner: Ints, name: Ints, names: int) -> Ints:
    """Return one number for each pair of an owner, from -1, and a name."""
    return (owner + 1) * np.int64(names) + name

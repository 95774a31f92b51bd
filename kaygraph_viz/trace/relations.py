"""Which branches needed the results of which others, said once for all branches of two phases.

Belongs here: turning such a sentence into links between spans. Does not belong here: links that a span is given by hand
(``recorder``).

A branch does not know the numbers of the spans whose results it gets. Its node does know which items these were: so the
links are made when the trace is complete, from the positions of the items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["Relation", "with_links"]

Needs = Callable[[int], Iterable[int]]


class Relation(NamedTuple):
    """A relation between two phases: branches of one needed the results of branches of the other."""

    consumers: int
    producers: int
    needs: Needs


def with_links(columns: SpanColumns, relations: Iterable[Relation]) -> SpanColumns:
    """Return the same spans with a link for each pair of branches of the relations, beside the links that they have."""
    links = dict(columns.links)
    for relation in relations:
        known = _branches(columns, relation.producers)
        for index, span_id in _branches(columns, relation.consumers).items():
            found = tuple(known[needed] for needed in relation.needs(index) if needed in known)
            if found:
                links[span_id] = (*links.get(span_id, ()), *found)
    return replace(columns, links=links)


def _branches(columns: SpanColumns, around: int) -> dict[int, int]:
    """Return the numbers of the branches in a span or in its phases, by the positions of their items."""
    parents = columns.rows["parent_id"]
    phases = columns.rows["span_id"][columns.is_kind("phase") & (parents == around)]
    rows = columns.rows[columns.is_kind("branch") & np.isin(parents, [around, *phases.tolist()])]
    rows = rows[np.argsort(rows["span_id"])]
    return dict(zip(rows["index"].tolist(), rows["span_id"].tolist(), strict=True))

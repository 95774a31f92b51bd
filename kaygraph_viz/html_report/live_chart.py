"""The chart to move about in, as part of a page: its script, its looks, and the runs that it shows.

Belongs here: what of a page is not text or pictures. Does not belong here: the chart (``widgets.timeline``), the page
(``report``).

The runs are in a block of JSON, which browsers never execute; the columns of numbers in it are compressed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from kaygraph_viz.plot.diagram.description import HasStructure, checked_view
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.structure import GraphView
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.timeline.packing import pack
from kaygraph_viz.widgets.timeline.scene_data import STYLES, scene_data
from kaygraph_viz.widgets.timeline.sources import script

__all__ = ["page_script", "policy", "run_data", "runs_block"]


def run_data(trace: Trace, graph: GraphView | HasStructure | None = None, title: str | None = None) -> dict[str, Any]:
    """Return a run, and the graph that ran, as the script of the page reads them."""
    packed = pack(trace)
    head = packed.head if title is None else {**packed.head, "title": clean(title, 200)}
    scene = {} if graph is None else scene_data(checked_view(graph), trace)
    return {"head": head, "scene": scene, "data": base64.b64encode(gzip.compress(packed.data, mtime=0)).decode()}


def runs_block(runs: Iterable[dict[str, Any]]) -> str:
    """Return runs as an element of a page; no text in them can end it."""
    content = json.dumps({"styles": STYLES, "runs": list(runs)}, separators=(",", ":")).replace("<", r"\u003c")
    return f'<script type="application/json" id="runs">{content}</script>'


@cache
def page_script() -> str:
    """Return the script of a page; the same for every run."""
    return f"\n{script()}\n{files(__package__).joinpath('page.js').read_text(encoding='utf-8')}"


def policy() -> str:
    """Return what a page may do: show pictures that it holds, and run our script, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(page_script().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; img-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )

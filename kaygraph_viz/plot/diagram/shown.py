"""What a notebook shows of a graph or a node that stands on the last line of a cell.

Belongs here: the formats of one diagram. Does not belong here: the diagram (``diagram``, ``markup``).
"""

from __future__ import annotations

import base64
import io
from typing import Any

from matplotlib.figure import Figure

from kaygraph_viz.plot.alt_text import alt_text
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.markup import diagram_text
from kaygraph_viz.trace.structure import GraphView

__all__ = ["shown_formats"]

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

"""Alternative texts: what a figure shows, in the metadata that a notebook stores beside the picture.

Belongs here: the text of a whole figure, and telling IPython about it. Does not belong here: the description of one
picture (``description``).

Screen readers read it, and whoever looks at a page whose pictures do not load. IPython asks for it when it shows a
figure, also one that was drawn with matplotlib alone; how figures look and in which formats they are shown stays as it
is. matplotlib is not loaded for that.
"""

from __future__ import annotations

import sys
from typing import Any

from matplotlib.axes import Axes

from kaygraph_viz.analysis.wording import join_words
from kaygraph_viz.plot.description import description_of
from kaygraph_viz.texts import visible

__all__ = ["alt_text", "tell_ipython"]

FORMATS = ("image/png", "image/jpeg", "image/svg+xml")
NOTHING = "A figure without titles and labels."
MAX_LENGTH = 2_000


def alt_text(figure: Any) -> str:
    """Return what a figure shows: the descriptions of our charts, and titles and labels of all other axes."""
    title = getattr(figure, "get_suptitle", str)()
    found = [f"{title}." if title else "", *map(_of_axes, figure.axes)]
    text = visible(" ".join(dict.fromkeys(filter(None, found))))
    return text[:MAX_LENGTH] or NOTHING


def _of_axes(ax: Axes) -> str:
    """Return one sentence or a few; an empty text where nothing is said about an Axes."""
    known = description_of(ax)
    if known is not None:
        return known.sentence
    titles = " ".join(filter(None, (ax.get_title(loc) for loc in ("left", "center", "right"))))
    axes = {"x": ax.get_xlabel(), "y": ax.get_ylabel()}
    labels = join_words([f"{label} on the {name} axis" for name, label in axes.items() if label])
    lines = [label for _, label in zip(*ax.get_legend_handles_labels(), strict=True)]
    said = ": ".join(filter(None, [titles, labels])).rstrip(".")
    shown = f"It shows {join_words(lines)}." if lines else ""
    return " ".join(filter(None, [f"{said}." if said else "", shown]))


def tell_ipython() -> None:
    """Let IPython, if it runs, store the text of each figure that it shows; can be called any number of times."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        shell.display_formatter.mimebundle_formatter.for_type_by_name("matplotlib.figure", "Figure", _bundle)


def _bundle(figure: Any, **_options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return no data, which other formatters make, and the metadata of each format in which they may do so."""
    printers = sys.modules["IPython"].get_ipython().display_formatter.formatters
    return {}, {each: {"alt": alt_text(figure)} for each in FORMATS if type(figure) in printers[each]}

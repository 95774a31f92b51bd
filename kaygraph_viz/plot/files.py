"""Pictures as files that contain their description, for screen readers and for later readers of the file.

Belongs here: writing a figure with its description. Does not belong here: what the description says.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes

from kaygraph_viz.checks import checked_number
from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.canvas import figure_of
from kaygraph_viz.plot.checks import checked_axes
from kaygraph_viz.plot.description import description_of
from kaygraph_viz.trace.disk import written

__all__ = ["FORMATS", "save_picture"]

FORMATS = ("png", "svg", "pdf")
DPI = 150


def save_picture(ax: Axes, path: str | os.PathLike[str], *, dpi: float = DPI) -> Path:
    """Write the figure of a picture, with its description where the format has a place for it.

    Parameters
    ----------
    ax
        What any of the drawing functions returned; of a figure with several pictures, any of them.
    path
        Where to: a name that ends in ``.png``, ``.svg`` or ``.pdf``. An existing file is replaced, at once and only
        when everything was written.
    dpi
        Points per inch of a PNG, above 0.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OptionError
        If `ax` is no Axes, the name ends otherwise, or `dpi` is not above 0.
    OSError
        If the file cannot be written.

    Notes
    -----
    A PNG has the sentences in its field ``Description``, a PDF as its subject. An SVG has them as its title, which
    browsers show and screen readers read; its texts are shapes, so that they look the same everywhere. No file holds a
    date: the same picture gives the same bytes.

    Examples
    --------
    >>> from kaygraph_viz.plot.gantt.gantt import gantt
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> chart = gantt(make_trace(bar("a", "t-1", 0, 1)))
    >>> path = save_picture(chart, getfixture("tmp_path") / "chart.svg")
    >>> path.read_text(encoding="utf-8").count("<title>Gantt chart of 1 branch on 1 worker")
    1
    """
    if checked_axes(ax) is None:
        raise OptionError("ax", ax, "the result of a drawing function", 'save_picture(gantt(trace), "run.png")')
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise OptionError("path", str(target), f"a name that ends in one of {', '.join(FORMATS)}", '"run.png"')
    checked_number("dpi", dpi, example="dpi=150", above=True)
    content = io.BytesIO()
    figure = figure_of(ax)
    found = (description_of(each) for each in figure.axes)
    text = " ".join(description.sentence for description in found if description is not None)
    metadata = {
        "png": {"Description": text},
        "svg": {"Title": text or "Picture", "Date": None},
        "pdf": {"Subject": text, "CreationDate": None},
    }[kind]
    with rc_context({"svg.hashsalt": "kaygraph-viz"}):  # else the ids in an SVG differ each time
        figure.savefig(content, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
    with written(target) as stream:
        stream.write(content.getbuffer())
    return target

"""Pictures in words: descriptions of single pictures, and alternative texts of whole figures.

Belongs here: what a description consists of, and which one a picture has. Does not belong here: the words of one kind
of picture, which stand beside it.

They are for screen readers, for terminals, and for notebooks, where two runs are compared by their texts. IPython asks
for the text of each figure that it shows, also of one that was drawn with matplotlib alone, and stores it beside the
picture; how figures look stays as it is.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from matplotlib.axes import Axes

from kaygraph_viz.analysis.wording import aligned, html_table, join_words
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import visible


class Table(NamedTuple):
    """A small table; all columns but the first `words` and the last `remarks` are numbers."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: int = 1
    remarks: int = 0

    def shown(self) -> tuple[list[tuple[str, ...]], set[int]]:
        """Return headings and rows of the columns that have anything in them, and which of them are numbers."""
        kept = [place for place, column in enumerate(zip(*self.rows, strict=True)) if any(column)]
        rows = [tuple(row[place] for place in kept) for row in (self.headings, *self.rows)]
        numbers = range(self.words, len(self.headings) - self.remarks)
        return rows, {new for new, place in enumerate(kept) if place in numbers}


@dataclass(frozen=True)
class Description:
    """A picture in words: a sentence, and tables that stand for it where it cannot be seen.

    Parameters
    ----------
    sentence
        In one sentence, or a few.
    tables
        The same in numbers.

    Examples
    --------
    >>> print(Description("Two branches at once.", [Table(("worker", "busy"), [("thread-1", "2.00 s")])]))
    Two branches at once.
    <BLANKLINE>
    worker      busy
    thread-1  2.00 s
    """

    sentence: str
    tables: Sequence[Table] = ()

    def __str__(self) -> str:
        tables = (table.shown() for table in self.tables if table.rows)
        return "\n\n".join([visible(self.sentence), *(aligned(rows, right=numbers) for rows, numbers in tables)])

    def _repr_html_(self) -> str:
        tables = (table.shown() for table in self.tables if table.rows)
        shown = (html_table(rows[1:], right=numbers, headings=rows[0]) for rows, numbers in tables)
        return f"<p>{html.escape(visible(self.sentence))}</p>{''.join(shown)}"


_descriptions: WeakKeyDictionary[Axes, Description] = WeakKeyDictionary()


def attach(ax: Axes, description: Description) -> None:
    """Attach a description to an Axes, and make its sentence the label of the Axes."""
    _descriptions[ax] = description
    ax.set_label(description.sentence)


def description_of(ax: Axes) -> Description | None:
    """Return the description of what was drawn on an Axes, or None."""
    return _descriptions.get(ax)


def describe(ax: Axes) -> Description:
    """Return a picture in words: one sentence, and tables with the same information.

    Parameters
    ----------
    ax
        What any of the drawing functions returned.

    Returns
    -------
    Description
        ``print`` it, or let the notebook show it.

    Raises
    ------
    OptionError
        If none of them has drawn on it.

    Examples
    --------
    >>> from kaygraph_viz.plot.gantt.gantt import gantt
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> print(describe(gantt(make_trace(bar("a", "t-1", 0, 1, cpu_s=0.2), bar("b", "t-2", 0, 2, cpu_s=0.1)))))
    Gantt chart of 2 branches on 2 workers (2 rows) over 2.00 s, 1.5 at once on average; the longest bar is b on t-2
    with 2.00 s.
    <BLANKLINE>
    worker  bar  from      to      CPU  waiting   ended
    t-1     a     0 s  1.00 s  0.200 s  0.800 s   ok
    t-2     b     0 s  2.00 s  0.100 s   1.90 s   ok
    """
    found = description_of(ax) if isinstance(ax, Axes) else None
    if found is None:
        raise OptionError("ax", ax, "an Axes that was drawn on by this package", "describe(gantt(trace))")
    return found


# -- whole figures ---------------------------------------------------------------------------------------------------

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

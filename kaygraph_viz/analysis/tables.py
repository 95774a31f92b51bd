"""Tables in text and in HTML that the results of all analyses share.

Belongs here: aligning cells and escaping them. Does not belong here: what they say.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

__all__ = ["aligned", "html_table"]

Row = Sequence[str]


def aligned(rows: Sequence[Row], *, right: Collection[int] = ()) -> str:
    """Return rows of cells as lines of text with straight columns.

    Parameters
    ----------
    rows
        Cells, as many in each row.
    right
        The columns that are aligned to the right: numbers.

    Examples
    --------
    >>> print(aligned([("tail", "9%", "idle"), ("dispatch", "12%", "starting")], right={1}))
    tail       9%   idle
    dispatch  12%   starting
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths, right) for row in rows)


def _line(row: Row, widths: Sequence[int], right: Collection[int]) -> str:
    cells = [
        cell.rjust(width) if place in right else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    gaps = ["   " if place - 1 in right and place not in right else "  " for place in range(1, len(row))]
    return "".join(part for pair in zip(cells, [*gaps, ""], strict=True) for part in pair).rstrip()


def html_table(rows: Sequence[Row], *, right: Collection[int] = (), headings: Row = ()) -> str:
    """Return rows of cells as an HTML table; the first cell of each row is its heading, and every text is escaped.

    Parameters
    ----------
    rows, right
        As for `aligned`.
    headings
        A first row that names the columns, where one is wanted.

    Examples
    --------
    >>> html_table([("<b>", "1")], right={1})  # doctest: +NORMALIZE_WHITESPACE
    '<table><tr><th style="text-align:left">&lt;b&gt;</th><td style="text-align:right">1</td></tr></table>'
    """
    lines = [_html_row(headings, right, is_heading=True)] if headings else []
    return f"<table>{''.join(lines + [_html_row(row, right) for row in rows])}</table>"


def _html_row(row: Row, right: Collection[int], *, is_heading: bool = False) -> str:
    cells = [
        f'<{tag} style="text-align:{"right" if place in right else "left"}">{html.escape(cell)}</{tag}>'
        for place, cell in enumerate(row)
        for tag in ["th" if is_heading or not place else "td"]
    ]
    return f"<tr>{''.join(cells)}</tr>"

"""Texts that all results share: durations with a fitting unit, counts with the right plural, names, tables.

Belongs here: how numbers, spans and tables are written. Does not belong here: what they mean, and labels that have to
fit into a bar (``plot``).
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

import numpy as np

from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import Ints
from kaygraph_viz.trace.nesting import Nesting, Places

Row = Sequence[str]
LONGEST_CELL = 1_000  # characters; names of others could be of any length
MAX_NAMES = 12
_UNITS = (("s", 1.0, 0.1), ("ms", 1e-3, 1e-3), ("µs", 1e-6, 1e-6), ("ns", 1e-9, 0.0))  # name, size [s], from [s]


def time_unit(seconds: float) -> tuple[str, float]:
    """Return the unit in which a duration reads best, and its size [s]."""
    fitting = (unit for unit in _UNITS if abs(seconds) >= 0.9995 * unit[2])  # 0.9996 ms reads as 1.00 ms, not 1000 µs
    unit, size, _ = next(fitting) if seconds else _UNITS[0]
    return unit, size


def significant(value: float, digits: int = 3) -> str:
    """Return a number with at least `digits` significant digits where it has them, never with an exponent."""
    if not value:
        return "0"
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])  # after rounding: 9.999 has the one of 10
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def duration(seconds: float, digits: int = 3) -> str:
    """Return a duration with a unit that fits it."""
    unit, size = time_unit(seconds)
    return f"{significant(seconds / size, digits)} {unit}"


def counted(number: int, word: str, plural: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def join_words(words: list[str]) -> str:
    """Return words as one phrase."""
    shown = [one_line(word, LONGEST_CELL) for word in words]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


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


def aligned(rows: Sequence[Row], *, right: Collection[int] = ()) -> str:
    """Return rows of cells as lines of text with straight columns."""
    rows = [[one_line(cell, LONGEST_CELL) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = ""
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = "" if not place else "   " if place - 1 in right and place not in right else "  "
            line += gap + (cell.rjust(width) if place in right else cell.ljust(width))
        lines.append(line.rstrip())
    return "\n".join(lines)


def html_table(rows: Sequence[Row], *, right: Collection[int] = (), headings: Row = ()) -> str:
    """Return rows of cells as an HTML table; the first cell of each row is its heading, and every text is escaped."""
    lines = [_html_row(headings, right, is_heading=True)] if headings else []
    return f"<table>{''.join(lines + [_html_row(row, right) for row in rows])}</table>"


def _html_row(row: Row, right: Collection[int], *, is_heading: bool = False) -> str:
    cells = [
        f'<{tag} style="text-align:{"right" if place in right else "left"}">{html.escape(text)}</{tag}>'
        for place, text in enumerate(one_line(cell, LONGEST_CELL) for cell in row)
        for tag in ["th" if is_heading or not place else "td"]
    ]
    return f"<tr>{''.join(cells)}</tr>"

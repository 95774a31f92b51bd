"""The directive ``{benchmarks}``: what the repository measures about something, and the command that prints it.

Belongs here: a table of rows. Does not belong here: the rows (``benchmarks``); nothing is measured while the site is
built, since the figures are those of one machine.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from benchmarks.harness import Benchmark

ROOT = Path(__file__).resolve().parents[2]
HEADINGS = ("row", "measured against", "largest good ratio")


def rows_about(words: Sequence[str]) -> list[Benchmark]:
    """Return the rows whose names contain any of the words, as ``--only`` finds them."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    from benchmarks.harness import registered

    return [row for row in registered() if any(word.lower() in row.name.lower() for word in words)]


def cells(row: Benchmark) -> tuple[str, str, str]:
    """Return what a row of the table says."""
    against = f"{row.peer} ({row.note})" if row.note else row.peer
    return row.name, against, "not set" if row.target is None else f"{row.target:.2g}"


class Benchmarks(SphinxDirective):
    """A table of the rows that its lines name, one word or more on each line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the command and the table; a line that names no row ends the build."""
        words = list(self.content)
        for word in words:
            if not rows_about([word]):
                raise self.error(f"no benchmark's name contains {word!r}")
        options = " ".join(f'--only "{word}"' for word in words)
        command = f"python -m benchmarks {options}"
        return [nodes.literal_block(command, command, language="bash"), _table(list(map(cells, rows_about(words))))]


def _table(rows: Sequence[Sequence[str]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in HEADINGS), cols=len(HEADINGS))
    group += nodes.thead("", _row(HEADINGS))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["benchmarks"])


def _row(texts: Sequence[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in texts))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx about the directive."""
    app.add_directive("benchmarks", Benchmarks)
    return {"parallel_read_safe": True}

"""The directive ``{run}``: shows a snippet, runs it, and shows what it printed, drew and returned.

Belongs here: the nodes of a snippet in a page. Does not belong here: running it (``snippets``).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from docutils import nodes
from matplotlib.axes import Axes
from sphinx.util.docutils import SphinxDirective

import kaygraph_viz as kv
from build_steps.snippets import run

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Run(SphinxDirective):
    """Code, what it prints, and the chart or result that its last line returns."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the nodes; an error of the snippet ends the build."""
        code = "\n".join(self.content)
        names = self.env.temp_data.setdefault("names of snippets", {})
        value, printed = run(code, names, page=self.env.docname, line=self.content_offset + 1)
        drawn = [self._picture(code, value)] if isinstance(value, Axes) else []
        return [_block(code, "python"), *_printed(printed), *drawn, *_table(value)]

    def _picture(self, code: str, value: Axes) -> nodes.Node:
        words = kv.describe(value).sentence
        picture = Path(self.env.doctreedir, f"{hashlib.sha256((code + words).encode()).hexdigest()[:16]}.png")
        kv.save_picture(value, picture)
        plt.close("all")
        path = Path(os.path.relpath(picture, self.env.srcdir)).as_posix()
        return nodes.image(uri=f"/{path}", alt=words)


def _table(value: Any) -> list[nodes.Node]:
    """Return a result as a notebook shows it."""
    show = getattr(value, "_repr_html_", None)
    return [nodes.raw("", f'<div class="result">{show()}</div>', format="html")] if callable(show) else []


def _printed(printed: str) -> list[nodes.Node]:
    return [_block(printed.rstrip(), "text")] if printed.strip() else []


def _block(text: str, language: str) -> nodes.Node:
    return nodes.literal_block(text, text, language=language)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx about the directive."""
    app.add_directive("run", Run)
    return {"parallel_read_safe": True}

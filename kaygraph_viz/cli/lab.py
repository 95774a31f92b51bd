"""``kaygraph-viz lab``: the lessons in JupyterLab.

Belongs here: starting it. Does not belong here: copying the lessons (``lessons``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kaygraph_viz.base.optional import require
from kaygraph_viz.cli.lessons import FIRST, FOLDER, copy_lessons
from kaygraph_viz.cli.terminal import OK, Parser


def run(words: Sequence[str]) -> int:
    """Copy the lessons that are not there yet, open the first one, and return the exit code when JupyterLab ends."""
    options, more = parser().parse_known_args(words)
    application = require("jupyterlab.labapp")
    folder = Path(options.folder)
    copy_lessons(folder)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # JupyterLab then wants to be told that this is meant
    application.main([str(folder / FIRST), *(["--allow-root"] if is_root else []), *more])
    return OK


def parser() -> Parser:
    """Return the parser of the words behind ``lab``."""
    made = Parser(
        prog="kaygraph-viz lab", description="Open the lessons in JupyterLab; options of JupyterLab are passed on."
    )
    made.add_argument("folder", nargs="?", default=FOLDER, metavar="DIR", help=f"default: {FOLDER}")
    return made

"""``kaygraph-viz lessons``: a folder of its own for the notebooks and the data of the package.

Belongs here: copying, and what is said about it. Does not belong here: opening them (``lab``).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from kaygraph_viz.cli.terminal import OK, Parser, printable
from kaygraph_viz.course.lessons.notebooks import notebooks_folder
from kaygraph_viz.course.services.datasets import data_path

FOLDER = "kaygraph-viz-lessons"
FIRST = "00_start_here.ipynb"


def run(words: Sequence[str]) -> int:
    """Copy the lessons, say how to open them, and return the exit code."""
    options = parser().parse_args(words)
    copy_lessons(Path(options.folder), force=options.force)
    print(f"To open them: kaygraph-viz lab {printable(options.folder)}")
    return OK


def parser() -> Parser:
    """Return the parser of the words behind ``lessons``."""
    made = Parser(prog="kaygraph-viz lessons", description="Copy the lessons and their data into a folder.")
    made.add_argument("folder", nargs="?", default=FOLDER, metavar="DIR", help=f"default: {FOLDER}")
    made.add_argument("--force", action="store_true", help="overwrite files that exist: your answers are lost")
    return made


def copy_lessons(folder: Path, *, force: bool = False) -> None:
    """Copy notebooks, their README and the data; files that exist are kept, unless `force` is set."""
    notebooks, data = notebooks_folder(), data_path("README.md").parent
    files: list[tuple[Path, Path]] = []
    if not folder.exists() or not folder.samefile(notebooks):  # nothing where it is that of the notebooks themselves
        files += ((each, folder / each.name) for each in sorted([*notebooks.glob("*.ipynb"), notebooks / "README.md"]))
        shipped = sorted(path for path in data.rglob("*") if path.suffix in (".csv", ".txt", ".md", ".bz2"))
        files += ((each, folder / "data" / each.relative_to(data)) for each in shipped)
    copied = kept = 0
    for source, target in files:
        if target.exists() and (not force or target.samefile(source)):
            kept += 1
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        copied += 1
    there = f", {kept} were there already{'' if force else ' and are as they were'}" if kept else ""
    print(f"{copied} files copied to {printable(str(folder))}{there}")

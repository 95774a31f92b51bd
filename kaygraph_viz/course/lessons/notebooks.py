"""Where the notebooks of the lessons are.

Belongs here: the folder, of an installed package and of a checkout. Does not belong here: what is in them.
"""

from __future__ import annotations

from pathlib import Path

from kaygraph_viz.base.errors import DataError

__all__ = ["notebooks_folder"]

PACKAGE = Path(__file__).resolve().parents[2]
FOLDERS = (PACKAGE / "_notebooks", PACKAGE.parent / "notebooks")  # of an installed package, of a checkout


def notebooks_folder() -> Path:
    """Return the folder of the shipped notebooks; `DataError` if this installation has none."""
    for folder in FOLDERS:
        if folder.is_dir():
            return folder
    raise DataError(f"this installation has no notebooks in {FOLDERS[0]}; install the package again", path=FOLDERS[0])

"""Run a notebook in the browser and save what a reader sees.

``python -m tests.browser.screenshots notebooks/00_start_here.ipynb out/screens`` saves a picture for each window full.
Belongs here: the command for authors. Does not belong here: what the pictures are taken of (``notebook_page``).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from .chromium import HEIGHT, WIDTH, launched
from .lab import served
from .notebook_page import NotebookPage


def main(path: str, folder: str) -> None:
    """Save the pictures of a notebook in a folder, and print their names and what went wrong."""
    with tempfile.TemporaryDirectory() as temporary, served(Path(temporary)) as lab, launched() as browser:
        shutil.copy(path, lab.notebooks)
        lab.wait()
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(lab.url(Path(path).name))
        notebook = NotebookPage(page)
        notebook.run_all()
        print(*notebook.screenshots(Path(folder)), *notebook.errors(), *notebook.dialogs(), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

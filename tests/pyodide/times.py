"""How long a reader waits in a browser tab: ``python -m tests.pyodide.times out/lite`` prints it.

Belongs here: measuring. Does not belong here: what must hold (``test_site``): times differ from machine to machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

from tests.browser import chromium
from tests.browser.notebook_page import HAS_ENDED, IS_CLEAR, NotebookPage

from .distribution import served

LESSON = "00_start_here"
STEPS = (0.9, 0.2, 0.6)  # places on the track of the slider
HAS_CHART = "() => document.querySelector('.jp-OutputArea-output img') !== null"


def main(site: str) -> None:
    """Open the first lesson, run it, move its slider; print the times."""
    with served(Path(site)) as address, chromium.launched() as browser:
        page = browser.new_page(viewport={"width": chromium.WIDTH, "height": chromium.HEIGHT})
        began = perf_counter()
        page.goto(f"{address}/lab/index.html?path={LESSON}.ipynb")
        notebook = NotebookPage(page)
        notebook.command("notebook:clear-all-cell-outputs")
        notebook.wait_for(IS_CLEAR)
        notebook.command("notebook:run-all-cells")
        notebook.wait_for(HAS_CHART)
        print(f"from opening the page to the first chart: {perf_counter() - began:.1f} s")
        panel = notebook.panel()
        notebook.wait_for(HAS_ENDED)
        for share in STEPS:
            picture, began = panel.picture(), perf_counter()
            panel.click_on_slider(share)
            panel.wait_for_picture_other_than(picture)
            print(f"a step of the slider: {perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])

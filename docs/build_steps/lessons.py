"""The lessons as pages: copies of the notebooks beside the list of them, and what each of their pictures shows.

Belongs here: what a page has more than its notebook. Does not belong here: the notebooks (``notebooks/``).

The copies are made before Sphinx looks for pages. A notebook keeps the alternative text of a picture beside it; the
page gets it back here, by the fingerprint of the picture, after which MyST-NB names its file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
# The lessons for the browser, where a step before this one has made them.
LITE = Path(os.environ.get("KAYGRAPH_VIZ_LITE") or ROOT / "out" / "lite")
Notebook = dict[str, Any]


def copy_lessons(app: Sphinx, _config: Config) -> None:
    """Write each notebook into the folder of the pages, with the lines at its head."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"].insert(1, head(path.name, has_lite=LITE.is_dir()))
        target = Path(app.srcdir, "lessons", path.name)
        text = json.dumps(notebook)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def head(name: str, *, has_lite: bool) -> Notebook:
    """Return the cell at the head of a lesson: how to run it."""
    address = f"../lite/lab/index.html?path={name}"
    in_browser = f'<a href="{address}">Try it in your browser</a>. ' if has_lite else ""
    text = f"{in_browser}On your computer: `kaygraph-viz lab`, then open `{name}`."
    box = f":::{{admonition}} Run this lesson\n:class: tip\n{text}\n:::"
    return {"cell_type": "markdown", "id": "how-to-run", "metadata": {}, "source": box}


def alt_texts(notebook: Notebook) -> Iterator[tuple[str, str]]:
    """Yield the fingerprint and the text of each picture.

    >>> png = {"data": {"image/png": "iVBORw=="}, "metadata": {"image/png": {"alt": "A chart."}}}
    >>> [text for _, text in alt_texts({"cells": [{"cell_type": "code", "outputs": [png]}]})]
    ['A chart.']
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                text = output["metadata"].get("image/png", {}).get("alt", "")
                yield hashlib.sha256(b64decode("".join(png))).hexdigest(), text


def add_alt_texts(app: Sphinx, doctree: nodes.document) -> None:
    """Give each picture of a lesson its text."""
    from docutils import nodes  # what stands above is tested where it is not installed

    path = NOTEBOOKS / f"{app.env.docname.removeprefix('lessons/')}.ipynb"
    if not path.exists():
        return
    texts = dict(alt_texts(json.loads(path.read_text(encoding="utf-8"))))
    for image in doctree.findall(nodes.image):
        image.setdefault("alt", texts.get(Path(image["uri"]).stem, ""))


def copy_lite(app: Sphinx, error: Exception | None) -> None:
    """Put the lessons for the browser beside the pages, where they have been made."""
    if error is None and LITE.is_dir():
        shutil.copytree(LITE, Path(app.outdir, "lite"), dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to do what."""
    app.connect("config-inited", copy_lessons)
    app.connect("doctree-read", add_alt_texts)
    app.connect("build-finished", copy_lite)
    return {"parallel_read_safe": True}

"""The lessons as pages: what is added at their head, and the texts of their pictures."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from types import SimpleNamespace

from build_steps import lessons
from build_steps.lessons import alt_texts, copy_lessons, copy_lite, head


def picture(data, alt=None):
    metadata = {} if alt is None else {"image/png": {"alt": alt}}
    return {"output_type": "display_data", "data": {"image/png": b64encode(data).decode()}, "metadata": metadata}


def test_each_picture_has_the_text_that_is_stored_beside_it():
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": "# A title"},
            {"cell_type": "code", "outputs": [picture(b"1", "One bar."), picture(b"2"), {"output_type": "stream"}]},
        ]
    }
    assert dict(alt_texts(notebook)) == {
        hashlib.sha256(b"1").hexdigest(): "One bar.",
        hashlib.sha256(b"2").hexdigest(): "",  # the check of the finished pages then finds it
    }


def test_the_link_for_the_browser_is_there_only_with_a_build_for_it():
    assert "browser" not in head("00_start_here.ipynb", has_lite=False)["source"]
    assert '"../lite/lab/index.html?path=00_start_here.ipynb"' in head("00_start_here.ipynb", has_lite=True)["source"]


def test_each_notebook_becomes_a_page_with_one_more_cell(tmp_path):
    (tmp_path / "lessons").mkdir()
    copy_lessons(SimpleNamespace(srcdir=tmp_path), SimpleNamespace())
    copies = {path.name: json.loads(path.read_text(encoding="utf-8"))["cells"] for path in tmp_path.rglob("*.ipynb")}
    cells = {
        path.name: json.loads(path.read_text(encoding="utf-8"))["cells"] for path in lessons.NOTEBOOKS.glob("*.ipynb")
    }
    assert copies == {name: [found[0], copies[name][1], *found[1:]] for name, found in cells.items()}


def test_lessons_for_the_browser_are_copied_where_they_were_made(tmp_path, monkeypatch):
    made, site = tmp_path / "made", tmp_path / "site"
    monkeypatch.setattr(lessons, "LITE", made)
    copy_lite(SimpleNamespace(outdir=site), None)
    assert not site.exists()
    made.mkdir()
    (made / "index.html").write_text("JupyterLite", encoding="utf-8")
    copy_lite(SimpleNamespace(outdir=site), None)
    assert (site / "lite" / "index.html").read_text(encoding="utf-8") == "JupyterLite"

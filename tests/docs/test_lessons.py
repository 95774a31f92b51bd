"""The lessons as pages: what is added at their head, and the texts of their pictures."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from build_steps.lessons import alt_texts, head


def picture(data, alt=None):
    metadata = {} if alt is None else {"image/png": {"alt": alt}}
    return {"output_type": "display_data", "data": {"image/png": b64encode(data).decode()}, "metadata": metadata}


def test_a_picture_has_its_own_text_else_that_of_its_section():
    notebook = {
        "cells": [
            {"cell_type": "code", "outputs": [picture(b"1")]},
            {"cell_type": "markdown", "source": ["# A title\n", "text\n", "## A section\n"]},
            {"cell_type": "code", "outputs": [picture(b"2"), picture(b"3", "Two bars.")]},
        ]
    }
    assert dict(alt_texts(notebook)) == {
        hashlib.sha256(b"1").hexdigest(): "Chart of the section “the lesson”",
        hashlib.sha256(b"2").hexdigest(): "Chart of the section “A section”",
        hashlib.sha256(b"3").hexdigest(): "Two bars.",
    }


def test_the_link_for_the_browser_is_there_only_with_a_build_for_it():
    assert "browser" not in head("00_start_here.ipynb", has_lite=False)["source"]
    assert "(../lite/lab/index.html?path=00_start_here.ipynb)" in head("00_start_here.ipynb", has_lite=True)["source"]

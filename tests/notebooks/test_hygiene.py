"""Stored notebooks: executed from top to bottom, whole, and free of what belongs to one machine."""

from __future__ import annotations

import ast
import base64
import json
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "notebooks" / "page.html.j2"
MISSING = "No description has been provided"  # what nbconvert writes where it knows nothing
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_BYTES = 1_500_000
PNG = b"\x89PNG\r\n\x1a\n"
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(hom[e]|User[s]|roo[t]|wor[k]|tmp|var|usr|opt|mnt)/[\w.-]+|[A-Z]:\\+User[s]")
HIDDEN = {"source_hidden": True, "outputs_hidden": True}
STEERS = re.compile("[\x1b\r]")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}|\bobject at 0x")

pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path):
    return [cell for cell in notebook(path)["cells"] if cell["cell_type"] == "code"]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell["outputs"]]


def bundles(path):
    """Return the outputs that hold data by type, such as pictures."""
    return [output["data"] for output in outputs(path) if "data" in output]


def joined(text):
    return "".join(text)


def texts(path):
    """Return all text that a reader sees: sources and stored text, without pictures."""
    found = [joined(cell["source"]) for cell in notebook(path)["cells"]]
    found += [joined(output.get("text", "")) for output in outputs(path)]
    return found + [joined(data[kind]) for data in bundles(path) for kind in data if kind.startswith("text/")]


def test_it_was_executed_once_from_top_to_bottom_without_an_error(path):
    counts = [cell["execution_count"] for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    assert [output["ename"] for output in outputs(path) if output["output_type"] == "error"] == []
    assert [joined(output["text"]) for output in outputs(path) if output.get("name") == "stderr"] == []


def test_a_code_cell_has_outputs_or_else_a_tag_that_says_so(path):
    is_tagged = {joined(cell["source"]): "no-output" in cell["metadata"].get("tags", ()) for cell in code_cells(path)}
    has_outputs = {joined(cell["source"]): bool(cell["outputs"]) for cell in code_cells(path)}
    assert [source for source in is_tagged if is_tagged[source] == has_outputs[source]] == []


def test_it_stores_cells_with_tags_and_a_plain_kernel_and_nothing_else(path):
    book = notebook(path)
    assert [cell for cell in book["cells"] if not joined(cell["source"]).strip()] == []
    stored = [cell["metadata"] for cell in book["cells"]]
    assert [each for each in stored if each.keys() - {"tags", "jupyter"}] == []
    assert [each for each in stored if each.get("jupyter", HIDDEN) != HIDDEN] == []
    kernel = book["metadata"]["kernelspec"]
    assert (kernel["name"], kernel["language"]) == ("python3", "python")
    assert "widgets" not in book["metadata"]  # their state
    assert path.stat().st_size <= MAX_BYTES  # to be read online


def test_it_begins_with_a_title_and_ends_with_text_and_hidden_checks(path):
    first, *_, before, end = notebook(path)["cells"]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# \S", joined(first["source"]))
    assert (before["cell_type"], end["cell_type"]) == ("markdown", "code")
    *others, last = code_cells(path)
    assert {"nbval-check-output", "checks", "remove-cell"} <= set(last["metadata"]["tags"])
    assert last["metadata"]["jupyter"] == HIDDEN
    assert [cell for cell in others if {"checks", "remove-cell"} & set(cell["metadata"].get("tags", ()))] == []
    shown = "".join(joined(output["text"]) for output in last["outputs"])
    assert re.fullmatch(r"checks: (\d+)/\1\n", shown)


def test_predictions_start_empty(path):
    calls = [
        node
        for cell in code_cells(path)
        for node in ast.walk(ast.parse(re.sub(r"(?m)^[%!].*", "", joined(cell["source"]))))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lesson.predict"
    ]
    assert calls
    assert [ast.unparse(call) for call in calls if ast.unparse(call.args[1]) != "None"] == []


def test_no_text_has_a_path_of_a_machine_an_address_of_an_object_or_marks_that_steer_a_terminal(path):
    found = [pattern.search(text) for text in texts(path) for pattern in (MACHINE_PATH, ADDRESS, STEERS)]
    assert [each[0] for each in found if each] == []


def test_pictures_are_whole_and_have_an_alternative_text(path):
    pictures = [output for output in outputs(path) if "image/png" in output.get("data", ())]
    found = [base64.b64decode(joined(output["data"]["image/png"])) for output in pictures]
    assert [len(png) for png in found if not (png.startswith(PNG) and b"IEND" in png[-12:])] == []
    texts = [output["metadata"].get("image/png", {}).get("alt", "").strip() for output in pictures]
    assert [number for number, text in enumerate(texts, 1) if len(text) < len("A chart.")] == []


def test_a_page_made_from_it_has_no_picture_without_an_alternative_text(path):
    exporter = HTMLExporter(template_file=str(TEMPLATE))
    page, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4))
    texts = [picture.attrs.get("alt", "") for picture in BeautifulSoup(page, "html.parser").select("img")]
    assert texts
    assert [number for number, text in enumerate(texts, 1) if not text.strip() or text.startswith(MISSING)] == []


def test_widgets_leave_a_picture_and_a_text_where_no_kernel_runs(path):
    views = [data for data in bundles(path) if any("widget-view" in kind for kind in data)]
    assert [set(data) for data in views if not {"image/png", "text/plain"} <= set(data)] == []


def test_nothing_is_loaded_from_the_network(path):
    shown = [joined(data[kind]) for data in bundles(path) for kind in data if kind in ("text/html", "image/svg+xml")]
    assert [
        text for text in shown if re.search(r"(src|href)\s*=\s*[\"']?https?:|<script|@import|url\(http", text)
    ] == []


def test_stored_grades_are_those_of_exercises_that_are_still_to_be_done(path):
    tagged = [cell for cell in code_cells(path) if any("exercise-" in tag for tag in cell["metadata"].get("tags", ()))]
    graded = [cell for cell in code_cells(path) if "lesson.grade(" in joined(cell["source"])]
    graded = [cell for cell in graded if "exercise=None" not in joined(cell["source"])]  # of a reader's own
    assert len(tagged) == len(graded) >= 1
    for cell in graded:
        (shown,) = (joined(output["data"]["text/plain"]) for output in cell["outputs"] if "data" in output)
        met, goals = map(int, re.match(r"(\d+) of (\d+) goals met", shown).groups())
        assert met < goals

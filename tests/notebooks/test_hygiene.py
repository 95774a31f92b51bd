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


def test_cells_were_executed_once_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_cell_ended_with_an_error(path):
    assert [output["ename"] for output in outputs(path) if output["output_type"] == "error"] == []


def test_nothing_was_written_to_the_error_channel(path):
    assert [joined(output["text"]) for output in outputs(path) if output.get("name") == "stderr"] == []


def test_every_code_cell_has_outputs_or_a_tag_that_says_why_not(path):
    silent = [
        joined(cell["source"])
        for cell in code_cells(path)
        if not cell["outputs"] and "no-output" not in cell["metadata"].get("tags", ())
    ]
    assert silent == []


def test_no_tag_says_that_there_is_no_output_where_there_is_one(path):
    tagged = [cell for cell in code_cells(path) if "no-output" in cell["metadata"].get("tags", ())]
    assert [joined(cell["source"]) for cell in tagged if cell["outputs"]] == []


def test_no_cell_is_empty(path):
    assert [cell for cell in notebook(path)["cells"] if not joined(cell["source"]).strip()] == []


def test_first_cell_is_the_title(path):
    first = notebook(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# \S", joined(first["source"]))


def test_kernel_is_plain_python(path):
    kernel = notebook(path)["metadata"]["kernelspec"]
    assert (kernel["name"], kernel["language"]) == ("python3", "python")


def test_no_state_of_widgets_is_stored(path):
    assert "widgets" not in notebook(path)["metadata"]


def test_cells_store_nothing_but_their_tags_and_what_is_hidden(path):
    stored = [cell["metadata"] for cell in notebook(path)["cells"]]
    assert [each for each in stored if each.keys() - {"tags", "jupyter"}] == []
    assert [each for each in stored if each.get("jupyter", HIDDEN) != HIDDEN] == []


def test_the_checks_for_machines_are_the_last_code_cell_and_hidden(path):
    *others, last = code_cells(path)
    assert {"nbval-check-output", "checks", "remove-cell"} <= set(last["metadata"]["tags"])
    assert last["metadata"]["jupyter"] == HIDDEN
    assert [cell for cell in others if {"checks", "remove-cell"} & set(cell["metadata"].get("tags", ()))] == []
    shown = "".join(joined(output["text"]) for output in last["outputs"])
    assert re.fullmatch(r"checks: (\d+)/\1\n", shown)


def test_the_last_thing_that_a_reader_sees_is_text(path):
    *_, before, last = notebook(path)["cells"]
    assert (before["cell_type"], last["cell_type"]) == ("markdown", "code")


def test_predictions_start_empty(path):
    calls = [
        node
        for cell in code_cells(path)
        for node in ast.walk(ast.parse(re.sub(r"(?m)^[%!].*", "", joined(cell["source"]))))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lesson.predict"
    ]
    assert calls
    assert [ast.unparse(call) for call in calls if ast.unparse(call.args[1]) != "None"] == []


def test_no_path_of_a_machine_is_stored(path):
    assert [found[0] for text in texts(path) if (found := MACHINE_PATH.search(text))] == []


def test_no_address_of_an_object_is_stored(path):
    assert [found[0] for text in texts(path) if (found := ADDRESS.search(text))] == []


def test_no_marks_that_steer_a_terminal_are_stored(path):
    assert [text for text in texts(path) if "\x1b" in text or "\r" in text] == []


def test_pictures_are_whole(path):
    pictures = [base64.b64decode(joined(data["image/png"])) for data in bundles(path) if "image/png" in data]
    assert [len(picture) for picture in pictures if not (picture.startswith(PNG) and b"IEND" in picture[-12:])] == []


def test_each_picture_has_an_alternative_text(path):
    pictures = [output for output in outputs(path) if "image/png" in output.get("data", ())]
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


def test_notebook_is_small_enough_to_read_online(path):
    assert path.stat().st_size <= MAX_BYTES


def test_stored_grades_are_those_of_exercises_that_are_still_to_be_done(path):
    tagged = [cell for cell in code_cells(path) if any("exercise-" in tag for tag in cell["metadata"].get("tags", ()))]
    graded = [cell for cell in code_cells(path) if "lesson.grade(" in joined(cell["source"])]
    graded = [cell for cell in graded if "exercise=None" not in joined(cell["source"])]  # of a reader's own
    assert len(tagged) == len(graded) >= 1
    for cell in graded:
        (shown,) = (joined(output["data"]["text/plain"]) for output in cell["outputs"] if "data" in output)
        met, goals = map(int, re.match(r"(\d+) of (\d+) goals met", shown).groups())
        assert met < goals

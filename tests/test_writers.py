"""Everything that writes a file writes it whole or not at all: tests of all modules that do so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kaygraph_viz
from kaygraph_viz.cli.run_output import write_outputs
from kaygraph_viz.course.examples.example import ExampleRun, measured
from kaygraph_viz.course.patterns.report_page import ReportPageNode
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.html_report.report import save_report
from kaygraph_viz.plot.canvas import save_picture
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace
from tests.full_disk import full_disk

ROOT = Path(kaygraph_viz.__file__).parent
TRACE = make_trace(*(bar(f"item {number}", f"thread-{number % 4}", number, number + 2) for number in range(400)))
WRITERS = {
    "run.jsonl": TRACE.save,
    "run.jsonl.gz": TRACE.save,
    "run.json": lambda path: to_perfetto(TRACE, path),
    "run.json.gz": lambda path: to_perfetto(TRACE, path),
    "run.html": lambda path: save_report(TRACE, path),
    "run.png": lambda path: save_picture(gantt(TRACE), path),
    "run.svg": lambda path: save_picture(gantt(TRACE), path),
    "run.pdf": lambda path: save_picture(gantt(TRACE), path),
    "page.png": lambda path: ReportPageNode(path).exec([]),
    "page.pdf": lambda path: ReportPageNode(path).exec([]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_leaves_the_old_file_whole_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with full_disk(), pytest.raises(OSError, match=name):
        WRITERS[name](path)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [(name, b"old")]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_takes_the_place_of_the_old_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    WRITERS[name](path)
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert not path.read_bytes().startswith(b"old")


def test_full_disk_leaves_each_file_of_the_command_line_whole(tmp_path):
    run = ExampleRun(
        name="batch", title="Prices", graph=Graph(start=ParallelBatchNode()), traces={"parallel": TRACE}, facts=[],
        captions={}, measured=measured(400, 0, TRACE, None, unit="orders"), extras={"page.txt": b"drawn" * 1_000},
    )  # fmt: skip
    names = {path.name for path in write_outputs(run, tmp_path)}
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    with full_disk(), pytest.raises(OSError, match=r"batch-gantt\.png"):
        write_outputs(run, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(names, b"old")


ALLOWED = {
    "trace/files.py",  # what all others use
    "course/lessons/lesson.py",  # adds a line to a list of grades
    "execute/dask/executor.py",  # an empty file, in a folder of its own
    "capture/processes.py",  # page after page, each with its length; the last one may be cut short
}


def test_nothing_else_opens_a_file_to_write_it():
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and _writes(call)
    }
    assert found <= ALLOWED


def _writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("write_text", "write_bytes", "touch"):
        return True
    if name == "savefig":  # into memory, where it is told the format
        return all(keyword.arg != "format" for keyword in call.keywords)
    modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return name == "open" and any(set(mode) & set("wax+") for mode in modes if len(mode) <= 3)

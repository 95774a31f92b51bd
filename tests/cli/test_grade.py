"""``kaygraph-viz grade``: arguments, the table, JSON and CSV; what notebooks get is tested where they are run."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys

import psutil
import pytest

from kaygraph_viz.cli import grade
from kaygraph_viz.cli.main import main
from kaygraph_viz.course.lessons.handed_in.grading import Graded, Reached

REACHED = {
    "ada": ("00_start_here", (Reached(1, 3, 3),), ""),
    "bob": ("15_capstone", (Reached(1, 2, 3, ("fast", "right")), Reached(2, None, None, note="its kernel ended")), ""),
    "=cmd": ("", (), "it is no notebook of a lesson\x1b[31m"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with notebooks that get what stands above, in the reverse order."""
    monkeypatch.chdir(tmp_path)
    for name in REACHED:
        (tmp_path / f"{name}.ipynb").write_text("")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "ada.ipynb").write_text("")

    async def graded(paths, *, timeout_s, jobs):
        assert (timeout_s, jobs) == (7, 3)
        for path in reversed(paths):
            yield Graded(path, *REACHED[path.stem])

    monkeypatch.setattr(grade, "graded", graded)
    return tmp_path


GUARD_S = 60  # against a test that hangs; never waited for
OPTIONS = ["grade", "--timeout", "7", "--jobs", "3"]


def test_a_table_has_a_row_for_each_exercise(folder, capsys):
    assert main([*OPTIONS, "ada.ipynb", "."]) == 0
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines[1] == ["ada.ipynb", "00_start_here", "1", "3", "of", "3"]
    assert lines[2][0] == "=cmd.ipynb"
    assert lines[3] == ["bob.ipynb", *["15_capstone", "1", "2", "of", "3", "not", "met:", "fast;", "right"]]
    assert lines[4] == ["bob.ipynb", *["15_capstone", "2", "-", "its", "kernel", "ended"]]
    assert printed.out.endswith("\n\n1 of 3 notebooks met all goals.\n")
    assert "\x1b" not in printed.out + printed.err


def test_progress_is_told_while_it_runs(folder, capsys):
    main([*OPTIONS, "."])
    assert capsys.readouterr().err.splitlines() == [
        "3 notebooks, 3 at once, each for 7 s at most",
        "[1/3] bob.ipynb: 2 of 3; its kernel ended",
        "[2/3] ada.ipynb: 3 of 3",
        "[3/3] =cmd.ipynb: it is no notebook of a lesson?[31m",
    ]


def test_without_jupyter_no_notebook_is_looked_at(folder, capsys, hide):
    hide("jupyter_client")
    assert main([*OPTIONS, "ada.ipynb", "."]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert 'pip install "kaygraph-viz[lab]"' in printed.err


def test_json_and_csv_are_for_programs(folder, capsys):
    main([*OPTIONS, "--json", "."])
    found = json.loads(capsys.readouterr().out)
    assert [each["file"] for each in found] == ["=cmd.ipynb", "ada.ipynb", "bob.ipynb"]
    assert found[2]["exercises"][0] == {"exercise": 1, "met": 2, "of": 3, "unmet": ["fast", "right"], "note": ""}
    main([*OPTIONS, "--csv", "."])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["file", "lesson", "exercise", "met", "goals", "note"]
    assert rows[1][0] == "'=cmd.ipynb"  # no formula for a spreadsheet
    assert rows[2] == ["ada.ipynb", "00_start_here", "1", "3", "3", ""]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "NOTEBOOK_OR_FOLDER"),
        (["nothing.ipynb"], "a notebook or a folder, got 'nothing.ipynb'"),
        ([".ipynb_checkpoints"], "the folder must be one with notebooks in it"),
        (["--timeout", "0", "."], "--timeout must be a whole number from 1 to 86400"),
        (["--jobs", "many", "."], "--jobs must be"),
        (["--json", "--csv", "."], "not allowed with"),
    ],
)
def test_arguments_that_cannot_be_used_are_one_line(folder, capsys, words, told):
    assert main(["grade", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.processes
@pytest.mark.thorough
def test_an_interrupt_ends_the_kernels(tmp_path):
    cells = ['lesson = Lesson("07_how_many_workers")', "while True: pass", "lesson.grade(mine, [])"]
    tags = [[], ["exercise-1"], []]
    stored = [
        {"cell_type": "code", "source": source, "metadata": {"tags": tag}}
        for source, tag in zip(cells, tags, strict=True)
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": stored}))
    command = [sys.executable, "-m", "kaygraph_viz", "grade", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stderr.readline().startswith("1 notebook, ")
        me = psutil.Process(program.pid)
        while not (kernels := me.children(recursive=True)):
            pass
        program.send_signal(signal.SIGINT)
        printed, told = program.communicate(timeout=GUARD_S)
    assert (program.returncode, printed, told) == (130, "", "kaygraph-viz: interrupted\n")
    assert [kernel for kernel in kernels if kernel.is_running()] == []

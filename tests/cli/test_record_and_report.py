"""The arguments of ``kaygraph-viz record``; programs that run are in ``test_script``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaygraph_viz.cli.main import main
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.testing import bar, make_trace


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a script"),
        (["nowhere.py"], "SCRIPT must be a file with Python code, got 'nowhere.py'"),
        (["--capture", "celery", "program.py"], "capture must be 'all', or any of futures"),
        (["--colour", "program.py"], "unrecognized arguments: --colour"),
    ],
)
def test_what_cannot_be_recorded_is_one_line_and_exit_code_2(words, said, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text("print('it ran')")
    assert main(["record", *words]) == 2
    seen = capsys.readouterr()
    assert said in seen.err
    assert seen.err.count("\n") == 1
    assert "it ran" not in seen.out


def test_an_output_that_exists_is_not_overwritten(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text("print('it ran')")
    Path("recorded").mkdir()
    Path("recorded/program.png").write_text("mine")
    assert main(["record", "program.py"]) == 2
    assert "program.png" in capsys.readouterr().err


# -- report --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_trace(bar("slow", "thread-1", 0, 4)).save("before.jsonl.gz")
    to_perfetto(make_trace(bar("quick", "thread-1", 0, 1)), "after.json")
    return tmp_path


def test_a_page_of_one_run(saved, capsys):
    assert main(["report", "before.jsonl.gz", "-o", "page.html"]) == 0
    page = (saved / "page.html").read_text(encoding="utf-8")
    assert "<h1>before</h1>" in page
    assert "What changed" not in page
    assert capsys.readouterr().out == "wrote page.html\n"


def test_two_runs_of_different_tools_are_compared(saved):
    assert main(["report", "before.jsonl.gz", "after.json", "--title", "Monday"]) == 0
    page = (saved / "report.html").read_text(encoding="utf-8")
    assert "<h1>Monday</h1>" in page
    assert "<h2>before</h2>" in page
    assert "<h2>after</h2>" in page
    assert "What changed" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: TRACE"),
        (["nowhere.json"], "'nowhere.json': No such file"),
        (["broken.json"], "broken.json"),
        (["before.jsonl.gz", "-o", "no/such/folder/page.html"], "No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(saved, capsys, words, said):
    (saved / "broken.json").write_text(json.dumps({"nothing": "of ours"}))
    assert main(["report", *words]) == 2
    seen = capsys.readouterr().err
    assert said in seen
    assert seen.count("\n") == 1


def test_a_page_that_exists_is_overwritten_with_force_only(saved, capsys):
    (saved / "report.html").write_text("mine")
    assert main(["report", "before.jsonl.gz"]) == 2
    assert (saved / "report.html").read_text() == "mine"
    assert main(["report", "before.jsonl.gz", "--force"]) == 0
    assert (saved / "report.html").read_text() != "mine"

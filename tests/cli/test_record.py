"""The arguments of ``kaygraph-viz record``; programs that run are in ``test_script``."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaygraph_viz.cli.main import main


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

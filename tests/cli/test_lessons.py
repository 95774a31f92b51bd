"""``kaygraph-viz lessons``: what is copied, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kaygraph_viz.cli.lessons import FIRST, copy_lessons
from kaygraph_viz.cli.main import main

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_notebooks_data_and_readme_are_copied(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["lessons", str(folder)]) == 0
    assert {path.name for path in folder.glob("*.ipynb")} == {path.name for path in NOTEBOOKS.glob("*.ipynb")}
    assert (folder / "README.md").is_file()
    assert (folder / "data" / "customers.csv").is_file()
    assert len(list((folder / "data" / "speeches").iterdir())) > 100
    assert f"To open them: kaygraph-viz lab {folder}" in capsys.readouterr().out


def test_answers_are_kept_unless_forced(tmp_path, capsys):
    copy_lessons(tmp_path)
    (tmp_path / FIRST).write_text("my answers")
    (tmp_path / "README.md").unlink()
    copy_lessons(tmp_path)
    assert (tmp_path / FIRST).read_text() == "my answers"
    assert (tmp_path / "README.md").is_file()
    assert "1 files copied" in capsys.readouterr().out.splitlines()[-1]
    assert main(["lessons", str(tmp_path), "--force"]) == 0
    assert (tmp_path / FIRST).read_text(encoding="utf-8") == (NOTEBOOKS / FIRST).read_text(encoding="utf-8")


def test_the_notebooks_of_a_checkout_are_used_where_they_are(capsys):
    copy_lessons(NOTEBOOKS)
    assert not (NOTEBOOKS / "data").exists()
    assert capsys.readouterr().out.startswith("0 files copied")


def test_a_place_that_is_no_folder_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["lessons", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# -- lab -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Return the arguments of each start of JupyterLab, which is not started."""
    labapp = pytest.importorskip("jupyterlab.labapp")
    starts = []
    monkeypatch.setattr(labapp, "main", starts.append)
    return starts


def test_the_first_lesson_is_opened_in_a_folder_of_its_own(tmp_path, asked, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert main(["lab"]) == 0
    assert asked == [["kaygraph-viz-lessons/00_start_here.ipynb"]]
    assert (tmp_path / asked[0][0]).is_file()


def test_options_of_jupyterlab_are_passed_on_and_root_is_allowed(tmp_path, asked, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert main(["lab", str(tmp_path), "--no-browser", "--port=9999"]) == 0
    assert asked == [[f"{tmp_path}/00_start_here.ipynb", "--allow-root", "--no-browser", "--port=9999"]]


def test_without_jupyterlab_nothing_is_copied(tmp_path, hide, capsys):
    hide("jupyterlab")
    assert main(["lab", str(tmp_path / "new")]) == 2
    assert 'pip install "kaygraph-viz[lab]"' in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

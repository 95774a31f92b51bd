"""``kaygraph-viz lessons``: what is copied, and what is left alone."""

from __future__ import annotations

from pathlib import Path

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

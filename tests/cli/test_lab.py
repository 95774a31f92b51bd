"""``kaygraph-viz lab``: what JupyterLab is asked to open."""

from __future__ import annotations

import os

import pytest

from kaygraph_viz.cli.main import main


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

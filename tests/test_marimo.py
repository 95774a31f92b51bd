"""Charts and panels in marimo: what a page that it exports shows of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("marimo")

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import kaygraph_viz as kv
    from kaygraph_viz.testing import bar, make_trace

    trace = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))
    return kv, trace


@app.cell
def _(kv, trace):
    kv.gantt(trace)


@app.cell
def _(kv, trace):
    kv.explain(trace)


@app.cell
def _(kv, trace):
    kv.timeline(trace)


@app.cell
def _():
    from kaygraph_viz.course.lessons import playground

    playground("batch")
"""


@pytest.mark.processes
def test_charts_numbers_timeline_and_panel_are_shown(tmp_path):
    (tmp_path / "runs.py").write_text(NOTEBOOK)
    command = [sys.executable, "-m", "marimo", "export", "html", "runs.py", "-o", "runs.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "runs.html").read_text(encoding="utf-8")
    _, _, chart, numbers, view, panel = page.split('"outputs": ')
    assert "image/png" in chart
    assert "straggler tail took 25%" in numbers
    assert "marimo-anywidget" in view
    assert "image/png" in panel  # the picture of a page without a kernel; Jupyter has the controls as well

"""The Interrupt command of JupyterLab ends parallel work (E7)."""

from __future__ import annotations

import pytest

WORK = """
import os, pathlib, tempfile, threading, time
import kaygraph_viz as kv

started = pathlib.Path(tempfile.mkdtemp())
def hang(item):
    (started / str(item)).touch()
    time.sleep(60)
def say():
    while len(os.listdir(started)) < 4: time.sleep(0.01)
    print("four run")
threading.Thread(target=say).start()
with kv.get_executor({kind!r}, 4) as executor:
    list(executor.imap(hang, range(20)))
"""
AFTER = "print(sorted(map(int, os.listdir(started))))"


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_interrupt_gives_control_back_and_nothing_that_was_queued_starts(open_cells, kind):
    notebook = open_cells(WORK.format(kind=kind), AFTER)
    notebook.run_cell(0)
    notebook.wait_for_text(0, "four run")
    notebook.command("notebook:interrupt-kernel")
    notebook.wait_for_text(0, "KeyboardInterrupt")
    notebook.run_cell(1)
    notebook.wait_for_text(1, "[0, 1, 2, 3]")
    assert notebook.dialogs() == []

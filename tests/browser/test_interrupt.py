"""The Interrupt command of JupyterLab ends parallel work."""

from __future__ import annotations

import pytest

WORK = """
import pathlib, threading, time
import kaygraph_viz as kv

folder = pathlib.Path("begun by {kind}").resolve()  # beside the notebook
folder.mkdir()
def begun():
    return sorted(int(path.name) for path in folder.iterdir() if path.name != "go")
def hang(item):
    (folder / str(item)).touch()
    while not (folder / "go").exists(): time.sleep(0.01)
def say():
    while len(begun()) < 4: time.sleep(0.01)
    print("four have begun")
threading.Thread(target=say).start()
with kv.get_executor({kind!r}, 4) as executor:
    try:
        list(executor.imap(hang, range(20)))
    except KeyboardInterrupt:
        print("control is back")
    (folder / "go").touch()
print("in the end:", begun())
"""


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_interrupt_gives_control_back_and_nothing_that_was_queued_starts(open_cells, kind):
    notebook = open_cells(WORK.format(kind=kind))
    notebook.run_cell(0)
    notebook.wait_for_text(0, "four have begun")
    notebook.command("notebook:interrupt-kernel")
    notebook.wait_for_text(0, "in the end")
    assert notebook.texts() == ["four have begun\ncontrol is back\nin the end: [0, 1, 2, 3]\n"]
    assert notebook.dialogs() == []

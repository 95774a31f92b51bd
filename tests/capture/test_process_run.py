"""What a process that the program has started records and writes."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from kaygraph_viz.capture.processes import RecordedRun, told
from kaygraph_viz.trace.row import Row


class Process:
    """What a process finds itself to be."""

    def __init__(self, work):
        self.work = work

    def run(self):
        self.attributes = sorted(vars(self))
        self.work()


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(work, file=None):
        process = Process(work)
        recorded = RecordedRun(
            "library", str(file or tmp_path / "1"), "pack", "order 7", submitted_ns=5, wanted=(True, "", b"", (1, 1))
        )
        process.run = recorded
        monkeypatch.setitem(sys.modules, "library", SimpleNamespace(current_process=lambda: process))
        recorded()
        return process

    return run


def test_an_error_is_raised_without_our_frame(run, tmp_path):
    def work():
        raise ValueError("no such order")

    with pytest.raises(ValueError, match="no such order") as caught:
        run(work)
    files = [entry.path.name for entry in caught.traceback]
    assert "process_run.py" not in files
    (row,), _, _ = told(str(tmp_path / "1"))
    assert Row._make(row).error == "ValueError: no such order"


def test_where_the_recording_is_over_nothing_is_written_and_nothing_fails(run, tmp_path):
    run(list, tmp_path / "gone" / "1")
    assert told(str(tmp_path / "gone" / "1")) is None

"""The `run` of a process that the program starts itself: what it records there, and how that comes home.

Belongs here: what is done in that process, and the files that it writes. Does not belong here: which processes those
are (``processes``). The process imports this module: it must load fast.

Such a process has no result that could carry anything. So it writes one file when it begins, and one when it has ended.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaygraph_viz.capture.away import Wanted
from kaygraph_viz.capture.calls import OpenCall, without_our_frames
from kaygraph_viz.capture.remote import away_from
from kaygraph_viz.trace.disk import written
from kaygraph_viz.trace.recorder import _scope

__all__ = ["BEGAN", "ENDED", "RecordedRun", "told"]

BEGAN, ENDED = (
    ".began",
    ".ended",
)  # suffixes of the files: with the time [ns], and with all rows and how many more there were


@dataclass(frozen=True)
class RecordedRun:
    """The `run` of a process: it records itself there.

    Parameters
    ----------
    library
        The module that knows which process this is.
    file
        Where the process writes, without a suffix.
    name, label
        What the branch is called, and its label if one is wanted.
    submitted_ns
        When the process was started [ns].
    wanted
        What the recording wants of it.
    """

    library: str
    file: str
    name: str
    label: str
    submitted_ns: int
    wanted: Wanted

    def __call__(self) -> None:
        """Run what the process is there for."""
        process = sys.modules[self.library].current_process()
        vars(process).pop("run", None)  # the program finds its process as it made it
        away = away_from(self.wanted)
        facts = {"label": self.label} if self.label else None
        call = OpenCall(away.scope, self.name, self.submitted_ns, attributes=facts)
        outer = _scope.set(away.scope)
        call.begin()
        _write(self.file, BEGAN, call.started_ns)
        try:
            process.run()
        except BaseException as error:
            is_usual_end = isinstance(error, SystemExit) and not error.code
            call.end(None if is_usual_end else error)
            without_our_frames(error)
            raise
        else:
            call.end()
        finally:
            _scope.reset(outer)
            _write(self.file, ENDED, away.fetch())


def _write(file: str, suffix: str, value: object) -> None:
    """Write a value, so that who reads the file finds all of it; nothing where the folder is gone."""
    with suppress(OSError), written(Path(file + suffix)) as stream:
        stream.write(pickle.dumps(value))


def told(file: str, suffix: str) -> Any:
    """Return what a process has written; None where it has written nothing."""
    try:
        return pickle.loads(Path(file + suffix).read_bytes())  # noqa: S301  (in a folder that only this user can write to)
    except OSError:
        return None

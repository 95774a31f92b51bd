"""The `run` of a process that the program starts itself: it records itself there.

Belongs here: what is done in that process. Does not belong here: how that comes home (``process_diary``), which
processes those are (``processes``). The process imports this module: it must load fast.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from kaygraph_viz.capture.away import Wanted
from kaygraph_viz.capture.calls import OpenCall, without_our_frames
from kaygraph_viz.capture.process_diary import Diary
from kaygraph_viz.capture.remote import away_from
from kaygraph_viz.trace.recorder import _scope

__all__ = ["RecordedRun"]


@dataclass(frozen=True)
class RecordedRun:
    """The `run` of a process: it records itself there."""

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
        diary = Diary(self.file, away)
        outer = _scope.set(away.scope)
        call.begin()
        diary.begin()
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
            diary.end()

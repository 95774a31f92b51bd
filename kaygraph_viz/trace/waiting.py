"""Recording the waits that this package itself imposes on a branch: for a limit, or before another attempt.

Belongs here: the ``wait`` span and the part of the branch around it. Does not belong here: waiting.
"""

from __future__ import annotations

from collections.abc import Iterator

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.parts import PART_CODE, PartKind
from kaygraph_viz.trace.recorder import current_scope

__all__ = ["LOOP_BLOCKED", "held_up"]

LOOP_BLOCKED = "loop blocked"  # the wait span of a coroutine that did not let others go on for long


@contextmanager
def held_up(kind: PartKind, name: str, *, attempt: int = 1, least_ns: int = 0) -> Iterator[None]:
    """Record the time in the block as a wait in the span around it, and as a part of that span.

    Parameters
    ----------
    kind
        ``blocked`` or ``pause``.
    name
        What the wait is called.
    attempt
        After which attempt it comes.
    least_ns
        What is shorter was no wait [ns].
    """
    scope = current_scope()
    recorder = scope.recorder
    if not recorder.is_open:  # a lock must cost no more than it did
        yield
        return
    lane, started = recorder.lanes.mine(), recorder.now_ns()
    cpu_ns, log = lane.cpu_at(started), lane.noting()
    try:
        yield
    finally:
        ended = recorder.now_ns()
        if ended > started and ended - started >= least_ns:
            if log is not None:
                log.cover(kind, started, ended, cpu_at_start_ns=cpu_ns)
            blocked_ns = ended - started if kind == "blocked" else 0
            recorder.add((
                recorder.next_id(), scope.span_id, -1, name, "wait", lane.name, started, started, ended, -1, blocked_ns,
                "ok", attempt, None, None, None, ((PART_CODE[kind], ended, -1.0),),
            ))  # fmt: skip

"""Recording the waits that this package itself imposes on a branch: for a limit, or before another attempt.

Belongs here: the ``wait`` span and the part of the branch around it. Does not belong here: waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.parts import PART_CODE, PartKind
from kaygraph_viz.trace.recorder import Scope, current_scope, span

__all__ = ["LOOP_BLOCKED", "held_up", "note_wait"]

LOOP_BLOCKED = "loop blocked"  # the wait span of a coroutine that did not let others go on for long


@contextmanager
def held_up(
    kind: PartKind, name: str, *, attempt: int = 1, least_ns: int = 0, attributes: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Record the time in the block as a wait in the span around it, and as a part of that span."""
    scope = current_scope()
    recorder = scope.recorder
    if not recorder.is_open:  # a lock must cost no more than it did
        yield
        return
    started = recorder.now_ns()
    cpu_ns = recorder.lanes.mine().cpu_at(started)
    try:
        yield
    finally:
        ended = recorder.now_ns()
        if ended - started >= least_ns:
            note_wait(scope, kind, name, started, ended, cpu_at_start_ns=cpu_ns, attempt=attempt,
                      attributes=attributes)  # fmt: skip


def note_wait(
    scope: Scope | span, kind: PartKind, name: str, started_ns: int, ended_ns: int, *, cpu_at_start_ns: int,
    attempt: int = 1, attributes: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Record a wait of the calling thread or task that has just ended [ns]."""
    if ended_ns <= started_ns:
        return
    recorder = scope.recorder
    lane = recorder.lanes.mine()
    log = lane.noting()
    if log is not None:
        log.cover(kind, started_ns, ended_ns, cpu_at_start_ns=cpu_at_start_ns)
    blocked_ns = ended_ns - started_ns if kind == "blocked" else 0
    kept = dict(attributes) if attributes else None
    recorder.add((
        recorder.next_id(), scope.span_id, -1, name, "wait", lane.name, started_ns, started_ns, ended_ns, -1,
        blocked_ns, "ok", attempt, None, kept, None, ((PART_CODE[kind], ended_ns, -1.0),),
    ))  # fmt: skip

"""The span: one recorded closed interval on a lane, as users see it, and the words for its kind and status.

What it is before somebody looks at it, a row, is in ``row``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from kaygraph_viz.base.parts import PART_KINDS, Part, RowParts, derived_parts
from kaygraph_viz.base.texts import one_line

Kind = Literal["graph", "node", "phase", "branch", "attempt", "wait"]
Status = Literal["ok", "error", "cancelled", "timeout", "abandoned", "lost", "skipped"]

KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)

NO_ATTRIBUTES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Span:
    """A recorded closed interval on a lane.

    Parameters
    ----------
    span_id
        Number of the span, unique in its trace, from 1.
    parent_id
        The span it happened in, or None at the top.
    name
        The node, phase or branch it belongs to.
    kind
        One of ``graph node phase branch attempt wait``.
    lane
        The worker it ran on: a row in a chart.
    submitted_ns, started_ns, ended_ns
        When it was ready to run, began, and ended [ns], on the clock of the trace.
    cpu_ns
        CPU time used by its thread [ns], or None where it was not measured.
    blocked_ns
        Time spent blocked by a lock, a queue or a limit [ns].
    status
        One of ``ok error cancelled timeout abandoned lost skipped``.
    attempt
        How many attempts it took, or which one it is; from 1.
    index
        Position of the item in its batch, or None.
    error
        Type and message of the error, or None.
    attributes
        Anything else worth keeping.
    links
        Spans whose results it needed (fan-in).
    noted_parts
        What it did when, as a row has it, or None where only the sums above are known: see `parts`.

    Examples
    --------
    >>> s = Span(1, None, "check", "branch", "thread-1", 0, 2_000_000, 5_000_000, cpu_ns=1_000_000)
    >>> s.queue_wait_s, s.service_s, s.waiting_ns
    (0.002, 0.003, 2000000)
    """

    span_id: int
    parent_id: int | None
    name: str
    kind: Kind
    lane: str
    submitted_ns: int
    started_ns: int
    ended_ns: int
    cpu_ns: int | None = None
    blocked_ns: int = 0
    status: Status = "ok"
    attempt: int = 1
    index: int | None = None
    error: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=lambda: NO_ATTRIBUTES)
    links: tuple[int, ...] = ()
    noted_parts: RowParts | None = field(default=None, repr=False)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of its time, in order and without gaps from start to end.

        Exact in simulated time, for coroutines, and for all that this package makes a branch wait for. What else
        happened in a thread or process under the real clock is ``unknown``, with its share of CPU time.

        Examples
        --------
        >>> Span(1, None, "check", "branch", "thread-1", 0, 0, 4_000_000, cpu_ns=1_000_000).parts
        (Part(kind='unknown', started_ns=0, ended_ns=4000000, cpu_share=0.25),)
        """
        parts = self.noted_parts
        if parts is None:
            cpu_ns = -1 if self.cpu_ns is None else self.cpu_ns
            parts = derived_parts(self.started_ns, self.ended_ns, cpu_ns, self.blocked_ns)
        begins = (self.started_ns, *(until_ns for _, until_ns, _ in parts))
        return tuple(
            Part(PART_KINDS[code], begin_ns, until_ns, share if share >= 0 else None)
            for begin_ns, (code, until_ns, share) in zip(begins, parts, strict=False)
        )

    @property
    def queue_wait_s(self) -> float:
        """Time from submitted to started [s]."""
        return (self.started_ns - self.submitted_ns) / 1e9

    @property
    def service_s(self) -> float:
        """Time from started to ended [s]."""
        return (self.ended_ns - self.started_ns) / 1e9

    @property
    def waiting_ns(self) -> int | None:
        """Service time that was neither CPU nor blocked [ns]; None where CPU time was not measured."""
        if self.cpu_ns is None:
            return None
        return max(0, self.ended_ns - self.started_ns - self.cpu_ns - self.blocked_ns)

    @property
    def ok(self) -> bool:
        """Whether it ended with status ``ok``."""
        return self.status == "ok"

    def __repr__(self) -> str:
        item = "" if self.index is None else f"[{self.index}]"
        return (
            f"<Span {self.span_id} {self.kind} {one_line(self.name)}{item} on {one_line(self.lane)}: "
            f"{self.service_s * 1e3:.3g} ms, {self.status}>"
        )

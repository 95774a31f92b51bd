"""The chain of spans that made a run as long as it was, each beginning when the one before had ended.

Belongs here: finding that chain, and what each of its steps had waited for. Does not belong here: the network in which
it is found (``network``), and what it says about the run (``critical_path``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kaygraph_viz.analysis.critical_path.network import BY_LINK, BY_WORKER, Network, walk
from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.naming import named
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.analysis.own_time import recorded_owner

__all__ = ["PathStep", "recorded_steps"]

WaitedFor = Literal["a worker", "input"]


@dataclass(frozen=True, slots=True)
class PathStep:
    """One span of the chain that made a run as long as it was.

    Parameters
    ----------
    span_id, index, lane
        As in the span.
    name
        The branch, or the phase with its node.
    submitted_ns, started_ns, ended_ns
        The times at which it was ready to run, began, and ended or was given up [ns].
    gap_ns
        Time since the step before had ended, in which the chain stood still [ns].
    waited_for
        ``"a worker"``: it was submitted and had to queue. ``"input"``: what it needed was not there, or it had not been
        submitted. None: it began as soon as the step before had ended.
    waited_ns
        Its wait for that [ns]. For a worker this is its queue wait, most of which lies beside the earlier
        steps; `gap_ns` is the part in which the chain stood still.
    """

    span_id: int
    name: str
    index: int | None
    lane: str
    submitted_ns: int
    started_ns: int
    ended_ns: int
    gap_ns: int
    waited_for: WaitedFor | None
    waited_ns: int

    @property
    def duration_ns(self) -> int:
        """Time on the chain [ns]."""
        return self.ended_ns - self.started_ns

    @property
    def undelivered_ns(self) -> int:
        """Part of the gap in which it was submitted and no worker had begun it [ns]."""
        return min(self.gap_ns, self.started_ns - self.submitted_ns)


def recorded_steps(nesting: Nesting, network: Network) -> tuple[PathStep, ...]:
    """Return the recorded chain: backwards from the last end to what each step waited for last."""
    released = network.released_ns()
    decides = network.ends[network.before] == released[network.after]
    binding, why = np.full(len(released), -1), np.full(len(released), -1)
    binding[network.after[decides]] = network.before[decides]  # of several the last is kept: the most specific one
    why[network.after[decides]] = network.kind[decides]
    is_step = (network.span >= 0) & (network.ends > network.begins)
    nodes = [node for node in reversed(walk(binding, network.last)) if is_step[node]]
    return _described(nesting, network, np.array(nodes, np.intp), why)


def _described(nesting: Nesting, network: Network, nodes: Places, why: Ints) -> tuple[PathStep, ...]:
    at = network.span[nodes]
    started, ended = network.begins[nodes], network.ends[nodes]
    rows, columns = nesting.columns.rows[at], nesting.columns
    before = np.append(network.begins[network.first], ended[:-1])
    submitted = columns.column("submitted_ns")[at]
    waits = _waits(submitted, started, before, why[nodes])
    number, texts = named(nesting, at)
    facts = zip(
        recorded_owner(columns)[at].tolist(), number.tolist(), rows["index"].tolist(), rows["lane"].tolist(),
        submitted.tolist(), started.tolist(), ended.tolist(), (started - before).tolist(), *waits, strict=True,
    )  # fmt: skip
    return tuple(
        PathStep(
            span_id, texts[name], None if index < 0 else index, columns.lanes[lane], ready, start, end, gap,
            _WAITED_FOR[reason], waited,
        )
        for span_id, name, index, lane, ready, start, end, gap, reason, waited in facts
    )  # fmt: skip


_WAITED_FOR: tuple[WaitedFor | None, ...] = (None, "a worker", "input")


def _waits(submitted: Ints, started: Ints, before: Ints, why: Ints) -> tuple[list[int], list[int]]:
    """Return what each step waited for, as a position in `_WAITED_FOR`, and how long [ns]."""
    was_early = submitted < before
    for_worker = np.where(was_early & (why == BY_WORKER), started - submitted, started - np.maximum(submitted, before))
    for_input = np.where(was_early & (why == BY_LINK), started - submitted, np.maximum(submitted - before, 0))
    is_worker = for_worker > for_input
    reason = np.where(is_worker, 1, np.where(for_input > 0, 2, 0))
    return reason.tolist(), np.maximum(for_worker, for_input).tolist()

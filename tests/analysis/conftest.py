"""Runs of every shape, drawn at random: what holds for all of them is a law."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import strategies as st

from kaygraph_viz.testing import bar, make_trace

lengths = st.integers(0, 12).map(lambda value: value / 8)  # seconds that are exact in binary and in nanoseconds
ENDINGS = ("ok", "ok", "ok", "error", "timeout", "cancelled", "lost")


class Drawing:
    """Draws one run; every span has a number, so that later ones can link to earlier ones."""

    def __init__(self, draw):
        self.draw = draw
        self.numbers = count(1)
        self.lanes = count(100)
        self.ended = []  # (end, number) of branches

    def span(self, *args, **options):
        return bar(*args, span_id=next(self.numbers), **options)

    def node(self, name, at, lane, depth):
        """Return a node with prep, exec and post that begins at `at`, and its end."""
        begin = at
        phases = []
        for phase in ("prep", "exec", "post"):
            begin += self.draw(lengths) / 4
            if phase == "exec" and self.draw(st.booleans()):
                made, end = self.call(begin, lane, depth)
            else:
                end = begin + self.draw(lengths)
                made = self.span(phase, lane, begin, end, kind="phase", cpu_s=self.draw(st.sampled_from([None, 0])))
            phases.append(made)
            begin = end
        end = begin + self.draw(lengths) / 4
        return (self.span(name, lane, at, end, kind="node"), phases), end

    def call(self, at, lane, depth):
        """Return a phase that hands branches to workers, first come, first served, and its end."""
        kind = self.draw(st.sampled_from(["thread", "process", "async"]))
        workers = self.draw(st.integers(1, 3))
        lanes = [f"{kind}-{number + 1 if not depth else next(self.lanes)}" for number in range(workers)]
        free, arrives, is_lazy = [at] * workers, at, self.draw(st.booleans())
        branches = []
        for index in range(self.draw(st.integers(1, 5))):
            worker = free.index(min(free))
            arrives += self.draw(lengths) if is_lazy else 0
            start = max(free[worker], arrives) + self.draw(lengths) / 8
            made, free[worker] = self.branch(index, lanes[worker], start, start - arrives, depth)
            branches.append(made)
        end = max(free) + self.draw(lengths) / 4
        if self.draw(st.booleans()) and not depth:  # a branch that was given up outlives the phase
            late = bar("late", f"{kind}-{next(self.lanes)}", at, end + self.draw(lengths), status="abandoned",
                       span_id=next(self.numbers))  # fmt: skip
            branches.append(late)
        noted = {"executor": kind, "workers": workers} if self.draw(st.booleans()) else {}
        return (self.span("exec", lane, at, end, kind="phase", **noted), branches), end

    def branch(self, index, lane, start, queued, depth):
        shape = self.draw(st.sampled_from(["plain", "plain", "retried", "nested" if not depth else "plain"]))
        facts = {"queued_s": queued, "index": index, "status": self.draw(st.sampled_from(ENDINGS))}
        if shape == "nested":
            inner, end = self.node("inner", start, lane, depth + 1)
            return (self.span("b", lane, start, end, **facts), [inner]), end
        end = start + self.draw(lengths)
        if shape == "retried":
            return self.retried(lane, start, end, facts)
        share = self.draw(st.integers(0, 4)) / 4
        parts = {"cpu_s": share * (end - start), "blocked_s": (1 - share) * (end - start) / 2}
        span = self.span("b", lane, start, end, links=self.links(start), **parts, **facts)
        self.ended.append((end, span.span_id))
        return span, end

    def retried(self, lane, start, end, facts):
        third = (end - start) / 4
        details = [self.span("attempt 1", lane, start, start + third, kind="attempt", status="error"),
                   self.span("wait 1", lane, start + third, start + 2 * third, kind="wait"),
                   self.span("attempt 2", lane, start + 2 * third, end, kind="attempt", attempt=2)]  # fmt: skip
        return (self.span("b", lane, start, end, attempt=2, **facts), details), end

    def links(self, start):
        ready = [number for end, number in self.ended if end <= start]
        return (self.draw(st.sampled_from(ready)),) if ready and self.draw(st.booleans()) else ()


@st.composite
def drawn_runs(draw):
    drawing, at, trees = Drawing(draw), 0.0, []
    for number in range(draw(st.integers(0, 3))):
        if draw(st.integers(0, 3)):
            tree, end = drawing.node(f"n{number}", at, "main", 0)
        else:
            end = at + draw(lengths)
            tree = drawing.span("alone", draw(st.sampled_from(["main", "pool_1"])), at, end)
        trees.append(tree)
        at = end + draw(lengths) / 2
    if trees and draw(st.booleans()):
        last = max(at, *(end for end, _ in drawing.ended), 0.0) + 20
        return make_trace((drawing.span("g", "main", 0.0, last, kind="graph"), trees))
    return make_trace(*trees)


@pytest.fixture(scope="session")
def any_run():
    """A strategy for valid traces: nodes, nested calls, retries, failures, links, lazy inputs, branches given up."""
    return drawn_runs()

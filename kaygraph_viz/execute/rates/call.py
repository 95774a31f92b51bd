"""A call under a limit: the ``with`` block in which it is made.

Belongs here: entering and leaving the block, whatever comes in between. Does not belong here: whose turn it is
(``turns``).
"""

from __future__ import annotations

from typing import Self

from kaygraph_viz.checks import checked_whole
from kaygraph_viz.execute.rates.turns import Backend, Ending, Place
from kaygraph_viz.trace.waiting import held_up

__all__ = ["MAX_UNITS", "LimitedCall"]

SHORTEST_BLOCK_NS = 100_000  # a shorter wait is the time that taking a lock costs
MAX_UNITS = 1 << 50


class LimitedCall:
    """A call that waits for its turn: use it once, as ``with limit.units(1200): call()`` or with ``async with``."""

    def __init__(self, turns: Backend, units: int) -> None:
        self._turns = turns
        self.place = Place(units)

    def used(self, units: int) -> None:
        """Count the number of units that the call has really taken, in the block or after it."""
        self._turns.correct(self.place, checked_whole("units", units, 0, MAX_UNITS, "call.used(800)"))

    def __enter__(self) -> Self:
        try:
            facts: dict[str, str] = {}
            with held_up("blocked", "rate limit", least_ns=SHORTEST_BLOCK_NS, attributes=facts):
                self._turns.take(self.place)
                if self.place.held_by:
                    facts["limit"] = self.place.held_by
            self.place.is_entered = True  # last: an interrupt comes before it, or in the block
        except BaseException:
            self._turns.give_back(self.place)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            self._turns.leave(self.place, Ending.of(error))
        except BaseException:  # an interrupt, maybe before the call has left
            self._turns.leave(self.place, Ending.of(error))
            raise

    async def __aenter__(self) -> Self:
        try:
            facts: dict[str, str] = {}
            with held_up("blocked", "rate limit", least_ns=SHORTEST_BLOCK_NS, attributes=facts):
                await self._turns.take_async(self.place)
                if self.place.held_by:
                    facts["limit"] = self.place.held_by
            self.place.is_entered = True
        except BaseException:
            self._turns.give_back(self.place)
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._turns.leave(self.place, Ending.of(error))

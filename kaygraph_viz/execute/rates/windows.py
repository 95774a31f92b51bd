"""Windows of time: so many calls, or units of them, in any second or minute.

Belongs here: counting what has begun, and when more fits in. Does not belong here: who waits for that (``turns``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

__all__ = ["Window"]


class Window:
    """An amount that may begin in any window of time of one length."""

    def __init__(self, what: str, most: int, period_ns: int) -> None:
        self.what = what
        self.most = most
        self.period_ns = period_ns
        self.used = 0
        self._begun: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # by call: when, and how much

    def wait_ns(self, amount: int, now_ns: int) -> int:
        """Return how long it is until there is room for `amount` [ns]; 0: there is."""
        self._forget(now_ns)
        missing = self.used + amount - self.most
        if missing <= 0:
            return 0
        free_ns = now_ns
        for begun_ns, used in self._begun.values():
            missing, free_ns = missing - used, begun_ns + self.period_ns
            if missing <= 0:
                break
        return free_ns - now_ns

    def add(self, call: Hashable, amount: int, now_ns: int) -> None:
        """Count a call that begins now."""
        self._begun[call] = now_ns, amount
        self.used += amount

    def correct(self, call: Hashable, amount: int) -> None:
        """Count another amount for a call that has begun, as if it had been known then."""
        if call in self._begun:
            begun_ns, before = self._begun[call]
            self._begun[call] = begun_ns, amount
            self.used += amount - before

    def remove(self, call: Hashable) -> None:
        """Count a call no more, since it was never made."""
        self._begun.pop(call, None)
        self.recount()

    def recount(self) -> None:
        """Put right what an interrupt has left half done in another method."""
        self.used = sum(amount for _, amount in self._begun.values())

    def clear(self) -> None:
        """Forget all calls."""
        self._begun.clear()
        self.used = 0

    def _forget(self, now_ns: int) -> None:
        """Take out the calls that began a whole window ago."""
        while self._begun and next(iter(self._begun.values()))[0] + self.period_ns <= now_ns:
            self.used -= self._begun.popitem(last=False)[1][1]

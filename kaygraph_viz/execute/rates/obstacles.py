"""What has held up the first call in the queue, and for how long.

Belongs here: adding up. Does not belong here: what holds it up (``turns``).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Obstacles"]


class Obstacles:
    """How long each limit has held up the first in the queue, whichever call that was."""

    def __init__(self) -> None:
        self._lasted_ns: dict[str, int] = {}
        self._name = ""
        self._since_ns = 0

    def now(self, name: str, now_ns: int) -> None:
        """Note what holds up the first call from now on; an empty name: nothing."""
        if self._name:
            self._lasted_ns[self._name] = self._lasted_ns.get(self._name, 0) + max(0, now_ns - self._since_ns)
        self._name, self._since_ns = name, now_ns

    def so_far(self, now_ns: int) -> dict[str, int]:
        """Return how long it was for each so far [ns]."""
        self.now(self._name, now_ns)
        return self._lasted_ns.copy()

    def longest_since(self, before: Mapping[str, int]) -> str:
        """Return what has held up calls for the longest time since `so_far` was called; empty: nothing."""
        lasted_ns = {name: ns - before.get(name, 0) for name, ns in self._lasted_ns.items()}
        return max((name for name, ns in lasted_ns.items() if ns > 0), key=lasted_ns.__getitem__, default="")

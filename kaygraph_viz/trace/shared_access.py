"""Noting which branch reads and writes which key of a shared store; only where it was asked for.

Belongs here: noting accesses while branches run, and refusing a second writer in strict mode. Does not belong here: the
store itself (``graph.shared``) and finding conflicts afterwards (``analysis.conflicts``).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from kaygraph_viz.errors import SharedConflictError

__all__ = ["SharedWatch"]

_branches: ContextVar[tuple[int, ...]] = ContextVar("kaygraph_viz_branches", default=())  # from the outside


class SharedWatch:
    """A watch that notes what each branch reads and writes.

    Parameters
    ----------
    strict
        Whether a branch that writes a key which another branch in progress, not around it, wrote is refused.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._lock = threading.Lock()
        self._reads: dict[int, set[str]] = {}
        self._writes: dict[int, set[str]] = {}

    def enter(self, span_id: int) -> None:
        """Register that this context runs a branch."""
        _branches.set((*_branches.get(), span_id))

    def leave(self, span_id: int) -> Mapping[str, Any] | None:
        """Forget a branch that has ended, and return its accesses as attributes of its span."""
        with self._lock:
            noted = {"reads": self._reads.pop(span_id, None), "writes": self._writes.pop(span_id, None)}
        return {name: sorted(keys) for name, keys in noted.items() if keys} or None

    def note(self, key: object, *, is_write: bool) -> None:
        """Note one access by the branch in whose context this is called; outside of branches nothing is noted.

        Raises
        ------
        SharedConflictError
            In strict mode, when another branch in progress wrote the same key.
        """
        branches, name = _branches.get(), str(key)[:200]
        if not branches:
            return
        with self._lock:
            if is_write and self.strict:
                self._refuse_second(name, branches)
            (self._writes if is_write else self._reads).setdefault(branches[-1], set()).add(name)

    def _refuse_second(self, name: str, branches: tuple[int, ...]) -> None:
        for other, keys in self._writes.items():
            if name in keys and other not in branches:
                raise SharedConflictError(name, other, branches[-1])

"""Noting which branch reads and writes which key of a shared store; only where it was asked for.

Belongs here: noting accesses while branches run, and refusing a second writer in strict mode. Does not belong here: the
store itself (``graph.shared``) and finding conflicts afterwards (``analysis.conflicts``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from kaygraph_viz.base.errors import SharedConflictError, short, warn
from kaygraph_viz.base.threads import Lock

V = TypeVar("V")
MAX_NAME = 200  # characters that are kept of a key
_branches: ContextVar[tuple[int, ...]] = ContextVar("kaygraph_viz_branches", default=())  # from the outside


class SharedWatch:
    """A watch that notes what each branch reads and writes."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._lock = Lock()
        self._reads: dict[int, set[str]] = {}
        self._writes: dict[int, set[str]] = {}
        self._views: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._has_told = False

    def enter(self, span_id: int) -> None:
        """Register that this context runs a branch."""
        _branches.set((*_branches.get(), span_id))

    def leave(self, span_id: int) -> Mapping[str, Any] | None:
        """Forget a branch that has ended, and return its accesses as attributes of its span."""
        with self._lock:
            noted = {"reads": self._reads.pop(span_id, None), "writes": self._writes.pop(span_id, None)}
        return {name: sorted(keys) for name, keys in noted.items() if keys} or None

    def note(self, key: object, *, is_write: bool) -> None:
        """Note one access by the branch in whose context this is called; outside of branches nothing is noted."""
        branches = _branches.get()
        if not branches:
            return
        name = str.__str__(key)[:MAX_NAME] if isinstance(key, str) else short(key, MAX_NAME)
        with self._lock:
            if is_write and self.strict:
                for other, keys in self._writes.items():
                    if name in keys and other not in branches:
                        raise SharedConflictError(name, other, branches[-1])
            (self._writes if is_write else self._reads).setdefault(branches[-1], set()).add(name)

    def view_of(self, store: object, make: Callable[[Any, SharedWatch], V]) -> V:
        """Return the view of a store that `make` makes: the same one as long as somebody has it."""
        with self._lock:
            view: V | None = self._views.get(id(store))  # the view holds its store, so that the number stays taken
            if view is None:
                view = self._views[id(store)] = make(store, self)
            return view

    def tell_not_noted(self, store: object) -> None:
        """Warn, once, that accesses to a store are not noted."""
        if store is not None and not self._has_told:
            self._has_told = True
            warn(
                f"shared_access: accesses to a {type(store).__name__} are not noted, only those to a plain dict; "
                "results are not affected",
                stacklevel=3,
            )

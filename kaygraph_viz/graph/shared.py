"""The shared store as nodes see it while accesses are recorded.

Belongs here: a view of the store that notes each access. Does not belong here: keeping the notes and finding conflicts
in them (``trace.shared_access``, ``analysis.conflicts``).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from kaygraph_viz.trace.recorder import current_scope
from kaygraph_viz.trace.shared_access import SharedWatch

__all__ = ["watched"]


def watched(shared: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the store, or a view of it that notes accesses under ``record(shared_access=True)``."""
    watch = current_scope().recorder.shared_watch
    if watch is None or isinstance(shared, _Watched):
        return shared
    return _Watched(shared, watch)


class _Watched(MutableMapping[str, Any]):
    """A view of a store that notes each access."""

    def __init__(self, store: MutableMapping[str, Any], watch: SharedWatch) -> None:
        self._store = store
        self._watch = watch

    def __getitem__(self, key: str) -> Any:
        self._watch.note(key, is_write=False)
        return self._store[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._watch.note(key, is_write=True)
        self._store[key] = value

    def __delitem__(self, key: str) -> None:
        self._watch.note(key, is_write=True)
        del self._store[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store)

    def __len__(self) -> int:
        return len(self._store)

    def __repr__(self) -> str:
        return repr(self._store)

"""The shared store as nodes see it while accesses are recorded.

Belongs here: a dict that notes each access to the store it stands for. Does not belong here: keeping the notes and
finding conflicts in them (``trace.shared_access``, ``analysis.conflicts``).

Code must not notice the difference. So what nodes get is a dict, with the same keys and values as the store; what they
write is written to the store of the caller at once, and what they read is read from there. Functions that are written
in C, such as those of ``json``, may look at the keys and values in the dict itself without calling its methods: they
see the same, but such a read is not noted.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self

from kaygraph_viz.base.threads import RLock
from kaygraph_viz.trace.recorder import current_scope
from kaygraph_viz.trace.shared_access import SharedWatch


def watched(shared: Any) -> Any:
    """Return the store, or under ``record(shared_access=True)`` a dict that notes accesses to it."""
    watch = current_scope().recorder.shared_watch
    if watch is None:
        return shared
    store = shared._store if type(shared) is _Watched else shared
    if type(store) is not dict:
        watch.tell_not_noted(store)
        return store
    view: _Watched = watch.view_of(store, _Watched.of)
    view._follow()
    return view


class _Watched(dict[Any, Any]):
    """A dict that stands for a store and notes each access to it."""

    __slots__ = ("__weakref__", "_lock", "_store", "_watch")
    _lock: Any  # held while a change of the store is repeated here
    _store: dict[Any, Any]
    _watch: SharedWatch

    def __new__(cls, *args: Any, **named: Any) -> Any:
        """Return a plain dict: ``type(shared)(...)`` makes no view."""
        return dict(*args, **named)

    @classmethod
    def of(cls, store: dict[Any, Any], watch: SharedWatch) -> Self:
        """Return a new view of a store."""
        view = super().__new__(cls)
        dict.update(view, store)
        view._store, view._watch = store, watch
        view._lock = RLock()
        return view

    # -- reading ------------------------------------------------------------------------------------------------

    def _read_all(self) -> dict[Any, Any]:
        for key in self._store.copy():
            self._watch.note(key, is_write=False)
        return self._store

    def __getitem__(self, key: Any) -> Any:
        self._watch.note(key, is_write=False)
        return self._store[key]

    def get(self, key: Any, default: Any = None, /) -> Any:
        self._watch.note(key, is_write=False)
        return self._store.get(key, default)

    def __contains__(self, key: object) -> bool:
        self._watch.note(key, is_write=False)
        return key in self._store

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        return self._read_all().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        return self._read_all().values()

    def keys(self) -> KeysView[Any]:  # type: ignore[override]
        return self._store.keys()

    def __iter__(self) -> Iterator[Any]:  # with it, `dict(shared)` and `**shared` call our methods
        return iter(self._store)

    def __reversed__(self) -> Iterator[Any]:
        return iter(reversed(self._store))

    def __len__(self) -> int:
        return len(self._store)

    def __eq__(self, other: object) -> bool:
        return self._read_all().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return self._read_all().__ne__(other)

    __hash__ = None

    def copy(self) -> dict[Any, Any]:
        return self._read_all().copy()

    def __or__(self, other: Any) -> Any:
        return self._read_all().__or__(other)

    def __ror__(self, other: Any) -> Any:
        return self._read_all().__ror__(other)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        """Be pickled and copied as a plain dict."""
        return dict, (), None, None, iter(self._read_all().copy().items())

    fromkeys = dict.fromkeys

    # -- writing ------------------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> None:
        self._watch.note(key, is_write=True)
        self._store[key] = value
        self._repeat(key)

    def __delitem__(self, key: Any) -> None:
        self._watch.note(key, is_write=True)
        del self._store[key]
        self._repeat(key)

    def pop(self, key: Any, /, *default: Any) -> Any:
        self._watch.note(key, is_write=False)
        if key in self._store:
            self._watch.note(key, is_write=True)
        value = self._store.pop(key, *default)
        self._repeat(key)
        return value

    def popitem(self) -> tuple[Any, Any]:
        for last in reversed(self._store.copy()):
            self._watch.note(last, is_write=True)
            break
        key, value = self._store.popitem()
        self._repeat(key)
        return key, value

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        self._watch.note(key, is_write=False)
        if key not in self._store:
            self._watch.note(key, is_write=True)
        value = self._store.setdefault(key, default)
        self._repeat(key)
        return value

    def update(self, /, *args: Any, **named: Any) -> None:
        for key in named:
            self._watch.note(key, is_write=True)
        try:
            self._store.update(*map(self._noted, args), **named)
        finally:
            self._follow()

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def clear(self) -> None:
        for key in self._store.copy():
            self._watch.note(key, is_write=True)
        self._store.clear()
        self._follow()

    def _noted(self, other: Any) -> Any:
        """Return what a store can be updated from, with its keys noted, at the latest when they are taken."""
        if not isinstance(other, Mapping) and not hasattr(other, "keys"):
            return self._noted_pairs(other) if isinstance(other, Iterable) else other
        for key in other.keys():  # noqa: SIM118  (it may have no other way)
            self._watch.note(key, is_write=True)
        return other

    def _noted_pairs(self, pairs: Iterable[Any]) -> Iterator[Any]:
        for pair in pairs:
            if isinstance(pair, (tuple, list)) and pair:
                self._watch.note(pair[0], is_write=True)
            yield pair

    # -- being the same -----------------------------------------------------------------------------------------

    def _repeat(self, key: Any) -> None:
        """Repeat a change of the store at a key, for readers that call no method of ours."""
        with self._lock:
            if key in self._store:
                super().__setitem__(key, self._store[key])
            else:
                super().pop(key, None)

    def _follow(self) -> None:
        """Take over what has changed in the store."""
        with self._lock:
            now = self._store.copy()
            if list(map(id, now)) != list(map(id, super().keys())):
                super().clear()  # also the order may be another one
            super().update(now)


_Watched.__name__ = _Watched.__qualname__ = "dict"  # as messages and user code know it

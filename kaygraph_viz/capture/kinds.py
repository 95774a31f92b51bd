"""What can be captured, and the hooks of what a recording wants, for as long as it wants them.

Belongs here: names of kinds, counting who needs their hooks. Does not belong here: the hooks (the module of each
library), recording (``calls``).

A new kind is a function of this package that yields hooks, and a line here. Hooks put back the very objects that were
there. A call of the program runs inside ``with OpenCall(...)``, in the scope in which it was handed over
(``Scope.parent``; one that outlives it belongs to ``first_open``), and its errors keep their tracebacks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.threads import RLock

if TYPE_CHECKING:
    from kaygraph_viz.capture.patches import Hook


# For each kind the function of this package that yields its hooks.
_HOOKS = {
    "futures": "futures.hooks",
    "multiprocessing": "futures.pool_hooks",
    "asyncio": "tasks.hooks",
    "threading": "threads.hooks",
    "joblib": "joblib.hooks",
    "dask": "dask.tasks.hooks",
    "anyio": "threads.anyio_hooks",
    "pocketflow": "flows.pocketflow_hooks",
    "kaygraph": "flows.kaygraph_hooks",
    "langgraph": "flows.langgraph_hooks",
}
KINDS: tuple[str, ...] = tuple(_HOOKS)
_NEEDED_TOO = {"asyncio": "futures"}  # `to_thread` and `run_in_executor` end in a pool


def checked_kinds(capture: str | Iterable[str]) -> frozenset[str]:
    """Return the kinds to capture."""
    expected, example = f"'all', or any of {', '.join(KINDS)}", 'capture="all"'
    if not isinstance(capture, (str, Iterable)):
        raise OptionError("capture", capture, expected, example)
    names = [capture] if isinstance(capture, str) else list(capture)
    if any(not isinstance(name, str) or name not in (*KINDS, "all") for name in names):
        raise OptionError("capture", capture, expected, example)
    wanted = set(KINDS) if "all" in names else set(names)
    return frozenset(wanted | {_NEEDED_TOO[name] for name in wanted if name in _NEEDED_TOO})


class _Installed:
    """The hooks that are in force in this process."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}  # how many recordings want a kind
        self._hooks: dict[str, list[Hook]] = {}
        self.renew_lock()

    def renew_lock(self) -> None:
        """Have a new lock: in a forked child, the copy may be held for ever."""
        self._lock = RLock()

    def enter(self, kind: str) -> None:
        """Have the hooks of a kind in force until `leave` is called as often as this."""
        with self._lock:
            self._users[kind] = self._users.get(kind, 0) + 1
            if self._users[kind] == 1:
                made = self._hooks[kind] = []
                module, _, function = _HOOKS[kind].rpartition(".")
                made.extend(getattr(import_module(f"kaygraph_viz.capture.{module}"), function)())

    def leave(self, kind: str) -> None:
        """Remove the hooks of a kind if nobody else wants them."""
        with self._lock:
            self._users[kind] -= 1
            if not self._users[kind]:
                hooks = self._hooks.pop(kind, [])
                while hooks:
                    hooks.pop().remove()

    def keep(self, kind: str) -> None:
        """Have the hooks of a kind in force for good, if they are not: a forked process has those of its parent."""
        with self._lock:
            if not self._users.get(kind):
                self.enter(kind)


_installed = _Installed()
os.register_at_fork(after_in_child=_installed.renew_lock)


@contextmanager
def hooked(kinds: frozenset[str]) -> Iterator[None]:
    """Have the hooks of these kinds in force inside the block; blocks may overlap in any way."""
    entered: list[str] = []
    try:
        for kind in KINDS:
            if kind in kinds:
                entered.append(kind)
                _installed.enter(kind)
        yield
    finally:
        for kind in reversed(entered):
            _installed.leave(kind)


def keep_hooked(kinds: Iterable[str]) -> None:
    """Have the hooks of these kinds in force as long as this worker process lives: no call is known to be its last."""
    for kind in kinds:
        _installed.keep(kind)

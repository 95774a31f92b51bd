"""Which executors there are, by the name that users write."""

from __future__ import annotations

from importlib import import_module

from kaygraph_viz.base.checks import checked_word
from kaygraph_viz.execute.base import Executor

__all__ = ["KINDS", "checked_kind", "executor_class", "get_executor"]

_EXECUTORS = {  # loaded when first used: Dask alone takes a second
    "serial": ("local.threads", "SerialExecutor"),
    "thread": ("local.threads", "ThreadExecutor"),
    "process": ("local.processes", "ProcessExecutor"),
    "async": ("coroutines.executor", "AsyncExecutor"),
    "dask": ("dask.executor", "DaskExecutor"),
}
KINDS = tuple(_EXECUTORS)


def get_executor(kind: str = "thread", max_workers: int | None = None) -> Executor:
    """Return an executor of a kind.

    Parameters
    ----------
    kind
        ``"serial"``: one after the other, in this thread. ``"thread"``: good for waiting. ``"process"``: good for
        computing. ``"async"``: coroutines, good for very many that wait. ``"dask"``: a Dask cluster, also of several
        machines.
    max_workers
        How many branches may run at once, 1 to 4096, of coroutines to 1,000,000. Default for ``"process"``: one for
        each core that the program may use; for ``"thread"`` and ``"dask"``: 4 more than that, at most 32; for
        ``"async"``: 100. In simulated time it is 4 for the first three, on every machine; the clock in force when
        branches are run decides.

    Returns
    -------
    Executor
        Open, to be used in a ``with`` block.

    Raises
    ------
    OptionError
        If there is no such kind or `max_workers` is out of range.

    Examples
    --------
    >>> get_executor("thread", 4)
    <thread executor, 4 workers>
    """
    return executor_class(kind)(max_workers)


def executor_class(kind: str) -> type[Executor]:
    """Return the class behind a kind, for its capabilities."""
    module, name = _EXECUTORS[checked_kind(kind)]
    found: type[Executor] = getattr(import_module(f"kaygraph_viz.execute.{module}"), name)
    return found


def checked_kind(kind: str) -> str:
    """Return `kind` if it is one of `KINDS`, else raise `OptionError`."""
    return checked_word("executor", kind, KINDS, 'executor="thread"')

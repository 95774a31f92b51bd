"""Which executors there are, by the name that users write."""

from __future__ import annotations

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.serial import SerialExecutor
from kaygraph_viz.execute.threads import ThreadExecutor

__all__ = ["KINDS", "checked_kind", "get_executor"]

_EXECUTORS: dict[str, type[Executor]] = {"serial": SerialExecutor, "thread": ThreadExecutor}
KINDS = tuple(_EXECUTORS)


def get_executor(kind: str = "thread", workers: int | None = None) -> Executor:
    """Return an executor of a kind.

    Parameters
    ----------
    kind
        ``"serial"`` (one after the other, in this thread) or ``"thread"``.
    workers
        How many branches may run at once, 1 to 4096; default: the cores and 4 more, at most 32.

    Returns
    -------
    Executor
        Open, to be used in a ``with`` block.

    Raises
    ------
    OptionError
        If there is no such kind or `workers` is out of range.

    Examples
    --------
    >>> get_executor("thread", 4)
    <thread executor, 4 workers>
    """
    return _EXECUTORS[checked_kind(kind)](workers)


def checked_kind(kind: str) -> str:
    """Return `kind` if there is such an executor, else raise `OptionError`."""
    if not isinstance(kind, str) or kind not in _EXECUTORS:
        raise OptionError("executor", kind, f"one of {', '.join(map(repr, KINDS))}", 'executor="thread"')
    return kind

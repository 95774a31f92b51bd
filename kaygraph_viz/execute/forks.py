"""Copies of this process that user code makes by a fork.

Belongs here: how many forks made this process, and the end of a copy that comes back from a branch. Does not belong
here: pipes and memory of worker processes (``local.worker_process``), and processes that we start.

A branch that calls `os.fork` and forgets to end the copy returns twice. The copy has one thread, that of the branch,
and would go on as a worker: it would run the items after this one again. So it is ended where the branch function
returns or raises, with exit code 1 and a line that says so. What C code forks is not noticed.
"""

from __future__ import annotations

import os

__all__ = ["end_copy", "forks"]


class _Forks:
    """How many forks made this process; read before and after each branch, so it has to be quick."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._add)

    def _add(self) -> None:
        self.count += 1


forks = _Forks()


def end_copy(before: int | None, where: str) -> None:
    """End this process if it is a copy made since `forks.count` was `before`; None where copies may go on."""
    if before is not None and before != forks.count:
        told = f"kaygraph_viz: {where} forked, and the copy of its process came back: end it by os._exit(0)\n"
        os.write(2, told.encode("utf-8", "backslashreplace"))
        os._exit(1)

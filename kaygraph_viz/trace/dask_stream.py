"""Tasks as the scheduler of Dask tells of them: their names, and times that its estimates of clocks have moved.

Belongs here: what recording a cluster and reading a saved task stream have in common. Does not belong here: hooks
(``capture.dask``) and files (``export.task_streams``).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

LONGEST_KEY = 200


def function_of_key(key: object) -> str:
    """Return the name of the function from the key of a task."""
    first = key[0] if isinstance(key, (list, tuple)) and key else key
    if not isinstance(first, str):
        return "task"
    head, *rest = re.split(r"[-']", first.removeprefix("('")[:LONGEST_KEY])
    kept = [head]
    for word in rest:
        if not word.isalpha() or re.fullmatch(r"[0-9a-f]{8,}", word):
            break
        kept.append(word)
    return "-".join(kept) or "task"


class Clipped(NamedTuple):
    """The times of a task [ns], and how much later it begins than it was said to, since its thread was still busy."""

    started_ns: int
    ended_ns: int
    clipped_ns: int

    @property
    def as_attribute(self) -> dict[str, float]:
        """The attribute that says how much was cut [s]; empty if nothing was."""
        return {"clipped_s": self.clipped_ns / 1e9} if self.clipped_ns else {}


def after_each_other(tasks: Iterable[tuple[Hashable, int, int]]) -> Iterator[Clipped]:
    """Yield the times of tasks such that those of one thread do not overlap."""
    free: dict[Hashable, int] = {}
    for thread, started_ns, ended_ns in tasks:
        begin_ns = max(started_ns, free.get(thread, started_ns))
        free[thread] = end_ns = max(ended_ns, begin_ns)
        yield Clipped(begin_ns, end_ns, begin_ns - started_ns)

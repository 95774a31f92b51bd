"""The options that all examples share.

Belongs here: checking the options, and what follows from them. Does not belong here: any one pattern, and what an
example gives back (``outcome``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.checks import checked_whole, checked_workers
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.core.base import Executor
from kaygraph_viz.execute.progress import Progress
from kaygraph_viz.execute.registry import KINDS, checked_kind, get_executor
from kaygraph_viz.machine import SIMULATED_CORES, usable_cores
from kaygraph_viz.recording import record
from kaygraph_viz.trace.trace import Trace

__all__ = ["DEFAULT_WORKERS", "MAX_ITEMS", "Setup"]

DEFAULT_WORKERS = 8
MAX_ITEMS = 1_000_000
MAX_SEED = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The options of an example: executor, workers, items, seed and clock.

    Parameters
    ----------
    workers
        How many branches may run at once, 1 to 4096; None for what suits the pattern.
    executor
        The kind of worker, as for `get_executor`; None for what suits the pattern.
    items
        How many items it is run on, 1 or more; None for as many as make a chart that can be read.
    seed
        Whole number, 0 or more, that latencies, faults and events depend on.
    clock
        ``"virtual"`` for simulated time, None for the clock of this machine.
    progress
        As for `ParallelBatchNode`.
    """

    workers: int | None = None
    executor: str | None = None
    items: int | None = None
    seed: int = 0
    clock: Literal["virtual"] | None = None
    progress: Progress = None

    def __post_init__(self) -> None:
        """Refuse impossible options, the first by name."""
        checked_workers(self.workers, "workers")
        if self.executor is not None:
            checked_kind(self.executor)
        if self.items is not None:
            checked_whole("items", self.items, 1, MAX_ITEMS, "items=100")
        checked_whole("seed", self.seed, 0, MAX_SEED, "seed=0")
        if self.clock not in (None, "virtual"):
            raise OptionError("clock", self.clock, "None or 'virtual'", 'clock="virtual"')

    @property
    def is_simulated(self) -> bool:
        """Whether time is simulated."""
        return self.clock == "virtual"

    def kind(self, usual: str, possible: Collection[str] = KINDS) -> str:
        """Return the kind of executor: the one asked for where it is possible, or the usual one of the pattern."""
        return self.executor if self.executor is not None and self.executor in possible else usual

    def not_used(self, usual: str, possible: Collection[str]) -> list[str]:
        """Return a sentence about the executor that was asked for and is not possible, if there is one."""
        if self.executor is None or self.executor in possible:
            return []
        return [f"This pattern cannot run on {self.executor!r}, so it ran on {usual!r}."]

    def workers_for(self, kind: str, usual: int = DEFAULT_WORKERS) -> int:
        """Return the number of workers: the one asked for, or the usual one for a kind.

        By default there are no more processes than cores: those of this machine, or of simulated time.
        """
        if kind == "serial":
            return 1
        if self.workers is not None:
            return self.workers
        cores = SIMULATED_CORES if self.is_simulated else usable_cores()
        return min(usual, cores) if kind in ("process", "dask") else usual

    def count(self, usual: int, most: int) -> int:
        """Return the number of items: the one asked for, or the usual one, never more than there are."""
        return min(most, self.items or usual)

    def record(self) -> AbstractContextManager[Trace]:
        """Return a recording by the clock that was asked for."""
        return record(clock=self.clock, seed=self.seed if self.is_simulated else None)

    @contextmanager
    def started(self, kind: str, workers: int, module: str, items: int) -> Iterator[Executor]:
        """Yield an executor whose workers have started and imported a module, so that runs do not measure that.

        There are no more workers than items.
        """
        workers = max(1, min(workers, items))
        with get_executor(kind, workers) as executor:
            if kind in ("process", "dask") and not self.is_simulated:
                list(executor.imap(import_module, [module] * 4 * workers))
            yield executor

"""Random graphs on random workers: what comes out is what the oracle says, in simulated and in real time.

Belongs here: running one case and comparing. Does not belong here: which cases (``__main__``, ``test_fuzz``).
"""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import psutil

import kaygraph_viz as kv
from kaygraph_viz.trace.trace import Trace
from tests.fuzz.descriptions import Description, Step, describe
from tests.fuzz.nodes import build
from tests.fuzz.oracle import Expected, expect, text_of

GUARD_S = 20.0  # against hanging; nothing waits that long when all is well
WORKERS = 2


@dataclass
class Found:
    """What came out of a run."""

    shared: dict[str, Any]
    action: str | None = None
    error: BaseException | None = None
    now_ns: int = 0  # simulated time at the end


class Workers:
    """The executors of all cases in real time: processes and a cluster are started once, since that takes long."""

    def __init__(self, *, with_cluster: bool = True) -> None:
        self._opened = ExitStack()
        self._with_cluster = with_cluster

    def __call__(self, kind: str, workers: int) -> Any:
        if kind == "dask":
            return self._cluster if self._with_cluster else "thread"
        return self._processes if kind == "process" else kind

    @cached_property
    def _processes(self) -> Any:
        return self._opened.enter_context(kv.get_executor("process", WORKERS))

    @cached_property
    def _cluster(self) -> Any:
        return self._opened.enter_context(kv.get_executor("dask", WORKERS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._opened.close()


def run_case(seed: int, workers: Workers) -> None:
    """Make the graph of a seed, run it in several ways, and raise `AssertionError` where something is wrong."""
    described = describe(seed)
    expected = expect(described)
    with nothing_left():
        recorded, trace = simulated_and_recorded(described)
        check(expected, recorded, "simulated and recorded")
        trace.validate()
        check_branches(trace)
        plain = simulated(described)
        check(expected, plain, "simulated, not recorded")
        if not described.preempt:  # that yields in code that is run only to record, too
            ends = [(text_of_end(each), each.now_ns) for each in (recorded, plain)]
            assert ends[0] == ends[1], "recording changed it"
    if described.is_for_real:
        with nothing_left():
            found, real_trace = in_real_time(described, workers, is_recorded=seed % 2 == 0)
            check(expected, found, "in real time, " + ("recorded" if seed % 2 == 0 else "not recorded"))
            if real_trace is not None:
                real_trace.validate()


def text_of_end(found: Found) -> str:
    return repr(found.action) if found.error is None else text_of(found.error)


# -- the ways of running ----------------------------------------------------------------------------------------------


def simulated_and_recorded(described: Description) -> tuple[Found, Trace]:
    clock = _clock(described)
    with kv.record(clock=clock, shared_access=described.notes_accesses) as trace:
        found = _run(described, lambda kind, workers: kind)
        found.now_ns = clock.now_ns()
    return found, trace


def simulated(described: Description) -> Found:
    with _clock(described) as clock:
        found = _run(described, lambda kind, workers: kind)
        found.now_ns = clock.now_ns()
    return found


def in_real_time(described: Description, workers: Workers, *, is_recorded: bool) -> tuple[Found, Trace | None]:
    if not is_recorded:
        return _run(described, workers), None
    with kv.record() as trace:
        found = _run(described, workers)
    return found, trace


def _clock(described: Description) -> kv.VirtualClock:
    return kv.VirtualClock(described.clock_seed, gil=described.has_gil, preempt=described.preempt)


def _run(described: Description, executors: Callable[[str, int], Any]) -> Found:
    found = Found({"x": described.x})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Graph ends")
        try:
            found.action = build(described.graph, executors).run(found.shared)
        except Exception as error:
            found.error = error
    return found


# -- comparing --------------------------------------------------------------------------------------------------------


def check(expected: Expected, found: Found, how: str) -> None:
    """Raise `AssertionError` unless a run gave what it must give."""
    if expected.errors or found.error is not None:
        texts = set() if found.error is None else {text_of(error) for error in _leaves(found.error)}
        if not texts or not texts <= expected.errors:
            raise AssertionError(
                f"{how}: raised {texts or 'nothing'}, expected one of {expected.errors}"
            ) from found.error
    elif found.action != expected.action:
        raise AssertionError(f"{how}: the last action is {found.action!r}, expected {expected.action!r}")
    wanted, got = (_certain(shared, expected.unsure) for shared in (expected.shared, found.shared))
    if got != wanted:
        differ = sorted(key for key in {*wanted, *got} if wanted.get(key, "missing") != got.get(key, "missing"))
        lines = (f"{key}: {got.get(key, 'missing')!r}, expected {wanted.get(key, 'missing')!r}" for key in differ)
        raise AssertionError(f"{how}:\n" + "\n".join(lines))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _certain(shared: dict[str, Any], unsure: tuple[str, ...]) -> dict[str, Any]:
    return (
        {key: value for key, value in shared.copy().items() if not key.startswith(unsure)} if unsure else dict(shared)
    )


def check_branches(trace: Trace) -> None:
    """Raise `AssertionError` where a trace says something else than its spans."""
    columns = trace.columns
    counts = kv.summarize(trace).counts
    assert counts["branches"] + counts["callers"] == int(columns.is_kind("branch").sum())


@contextmanager
def nothing_left() -> Iterator[None]:
    """Raise `AssertionError` if the block leaves a thread that does not end; workers that are shared do not count."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not _is_kept(thread)]
    for thread in left:
        thread.join(GUARD_S)
    alive = [thread.name for thread in left if thread.is_alive()]
    assert not alive, f"threads that do not end: {alive}"


def _is_kept(thread: threading.Thread) -> bool:
    """Return whether a thread belongs to workers that are kept for the next case, or to a library."""
    called = getattr(thread, "_target", None) or thread.run
    return thread.daemon and not (getattr(called, "__module__", None) or "").startswith(("kaygraph_viz", "tests"))


def children() -> list[psutil.Process]:
    """Return the processes that this one has started and that still run; the one that Python keeps is left out."""
    gc.collect()
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            is_over = child.status() == psutil.STATUS_ZOMBIE
            if not is_over and not any("resource_tracker" in word for word in child.cmdline()):
                found.append(child)
    return found


def drawn(step: Step, depth: int = 0) -> str:
    """Return a step and what is in it as lines, without what is as usual: for the report of a failure."""
    usual = Step(step.kind, step.name)
    told = [
        f"{field}={getattr(step, field)!r}"
        for field in usual.__dataclass_fields__
        if field not in ("kind", "name", "steps") and getattr(step, field) != getattr(usual, field)
    ]
    line = "  " * depth + f"{step.kind} {step.name} " + " ".join(told)
    return "\n".join([line.rstrip(), *(drawn(inner, depth + 1) for inner in step.steps)])

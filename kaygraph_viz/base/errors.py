"""The exception tree: every error this package raises on purpose.

Belongs here: exception classes, each building its message from fields and saying what was got, what was
expected and what to write instead. Does not belong here: deciding when to raise them.

Every class also inherits the builtin that a caller would naturally catch, and survives pickling.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kaygraph_viz.base.texts import cut, one_line, visible, without_secrets

LONGEST_MESSAGE = 20_000  # characters; only what names of others make so long


class KayGraphVizError(Exception):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    message
        What was got, what was expected, and what to write instead.
    **fields
        The facts the message was built from; they are kept as attributes.
    """

    def __init__(self, message: str, **fields: Any) -> None:
        self.message = printable(message)
        super().__init__(self.message)
        self.__dict__.update(fields)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the finished message, so that subclasses with other signatures survive pickling."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[KayGraphVizError], args: tuple[Any, ...], fields: dict[str, Any]) -> KayGraphVizError:
    error = cls.__new__(cls)
    Exception.__init__(error, *args)
    error.__dict__.update(fields)
    return error


class OptionError(KayGraphVizError, ValueError):
    """An argument is out of its range or of another type than it must be."""

    def __init__(self, name: str, got: object, expected: str, example: str = "") -> None:
        hint = f". For example: {example}" if example else ""
        super().__init__(f"{name} must be {expected}, got {short(got)}{hint}", name=name, expected=expected)


class TraceError(KayGraphVizError, ValueError):
    """A trace breaks one of its invariants, or is used in a way that a trace cannot be used."""


class TraceFormatError(TraceError):
    """A file is not a trace that this version can read."""


class GraphError(KayGraphVizError, ValueError):
    """A graph is wired in a way that cannot run."""


class WiringError(GraphError, TypeError):
    """The two sides of ``a >> b`` or ``a - "action" >> b`` do not fit together."""


class StepLimitExceeded(GraphError, RuntimeError):
    """A graph took more steps than `max_steps`: most likely a loop without an exit."""


class NodeError(KayGraphVizError, RuntimeError):
    """A node did something after which no graph can go on, such as returning a coroutine or calling ``sys.exit``."""


class BranchError(NodeError):
    """A branch ended without a value and without an ordinary exception of its own."""


class DeadlineExceeded(KayGraphVizError, TimeoutError):
    """A branch was still running at the end of its timeout."""

    def __init__(self, branch: str, timeout_s: float) -> None:
        super().__init__(
            f"{branch} was still running after its timeout of {timeout_s:g} s; "
            "allow more time with timeout=..., or use on_error='collect' to keep the other results",
            branch=branch,
            timeout_s=timeout_s,
        )


class OutputExistsError(KayGraphVizError, FileExistsError):
    """A file would be overwritten."""

    def __init__(self, path: object, *, is_file: bool = True) -> None:
        way_out = "exists; add --force to overwrite it" if is_file else "exists and is no file; move it away"
        super().__init__(f"{path} {way_out}, or choose another folder", path=str(path), is_file=is_file)


class SharedConflictError(KayGraphVizError, RuntimeError):
    """A branch wrote a key of the shared store that another branch in progress had written, in strict mode."""

    def __init__(self, key: str, first: int, second: int) -> None:
        super().__init__(
            f"two branches at once write {key!r} of the shared store: spans {first} and {second}; write to a separate "
            "key in each branch, or combine the results in post",
            key=key,
            first=first,
            second=second,
        )


class CallCancelled(KayGraphVizError, RuntimeError):
    """A call was stopped from outside before all of its branches had ended."""


class VirtualClockError(KayGraphVizError, RuntimeError):
    """Something was done that cannot be simulated, or the program is in a deadlock."""


@dataclass(frozen=True, repr=False)
class Wait:
    """What one thread, or one task of asyncio, waits for in a deadlock."""

    thread: str
    place: str
    code: str
    waits_for: str
    held_by: str = ""
    held_since: str = ""
    held_code: str = ""

    @property
    def is_of_task(self) -> bool:
        """Whether it is the wait of a task of asyncio."""
        return self.thread.startswith("task ")

    @property
    def sentence(self) -> str:
        """The wait in words."""
        taken = f" that {self.held_by} took in {self.held_since}" if self.held_since else ""
        place = f" ({self.place})" if self.place else ""
        return one_line(f"{self.thread}{place} waits for {self.waits_for}{taken}", 1_000)

    def __repr__(self) -> str:
        return f"<Wait: {self.sentence}>"


class DeadlockError(VirtualClockError):
    """No thread of a simulated program can go on."""

    def __init__(self, circle: Sequence[Wait], others: Sequence[Wait]) -> None:
        waits, rest = ("; ".join(wait.sentence for wait in part) for part in (circle, others))
        message = f"{_who_is_in(circle)}: {waits or rest}"
        if circle and rest:
            message += f". The others wait, too: {rest}"
        super().__init__(message, circle=tuple(circle), others=tuple(others))


def _who_is_in(circle: Sequence[Wait]) -> str:
    """Return the begin of the message about a deadlock, with the cure where there is one."""
    if not circle:
        return "deadlock in simulated time, every thread waits"
    is_alone, are_locks = len(circle) == 1, all(wait.held_since for wait in circle)
    are_tasks = all(wait.is_of_task for wait in circle)
    one, many = ("a task", "tasks") if are_tasks else ("a thread", "threads")
    who = f"{one} waits for itself" if is_alone else f"{many} wait for each other in a circle"
    cure = "take locks in the same order everywhere"
    if is_alone:
        cure = "take a lock once" if are_tasks else "take a lock once, or use an RLock"
    return f"deadlock in simulated time, {who}" + (f" ({cure})" if are_locks else "")


class RealWaitError(VirtualClockError):
    """A branch waits for something real, which simulated time cannot see; its run was ended."""


class MissingDependencyError(KayGraphVizError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f'this needs the package {package!r}, which is not installed; write: pip install "kaygraph-viz[{extra}]"',
            package=package,
            extra=extra,
        )


def printable(text: str) -> str:
    """Return a text that may be printed, whatever names and values of others are in it."""
    return cut(visible(without_secrets(text[:LONGEST_MESSAGE])), LONGEST_MESSAGE)


def warn(text: str, *, stacklevel: int = 1) -> None:
    """Warn with a text that is `printable`; `stacklevel` as for `warnings.warn`."""
    warnings.warn(printable(text), stacklevel=stacklevel + 1)


def add_note_once(error: BaseException, note: str) -> None:
    """Add `note` to an error, unless it carries the same one already or takes none (a frozen dataclass)."""
    try:
        note = printable(note)
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except KeyboardInterrupt:
        raise
    except BaseException:  # its own methods may raise anything, also what would end the program
        return


def short(value: object, limit: int = 80) -> str:
    """Return a short, safe text for `value`: a ``__repr__`` that raises or is huge does no harm."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a broken __repr__ must not hide the real error
        text = f"<{type(value).__name__}>"
    return one_line(text, limit)


class PlatformError(KayGraphVizError, RuntimeError):
    """What was asked for cannot be done where the program runs: in a browser tab there is one thread and no process."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it: the sentence, since the lines of the code are not at fault."""
        return [f"{type(self).__name__}: {self.message}"]


class ServiceError(KayGraphVizError, RuntimeError):
    """A local service could not be started or stopped, or was configured with impossible settings."""


class DataError(KayGraphVizError, ValueError):
    """A shipped data file is missing, has other columns than expected, or a record cannot be read."""


class ServiceUnavailable(KayGraphVizError, ConnectionError):
    """A service gave no usable answer: it is down, slow, over its rate, failing, or its answer cannot be read."""

    url: str
    reason: str
    status: int | None
    retry_after_s: float | None

    def __init__(self, url: str, reason: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        hint = "" if retry_after_s is None else f"; it asks to try again after {retry_after_s:g} s"
        message = f"no usable answer from {url[:300]}: {reason[:300]}{hint}"
        super().__init__(
            message,
            url=without_secrets(url),
            reason=without_secrets(reason),
            status=status,
            retry_after_s=retry_after_s,
        )


class RateLimitError(KayGraphVizError, RuntimeError):
    """A worker process cannot use a rate limit that is kept by the process in which it was made."""


class WorkerLostError(KayGraphVizError, RuntimeError):
    """A worker process ended while it ran a branch: it was killed, crashed, or ended itself."""

    def __init__(self, pid: int, exit_code: int | None, item: str) -> None:
        super().__init__(
            f"worker process {pid} ended {ending(exit_code)} while it ran {item}; the other items are not affected",
            pid=pid,
            exit_code=exit_code,
            item=item,
        )


class RemoteWorkerLostError(WorkerLostError):
    """A Dask worker ended, or could not be reached any more, while it ran a branch."""

    def __init__(self, item: str, address: str | None, pid: int = 0, runs: int = 1) -> None:
        who = f"the Dask worker at {address}" if address else "a Dask worker"
        often = f", in run {runs}" if runs > 1 else ""
        KayGraphVizError.__init__(
            self,
            f"{who} was lost while it ran {item}{often}; the item is not run again, the others are not affected",
            item=item,
            address=address,
            pid=pid,
            exit_code=None,
            runs=runs,
        )


class SchedulerLostError(KayGraphVizError, ConnectionError):
    """The scheduler of a Dask cluster cannot be reached any more."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"the Dask scheduler at {address} cannot be reached any more; "
            "start the cluster again and make a new executor for it",
            address=address,
        )


class WorkerStartError(KayGraphVizError, RuntimeError):
    """Several worker processes in a row ended before they could run anything."""

    def __init__(self, exit_code: int | None, tries: int) -> None:
        super().__init__(
            f"{tries} worker processes in a row could not start; the last one ended {ending(exit_code)}; "
            "their output above says why; use executor='thread' if processes cannot be started",
            exit_code=exit_code,
            tries=tries,
        )


def ending(exit_code: int | None) -> str:
    """Return how a process ended, in words."""
    if exit_code is None or exit_code >= 0:
        return f"with exit code {exit_code}"
    try:
        return f"by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"by signal {-exit_code}"

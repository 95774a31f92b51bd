"""`record`: the block in which everything is recorded.

Belongs here: what a recording begins with, and what it ends with. Does not belong here: spans while it runs
(``trace.recorder``), its options (``trace.options``), the hooks in other libraries (``capture``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from kaygraph_viz.base.parts import contextmanager, log_kept
from kaygraph_viz.capture.calls import checked_label
from kaygraph_viz.capture.kinds import checked_kinds, hooked
from kaygraph_viz.clock.clock import Clock, use_clock
from kaygraph_viz.trace.options import announced, checked_cap, checked_clock, checked_period, checked_watch
from kaygraph_viz.trace.recorder import Recorder, RecordScope

if TYPE_CHECKING:
    from kaygraph_viz.trace.columns import SpanColumns
    from kaygraph_viz.trace.trace import Trace


@contextmanager
def record(
    *, cpu_time: bool = True, clock: Clock | Literal["virtual"] | None = None, seed: int | None = None,
    max_spans: int | None = None, shared_access: bool | Literal["strict"] = False, memory: bool = False,
    sample_s: float | None = None, capture: str | Iterable[str] = (),
    label: Literal["arguments"] | Callable[..., Any] | None = None,
) -> Iterator[Trace]:  # fmt: skip
    """Record everything that runs inside the ``with`` block.

    The trace can be read while the block runs and is immutable afterwards. Threads that are started inside, also by
    other libraries, are recorded where they call `span` or a `traced` function. A `record` inside another one takes
    over until it ends.

    Parameters
    ----------
    cpu_time
        Whether to read the CPU time of each branch (about 1 us a branch).
    clock
        Where the times come from; default: the clock in force, which is that of this machine. ``"virtual"``: simulated
        time, the same run on every machine; see `VirtualClock` for what can be set.
    seed
        With ``clock="virtual"``: 0, the default, or another whole number for another order of what happens at once.
    max_spans
        The most spans that are kept, 1 or more; default 1,000,000. What is dropped beyond it is counted in
        ``trace.dropped``.
    shared_access
        Whether to note which keys of the shared store each branch reads and writes, for `conflicts`; with ``"strict"``
        a branch that writes what another one in progress wrote gets a `SharedConflictError`. The store has to be a
        plain dict; nodes get another dict that always holds the same and writes to it.
    memory
        Whether to read again and again how much memory is in use, for `memory_curve`; not in simulated time.
    sample_s
        How often to look at the CPU clock of each thread, 0.0005 to 1 [s]; 0.002 is a good choice; default: not at all.
        So it is known when branches computed, waited for the GIL or for a core, to two or three times as long, where
        otherwise only their sums are known. On Linux only, else it is one warning. A process of its own looks: it
        starts in 0.02 s and takes at most 2% of one core; where there are very many threads, it looks less often.
    capture
        Which work of programs that know nothing of this package to record, too: ``"all"``, or a name or several of
        ``futures`` (pools of threads and processes), ``multiprocessing`` (its pools, processes and queues),
        ``asyncio`` (tasks), ``threading`` (threads and queues), ``joblib``, ``dask``, ``anyio`` (plain handlers of
        Starlette and FastAPI), ``pocketflow``, ``kaygraph`` and ``langgraph`` (nodes). Each call is a branch, named
        after its function, with what it begins within it, in another process, too. What cannot be recorded is one
        warning, such as other processes in simulated time.
    label
        What bars of captured calls say after the name of the function: ``"arguments"``, those that are numbers, texts
        or paths, as in ``fetch("a.html", 7)``; or a function that is called with the arguments of each call, as far as
        it takes them, and returns a number or a text, such as ``lambda url: url``. Where it raises, as for functions
        that it is not meant for, there is only the name. A label is kept as an attribute: all calls of a function have
        one name. Arguments whose names look like secrets are masked. It takes some 10 us a call.

    Yields
    ------
    Trace
        Live until the block ends.

    Raises
    ------
    OptionError
        If an option is not what it may be, or `seed` is given without a virtual clock.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with record(capture="futures") as trace:
    ...     with ThreadPoolExecutor(2) as pool:
    ...         list(pool.map(abs, [-1, -2]))
    [1, 2]
    >>> [(span.name, span.kind) for span in trace]
    [('abs', 'branch'), ('abs', 'branch')]
    """
    from kaygraph_viz.trace.memory import memory_log, watching
    from kaygraph_viz.trace.trace import Trace

    cap, watch, period_s = checked_cap(max_spans), checked_watch(shared_access), checked_period(sample_s)
    kinds = checked_kinds(capture)
    recorder = Recorder(
        checked_clock(clock, seed), cpu_time=cpu_time, max_spans=cap, shared_watch=watch, captured=kinds,
        label=checked_label(label),
    )  # fmt: skip
    log = memory_log(recorder.clock, is_wanted=memory)
    trace = announced(Trace._live(recorder.snapshot, recorder, log))
    scope = RecordScope(recorder, 0)
    # The clock's block is the innermost: what a simulated schedule still runs ends after the trace is complete.
    with _sampler(period_s, recorder) as sampled, watching(log), log_kept(), recorder.clock.running():
        try:
            scope.enter()
            with use_clock(recorder.clock), hooked(kinds):
                yield trace
        finally:
            try:
                scope.leave()
            except BaseException:  # an interrupt: a recording that stays in force would record all that follows
                scope.leave()
                raise
            recorder.tell_the_rest()
            columns = recorder.finish()
            try:
                columns = sampled(columns)
            finally:
                trace._freeze(columns, recorder.dropped)


def _sampler(
    period_s: float | None, recorder: Recorder
) -> AbstractContextManager[Callable[[SpanColumns], SpanColumns]]:
    if period_s is None:
        return nullcontext(lambda columns: columns)
    from kaygraph_viz.trace.sampler.sampler import sampling

    return sampling(period_s, recorder.clock, recorder.lanes)

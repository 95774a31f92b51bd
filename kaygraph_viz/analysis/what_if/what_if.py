"""What-if predictions: a recorded run with other workers, in another order, or with faster parts.

Belongs here: `what_if`, its options and the words of its result. Does not belong here: its numbers (``predictions``).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from kaygraph_viz.analysis.own_time import on_lanes
from kaygraph_viz.analysis.what_if.model import KINDS, read_model
from kaygraph_viz.analysis.what_if.predictions import LIMITS, Options, Predictions, predictions_of
from kaygraph_viz.analysis.what_if.replay import Speed, varied
from kaygraph_viz.analysis.wording import aligned, counted, duration, html_table, join_words, significant
from kaygraph_viz.analysis.worker_loops import input_waits
from kaygraph_viz.base.checks import (
    MAX_WORKERS,
    checked_flag,
    checked_number,
    checked_whole,
    checked_word,
    checked_workers,
)
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.nesting import PROFILE, Nesting, is_profile
from kaygraph_viz.trace.trace import Trace

GOOD_ENOUGH = 0.05  # a makespan that is longer than the best one by no more than this share
MAX_COUNTS = 256
USUAL_COUNTS = (1, 2, 4, 8, 16)
SCHEDULES = ("dynamic", "static", "longest-first")
FASTEST = 1e6
MAX_NAMES = 12
_WORDS = {"thread": "threads", "process": "processes", "async": "coroutines", "dask": "Dask workers"}
_HEADINGS = ("workers", "makespan", "low", "high", "speedup", "limited by")


@dataclass(frozen=True)
class WhatIf:
    """The predicted makespans of a run, by number of workers.

    Parameters
    ----------
    makespan_s
        The predicted makespan [s].
    low_s, high_s
        The bounds between which it is expected [s].
    limits
        What would keep it from being faster.
    recorded_workers, recorded_s
        How many workers the run had, and how long it took [s].
    replayed_s
        How long its replay takes on its own terms [s]: the nearer to `recorded_s`, the better.
    terms
        What was asked for besides the number of workers, in words.
    remarks
        What to know about the predictions, in sentences.
    is_profile
        Whether the trace is a profile: then nothing is predicted, and the sentence says so.
    """

    makespan_s: Mapping[int, float] = field(default_factory=dict)
    low_s: Mapping[int, float] = field(default_factory=dict)
    high_s: Mapping[int, float] = field(default_factory=dict)
    limits: Mapping[int, str] = field(default_factory=dict)
    recorded_workers: int = 0
    recorded_s: float = 0.0
    replayed_s: float = 0.0
    terms: str = ""
    remarks: tuple[str, ...] = ()
    is_profile: bool = False
    _predictions: Predictions | None = field(default=None, repr=False, compare=False)
    _alone_s: float = field(default=0.0, repr=False)

    @property
    def best_workers(self) -> int:
        """The smallest number of workers within 5% of the best makespan; 0 where nothing was recorded."""
        good = min(self.makespan_s.values(), default=0.0) * (1 + GOOD_ENOUGH)
        return min((count for count, seconds in self.makespan_s.items() if seconds <= good), default=0)

    @property
    def speedup(self) -> Mapping[int, float]:
        """The predicted speedup over one worker, by number of workers."""
        return {count: self._alone_s / seconds if seconds else 1.0 for count, seconds in self.makespan_s.items()}

    def trace(self, workers: int | None = None) -> Trace:
        """Return the trace that the run would have left: `gantt` draws it hatched, `summarize` and `explain` read it.

        Parameters
        ----------
        workers
            How many each parallel call gets, 1 to 4096; None for as many as it had.

        Raises
        ------
        OptionError
            If `workers` is out of range.
        """
        if workers is not None:
            checked_whole("workers", workers, 1, MAX_WORKERS, "workers=4")
        if self._predictions is None:
            raise OptionError("trace", self, "a result of what_if", "what_if(trace).trace(8)")
        run = f"the run with {counted(self.recorded_workers, 'worker')}"
        return self._predictions.trace(workers).as_predicted_from(run)

    @property
    def sentence(self) -> str:
        """The smallest number of workers that is enough, and its makespan, as one sentence.

        Examples
        --------
        >>> WhatIf().sentence
        'Nothing was recorded.'
        """
        if self.is_profile:
            return PROFILE
        if self._predictions is None or not self.recorded_s:
            return "Nothing was recorded."
        if not self._predictions.which:
            none = "No parallel call was" if self._predictions.model.calls else "No branches were"
            return f"{none} recorded, so the number of workers makes no difference."
        best, fastest = self.best_workers, min(self.makespan_s, key=lambda count: (self.makespan_s[count], count))
        said = f"{self.terms}, " if self.terms else ""
        said += counted(best, "worker")
        if len(self.makespan_s) > 1:
            said += " is enough: it" if best == 1 else " are enough: they"
        said += f" would take {duration(self.makespan_s[best])}"
        if fastest != best:
            said += f" ({fastest} would take {duration(self.makespan_s[fastest])})"
        said += f"; the run took {duration(self.recorded_s)} with {counted(self.recorded_workers, 'worker')}."
        return said[0].upper() + said[1:]

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                f"{count:,}",
                duration(seconds),
                duration(self.low_s[count]),
                duration(self.high_s[count]),
                f"{significant(self.speedup[count], 2)}x",
                self.limits[count],
            )
            for count, seconds in self.makespan_s.items()
        ]

    def _replayed(self) -> str:
        off = self.replayed_s / self.recorded_s - 1
        how = "as long as" if abs(off) < 0.005 else f"{abs(off):.0%} {'longer' if off > 0 else 'shorter'} than"
        return f"A replay with the recorded settings takes {duration(self.replayed_s)}, {how} the run."

    @property
    def _has_table(self) -> bool:
        return self._predictions is not None and bool(self._predictions.which) and self.recorded_s > 0

    def __str__(self) -> str:
        if not self._has_table:
            return self.sentence
        table = aligned([_HEADINGS, *self._rows()], right={0, 1, 2, 3, 4})
        return "\n\n".join([self.sentence, table, "\n".join([self._replayed(), *self.remarks])])

    def _repr_html_(self) -> str:
        if not self._has_table:
            return f"<p>{html.escape(self.sentence)}</p>"
        table = html_table(self._rows(), right={0, 1, 2, 3, 4}, headings=_HEADINGS)
        below = "<br>".join(html.escape(line) for line in (self._replayed(), *self.remarks))
        return f"<p>{html.escape(self.sentence)}</p>{table}<p>{below}</p>"


def what_if(
    trace: Trace,
    workers: int | Iterable[int] | None = None,
    *,
    only: str | None = None,
    executor: str | None = None,
    schedule: str | None = None,
    speed: Mapping[str, float] | None = None,
    cores: int | None = None,
    computes_first: bool | None = None,
    gil: bool | None = None,
) -> WhatIf:
    """Predict how long a recorded run would have taken with other workers, in another order, or with faster parts.

    The recorded branches are replayed: each waits and computes as long as it really did. Threads share one interpreter
    for Python code; processes, and threads whose code releases the GIL, the cores; starting workers and dispatching
    branches to them takes as long as was measured. One run is enough.

    Parameters
    ----------
    trace
        What was recorded.
    workers
        How many each parallel call, or each stage of a pipeline, gets: a number or several, 1 to 4096. Default: 1, 2,
        4, 8, 16 and as many as there were. Calls within branches keep theirs.
    only
        The name of a node, of a stage or of branches: only these get other workers, the others keep theirs. So each
        stage of a pipeline can be tried by itself.
    executor
        ``"thread"``, ``"process"``, ``"async"``, ``"dask"`` or ``"serial"``: which workers; default: those that there
        were. For coroutines all waiting counts as awaited.
    schedule
        ``"dynamic"``: a free worker takes the next branch; ``"static"``: one chunk of branches for each worker;
        ``"longest-first"``; default: as it was.
    speed
        How many times as fast nodes or branches are, by name: ``{"Enrich": 2}`` means that everything in them takes
        half the time.
    cores
        How many branches can compute at once, in processes and in threads as far as they need no GIL, 1 to 4096;
        default: the cores of the machine on which it was recorded;
        of a simulated one 4, unless its clock has others.
    computes_first
        Whether branches compute first and wait then, or the other way round; a trace does not say it. Default: they
        wait first, unless times are simulated and the other order gives the recorded ones exactly.
    gil
        False: as in a free-threaded Python, threads compute side by side, as many as there are cores. True: as with a
        GIL, all Python code of a process takes turns. Default: as it was recorded.

    Returns
    -------
    WhatIf
        ``print`` it, or let the notebook show it; ``.makespan_s``, ``.low_s`` and ``.high_s`` are mappings from the
        number of workers to seconds, ``.best_workers`` is how many are enough, ``.trace(8)`` can be drawn. For a
        profile, whose spans are function calls and no branches, nothing is predicted.

    Raises
    ------
    OptionError
        If an option is out of its range, or `only` or `speed` names nothing that was recorded.

    Notes
    -----
    Bars of threads that ran side by side contain waiting for the GIL, which is told from real waiting as well as a
    trace allows: where it was busy nearly all the time, a part of it is a guess, and fewer workers than recorded are
    less certain. A service, disk or memory that gets slower when more ask at once is not modelled; rate limits hold
    branches up as long as they did. The band covers how far the replay misses the recorded run, and what other branches
    of the same kind would do; another run on a busy machine may lie outside.

    Whether code holds the GIL is told by what threads of one name used together, `gil_free`: more than one core proves
    that it does not. Where that cannot be told, it is predicted as for Python code, and the band covers both.

    Where it can be compared, a replay does exactly what the virtual clock does. Runs of over 5,000 branches are
    replayed as a sample, but for `WhatIf.trace`.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> phase = bar("exec", "main", 0, 4, kind="phase", executor="thread", workers=1)
    >>> trace = make_trace((phase, [bar("get", "thread-1", n, n + 1, queued_s=n, cpu_s=0) for n in range(4)]))
    >>> found = what_if(trace, workers=[1, 2, 4, 8])
    >>> found.makespan_s, found.best_workers
    ({1: 4.0, 2: 2.0, 4: 1.0, 8: 1.0}, 4)
    >>> found.sentence
    '4 workers are enough: they would take 1.00 s; the run took 4.00 s with 1 worker.'
    """
    counts = _checked_workers(workers)
    kind, schedule = _checked_word("executor", executor, KINDS), _checked_word("schedule", schedule, SCHEDULES)
    checked_flag("computes_first", computes_first, or_none=True)
    checked_flag("gil", gil, "gil=False", or_none=True)
    checked_workers(cores, "cores")
    columns = trace.columns
    speed = _checked_speed(speed, columns.names)
    if not len(columns):
        return WhatIf()
    recorded = Nesting.of(columns)
    if is_profile(recorded):
        return WhatIf(recorded_s=trace.makespan_s, is_profile=True)
    model = read_model(recorded)
    which = varied(model, also_serial=kind not in (None, "serial"), only=only)
    if only is not None and not which:
        raise OptionError("only", only, f"the name of a parallel node, stage or branch: {_some(columns.names)}")
    options = Options(kind, schedule, cores, gil, computes_first)
    predictions = predictions_of(model, trace.machine, options, which, Speed.of(model, speed), trace.dropped)

    calls = [model.calls[number] for number in which]
    sizes = {min(call.workers, len(call.members)) for call in calls}
    most = max(sizes, default=0)
    counts = counts or sorted({*USUAL_COUNTS, *(sizes if len(sizes) < MAX_NAMES else (most,))})
    makespans = {count: predictions.makespan_ns(count) for count in counts}
    others = {count: predictions.otherwise_ns(count, makespan) for count, makespan in makespans.items()}
    band_ns = cache(lambda count: predictions.band_ns(count, makespans[count], others[count]))
    return WhatIf(
        makespan_s={count: makespan / 1e9 for count, makespan in makespans.items()},
        low_s=Bounds(makespans, band_ns, 0),
        high_s=Bounds(makespans, band_ns, 1),
        limits={count: LIMITS[predictions.limit(count, makespan)] for count, makespan in makespans.items()},
        recorded_workers=most,
        recorded_s=predictions.recorded_ns / 1e9,
        replayed_s=predictions.replayed_ns / 1e9,
        terms=_in_words(only, kind, schedule, speed, gil),
        remarks=tuple(_remarks(predictions, makespans, others, assumed_cores=cores is None)),
        _predictions=predictions,
        _alone_s=(makespans[1] if 1 in makespans else predictions.makespan_ns(1)) / 1e9,
    )


class Bounds(Mapping[int, float]):
    """The lower bounds (`side` 0) or the upper ones (1) of all predictions [s], by number of workers.

    They are found when they are first read: each takes several replays, and many callers need none.
    """

    def __init__(self, counts: Collection[int], band_ns: Callable[[int], tuple[float, float]], side: int) -> None:
        self._counts, self._band_ns, self._side = counts, band_ns, side

    def __getitem__(self, workers: int) -> float:
        return self._band_ns(workers)[self._side] / 1e9

    def __iter__(self) -> Iterator[int]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return repr(dict(self))


# -- what is said besides ---------------------------------------------------------------------------------------------


def _remarks(
    predictions: Predictions, makespans: Mapping[int, int], others: Mapping[int, int], *, assumed_cores: bool
) -> Iterator[str]:
    model, terms, which = predictions.model, predictions.terms, predictions.which
    if terms.cores is not None and assumed_cores:
        yield f"At most {terms.cores} branches compute at once, one on each core; cores=... sets another number."
    if terms.kind is not None and not model.is_exact and all(model.calls[each].kind != terms.kind for each in which):
        workers = _WORDS.get(terms.kind, "workers")
        yield f"The time to start {workers} and to send branches to them is assumed, not recorded."
    if len(model.branches) and not model.cpu.any():
        yield "No CPU time was recorded: all time counts as waiting, which any number of workers can do at once."
    if model.has_loops:
        yield (
            "Branches that took items from a queue are workers themselves: their work between two waits is replayed as "
            "items, as short ones where no wait shows where they end."
        )
    elif len(input_waits(model.nesting).owner):
        yield (
            "Branches that took items from a queue and contain other branches are replayed as they were: more of them "
            "would get nothing to do."
        )
    is_generator = on_lanes(model.nesting.columns, ("generator",))[model.branches]
    if (model.blocked > model.backpressure)[~model.makes_calls & ~is_generator].any():
        yield "Branches waited for a rate limit: these waits are kept as recorded for any number of workers."
    if predictions.dropped:
        yield f"The trace lacks {counted(predictions.dropped, 'span')} of the run: all predicted times are too short."

    # Where it makes a difference whether code holds the GIL, and the run does not tell.
    if all(abs(others[count] - makespan) <= GOOD_ENOUGH * makespan for count, makespan in makespans.items()):
        return
    if predictions.is_in_turns:
        yield (
            "No two branches computed at the same time, so the trace does not show whether their code holds the GIL: "
            "the band covers both cases."
        )
    else:
        yield "The trace does not show for how long the code of the branches holds the GIL: the band covers both cases."


def _in_words(
    only: str | None, kind: str | None, schedule: str | None, speed: Mapping[str, float], gil: bool | None
) -> str:
    faster = [f"{name} {significant(times, 2)} times as fast" for name, times in speed.items()]
    order = {"static": "with one chunk per worker", "longest-first": "with the longest first"}.get(schedule or "", "")
    words = [
        f"in {one_line(only)}" if only else "",
        f"as {_WORDS[kind]}" if kind in _WORDS else "one after the other" if kind else "",
        order,
        {True: "with a GIL", False: "without a GIL"}.get(gil, "") if gil is not None else "",
    ]
    return ", ".join(filter(None, [*words, f"with {join_words(faster)}" if faster else ""]))


# -- options ----------------------------------------------------------------------------------------------------------


def _checked_workers(workers: int | Iterable[int] | None) -> list[int]:
    if workers is None:
        return []
    if isinstance(workers, (str, bytes, Mapping)) or not isinstance(workers, (int, Iterable)):
        raise OptionError("workers", workers, "a number of workers, or several", "workers=[1, 2, 4, 8]")
    counts: list[int] = []
    for count in (workers,) if isinstance(workers, int) else workers:
        counts.append(checked_whole("workers", count, 1, MAX_WORKERS, "workers=4"))
        if len(counts) > MAX_COUNTS:
            raise OptionError("workers", workers, f"at most {MAX_COUNTS} numbers", "workers=range(1, 17)")
    if not counts:
        raise OptionError("workers", workers, "at least one number of workers", "workers=[1, 2, 4, 8]")
    return sorted(set(counts))


def _checked_word(name: str, word: str | None, known: tuple[str, ...]) -> str | None:
    return None if word is None else checked_word(name, word, known, f'{name}="{known[1]}"')


def _checked_speed(speed: Mapping[str, float] | None, names: Iterable[str]) -> dict[str, float]:
    if speed is None:
        return {}
    example, known = 'speed={"Enrich": 2}', list(dict.fromkeys(names))
    if not isinstance(speed, Mapping):
        raise OptionError("speed", speed, "how many times as fast, by name", example)
    for name, times in speed.items():
        if name not in known:
            raise OptionError("speed", name, f"the name of a node or branch: {_some(known)}", example)
        checked_number(f"speed[{name!r}]", times, 1 / FASTEST, FASTEST, example)
    return {name: float(times) for name, times in speed.items()}


def _some(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    return (", ".join(map(repr, known[:MAX_NAMES])) or "none was recorded") + (
        ", ..." if len(known) > MAX_NAMES else ""
    )

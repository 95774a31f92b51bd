"""The log of a panel: settings and traces of its runs, and how they compare, in words.

Does not belong here: widgets (``playground``), and pictures (``pictures``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kaygraph_viz.analysis.summary import Summary, summarize
from kaygraph_viz.analysis.what_if.what_if import WhatIf, what_if
from kaygraph_viz.analysis.wording import counted, duration, significant
from kaygraph_viz.base.errors import KayGraphVizError
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.playground.options import WORKERS, Option


def duration_range(seconds: Sequence[float]) -> str:
    """Return the shortest and the longest of some durations [s], in two digits; in three where two are the same."""
    low, high = (duration(each, 2) for each in (min(seconds), max(seconds)))
    if low == high:
        low, high = (duration(each) for each in (min(seconds), max(seconds)))
    if low == high:
        return low
    (number, unit), (_, other) = low.rsplit(" ", 1), high.rsplit(" ", 1)
    return f"{number}-{high}" if unit == other else f"{low} - {high}"


def repeats_took(seconds: Sequence[float]) -> str:
    """Return how long runs with the same settings took, in a few words."""
    return duration(seconds[0]) if len(seconds) == 1 else f"{len(seconds)} runs: {duration_range(seconds)}"


def missed_by(predicted_s: float, measured_s: float) -> str:
    """Return how far off a prediction was, in a sentence; both in seconds."""
    said = f"Predicted {duration(predicted_s)}, measured {duration(measured_s)}"
    off = round(100 * (predicted_s / measured_s - 1)) if measured_s else 0
    return f"{said}: {abs(off)}% too {'long' if off > 0 else 'short'}." if off else f"{said}: right."


# -- the log ---------------------------------------------------------------------------------------------------------

MAX_TRIED = 100  # traces are large; the oldest go first
CHEAP_SPANS = 2_000  # runs with more are not predicted, since a picture has to come at once
HARDLY = 0.25
FAILURES = ("error", "timeout", "lost", "abandoned")
BEST = "\N{BLACK STAR}"
Settings = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Tried:
    """A run of the log: its settings and its trace."""

    settings: Settings
    trace: Trace
    is_whole: bool = True
    only: str | None = None
    predicted_s: float | None = None

    @property
    def workers(self) -> int:
        """The number of workers that the run was given."""
        workers: int = self.settings[WORKERS]
        return workers

    @cached_property
    def summary(self) -> Summary:
        """The summary of its trace."""
        return summarize(self.trace)

    @cached_property
    def rows(self) -> int:
        """The number of rows of its chart."""
        return len(self.trace.lanes)

    @property
    def is_simulated(self) -> bool:
        """Whether it ran in simulated time."""
        return self.trace.machine is not None and self.trace.machine.is_simulated

    @cached_property
    def what_if(self) -> WhatIf | None:
        """The predictions for 1 to 16 workers; None where the run was stopped or has nothing that gets workers."""
        try:
            found = what_if(self.trace, workers=range(1, 17), only=self.only) if self.is_whole else None
        except KayGraphVizError:  # there is nothing of that name in it
            return None
        return found if found is not None and found.recorded_workers else None

    @property
    def predicted(self) -> WhatIf | None:
        """The same, for a picture that has to come at once; None where the run is large, or they are all the same."""
        found = self.what_if if len(self.trace) <= CHEAP_SPANS else None
        return found if found is not None and len({*found.makespan_s.values()}) > 1 else None


@dataclass
class Log:
    """The runs of a panel, in the order in which their settings were tried first."""

    options: Sequence[Option]
    only: str | None = None
    entries: list[Tried] = field(default_factory=list)

    def add(
        self, settings: Settings, trace: Trace, *, is_whole: bool = True, predicted_s: float | None = None
    ) -> Tried:
        """Add a run and return its entry."""
        tried = Tried(dict(settings), trace, is_whole, self.only, predicted_s)
        kept = [entry for entry in self.entries if entry.is_whole or entry.settings != settings]
        self.entries = [*kept, tried][-MAX_TRIED:]
        return tried

    def runs(self, settings: Settings) -> list[Tried]:
        """Return the runs with these settings, the oldest first."""
        return [entry for entry in self.entries if entry.settings == settings]

    def find(self, settings: Settings) -> Tried | None:
        """Return the last run with these settings, or None."""
        return next(reversed(self.runs(settings)), None)

    def nearest(self, settings: Settings) -> Tried | None:
        """Return the last run that differs least in its number of workers, and in nothing else."""
        others = [option.name for option in self.options if option.name != WORKERS]
        near = [
            entry
            for entry in reversed(self.entries)
            if entry.is_whole and all(entry.settings[name] == settings[name] for name in others)
        ]
        near.sort(key=lambda entry: (abs(entry.workers - settings[WORKERS]), entry.workers))
        return next((entry for entry in near if entry.what_if is not None), None)

    def alike(self, tried: Tried) -> list[Tried]:
        """Return the runs with the same workload, so that their makespans compare."""
        task = [option.name for option in self.options if option.is_task]
        return [
            entry
            for entry in self.entries
            if entry.is_whole and all(entry.settings[name] == tried.settings[name] for name in task)
        ]

    def series(self, tried: Tried) -> list[Tried]:
        """Return the runs of `alike` that differ in nothing but the number of workers."""
        names = [option.name for option in self.options if option.name != WORKERS]
        return [
            entry for entry in self.alike(tried) if all(entry.settings[name] == tried.settings[name] for name in names)
        ]

    def predicted(self, tried: Tried) -> WhatIf | None:
        """Return the predictions of the first run of a series, which later runs are compared with."""
        return next((entry.predicted for entry in self.series(tried) if entry.predicted is not None), None)

    def is_best(self, tried: Tried) -> bool:
        """Return whether a run was the fastest with its workload; of equals, the one with the fewest workers."""
        alike = self.alike(tried)
        has_others = any(entry.settings != tried.settings for entry in alike)
        return has_others and tried is min(alike, key=lambda each: (each.trace.makespan_s, each.workers))

    def one_worker_s(self, tried: Tried) -> float | None:
        """Return the makespan with one worker [s], measured or predicted; None where it is not known."""
        took_s, predicted = self._one_worker_took_s(tried), self.predicted(tried)
        return took_s if took_s is not None or predicted is None else predicted.makespan_s[1]

    def _one_worker_took_s(self, tried: Tried) -> float | None:
        return min((entry.trace.makespan_s for entry in self.alike(tried) if entry.workers == 1), default=None)

    def gain(self, tried: Tried) -> str:
        """Return the speedup of a run over one worker in words; an empty text where it is not known."""
        alone_s, makespan_s = self.one_worker_s(tried), tried.trace.makespan_s
        if not alone_s or not makespan_s:
            return ""
        about = "" if self._one_worker_took_s(tried) is not None else "about "
        return f"{about}{significant(alone_s / makespan_s, 2)}"

    def result(self, tried: Tried) -> str:
        """Return the result of a run in a sentence or two."""
        alone_s, summary = self.one_worker_s(tried), tried.summary
        if not tried.is_whole:
            return "This run was stopped: the chart shows the time until then."
        has_more_rows = summary.workers > tried.workers == 1  # each branch of this worker has workers of its own
        if alone_s is None or (tried.workers == 1 and not has_more_rows) or not len(tried.trace):
            return summary.sentence
        branches = counted(summary.counts.get("branches", 0), "branch", "branches")
        alone = "which took" if self._one_worker_took_s(tried) is not None else "which would probably take"
        gain = f": {self.gain(tried)} times as fast as one worker, {alone} {duration(alone_s)}"
        took = f"{branches} with {counted(tried.workers, 'worker')} took {duration(summary.makespan_s)}"
        head = f"{took}{'' if has_more_rows else gain}."
        failed = sum(summary.counts.get(status, 0) for status in FAILURES)
        mishaps = {"failed": failed, "tried again": summary.counts.get("retries", 0)}
        return head + "".join(f" {number:,} {word}." for word, number in mishaps.items() if number)

    def again(self, tried: Tried) -> str:
        """Return how a run compares with what was predicted, and with earlier runs of its settings, in sentences."""
        found, makespan_s = [], tried.trace.makespan_s
        if tried.predicted_s is not None:
            found.append(missed_by(tried.predicted_s, makespan_s))
        before = self.runs(tried.settings)
        before = before[: before.index(tried) + 1]
        if len(before) > 1:
            makespans = [run.trace.makespan_s for run in before]
            took = f"{'both' if len(before) == 2 else f'all {len(before)}'} took {duration_range(makespans)}"
            if tried.is_simulated and len({*makespans}) == 1:
                took = "the same as before, since time is simulated"
            found.append(f"Run {len(before)} with these settings: {took}.")
        return " ".join(found)

    def title(self, tried: Tried) -> str:
        """Return the settings that tell a run from others, and its makespan."""
        runs = self.runs(tried.settings)
        number = f", run {runs.index(tried) + 1}" if len(runs) > 1 else ""
        makespan = duration(tried.trace.makespan_s, 3) if tried.is_whole else "stopped"
        return f"{self.named(tried.settings)}{number}: {makespan}"

    def named(self, settings: Settings) -> str:
        """Return the number of workers, and those settings that differ in the log, in words."""
        shown = (option.named(settings[option.name]) for option in self.options[1:] if self._differs(option))
        return ", ".join([counted(settings[WORKERS], "worker"), *shown])

    def scale_s(self, tried: Tried) -> float:
        """Return how long a time axis the chart of a run has [s]."""
        alike_s, all_s = (
            max((entry.trace.makespan_s for entry in entries), default=0.0)
            for entries in ([tried, *self.alike(tried)], self.entries)
        )
        return alike_s if alike_s < HARDLY * all_s else all_s

    @property
    def max_rows(self) -> int:
        """The rows of the chart with the most."""
        return max((entry.rows for entry in self.entries), default=0)

    def table(self, opened: Tried | None = None) -> list[tuple[str, ...]]:
        """Return the log as rows of words, the headings first; settings that never differed have no column."""
        shown = [option for option in self.options if option.name == WORKERS or self._differs(option)]
        headings = ["", *(option.plain_label for option in shown), "makespan", "times as fast", "at once"]
        rows = (self._row(runs, number, shown) for runs, number in self._lines(opened))
        return [tuple(headings), *rows]

    def lines(self, opened: Tried | None = None) -> list[Tried]:
        """Return the run of each row of `table`: of repeats, the last one stands for all."""
        return [runs[number] for runs, number in self._lines(opened)]

    def _lines(self, opened: Tried | None) -> Iterator[tuple[list[Tried], int]]:
        """Yield the runs with the same settings, and the number of one of them; -1 for the row of all."""
        seen = list[Settings]()  # no set: settings cannot be members of one
        for settings in (entry.settings for entry in self.entries):
            if settings in seen:
                continue
            seen.append(settings)
            runs = self.runs(settings)
            yield runs, -1
            if len(runs) > 1 and opened in runs:
                yield from ((runs, number) for number in range(len(runs)))

    def _differs(self, option: Option) -> bool:
        return len({repr(entry.settings[option.name]) for entry in self.entries}) > 1

    def _row(self, runs: Sequence[Tried], number: int, shown: Sequence[Option]) -> tuple[str, ...]:
        entry, members = runs[number], runs if number < 0 else [runs[number]]
        settings = [option.shown(entry.settings[option.name]) for option in shown]
        if number >= 0:
            settings = [f"run {number + 1}", *[""] * (len(settings) - 1)]
        makespan = repeats_took([run.trace.makespan_s for run in members]) if entry.is_whole else "stopped"
        gain = self.gain(entry) if entry.is_whole else ""
        measured = (makespan, gain, str(entry.summary.peak_concurrency))
        return BEST if any(map(self.is_best, members)) else "", *settings, *measured


def rounded(value: Any) -> Any:
    """Return a value rounded to 9 digits: a slider in steps of 0.1 stands at 0.30000000000000004."""
    return round(value, 9) if isinstance(value, float) else value

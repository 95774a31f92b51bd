"""A Gantt chart in words: its title, a sentence for each run, and a table of its bars, or of rows if they are many.

Does not belong here: what is drawn (``gantt``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TypeAlias

import numpy as np

from kaygraph_viz.analysis.blocked_loop import blocked_loop_sentence
from kaygraph_viz.analysis.critical_path import PathStep
from kaygraph_viz.analysis.summary import Summary
from kaygraph_viz.analysis.wording import counted, duration, join_words, significant
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.gantt.layout import BarLabels, Floats, share_of
from kaygraph_viz.plot.gantt.loops import turns_of
from kaygraph_viz.plot.gantt.scene import Chart, Run
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.style import BANDS_NOTE, STATUS_WORDS
from kaygraph_viz.trace.columns import sums, tally
from kaygraph_viz.trace.intervals import concurrency

FILLS_OF = {
    "CPU": ("cpu",),
    "waiting": ("wait", "unknown"),
    "interpreter": ("gil",),
    "core": ("core",),
    "blocked": ("blocked",),
    "pause": ("pause",),
}
PART_HEADINGS = tuple(FILLS_OF)
PHRASES = {
    "CPU": "computing",
    "waiting": "waiting",
    "core": "waiting for a core",
    "blocked": "blocked",
    "pause": "pauses before a retry",
}
HELD_UP = ("interpreter", "core", "blocked", "pause")
NOTABLE, MIN_SHARE = 0.05, 0.005  # shares of all time: of being held up for a sentence, of a kind to be named in it
UNKNOWN = PART_CODE["unknown"]


def part_times_s(run: Run) -> dict[str, Floats]:
    """Return the time of each bar in each kind of part [s], by `PART_HEADINGS`, shape (number of bars,) each."""
    found = {
        word: sum((_total_s(run, fill) for fill in fills), np.zeros(len(run.units))) for word, fills in FILLS_OF.items()
    }
    is_measured = _total_s(run, "busy") == 0
    return found | {word: np.where(is_measured, found[word], np.nan) for word in ("CPU", "waiting")}


def _total_s(run: Run, fill: str) -> Floats:
    share = share_of(run.parts, fill)
    some = np.flatnonzero(share)
    times = share[some] * (run.parts.ended_ns[some] - run.parts.started_ns[some]) / 1e9
    return sums(run.parts.owner[some], times, len(run.units)).astype(np.float64, copy=False)


def where_time_went(run: Run, times_s: Mapping[str, Floats]) -> str:
    """Return a sentence about the time in the bars if they were held up for a notable part of it, else ""."""
    totals = {word: float(np.nansum(times)) for word, times in times_s.items()}
    all_s = float((run.parts.ended_ns - run.parts.started_ns).sum()) / 1e9
    if not all_s or sum(totals[word] for word in HELD_UP) < NOTABLE * all_s:
        return ""
    shares = {word: totals[word] / all_s for word in PART_HEADINGS}
    phrases = PHRASES | {"interpreter": f"waiting for {turns_of([run])}"}
    named = [f"{share:.0%} {phrases[word]}" for word, share in shares.items() if share >= MIN_SHARE]
    unmeasured = 1 - sum(totals.values()) / all_s
    more = [f"{unmeasured:.0%} running, not measured"] if unmeasured >= MIN_SHARE else []
    of = f" of {run.name}" if run.name else ""
    return f"The time in the bars{of} is {join_words([*named, *more])}{_turns(run, totals)}."


def _turns(run: Run, totals: Mapping[str, float]) -> str:
    """Return the end of the sentence: how many computed at once, if some waited for a turn and all turns are known."""
    parts = run.parts
    is_cpu, is_unknown = parts.kind == PART_CODE["cpu"], parts.kind == UNKNOWN
    if not totals["interpreter"] + totals["core"] or is_unknown.any() or not is_cpu.any():
        return ""
    most = int(concurrency(parts.started_ns[is_cpu], parts.ended_ns[is_cpu])[1].max())
    return "; no two bars compute at once" if most == 1 else f"; at most {most:,} bars compute at once"


# -- sentences and tables --------------------------------------------------------------------------------------------

Times: TypeAlias = Mapping[str, Floats]  # of each bar, by the words for parts [s]
EMPTY = "Gantt chart without bars: nothing was recorded."
MAX_BARS, MAX_ROWS, MAX_STEPS = 40, 40, 6
QUEUED = ("queued", "mean queue wait")


def gantt_title(chart: Chart) -> str:
    """Return the title of a chart: its main numbers, or the makespans of its runs."""
    if len(chart.runs) > 1:
        shortest, longest = (duration(choose(run.summary.makespan_s for run in chart.runs), 2) for choose in (min, max))
        times = f"{shortest} to {longest}" if shortest != longest else f"{longest} each"
        return f"{counted(len(chart.runs), 'run')}, {times}"
    summary = chart.runs[0].summary
    if not summary.counts.get("units"):
        return "Empty trace"
    makespan, mean = duration(summary.makespan_s), significant(summary.mean_concurrency, 2)
    return f"{counted(summary.workers, 'worker')}, {_what(summary)}, {makespan}, {mean} at once"


def gantt_description(chart: Chart, paths: Sequence[Sequence[PathStep]] = ()) -> Description:
    """Return the description of a chart."""
    if not chart.bar_count:
        return Description(EMPTY)
    sentences = [_sentence(run, chart) for run in chart.runs]
    if chart.band_count:
        bands, most = counted(chart.band_count, "band"), max(row.stands_for for row in chart.rows)
        sentences.append(
            f"So many rows cannot be told apart: {chart.folded_count:,} are folded into {bands} of at most {most:,} "
            f"rows; {BANDS_NOTE}."
        )
    times = [part_times_s(run) for run in chart.runs]
    sentences += filter(None, map(where_time_went, chart.runs, times))
    sentences += filter(None, (blocked_loop_sentence(run.nesting.columns) for run in chart.runs))
    for run, steps in zip(chart.runs, paths, strict=False):
        if steps:
            names = [clean(step.name) + ("" if step.index is None else f" {step.index}") for step in steps]
            if len(names) > MAX_STEPS:
                names[MAX_STEPS // 2 : -MAX_STEPS // 2] = [f"{len(names) - MAX_STEPS:,} more"]
            of = f" of {run.name}" if run.name else ""
            sentences.append(f"The critical path{of} is {', then '.join(names)}.")
    is_small = chart.bar_count <= MAX_BARS
    table = _bar_table(chart, times, paths) if is_small else _row_table(chart, times)
    turn = turns_of(chart.runs).replace("the ", "")
    headings = tuple(turn if heading == "interpreter" else heading for heading in table.headings)
    return Description(" ".join(sentences), [table._replace(headings=headings)])


def _what(summary: Summary) -> str:
    branches = summary.counts["branches"]
    return counted(branches, "branch", "branches") if branches else counted(summary.counts["units"], "bar")


def _sentence(run: Run, chart: Chart) -> str:
    name = f" {run.name}:" if run.name else " of"
    if not len(run.units):
        return f"Gantt chart{name} no bars."
    columns, summary = run.nesting.columns, run.summary
    service = columns.column("ended_ns")[run.units] - columns.column("started_ns")[run.units]
    longest = columns.span(int(run.units[service.argmax()]))
    first, last = int(run.row_of.min()), int(run.row_of.max())
    mine = chart.rows if len(chart.runs) == 1 else chart.rows[first : last + 1]
    rows = sum(row.stands_for for row in mine if not row.is_heading)
    counts = summary.counts
    marked = [f"{counts[status]:,} {STATUS_WORDS[status]}" for status in STATUS_WORDS if counts.get(status)]
    marked += [counted(counts["retries"], "retry", "retries")] if counts["retries"] else []
    marks = f" Marked: {join_words(marked)}." if marked else ""
    origin = f" All of this is predicted from {run.predicted_from}, not measured." if run.predicted_from else ""
    return (
        f"Gantt chart{name} {_what(summary)} on {counted(summary.workers, 'worker')} ({counted(rows, 'row')}) over "
        f"{duration(summary.makespan_s)}, {significant(summary.mean_concurrency, 2)} at once on average; the longest "
        f"bar is {clean(longest.name)} on {clean(longest.lane)} with {duration(longest.service_s)}.{marks}{origin}"
    )


def _bar_table(chart: Chart, times: Sequence[Times], paths: Sequence[Sequence[PathStep]]) -> Table:
    """Return a table with a line for each bar, in the order of rows and times."""
    critical = [{step.span_id for step in steps} for steps in paths] or [set[int]()] * len(chart.runs)
    rows = list[tuple[str, ...]]()
    for run, times_s, ids in zip(chart.runs, times, critical, strict=True):
        words = BarLabels(run.nesting, run.units)
        for place in np.lexsort((run.units, run.row_of)).tolist():
            position = int(run.units[place])
            span = run.nesting.columns.span(position)
            told_ns = (
                span.started_ns - run.first_ns,
                span.ended_ns - run.first_ns,
                span.started_ns - span.submitted_ns,
            )
            told_s = (*(time / 1e9 for time in told_ns), *(float(part[place]) for part in times_s.values()))
            cells = ("" if isnan(time_s) else duration(time_s) for time_s in told_s)
            ended = STATUS_WORDS.get(span.status, span.status) + (f", {span.attempt} tries" if span.attempt > 1 else "")
            is_critical = "yes" if int(run.ids[place]) in ids else ""
            rows.append((run.name, clean(span.lane), words.full(position), *cells, ended, is_critical))
    headings = ("run", "worker", "bar", "from", "to", "queued", *PART_HEADINGS, "ended", "critical path")
    return Table(headings, _without_zeros(headings, rows), words=3, remarks=2)


def _without_zeros(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows with empty cells in columns of zeros, which a table leaves out."""
    zero = duration(0)
    gone = {
        place
        for place, heading in enumerate(headings)
        if heading in (*QUEUED, *PART_HEADINGS) and all(row[place] in ("", zero) for row in rows)
    }
    return [tuple("" if place in gone else cell for place, cell in enumerate(row)) for row in rows]


def _row_table(chart: Chart, times: Sequence[Times]) -> Table:
    """Return a table with a line for each row of a worker."""
    headings = ("run", "worker", "bars", "from", "to", "busy", "mean queue wait", *PART_HEADINGS, "not ok")
    lines, size = list[tuple[str, ...]](), len(chart.rows)
    for run, times_s in zip(chart.runs, times, strict=True):
        starts, ends = run.since_start("started_ns"), run.since_start("ended_ns")
        told_s = (ends - starts) / 1e9, (starts - run.since_start("submitted_ns")) / 1e9, *times_s.values()
        counts = tally(run.row_of, size)
        per_row = [sums(run.row_of, np.nan_to_num(time), size).astype(np.float64, copy=False) for time in told_s]
        per_row[1] /= counts.clip(1)
        bad = tally(run.row_of[~run.nesting.columns.is_status("ok")[run.units]], size)
        first, last = np.full(size, np.iinfo(np.int64).max), np.zeros(size, np.int64)
        np.minimum.at(first, run.row_of, starts)
        np.maximum.at(last, run.row_of, ends)
        for row in np.flatnonzero(counts).tolist():
            cells = (first[row] / 1e9, last[row] / 1e9, *(float(part[row]) for part in per_row))
            name = chart.rows[row].text or clean(chart.rows[row].lane)
            lines.append((run.name, name, f"{counts[row]:,}", *map(duration, cells), f"{bad[row]:,}"))
    rows = _without_zeros(headings, lines)
    if len(rows) > MAX_ROWS:
        more = f"{len(rows) - MAX_ROWS + 1:,} more rows"
        rows[MAX_ROWS - 1 :] = [("", more, *[""] * (len(rows[0]) - 2))]
    return Table(headings, rows, words=2)

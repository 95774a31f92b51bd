"""Lesson 13: charts of chunk sizes and of two laws, the circle of a deadlock, and the accounts of the exercise.

Belongs here: what only this lesson uses. Does not belong here: what the reader should see as code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from matplotlib.axes import Axes

import kaygraph_viz as kv
from kaygraph_viz.analysis.laws import amdahl_speedup, gustafson_speedup
from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.course.lessons.goals import Finding, Goal, named
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.description import Table
from kaygraph_viz.plot.style import BAR, CRITICAL, FILLS, Fill, Key, Size, Stroke
from kaygraph_viz.plot.wait_circle import wait_circle
from kaygraph_viz.trace.row import describe_error

__all__ = [
    "ACCOUNTS",
    "OTHER_RIGHT",
    "RIGHT",
    "TRANSFERS",
    "balances_are_right",
    "booked",
    "chunk_costs",
    "chunk_curve",
    "law_curves",
    "other_day",
    "result_or_error",
    "settled",
    "wait_circle",
]

Transfer = tuple[str, str, int]  # from, to, how much
ACCOUNTS: Mapping[str, int] = {"Ada": 100, "Bob": 100, "Cleo": 100, "Dan": 100}
TRANSFERS: tuple[Transfer, ...] = (
    ("Ada", "Bob", 10),
    ("Bob", "Ada", 20),
    ("Cleo", "Dan", 30),
    ("Dan", "Cleo", 40),
    ("Ada", "Cleo", 5),
    ("Bob", "Dan", 15),
    ("Dan", "Ada", 25),
    ("Cleo", "Bob", 35),
)
_OTHER_ACCOUNTS = {"Dan": 70, "Cleo": 80, "Bob": 90, "Ada": 110}
_OTHER_TRANSFERS: tuple[Transfer, ...] = (
    ("Bob", "Ada", 7),
    ("Ada", "Bob", 3),
    ("Dan", "Cleo", 11),
    ("Cleo", "Dan", 2),
    ("Ada", "Dan", 13),
    ("Dan", "Bob", 4),
)

WORK, SENDING = Fill(FILLS["cpu"].colour, "work"), FILLS["queued"]._replace(label="sending chunks")
IDLE = Fill("#F6D9B8", "idle at the end: the tail", "////", line="#A8631A")
AMDAHL, GUSTAFSON = (
    Stroke(BAR, "Amdahl: the same work, sooner"),
    Stroke(CRITICAL.colour, "Gustafson: more work", 2.0, "--"),
)
MARGINS_PT, HEIGHT_IN, MOST_WORKERS = (46.0, 14.0, 36.0, 62.0), 3.4, 64


def settled(accounts: Mapping[str, int], transfers: Iterable[Transfer]) -> dict[str, int]:
    """Return the balances after all transfers, one after the other."""
    after = dict(accounts)
    for source, target, amount in transfers:
        after[source] -= amount
        after[target] += amount
    return after


RIGHT = settled(ACCOUNTS, TRANSFERS)


OTHER_RIGHT = settled(_OTHER_ACCOUNTS, _OTHER_TRANSFERS)


def other_day() -> tuple[dict[str, int], list[Transfer]]:
    """Return accounts and transfers of another day: an answer for one day only is none."""
    return dict(_OTHER_ACCOUNTS), list(_OTHER_TRANSFERS)


def result_or_error(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a reader's function and return its result, or the error that it raised."""
    try:
        return function(*arguments)
    except Exception as error:
        return error


def booked(count: int) -> Goal:
    """Require `count` bookings, and that no branch failed."""

    def evaluate(trace: kv.Trace) -> Finding:
        bookings, failed = len(named(trace, "book")), [span for span in named(trace) if not span.ok]
        if failed:
            return Finding(False, f"{len(failed)} branches failed or never ended, the first is {failed[0].status!r}")
        return Finding(bookings == count, f"there were {bookings} bookings, and no branch failed")

    return Goal(f"{count} bookings, and no branch fails", evaluate)


def balances_are_right(found: Any) -> Goal:
    """Require the balances after all transfers of the day; `found` is what a reader's function returned or raised."""
    if isinstance(found, Exception):
        finding = Finding(False, f"it ended with an error: {describe_error(found)}")
    elif not isinstance(found, Mapping):
        finding = Finding(False, f"expected the accounts by name, got {found!r}")
    else:
        wrong = next((name for name in RIGHT if found.get(name) != RIGHT[name]), None)
        reason = "they are right" if wrong is None else f"{wrong} has {found.get(wrong)} and should have {RIGHT[wrong]}"
        finding = Finding(wrong is None, reason)
    return Goal("the right balances", lambda trace: finding)


# -- chunk sizes -----------------------------------------------------------------------------------------------------


def chunk_costs(trace: kv.Trace, workers: int) -> tuple[float, float, float]:
    """Return what the time of a run consists of, for each worker on average [s]: work, sending, being idle."""
    work_s = kv.summarize(trace).work_s / workers
    sending_s = kv.explain(trace).parts.get("dispatch", 0.0) / workers
    return work_s, sending_s, max(0.0, trace.makespan_s - work_s - sending_s)


def chunk_curve(runs: Mapping[int, kv.Trace], workers: int) -> Axes:
    """Draw the makespan against the number of items in a chunk, and what it consists of."""
    sizes, costs = list(runs), [chunk_costs(trace, workers) for trace in runs.values()]
    canvas = _canvas("items in one chunk", "makespan [s]")
    ax, keys = canvas.ax, [WORK, SENDING, IDLE]
    styles = [{"facecolor": key.colour, "hatch": key.hatch, "edgecolor": key.line} for key in keys]
    for layer, style in zip(ax.stackplot(sizes, *zip(*costs, strict=True)), styles, strict=True):
        layer.set(linewidth=0, **style)
    ax.plot(sizes, [trace.makespan_s for trace in runs.values()], color=BAR, marker="o", markersize=4)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set_xlim(min(sizes), max(sizes))
    ax.set_ylim(0)
    best = min(runs, key=lambda size: runs[size].makespan_s)
    title = f"The best chunk here has {best:,} items"
    rows = [(f"{size:,}", *map(duration, (sum(cost), *cost))) for size, cost in zip(sizes, costs, strict=True)]
    table = Table(("items in one chunk", "makespan", "work", "sending", "idle"), rows)
    return canvas.finish(title, keys, kv.Description(f"Makespan against the size of chunks. {title}.", [table]))


# -- laws ------------------------------------------------------------------------------------------------------------


def law_curves(share: float, same_work: Mapping[int, float], more_work: Mapping[int, float]) -> Axes:
    """Draw both laws for a serial share, and measured speedups by number of workers as points on them."""
    canvas = _canvas("workers", "speedup")
    counts = range(1, MOST_WORKERS + 1)
    laws = ((AMDAHL, amdahl_speedup, same_work), (GUSTAFSON, gustafson_speedup, more_work))
    for stroke, law, measured in laws:
        style: dict[str, Any] = {"color": stroke.colour, "linewidth": stroke.width, "linestyle": stroke.style}
        canvas.ax.plot(counts, [law(share, count) for count in counts], **style)
        canvas.ax.plot(list(measured), list(measured.values()), "o", color=stroke.colour, clip_on=False)
    canvas.ax.set_xlim(0, MOST_WORKERS)
    canvas.ax.set_ylim(0, MOST_WORKERS)
    rows = [(str(count), f"{same_work[count]:.1f}", f"{more_work[count]:.1f}") for count in same_work]
    table = Table(("workers", "same work", "more work"), rows)
    keys: list[Key] = [AMDAHL, GUSTAFSON]
    text = f"Two laws, with {share:.0%} serial"
    return canvas.finish(text, keys, kv.Description(f"Speedup against workers. {text}.", [table]))


def _canvas(x: str, y: str) -> Canvas:
    canvas = Canvas.of(None, Size.figure_width, HEIGHT_IN, MARGINS_PT)
    canvas.make_plain()
    canvas.ax.set_xlabel(x, fontsize=Size.font)
    canvas.ax.set_ylabel(y, fontsize=Size.font)
    return canvas


SOLUTIONS = {
    "exercise_1": '''
"""Both locks are taken in the order of the names, whoever gives and whoever gets.

- Two transfers go in opposite directions. Which lock does each of them take first?
- No circle can form if all transfers take their locks in one order. Which order do all of them know?
- `first, second = sorted((giver, taker))` puts two names in the order of the alphabet.
"""


def my_transfers(accounts, transfers):
    locks = {name: kv.Lock() for name in accounts}

    def move(transfer):
        first, second = sorted(transfer[:2])  # the two names
        with locks[first]:
            kv.sleep(0.1)  # look up who gets the money
            with locks[second]:
                book(accounts, transfer)

    with kv.get_executor("thread", 4) as clerks:
        list(clerks.imap(move, transfers))
    return accounts
''',
}

"""Real-time processing: an endless stream of events, counted in windows of time while it goes on.

Belongs here: simulated events, the node that processes them, and windows. Does not belong here: stages at work
(``execute.pipeline.run``).

Events happen whether or not anybody is ready for them. As long as the workers keep up, a window is complete soon after
its end. When events come faster than they can be processed, backpressure holds them in the source, and each window is
later than the one before: that is the lag.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kaygraph_viz.checks import checked_number, checked_seconds, checked_whole
from kaygraph_viz.clock import current_clock, sleep
from kaygraph_viz.errors import DataError, OptionError
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stages import Stage, StageFacts
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Shared
from kaygraph_viz.graph.pipeline import PipelineNode

__all__ = ["Event", "EventStream", "EventStreamNode", "StreamResult", "Window", "stream_graph", "tumbling_windows"]

SHOPS = ("Amsterdam", "Bergen", "Lisbon", "Osaka", "Toronto")
BROKEN_EVERY = 97
BAR = 20  # characters that the longest lag is drawn with


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was sold.

    Parameters
    ----------
    number
        From 0.
    at_s
        When it happened, since the stream began [s].
    happened_ns
        The same on the clock in force [ns].
    shop
        Where.
    cents
        For how much [cents]; a broken event has none.
    """

    number: int
    at_s: float
    happened_ns: int
    shop: str
    cents: int | None


@dataclass(frozen=True)
class EventStream:
    """Sales in several shops: random, but the same for the same seed; iterate over it to live through them.

    The times between events follow an exponential distribution. One event in about a hundred is broken.

    Parameters
    ----------
    per_second
        How many events there are in a second, on average, above 0.
    rush
        From when to when there are more [s], and how many times as many; None for an even stream.
    seed
        Whole number, 0 or more, that everything depends on.
    count
        How many events there are; None for a stream without an end.

    Raises
    ------
    OptionError
        If an option is out of its range.

    Examples
    --------
    >>> from kaygraph_viz.trace.recorder import record
    >>> with record(clock="virtual"):
    ...     [round(event.at_s, 2) for event in EventStream(per_second=10, count=3)]
    [0.19, 0.22, 0.27]
    """

    per_second: float = 50.0
    rush: tuple[float, float, float] | None = None
    seed: int = 0
    count: int | None = None

    def __post_init__(self) -> None:
        """Refuse impossible streams."""
        checked_number("per_second", self.per_second, 0, 1e9, "per_second=50", above=True)
        if self.rush is not None:
            is_right = isinstance(self.rush, tuple) and len(self.rush) == 3 and 0 <= self.rush[0] < self.rush[1]
            if not is_right or self.rush[2] <= 0:
                expected = "a begin and a later end in seconds, and a factor above 0"
                raise OptionError("rush", self.rush, expected, "rush=(2.0, 4.0, 3.0)")
        checked_whole("seed", self.seed, 0, 1 << 62, "seed=0")
        if self.count is not None:
            checked_whole("count", self.count, 0, 1_000_000_000, "count=1000")

    def __iter__(self) -> Iterator[Event]:
        """Give each event when it has happened, or at once if that is past."""
        dice, clock = random.Random(self.seed), current_clock()  # noqa: S311  (a simulation, not a secret)
        began_ns, at_s, number = clock.now_ns(), 0.0, 0
        while self.count is None or number < self.count:
            at_s += dice.expovariate(self.per_second * self._rush_at(at_s))
            shop, cents = dice.choice(SHOPS), dice.randrange(100, 20_000)
            happened_ns = began_ns + round(at_s * 1e9)
            if happened_ns > clock.now_ns():
                sleep((happened_ns - clock.now_ns()) / 1e9)
            is_broken = number % BROKEN_EVERY == BROKEN_EVERY - 1
            yield Event(number, at_s, happened_ns, shop, None if is_broken else cents)
            number += 1

    def _rush_at(self, at_s: float) -> float:
        if self.rush is None:
            return 1.0
        begin_s, end_s, factor = self.rush
        return factor if begin_s <= at_s < end_s else 1.0


@dataclass(slots=True)
class Window:
    """What happened within some time, and how late that was known.

    Parameters
    ----------
    start_s, end_s
        The window: from its start to just before its end, since the stream began [s].
    events, cents
        How many events there were in it, and what they come to [cents].
    by_shop
        The same amounts by shop, the shops in the order of the alphabet [cents].
    lag_s
        Time from the end of the window until it was complete [s].
    slowest_s
        The longest time from any of its events until that had been processed [s].

    Notes
    -----
    A window is complete when the first event after it has been processed: only then is it known that nothing more
    comes. Since order is kept, nothing can come too late. The lag therefore includes the wait for that event.
    """

    start_s: float
    end_s: float
    events: int = 0
    cents: int = 0
    by_shop: dict[str, int] = field(default_factory=dict)
    lag_s: float = 0.0
    slowest_s: float = 0.0

    def add(self, event: Event, processed_ns: int) -> None:
        """Count an event that had been processed at `processed_ns` [ns]."""
        cents = event.cents or 0
        self.events += 1
        self.cents += cents
        self.by_shop = dict(sorted((self.by_shop | {event.shop: self.by_shop.get(event.shop, 0) + cents}).items()))
        self.slowest_s = max(self.slowest_s, (processed_ns - event.happened_ns) / 1e9)


def tumbling_windows(outcomes: Iterable[Outcome], width_s: float) -> Iterator[Window]:
    """Yield windows of time that follow each other without gap or overlap, each as soon as it is complete.

    Parameters
    ----------
    outcomes
        What became of events, in the order in which they happened; those that failed are left out.
    width_s
        How long a window is [s], above 0.

    Yields
    ------
    Window
        Also those in which nothing happened. The last one is not complete and not given.

    Examples
    --------
    >>> def sold(at_s, processed_s):
    ...     event = Event(0, at_s, round(at_s * 1e9), "Bergen", 250)
    ...     return Outcome(0, event, ended_ns=round(processed_s * 1e9))
    >>> found = tumbling_windows([sold(0.2, 0.3), sold(0.9, 1.4), sold(1.5, 1.6)], width_s=1)
    >>> [(window.events, window.cents, window.lag_s, window.slowest_s) for window in found]
    [(2, 500, 0.6, 0.5)]
    """
    checked_seconds("width_s", width_s, "width_s=1.0", above=True)
    window, number = Window(0.0, width_s), 0
    for outcome in outcomes:
        if not outcome.ok:
            continue
        event: Event = outcome.value
        while event.at_s >= window.end_s:
            end_ns = event.happened_ns - round((event.at_s - window.end_s) * 1e9)
            window.lag_s = (outcome.ended_ns - end_ns) / 1e9
            yield window
            number += 1
            window = Window(number * width_s, (number + 1) * width_s)
        window.add(event, outcome.ended_ns)


@dataclass(frozen=True)
class StreamResult:
    """What came of a stream until it was left.

    Parameters
    ----------
    windows
        One after the other.
    failed
        How many events could not be processed.
    stages
        How busy the source and each stage were.
    bottleneck
        Who was busy for the largest share of the time, ``"source"`` where everybody waits for events.
    """

    windows: list[Window]
    failed: int
    stages: list[StageFacts]
    bottleneck: str

    @property
    def is_keeping_up(self) -> bool:
        """Whether the last window was complete before the next one was over."""
        last = self.windows[-1] if self.windows else None
        return last is None or last.lag_s < last.end_s - last.start_s

    def __str__(self) -> str:
        longest = max((window.lag_s for window in self.windows), default=0.0)
        lines = [f"{'window [s]':>12}  {'events':>6}  {'cents':>9}  {'lag [ms]':>8}"]
        lines += [_line(window, longest) for window in self.windows]
        events = sum(window.events for window in self.windows)
        end = "keeps up" if self.is_keeping_up else "is behind"
        counts = f"{events:,} events and {self.failed:,} broken ones"
        lines.append(f"{counts}; longest lag {longest:.3g} s; at the end it {end}")
        return "\n".join(lines)


def _line(window: Window, longest_s: float) -> str:
    bar = "#" * round(BAR * window.lag_s / longest_s) if longest_s else ""
    span = f"{window.start_s:g} to {window.end_s:g}"
    return f"{span:>12}  {window.events:>6,}  {window.cents:>9,}  {window.lag_s * 1e3:>8,.0f}  {bar}".rstrip()


class EventStreamNode(PipelineNode):
    """Process the events of ``shared["events"]`` in windows; it leaves ``shared["stream_result"]``, a `StreamResult`.

    The stream may be endless: the node reads as many windows as it was told, and then the stream is closed.

    Parameters
    ----------
    windows
        How many windows to wait for, 1 or more.
    width_s
        How long each is [s], above 0.
    handle_s
        How long it takes to process one event, waiting for something [s].
    max_workers
        How many events may be processed at once, 1 to 4096.
    executor, buffer
        As for `Stage`.
    **options
        ``progress node_id`` as for `PipelineNode`.

    Raises
    ------
    OptionError
        If an option is out of its range.
    DataError
        When it runs and ``shared["events"]`` is missing.
    """

    def __init__(
        self,
        windows: int = 10,
        width_s: float = 1.0,
        *,
        handle_s: float = 0.02,
        max_workers: int = 4,
        executor: str = "thread",
        buffer: int = 8,
        **options: Any,
    ) -> None:
        self.windows = checked_whole("windows", windows, 1, 1_000_000_000, "windows=10")
        self.width_s = checked_seconds("width_s", width_s, "width_s=1.0", above=True)
        handle = _Handler(checked_seconds("handle_s", handle_s, "handle_s=0.02"))
        stages = [
            Stage("check", _check_event, buffer=buffer, executor=executor),
            Stage("handle", handle, max_workers, buffer, executor=executor),
        ]
        super().__init__(stages, **options)

    def prep(self, shared: Shared) -> Iterable[Event]:
        """Return the events."""
        if "events" not in shared:
            raise DataError('shared["events"] is not there; run the graph with graph.run({"events": EventStream()})')
        events: Iterable[Event] = shared["events"]
        return events

    def exec(self, prep_res: PipelineRun) -> StreamResult:
        """Gather events into windows as they come, until there are enough."""
        failed = 0

        def noting_failures() -> Iterator[Outcome]:
            nonlocal failed
            for outcome in prep_res:
                failed += not outcome.ok
                yield outcome

        found: list[Window] = []
        for window in tumbling_windows(noting_failures(), self.width_s):
            found.append(window)
            if len(found) == self.windows:
                break
        return StreamResult(found, failed, prep_res.stages, prep_res.bottleneck)

    def post(self, shared: Shared, prep_res: Any, exec_res: StreamResult) -> None:
        """Hand the result over."""
        shared["stream_result"] = exec_res


@dataclass(frozen=True)
class _Handler:
    """Processes an event; a class of its own, so that it can travel to other processes."""

    seconds: float

    def __call__(self, event: Event) -> Event:
        sleep(self.seconds)
        return event


def _check_event(event: Event) -> Event:
    if event.cents is None:
        raise DataError(f"event {event.number} has no amount", number=event.number)
    return event


def stream_graph(windows: int = 10, width_s: float = 1.0, **options: Any) -> Graph:
    """Return the graph of an `EventStreamNode`, for events.

    Parameters
    ----------
    windows, width_s, **options
        As for `EventStreamNode`.

    Returns
    -------
    Graph
        Run it with ``graph.run({"events": EventStream()})``.

    Examples
    --------
    >>> from kaygraph_viz.trace.recorder import record
    >>> with record(clock="virtual"):
    ...     stream_graph(windows=6, max_workers=2).run(shared := {"events": EventStream(60, rush=(1, 3, 3))})
    >>> print(shared["stream_result"])
      window [s]  events      cents  lag [ms]
          0 to 1      52    444,245        34
          1 to 2     166  1,497,733       694  ##########
          2 to 3     176  1,711,173     1,454  ####################
          3 to 4      51    536,386       955  #############
          4 to 5      56    610,964       515  #######
          5 to 6      70    749,828       215  ###
    571 events and 6 broken ones; longest lag 1.45 s; at the end it keeps up
    """
    return Graph(start=EventStreamNode(windows, width_s, **options), node_id="event stream")

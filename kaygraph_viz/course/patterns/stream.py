"""Real-time processing: an endless stream of events, counted in windows of time while it goes on.

Belongs here: simulated events, the node that processes them, and windows.

Events happen also while all workers are busy. As long as the workers keep up, a window is complete soon after its end.
When events come faster than they can be processed, backpressure holds them in the source, and the lag grows from window
to window.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.base.checks import checked_number, checked_seconds, checked_whole
from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.records import value_of
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.graph.node import Shared

SHOPS = ("Amsterdam", "Bergen", "Lisbon", "Osaka", "Toronto")
BROKEN_EVERY = 97
BAR = 20  # characters of the bar of the longest lag


@dataclass(frozen=True, slots=True)
class Event:
    """A sale in a shop."""

    number: int  # the position in the stream, from 0
    at_s: float  # the time of the sale, since the stream began [s]
    happened_ns: int  # the same as a stamp of the clock in force [ns]
    shop: str  # the city of the shop
    cents: int | None  # the amount [cents]; None for a broken event


@dataclass(frozen=True)
class EventStream:
    """Random sales in several shops, the same for the same seed; an iteration waits until each sale happens.

    The times between events follow an exponential distribution. One event in about a hundred is broken.

    Parameters
    ----------
    per_second
        The mean number of events in a second, above 0.
    rush
        A start and an end [s], and the factor by which there are more events between them; default: no rush.
    seed
        The seed of the random numbers, a whole number of 0 or more.
    count
        The number of events; None for a stream without an end.

    Raises
    ------
    OptionError
        If an option is out of its range.

    Examples
    --------
    >>> with kv.record(clock="virtual"):
    ...     [round(event.at_s, 2) for event in EventStream(per_second=10, count=3)]
    [0.19, 0.22, 0.27]
    """

    per_second: float = 50.0
    rush: tuple[float, float, float] | None = None
    seed: int = 0
    count: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        checked_number("per_second", self.per_second, 0, 1e9, "per_second=50", above=True)
        if self.rush is not None:
            is_right = isinstance(self.rush, tuple) and len(self.rush) == 3 and 0 <= self.rush[0] < self.rush[1]
            if not is_right or self.rush[2] <= 0:
                expected = "a start and a later end in seconds, and a factor above 0"
                raise OptionError("rush", self.rush, expected, "rush=(2.0, 4.0, 3.0)")
        checked_whole("seed", self.seed, 0, 1 << 62, "seed=0")
        if self.count is not None:
            checked_whole("count", self.count, 0, 1_000_000_000, "count=1000")

    def __iter__(self) -> Iterator[Event]:
        """Yield each event when it happens, or at once if that time has passed."""
        rng, clock = random.Random(self.seed), current_clock()  # a simulation, not a secret
        rush_s, calm_s, factor = self.rush or (0.0, 0.0, 1.0)
        began_ns, at_s, number = clock.now_ns(), 0.0, 0
        while self.count is None or number < self.count:
            at_s += rng.expovariate(self.per_second * (factor if rush_s <= at_s < calm_s else 1.0))
            shop, cents = rng.choice(SHOPS), rng.randrange(100, 20_000)
            happened_ns = began_ns + round(at_s * 1e9)
            if happened_ns > clock.now_ns():
                kv.sleep((happened_ns - clock.now_ns()) / 1e9)
            is_broken = number % BROKEN_EVERY == BROKEN_EVERY - 1
            yield Event(number, at_s, happened_ns, shop, None if is_broken else cents)
            number += 1


@dataclass(slots=True)
class Window:
    """The sums of the events in a stretch of time, and the lag of the processing behind it."""

    # the window: from its start to just before its end, since the stream began [s]
    start_s: float
    end_s: float
    # the number of events in it, and their amount [cents]
    events: int = 0
    cents: int = 0
    by_shop: dict[str, int] = field(default_factory=dict)  # the amount by shop, the shops in alphabetical order [cents]
    lag_s: float = 0.0  # the time from the end of the window until it was complete [s]
    slowest_s: float = 0.0  # the longest time from an event until it had been processed [s]

    def add(self, event: Event, processed_ns: int) -> None:
        """Add an event that had been processed at `processed_ns` [ns]."""
        cents = event.cents or 0
        self.events += 1
        self.cents += cents
        self.by_shop = dict(sorted((self.by_shop | {event.shop: self.by_shop.get(event.shop, 0) + cents}).items()))
        self.slowest_s = max(self.slowest_s, (processed_ns - event.happened_ns) / 1e9)


def tumbling_windows(outcomes: Iterable[kv.Outcome], width_s: float) -> Iterator[Window]:
    """Yield windows of time that follow each other without gap or overlap, each as soon as it is complete."""
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
    """The windows of a stream, and how busy the stages were."""

    windows: list[Window]  # the windows in order
    failed: int  # the number of events that could not be processed
    # as in `PipelineResult`
    stages: list[kv.StageFacts]
    bottleneck: str

    @property
    def is_keeping_up(self) -> bool:
        """Whether the last window was complete before the end of the next one."""
        last = self.windows[-1] if self.windows else None
        return last is None or last.lag_s < last.end_s - last.start_s

    def __str__(self) -> str:
        longest = max((window.lag_s for window in self.windows), default=0.0)
        lines = [f"{'window [s]':>12}  {'events':>6}  {'cents':>9}  {'lag [ms]':>8}"]
        for window in self.windows:
            bar = "#" * round(BAR * window.lag_s / longest) if longest else ""
            span = f"{window.start_s:g} to {window.end_s:g}"
            facts = f"{span:>12}  {window.events:>6,}  {window.cents:>9,}  {window.lag_s * 1e3:>8,.0f}  {bar}"
            lines.append(facts.rstrip())
        events = sum(window.events for window in self.windows)
        end = "no" if self.is_keeping_up else "a"
        counts = f"{events:,} events and {self.failed:,} broken ones"
        lines.append(f"{counts}; longest lag {longest:.3g} s; {end} backlog at the end")
        return "\n".join(lines)


class EventStreamNode(kv.PipelineNode):
    """Process the events of ``shared["events"]`` in windows and store ``shared["stream_result"]``, a `StreamResult`."""

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
            kv.Stage("check", _check_event, buffer=buffer, executor=executor),
            kv.Stage("handle", handle, max_workers, buffer, executor=executor),
        ]
        super().__init__(stages, **options)

    def prep(self, shared: Shared) -> Iterable[Event]:
        """Return ``shared["events"]``."""
        events: Iterable[Event] = value_of(shared, "events", "EventStream()")
        return events

    def exec(self, prep_res: PipelineRun) -> StreamResult:
        """Gather events into windows as they are processed, until there are enough."""
        failed = 0

        def noting_failures() -> Iterator[kv.Outcome]:
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
        """Store ``shared["stream_result"]``."""
        shared["stream_result"] = exec_res


@dataclass(frozen=True)
class _Handler:
    """Processes an event; a class, since a closure could not be pickled without cloudpickle."""

    seconds: float

    def __call__(self, event: Event) -> Event:
        kv.sleep(self.seconds)
        return event


def _check_event(event: Event) -> Event:
    if event.cents is None:
        raise DataError(f"event {event.number} has no amount", number=event.number)
    return event


def stream_graph(windows: int = 10, width_s: float = 1.0, **options: Any) -> kv.Graph:
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
    >>> with kv.record(clock="virtual"):
    ...     stream_graph(windows=6, max_workers=2).run(shared := {"events": EventStream(60, rush=(1, 3, 3))})
    >>> print(shared["stream_result"])
      window [s]  events      cents  lag [ms]
          0 to 1      52    444,245        34
          1 to 2     166  1,497,733       694  ##########
          2 to 3     176  1,711,173     1,454  ####################
          3 to 4      51    536,386       955  #############
          4 to 5      56    610,964       515  #######
          5 to 6      70    749,828       215  ###
    571 events and 6 broken ones; longest lag 1.45 s; no backlog at the end
    """
    return kv.Graph(start=EventStreamNode(windows, width_s, **options), node_id="event stream")

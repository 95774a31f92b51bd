"""A limit on the calls to one service, shared by all branches that call it.

Belongs here: what users call, and the block in which a call is made, whatever comes in between. Does not belong here:
when a call may begin (``turns``), and how often a failed call is tried again (``execute.retries``).

The time that a branch waits for its turn is recorded as blocked time, and as a ``wait`` span inside the branch.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from kaygraph_viz.base.checks import checked_whole
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.execute.rates.in_flight import MAX_CALLS, AdaptiveLimit, bound_of
from kaygraph_viz.execute.rates.remote import Asking, Ticket
from kaygraph_viz.execute.rates.turns import Ending, Place, Turns, Window
from kaygraph_viz.trace.recorder import held_up

SHORTEST_BLOCK_NS = 100_000  # a shorter wait is the time that taking a lock costs
MAX_UNITS = 1 << 50
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class RateLimit:
    """A limit on the calls that begin in any second or minute, on their units, and on the calls in flight at once.

    Use one object for all branches that call the same service: plain or asynchronous, in any number of threads and
    loops, and in any number of nodes: ``with limit: call()`` or ``async with limit: await call()``. All of them
    together stay below the limit. Calls begin in the order in which they ask, so none waits for ever. When a call in
    the block raises an error that asks to wait (an attribute ``retry_after_s``, as `ServiceUnavailable` has, or the
    header Retry-After of its ``response``), all of them hold back for that long.

    Parameters
    ----------
    per_second, per_minute
        The most calls that begin in any window of one second, or of one minute, 1 to 1,000,000; None for no limit.
    in_flight
        The most calls at once, 1 to 1,000,000; None for no limit. ``"adaptive"``: as many as the service lets through,
        which is found out, see `AdaptiveLimit`; give one of those for other bounds.
    units_per_minute
        The most units of calls that begin in any window of one minute, such as the tokens of a language model, 1 or
        more; None for no limit. Each call then says how many it takes: ``with limit.units(1200): call()``.
    name
        What its curves are called in a trace; see `limit_curve`.

    Raises
    ------
    OptionError
        If no limit is given, or one is out of range.

    Notes
    -----
    A worker process gets a copy that asks the process in which the limit was made, over a local connection: one limit
    for all processes. That takes some 0.5 ms for each call. The copy works as long as the first process runs and keeps
    the limit; a process that ends gives back what its calls had. A copy that ``os.fork`` makes knows nothing of the
    others.

    How long a call takes to reach the service is not known here. Over a network, two calls may arrive closer together
    than they began: give a limit a little below that of the service, or let it be refused now and then.

    Examples
    --------
    >>> limit = RateLimit(per_second=100, in_flight=2)
    >>> with limit:
    ...     "call the service"
    'call the service'
    >>> limit = RateLimit(per_minute=60, units_per_minute=40_000, in_flight="adaptive")
    >>> with limit.units(1_200) as call:
    ...     call.used(950)  # as the answer says
    """

    def __init__(
        self,
        per_second: int | None = None,
        in_flight: int | Literal["adaptive"] | AdaptiveLimit | None = None,
        *,
        per_minute: int | None = None,
        units_per_minute: int | None = None,
        name: str = "rate limit",
    ) -> None:
        rates = {"per_second": per_second, "per_minute": per_minute, "units_per_minute": units_per_minute}
        if in_flight is None and not any(rate is not None for rate in rates.values()):
            raise OptionError(
                "RateLimit()", None, f"given at least one of in_flight, {', '.join(rates)}", "RateLimit(50)"
            )
        for option, rate in rates.items():
            if rate is not None:
                most = MAX_UNITS if option == "units_per_minute" else MAX_CALLS
                checked_whole(option, rate, 1, most, f"{option}=50")
        if not isinstance(name, str):
            raise OptionError("name", name, "a text", 'RateLimit(50, name="geo")')
        self.per_second = per_second
        self.per_minute = per_minute
        self.units_per_minute = units_per_minute
        self.in_flight = in_flight
        self.name = one_line(name)
        self._ticket: Ticket | None = None
        self._turns: Turns | Asking = Turns(
            [*_window("calls per second", per_second, SECOND_NS), *_window("calls per minute", per_minute, MINUTE_NS)],
            _window("units per minute", units_per_minute, MINUTE_NS),
            bound_of(in_flight),
            self.name,
        )

    def units(self, units: int) -> LimitedCall:
        """Return a block for a call that takes so many units.

        Parameters
        ----------
        units
            How many, 0 to `units_per_minute`: the most that it may take, where the true number is only known
            afterwards. Say that number then: ``with limit.units(1200) as call: ...; call.used(950)``.

        Raises
        ------
        OptionError
            If `units` is out of range, or the limit has no `units_per_minute`.
        """
        if self.units_per_minute is None:
            raise OptionError(
                "units_per_minute", None, "given where calls say their units", "RateLimit(units_per_minute=9_000)"
            )
        checked_whole("units", units, 0, self.units_per_minute, f"limit.units({min(1200, self.units_per_minute)})")
        return LimitedCall(self._turns, units)

    def pause(self, seconds: float) -> None:
        """Delay calls by `seconds` [s], as a service asks with Retry-After."""
        self._turns.pause(max(0.0, seconds))

    def __enter__(self) -> Self:
        self._call().__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        left: list[Place] = []
        try:
            self._leave(error, left)
        except BaseException:  # an interrupt, maybe before the call has left
            self._leave(error, left)
            raise

    async def __aenter__(self) -> Self:
        await self._call().__aenter__()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._leave(error, [])

    def _call(self) -> LimitedCall:
        if self.units_per_minute is not None:
            what = "the units of each call, since there is a limit on them"
            raise OptionError("units", None, what, "with limit.units(1200): call()")
        return LimitedCall(self._turns, 0)

    def _leave(self, error: BaseException | None, left: list[Place]) -> None:
        """End the call of the caller, which is `left` if that has one."""
        if not left:
            left += filter(None, [self._turns.entered()])
        for place in left:
            self._turns.leave(place, Ending.of(error))

    def __reduce__(self) -> Any:
        """Travel to another process as a limit that asks this one; come back as what it was."""
        if self._ticket is None:
            self._ticket = Ticket.of(self)
        self._ticket.open(self, self._turns)
        options = self.per_second, self.in_flight, self.per_minute, self.units_per_minute, self.name
        return _arrived, (self._ticket, options)

    def __repr__(self) -> str:
        shown = {
            "per_second": self.per_second,
            "in_flight": self.in_flight,
            "per_minute": self.per_minute,
            "units_per_minute": self.units_per_minute,
        }
        return f"RateLimit({', '.join(f'{name}={value!r}' for name, value in shown.items() if value is not None)})"


def _window(what: str, most: int | None, period_ns: int) -> list[Window]:
    return [] if most is None else [Window(what, most, period_ns)]


def _arrived(ticket: Ticket, options: tuple[Any, ...]) -> RateLimit:
    """Return the limit for which a ticket was made, or one that asks it if that is in another process."""
    known = ticket.known()
    if isinstance(known, RateLimit):
        return known
    per_second, in_flight, per_minute, units_per_minute, name = options
    limit = RateLimit(per_second, in_flight, per_minute=per_minute, units_per_minute=units_per_minute, name=name)
    limit._ticket, limit._turns = ticket, Asking(ticket)
    ticket.keep(limit)
    return limit


class LimitedCall:
    """A call that waits for its turn: use it once, as ``with limit.units(1200): call()`` or with ``async with``."""

    def __init__(self, turns: Turns | Asking, units: int) -> None:
        self._turns = turns
        self.place = Place(units)

    def used(self, units: int) -> None:
        """Count the number of units that the call has really taken, in the block or after it."""
        self._turns.correct(self.place, checked_whole("units", units, 0, MAX_UNITS, "call.used(800)"))

    def __enter__(self) -> Self:
        try:
            facts: dict[str, str] = {}
            with held_up("blocked", "rate limit", least_ns=SHORTEST_BLOCK_NS, attributes=facts):
                self._turns.take(self.place)
                if self.place.held_by:
                    facts["limit"] = self.place.held_by
            self.place.is_entered = True  # last: an interrupt comes before it, or in the block
        except BaseException:
            self._turns.give_back(self.place)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            self._turns.leave(self.place, Ending.of(error))
        except BaseException:  # an interrupt, maybe before the call has left
            self._turns.leave(self.place, Ending.of(error))
            raise

    async def __aenter__(self) -> Self:
        try:
            facts: dict[str, str] = {}
            with held_up("blocked", "rate limit", least_ns=SHORTEST_BLOCK_NS, attributes=facts):
                await self._turns.take_async(self.place)
                if self.place.held_by:
                    facts["limit"] = self.place.held_by
            self.place.is_entered = True
        except BaseException:
            self._turns.give_back(self.place)
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._turns.leave(self.place, Ending.of(error))

"""How many calls may be in progress at once: a number that stays, or one that adapts to the service.

Belongs here: the number, and how it follows from how calls end. Does not belong here: who waits (``turns``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaygraph_viz.base.checks import checked_number, checked_whole
from kaygraph_viz.base.errors import OptionError

MAX_CALLS = 1_000_000
SMOOTH = 0.2  # the share of the newest call in the mean duration


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveLimit:
    """How a number of calls in flight adapts: up step by step, down by a share (AIMD).

    After each call that went well while the number was in full use, it grows: by 1 until the service refuses a call for
    the first time, and from then on by 1 in all for as many calls as it allows. When the service refuses a call (an
    error with ``retry_after_s``, or with the status 429), it is multiplied by `decrease`. That happens once for all
    calls that were in flight at that moment: they were too many together.

    Parameters
    ----------
    start
        How many calls may be in flight at first, from `lowest` to `highest`.
    lowest, highest
        The bounds of the number, 1 to 1,000,000.
    decrease
        What the number is multiplied by, above 0 and below 1. Close to 1, it stays close to what the service allows,
        and follows more slowly when that becomes less.
    slow
        How many times as long as the fastest calls take on average before that counts as a refusal, too, above 1; None:
        slow calls say nothing.

    Raises
    ------
    OptionError
        If a number is out of its range.

    Examples
    --------
    >>> AdaptiveLimit(start=8, highest=32).decrease
    0.8
    >>> AdaptiveLimit(start=8, highest=4)
    Traceback (most recent call last):
    kaygraph_viz.base.errors.OptionError: start must be a whole number from 1 to 4, got 8. For example: start=4
    """

    start: int = 4
    lowest: int = 1
    highest: int = 1_000
    decrease: float = 0.8
    slow: float | None = None

    def __post_init__(self) -> None:
        checked_whole("lowest", self.lowest, 1, MAX_CALLS, "lowest=1")
        checked_whole("highest", self.highest, self.lowest, MAX_CALLS, "highest=100")
        checked_whole("start", self.start, self.lowest, self.highest, f"start={self.lowest if self.lowest > 1 else 4}")
        checked_number("decrease", self.decrease, 0.01, 0.99, "decrease=0.8")
        if self.slow is not None:
            checked_number("slow", self.slow, 1.01, 1_000, "slow=2")


class Bound:
    """A number of calls in flight that stays."""

    is_adaptive = False

    def __init__(self, most: int) -> None:
        self.most = most

    def refused(self, begun_ns: int, now_ns: int) -> None:
        """Note that the service refused a call that began at `begun_ns`."""

    def went_well(self, begun_ns: int, now_ns: int, *, is_full: bool) -> None:
        """Note that a call went well; `is_full`: whether as many were in flight as may be."""

    def restart(self) -> None:
        """Forget all times: another clock is in force."""


class AdaptiveBound(Bound):
    """A number of calls in flight that adapts."""

    is_adaptive = True

    def __init__(self, rule: AdaptiveLimit) -> None:
        super().__init__(rule.start)
        self.rule = rule
        self._exact = float(rule.start)
        self._has_found_limit = False
        self.restart()

    def restart(self) -> None:
        """Forget all times: another clock is in force."""
        self._cut_ns = -1
        self._fastest_ns = self._mean_ns = 0.0

    def refused(self, begun_ns: int, now_ns: int) -> None:
        """Make the number smaller, unless it has become smaller since the call began."""
        if begun_ns > self._cut_ns:
            self._cut_ns = now_ns
            self._has_found_limit = True
            self._mean_ns = 0.0
            self._set(self._exact * self.rule.decrease)

    def went_well(self, begun_ns: int, now_ns: int, *, is_full: bool) -> None:
        """Make the number larger if it was in full use, or smaller where calls have become too slow."""
        if self.rule.slow is not None:
            lasted_ns = now_ns - begun_ns
            self._fastest_ns = min(self._fastest_ns or lasted_ns, lasted_ns)
            if begun_ns > self._cut_ns:  # else it was one of too many
                before = self._mean_ns or lasted_ns
                self._mean_ns = before + SMOOTH * (lasted_ns - before)
                if self._mean_ns > self.rule.slow * self._fastest_ns:
                    self.refused(begun_ns, now_ns)
                    return
        if is_full:
            self._set(self._exact + (1 / self._exact if self._has_found_limit else 1))

    def _set(self, number: float) -> None:
        self._exact = min(max(number, float(self.rule.lowest)), float(self.rule.highest))
        self.most = int(self._exact + 1e-9)  # sums of 1/8 may be a little less than 1


def bound_of(in_flight: int | Literal["adaptive"] | AdaptiveLimit | None) -> Bound | None:
    """Return the bound that a user asked for; None: there is none."""
    if in_flight is None:
        return None
    if isinstance(in_flight, AdaptiveLimit) or in_flight == "adaptive":
        return AdaptiveBound(in_flight if isinstance(in_flight, AdaptiveLimit) else AdaptiveLimit())
    if isinstance(in_flight, str):
        raise OptionError(
            "in_flight", in_flight, 'a whole number, "adaptive" or an AdaptiveLimit', 'in_flight="adaptive"'
        )
    return Bound(checked_whole("in_flight", in_flight, 1, MAX_CALLS, "in_flight=8"))

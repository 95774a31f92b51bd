"""The settings of a service: its latency, its faults and its limits, as functions of a seed.

Belongs here: the settings of one service and every decision that is left to chance. Does not belong here: what a
service answers (``endpoints``) and counting attempts and calls (``responses``).

Chance is never drawn in the order in which requests arrive. Each decision is a function of the seed, the question
that is asked and, for faults, how many times it was asked before. So a run with 16 workers meets the same latencies
and faults as a run with one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

from kaygraph_viz.checks import checked_number, checked_whole
from kaygraph_viz.errors import OptionError

__all__ = ["DEFAULT_SETTINGS", "ServiceSettings", "draw", "log_normal", "settings_of_all"]

_RANGE = (0.2, 5.0)  # multiples of the mean that a number is clipped to


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Latency, fault rates and rate limit of a service.

    Parameters
    ----------
    seed
        Whole number that every decision depends on.
    latency_s
        Mean latency of an answer [s], 0 to 60.
    latency_spread
        Standard deviation of the logarithm of the latency, 0 (all the same) to 2.
    failure_rate
        Share of the attempts that are answered `failure_status`, 0 to 1.
    fail_first
        How many attempts of each question are answered `failure_status` before another answer is possible, 0 or more.
    failure_status
        HTTP status of a failure, 500 to 599.
    rate_limit
        Calls that are let through in any window of one second, 1 or more; more are answered 429. None: no limit.
    hang_rate
        Share of the attempts that are never answered, 0 to 1. Such a request ends when the client goes away or the
        server stops.
    drop_rate
        Share of the attempts whose connection is closed without an answer, 0 to 1.
    cut_rate
        Share of the attempts whose answer breaks off in the middle of its body, 0 to 1.

    Notes
    -----
    The latency is log-normal, ``mean * exp(spread * z - spread**2 / 2)`` with a standard normal ``z``, clipped to
    0.2 to 5 times the mean. Faults need no latency, except the answer that breaks off: failures and refusals (429) come
    at once. When several faults fall on one try, the first of these happens: hang, drop, failure, cut. A service that
    refuses connections is one whose server was stopped.

    Examples
    --------
    >>> settings = ServiceSettings(latency_s=0.1, latency_spread=0)
    >>> settings.latency_of("Paris|FR|example.com")
    0.1
    >>> ServiceSettings(failure_rate=2)
    Traceback (most recent call last):
    kaygraph_viz.errors.OptionError: failure_rate must be a number from 0 to 1, got 2. For example: failure_rate=0
    """

    seed: int = 0
    latency_s: float = 0.02
    latency_spread: float = 0.5
    failure_rate: float = 0.0
    rate_limit: int | None = None
    hang_rate: float = 0.0
    drop_rate: float = 0.0
    cut_rate: float = 0.0
    fail_first: int = 0
    failure_status: int = 503

    def __post_init__(self) -> None:
        """Refuse impossible settings, the first by name."""
        checked_whole("seed", self.seed, 0, 1 << 62, "seed=0")
        checked_number("latency_s", self.latency_s, 0, 60)
        checked_number("latency_spread", self.latency_spread, 0, 2)
        for name in ("failure_rate", "hang_rate", "drop_rate", "cut_rate"):
            checked_number(name, getattr(self, name), 0, 1)
        if self.rate_limit is not None:
            checked_whole("rate_limit", self.rate_limit, 1, example="rate_limit=50")
        checked_whole("fail_first", self.fail_first, 0)
        checked_whole("failure_status", self.failure_status, 500, 599)

    def latency_of(self, key: str) -> float:
        """Return the latency of the answer to one question, whenever and however often it is asked [s]."""
        return log_normal(self.latency_s, self.latency_spread, self._draw("latency", key))

    def fails(self, key: str, attempt: int) -> bool:
        """Return whether the try number `attempt` (from 1) of one question is answered `failure_status`."""
        return attempt <= self.fail_first or self._draw("failure", key, attempt) < self.failure_rate

    def hangs(self, key: str, attempt: int) -> bool:
        """Return whether the try number `attempt` (from 1) of one question is never answered."""
        return self._draw("hang", key, attempt) < self.hang_rate

    def drops(self, key: str, attempt: int) -> bool:
        """Return whether the connection of try number `attempt` (from 1) of one question is closed without a word."""
        return self._draw("drop", key, attempt) < self.drop_rate

    def cuts(self, key: str, attempt: int) -> bool:
        """Return whether the answer to try number `attempt` (from 1) of one question breaks off."""
        return self._draw("cut", key, attempt) < self.cut_rate

    def _draw(self, purpose: str, key: str, attempt: int = 0) -> float:
        return draw(self.seed, purpose, key, attempt)


def draw(seed: int, purpose: str, key: str, attempt: int = 0) -> float:
    """Return a number above 0 and below 1 that depends on nothing but the arguments.

    Examples
    --------
    >>> draw(1, "latency", "Paris") == draw(1, "latency", "Paris") != draw(2, "latency", "Paris")
    True
    """
    text = f"{seed}|{purpose}|{attempt}|{key}"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return ((int.from_bytes(digest) >> 11) + 0.5) / 2**53


def log_normal(mean: float, spread: float, chance: float) -> float:
    """Return the log-normal number that a share of `chance` is below, clipped to 0.2 to 5 times the mean.

    Examples
    --------
    >>> log_normal(10, 0, 0.3), log_normal(10, 1, 0.999999)
    (10, 50.0)
    """
    if not mean or not spread:
        return mean
    factor = math.exp(spread * NormalDist().inv_cdf(chance) - spread**2 / 2)
    return mean * min(max(factor, _RANGE[0]), _RANGE[1])


# A plain look-up in a table is quick; social networks are slow, and sometimes very slow.
DEFAULT_SETTINGS: Mapping[str, ServiceSettings] = MappingProxyType(
    {
        "verify": ServiceSettings(),
        "profile": ServiceSettings(latency_s=0.02, latency_spread=0.3),
        "location": ServiceSettings(latency_s=0.03, latency_spread=0.2),
        "social": ServiceSettings(latency_s=0.06, latency_spread=0.8),
        "company": ServiceSettings(latency_s=0.04, latency_spread=0.4),
    }
)


def settings_of_all(settings: ServiceSettings | Mapping[str, ServiceSettings] | None) -> dict[str, ServiceSettings]:
    """Return the settings of every service; `settings` is as for `kaygraph_viz.services.server.serve`.

    Examples
    --------
    >>> settings_of_all({"social": ServiceSettings(hang_rate=1)})["profile"].latency_s
    0.02
    """
    given = dict.fromkeys(DEFAULT_SETTINGS, settings) if isinstance(settings, ServiceSettings) else settings
    given = {} if given is None else given
    is_known = isinstance(given, Mapping) and given.keys() <= DEFAULT_SETTINGS.keys()
    if not is_known or not all(isinstance(one, ServiceSettings) for one in given.values()):
        expected = f"a ServiceSettings, or one for each of some of the services {', '.join(DEFAULT_SETTINGS)}"
        raise OptionError("settings", settings, expected, 'serve({"social": ServiceSettings(hang_rate=0.1)})')
    return {**DEFAULT_SETTINGS, **given}

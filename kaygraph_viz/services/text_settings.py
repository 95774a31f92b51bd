"""The settings of the text service: its limits, how long it writes, what it costs.

Belongs here: the settings, and every decision that is left to chance, as a function of a seed. Does not belong here:
counting calls and tokens, and the answers (``text_service``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kaygraph_viz.checks import checked_number, checked_whole
from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.settings import draw, log_normal

__all__ = ["TextSettings"]

Steps = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSettings:
    """Limits, speed and prices of the text service, which behaves like a language model that is asked over a network.

    A token is a word here. A call takes the tokens of its prompt (input) and of its answer (output).

    Parameters
    ----------
    seed
        Whole number that every decision depends on.
    calls_per_minute
        Calls that are let through in any window of 60 seconds, 1 or more; more are answered 429. None: no limit.
    tokens_per_minute
        Input and output tokens of the calls that are let through in any window of 60 seconds, 1 or more. None: no
        limit.
    at_once
        Calls that it works on at once, 1 or more; more are answered 429. A tuple of pairs says from when on it is how
        many: ``((0, 16), (30, 6))`` means 16, and 6 from 30 seconds after the first call on. None: no limit.
    first_token_s
        How long it takes on average until the first token of an answer is there [s], 0 to 60.
    spread
        Standard deviation of the logarithm of that time, and of the length of an answer, 0 (all the same) to 2.
    token_s
        How long each further token takes [s], 0 to 10.
    answer_tokens
        How many tokens an answer has on average, 1 to 10,000; a call may ask for fewer.
    slow_rate
        Share of the attempts that wait `slow_factor` times as long for the first token, 0 to 1. Another attempt of the
        same call is a new chance.
    slow_factor
        How many times as long, 1 to 1,000.
    input_price, output_price
        What 1,000 tokens cost [credits], 0 or more. Calls that are refused cost nothing. Those whose client has gone
        away cost what they would have cost.

    Examples
    --------
    >>> settings = TextSettings(calls_per_minute=60, tokens_per_minute=20_000, at_once=((0, 16), (30, 6)))
    >>> settings.at_once_after(29.9), settings.at_once_after(30)
    (16, 6)
    >>> TextSettings(at_once=0)
    Traceback (most recent call last):
    kaygraph_viz.errors.OptionError: at_once must be a whole number, 1 or more, got 0. For example: at_once=8
    """

    seed: int = 0
    calls_per_minute: int | None = None
    tokens_per_minute: int | None = None
    at_once: int | Steps | None = None
    first_token_s: float = 0.4
    spread: float = 0.4
    token_s: float = 0.01
    answer_tokens: int = 100
    slow_rate: float = 0.0
    slow_factor: float = 10.0
    input_price: float = 1.0
    output_price: float = 4.0

    def __post_init__(self) -> None:
        """Refuse impossible settings, the first by name."""
        checked_whole("seed", self.seed, 0, 1 << 62, "seed=0")
        for name in ("calls_per_minute", "tokens_per_minute"):
            if getattr(self, name) is not None:
                checked_whole(name, getattr(self, name), 1, example=f"{name}=60")
        checked_number("first_token_s", self.first_token_s, 0, 60)
        checked_number("spread", self.spread, 0, 2)
        checked_number("token_s", self.token_s, 0, 10)
        checked_whole("answer_tokens", self.answer_tokens, 1, 10_000, "answer_tokens=100")
        checked_number("slow_rate", self.slow_rate, 0, 1)
        checked_number("slow_factor", self.slow_factor, 1, 1_000)
        for name in ("input_price", "output_price"):
            checked_number(name, getattr(self, name), 0, 1_000_000)
        for _, number in self._steps():
            checked_whole("at_once", number, 1, example="at_once=8")

    def at_once_after(self, seconds: float) -> int | None:
        """Return how many calls it works on at once, `seconds` after the first one; None for any number."""
        return next((number for after_s, number in reversed(self._steps()) if seconds >= after_s), None)

    def first_token_of(self, prompt: str, attempt: int) -> float:
        """Return how long the first token of an answer takes in an attempt (from 1) [s]."""
        factor = self.slow_factor if draw(self.seed, "slow", prompt, attempt) < self.slow_rate else 1.0
        return factor * log_normal(self.first_token_s, self.spread, draw(self.seed, "latency", prompt, attempt))

    def answer_length(self, prompt: str) -> int:
        """Return how many tokens the whole answer to a prompt has, 1 or more."""
        return max(1, round(log_normal(self.answer_tokens, self.spread, draw(self.seed, "length", prompt))))

    def credits_of(self, input_tokens: int, output_tokens: int) -> float:
        """Return what a call costs [credits]."""
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1_000

    def _steps(self) -> Steps:
        if self.at_once is None or isinstance(self.at_once, int):
            return () if self.at_once is None else ((0.0, self.at_once),)
        times = [step[0] for step in self.at_once if isinstance(step, tuple) and len(step) == 2]
        if len(times) != len(self.at_once) or times[:1] != [0] or times != sorted(times):
            raise OptionError(
                "at_once",
                self.at_once,
                "a number, or pairs of seconds and a number that begin with 0",
                "at_once=((0, 16), (30, 6))",
            )
        return self.at_once

"""The text service: it writes answers, at once or word by word, within limits on calls and tokens, and at a price.

Belongs here: its settings and what they leave to chance, counting calls and tokens, and choosing the reply. Does not
belong here: waiting and sending (``server``, ``in_process``).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from kaygraph_viz.base.checks import checked_number, checked_whole
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.course.services.endpoints import Reply, draw, log_normal, problem, refusal
from kaygraph_viz.execute.rates.turns import Window

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
    kaygraph_viz.base.errors.OptionError: at_once must be a whole number, 1 or more, got 0. For example: at_once=8
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


MINUTE_NS = 60_000_000_000
PIECE_TOKENS = 5  # of an answer that is sent word by word: so many words together
MOST_TOKENS = 10_000
USAGE = 'POST /write with JSON such as {"prompt": "Describe a lake", "max_tokens": 200, "stream": false}'


@dataclass(frozen=True, slots=True)
class TextUsage:
    """A call as the text service counts it."""

    # when it arrived, and when the answer was complete [ns]
    received_ns: int
    ended_ns: int
    status: int  # 200, or 429 when it was refused
    # the tokens of the prompt and of the answer; 0 when it was refused
    input_tokens: int = 0
    output_tokens: int = 0
    credits: float = 0.0  # what it costs [credits]


@dataclass(frozen=True, slots=True)
class _Order:
    """What a call asks for."""

    prompt: str
    max_tokens: int
    is_stream: bool


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text: of its words.

    Examples
    --------
    >>> count_tokens("Describe a quiet lake.")
    4
    """
    return len(text.split())


class TextService:
    """A service that writes texts; any number of threads may ask."""

    def __init__(self, settings: TextSettings | None = None) -> None:
        self.settings = settings or TextSettings()
        self._lock = Lock()  # a real one also in simulated time: no thread waits while it holds this lock
        self._attempts: Counter[str] = Counter()
        self._usage: list[TextUsage] = []
        self._ends_ns: list[int] = []  # of the calls in progress
        self._calls = _window("calls", self.settings.calls_per_minute)
        self._tokens = _window("tokens", self.settings.tokens_per_minute)

    @property
    def usage(self) -> tuple[TextUsage, ...]:
        """The calls so far, in the order in which they arrived."""
        with self._lock:
            return tuple(self._usage)

    def reply(self, method: str, path: str, query: str, now_ns: int, body: bytes = b"") -> Reply:
        """Choose the reply to one request, and count it."""
        if path.strip("/") == "health":
            return Reply(200, {"status": "ok"})
        if path.strip("/") != "write":
            return problem(404, f"there is only /write here: {USAGE}")
        if method != "POST":
            return problem(405, f"write {USAGE}", {"Allow": "POST"})
        order = _order_of(body)
        if order is None:
            return problem(400, f"ask with {USAGE}")
        with self._lock:
            return self._written(order, now_ns)

    def _written(self, order: _Order, now_ns: int) -> Reply:
        input_tokens = count_tokens(order.prompt)
        output_tokens = min(order.max_tokens, self.settings.answer_length(order.prompt))
        if self._tokens is not None and input_tokens + output_tokens > self._tokens.most:
            return problem(
                400, f"{input_tokens + output_tokens} tokens are more than a minute has: {self._tokens.most}"
            )
        wait_ns = self._wait_ns(input_tokens + output_tokens, now_ns)
        if wait_ns > 0:
            self._usage.append(TextUsage(now_ns, now_ns, 429))
            return refusal(wait_ns)
        self._attempts[order.prompt] += 1
        first_s = self.settings.first_token_of(order.prompt, self._attempts[order.prompt])
        ended_ns = now_ns + round((first_s + output_tokens * self.settings.token_s) * 1e9)
        price = self.settings.credits_of(input_tokens, output_tokens)
        usage = TextUsage(now_ns, ended_ns, 200, input_tokens, output_tokens, price)
        number = len(self._usage)
        self._usage.append(usage)
        self._ends_ns.append(ended_ns)
        if self._calls is not None:
            self._calls.add(number, 1, now_ns)
        if self._tokens is not None:
            self._tokens.add(number, input_tokens + output_tokens, now_ns)
        return _answer(order, usage, first_s, self.settings.token_s)

    def _wait_ns(self, tokens: int, now_ns: int) -> int:
        """Return how long it is until a call of so many tokens would be let through [ns]; 0: it is now."""
        self._ends_ns = sorted(end_ns for end_ns in self._ends_ns if end_ns > now_ns)
        first_ns = self._usage[0].received_ns if self._usage else now_ns
        at_once = self.settings.at_once_after((now_ns - first_ns) / 1e9)
        too_many = 0 if at_once is None else len(self._ends_ns) - at_once + 1
        return max(
            self._ends_ns[too_many - 1] - now_ns if too_many > 0 else 0,
            0 if self._calls is None else self._calls.wait_ns(1, now_ns),
            0 if self._tokens is None else self._tokens.wait_ns(tokens, now_ns),
        )


def _window(what: str, most: int | None) -> Window | None:
    return None if most is None else Window(what, most, MINUTE_NS)


def _order_of(body: bytes) -> _Order | None:
    """Return what a body asks for; None when it cannot be understood."""
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict):
        return None
    prompt, most, is_stream = asked.get("prompt"), asked.get("max_tokens", 200), asked.get("stream", False)
    is_number = type(most) is int and 1 <= most <= MOST_TOKENS
    if not isinstance(prompt, str) or not prompt.split() or not is_number or not isinstance(is_stream, bool):
        return None
    return _Order(prompt, most, is_stream)


def _answer(order: _Order, usage: TextUsage, first_s: float, token_s: float) -> Reply:
    words = list(islice(cycle(order.prompt.split()), usage.output_tokens))
    facts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "credits": usage.credits}
    if not order.is_stream:
        return Reply(200, {"text": " ".join(words), **facts}, latency_s=first_s + len(words) * token_s)
    groups = [words[at : at + PIECE_TOKENS] for at in range(0, len(words), PIECE_TOKENS)]
    waits_s = [len(group) * token_s for group in groups]
    events: list[dict[str, Any]] = [{"text": " ".join(group) + " "} for group in groups]
    pieces = [(wait_s, _event(event)) for wait_s, event in zip(waits_s, events, strict=True)]
    return Reply(200, facts, latency_s=first_s, pieces=(*pieces, (0.0, _event({"done": True, **facts}))))


def _event(facts: dict[str, Any]) -> bytes:
    """Return one event of a stream of server-sent events."""
    return b"data: " + json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"

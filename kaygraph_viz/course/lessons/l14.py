"""Lesson 14: sixty texts to summarise, what the text service counted, and the goals of the exercise.

Belongs here: what only this lesson uses. Does not belong here: what the reader should see as code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.base.errors import ServiceUnavailable
from kaygraph_viz.course.lessons.goals import Finding, Goal
from kaygraph_viz.course.patterns.coordination import first_wins
from kaygraph_viz.course.patterns.text_client import TextAnswer, TextClient
from kaygraph_viz.course.services.datasets import load_speeches
from kaygraph_viz.course.services.endpoints import draw
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.course.services.text_service import TextSettings, TextUsage, count_tokens
from kaygraph_viz.trace.row import describe_error

__all__ = [
    "SERVICE",
    "ServiceUnavailable",
    "TextClient",
    "TextSettings",
    "all_answered",
    "at_most_refused",
    "cost_at_most",
    "count_tokens",
    "done_within",
    "first_wins",
    "held_up",
    "in_words",
    "run_of",
    "serve",
    "texts",
]

SERVICE = TextSettings(
    calls_per_minute=60, tokens_per_minute=12_000, first_token_s=1.0, token_s=0.02, answer_tokens=100
)
FEWEST, MOST = 100, 300  # words of a text
REFUSED = 429


@cache
def texts(count: int = 60) -> tuple[str, ...]:
    """Return the beginnings of addresses to Congress, of 100 to 300 words, each as an order for a summary.

    Examples
    --------
    >>> texts(1)[0][:46]
    'Summarise this text: Fellow-Citizens of the Se'
    """
    speeches = load_speeches(spoken_only=False)[:count]
    lengths = [round(FEWEST + (MOST - FEWEST) * draw(14, "words", speech.speech_id)) for speech in speeches]
    words = [speech.text.split()[:length] for speech, length in zip(speeches, lengths, strict=True)]
    return tuple(f"Summarise this text: {' '.join(each)}" for each in words)


def in_words(usage: Iterable[TextUsage]) -> str:
    """Return how many calls the service answered and refused, and what they cost.

    Examples
    --------
    >>> in_words([TextUsage(0, 5, 200, 10, 20, 0.5), TextUsage(1, 1, 429)])
    '1 answered, 1 refused, 0.5 credits'
    """
    counted = Counter(each.status for each in usage)
    return f"{counted[200]:,} answered, {counted[REFUSED]:,} refused, {sum(each.credits for each in usage):.1f} credits"


def held_up(trace: kv.Trace) -> dict[str, float]:
    """Return for how many seconds all branches together waited for each limit [s], the longest first."""
    waits: dict[str, float] = {}
    for wait in trace.where(kind="wait", name="rate limit"):
        name = wait.attributes.get("limit", "other")
        waits[name] = waits.get(name, 0.0) + (wait.ended_ns - wait.started_ns) / 1e9
    return {name: round(waits[name], 1) for name in sorted(waits, key=lambda name: -waits[name])}


# -- the exercise ----------------------------------------------------------------------------------------------------


def run_of(function: Callable[..., Any]) -> tuple[Any, kv.Trace, Sequence[TextUsage]]:
    """Call a reader's function with a client and the texts; return what it returned or raised, the trace, the usage."""
    with (
        kv.record(clock="virtual", capture="all") as trace,
        serve(SERVICE) as server,
        TextClient(server.base_url) as client,
    ):
        try:
            with kv.span("my_summaries"):
                found = function(client, list(texts()))
        except Exception as error:
            found = error
    return found, trace, server.usage


@cache
def _right() -> tuple[str, ...]:
    with (
        kv.record(clock="virtual"),
        serve(TextSettings(answer_tokens=100)) as server,
        TextClient(server.base_url) as client,
    ):
        return tuple(client.write(text).text for text in texts())


def all_answered(found: Any) -> Goal:
    """Require the answer to every text, in the order of the texts; `found` is what a function returned or raised."""
    return Goal("the answer to every text, in order", lambda _: _judged(found))


def _judged(found: Any) -> Finding:
    if isinstance(found, Exception):
        return Finding(False, f"it ended with an error: {describe_error(found)}")
    if not isinstance(found, list) or len(found) != len(texts()):
        size = f"{len(found)} items" if isinstance(found, list) else type(found).__name__
        return Finding(False, f"expected a list of {len(texts())} answers, got {size}")
    told = [each.text if isinstance(each, TextAnswer) else each for each in found]
    wrong = next((place for place, right in enumerate(_right()) if told[place] != right), None)
    if wrong is None:
        return Finding(True, "all of them are right")
    return Finding(False, f"the answer to text {wrong} is {_short(told[wrong])}, expected {_short(_right()[wrong])}")


def _short(answer: Any) -> str:
    if not isinstance(answer, str):
        return f"a {type(answer).__name__}"
    words = answer.split()
    return f"'{' '.join(words[:5])} ...' with {len(words)} words"


def at_most_refused(usage: Sequence[TextUsage], count: int) -> Goal:
    """Require that the service refused at most `count` calls."""
    refused = sum(each.status == REFUSED for each in usage)
    found = Finding(refused <= count, f"it answered {len(usage) - refused} calls and refused {refused}")
    return Goal(f"the service refuses at most {count} calls", lambda _: _if_all_asked(usage, found))


def done_within(usage: Sequence[TextUsage], limit_s: float) -> Goal:
    """Require that all is done within some time [s]."""
    begun_ns, ended_ns = [each.received_ns for each in usage], [each.ended_ns for each in usage]
    took_s = (max(ended_ns, default=0) - min(begun_ns, default=0)) / 1e9
    found = Finding(took_s <= limit_s, f"from the first call to the last answer it took {took_s:.1f} s")
    return Goal(f"done within {limit_s:g} seconds", lambda _: _if_all_asked(usage, found))


def cost_at_most(usage: Sequence[TextUsage], most: float) -> Goal:
    """Require that all calls together cost at most `most` [credits]."""
    cost = sum(each.credits for each in usage)
    return Goal(
        f"at most {most:g} credits",
        lambda _: _if_all_asked(usage, Finding(cost <= most, f"it cost {cost:.1f} credits")),
    )


def _if_all_asked(usage: Sequence[TextUsage], found: Finding) -> Finding:
    """Return what was found, if there was an answer for each text: what does little is soon done."""
    answered = sum(each.status != REFUSED for each in usage)
    if answered >= len(texts()):
        return found
    return Finding(False, f"the service answered only {answered} of {len(texts())} calls")


SOLUTIONS = {
    "exercise_1": '''
"""One rate limit for all workers, with the units of each call, and the true number afterwards.

- How many calls per minute and how many tokens per minute does the service allow? Give both to one `kv.RateLimit`.
- Make the limit once, in front of the executor. Each branch asks inside `with limit.units(...) as call:`, with the
  tokens of its text (`l14.count_tokens(text)`) and 200 more for the answer.
- With these estimates it takes too long. `call.used(answer.tokens)` says the true number.
"""


def my_summaries(client, texts):
    limit = kv.RateLimit(per_minute=60, units_per_minute=12_000)

    def ask(text):
        with limit.units(l14.count_tokens(text) + 200) as call:
            answer = client.write(text)
            call.used(answer.tokens)
        return answer

    with kv.get_executor("thread", 12) as executor:
        return [outcome.value for outcome in executor.imap(ask, texts)]
''',
}

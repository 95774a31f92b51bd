"""The text service: what it writes and counts, its limits and its prices."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import OptionError, ServiceUnavailable
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.text_client import TextClient
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.course.services.text_service import TextService, TextSettings
from kaygraph_viz.recording import record

# == text service ===================================================================================================


SECOND, MINUTE = 10**9, 60 * 10**9
PLAIN = TextSettings(spread=0, first_token_s=1, token_s=0.1, answer_tokens=10)


def order(prompt="one two three", **more):
    return json.dumps({"prompt": prompt, **more}).encode()


def ask(service, now_ns=0, **more):
    return service.reply("POST", "/write", "", now_ns, order(**more))


@given(
    calls=st.none() | st.integers(1, 5),
    tokens=st.none() | st.integers(15, 80),
    at_once=st.none() | st.integers(1, 5),
    asked=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=30),
)
def test_it_lets_through_what_its_limits_allow_and_says_when_to_come_again(calls, tokens, at_once, asked):
    service = TextService(
        TextSettings(
            spread=0,
            answer_tokens=10,
            first_token_s=5,
            calls_per_minute=calls,
            tokens_per_minute=tokens,
            at_once=at_once,
        )
    )
    now = 0
    for later, most in asked:
        now += later * SECOND
        reply = ask(service, now, max_tokens=most)
        if reply.status == 429:
            again_ns = now + round(reply.content["retry_after_s"] * 1e9)
            assert int(reply.headers["Retry-After"]) * SECOND >= again_ns - now > 0
            now = again_ns
            assert ask(service, now, max_tokens=most).status == 200
    done = [each for each in service.usage if each.status == 200]
    for each in done:
        window = [other for other in done if each.received_ns <= other.received_ns < each.received_ns + MINUTE]
        assert calls is None or len(window) <= calls
        assert tokens is None or sum(other.input_tokens + other.output_tokens for other in window) <= tokens
        inside = [other for other in done if other.received_ns <= each.received_ns < other.ended_ns]
        assert at_once is None or len(inside) <= at_once


def test_an_answer_takes_the_first_token_and_then_each_other():
    reply = ask(TextService(PLAIN))
    assert (reply.latency_s, reply.content["text"]) == (2.0, "one two three one two three one two three one")
    assert ask(TextService(PLAIN), max_tokens=2).content["output_tokens"] == 2


def test_only_calls_that_were_let_through_cost_something():
    service = TextService(TextSettings(spread=0, answer_tokens=10, calls_per_minute=1, input_price=1, output_price=10))
    ask(service)
    ask(service, SECOND)
    assert [(each.status, each.credits) for each in service.usage] == [(200, 0.103), (429, 0.0)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/write", b"{", 400),
        ("POST", "/write", b"[]", 400),
        ("POST", "/write", b"[" * 100_000, 400),
        ("POST", "/write", b"\xff", 400),
        ("POST", "/write", order(prompt="  "), 400),
        ("POST", "/write", order(max_tokens=0), 400),
        ("POST", "/write", order(max_tokens=True), 400),
        ("POST", "/write", order(stream="yes"), 400),
        ("GET", "/write", b"", 405),
        ("GET", "/verify", b"", 404),
        ("GET", "/health", b"", 200),
    ],
)
def test_what_it_cannot_answer(method, path, body, status):
    assert TextService().reply(method, path, "", 0, body).status == status


def real():
    return record()


def virtual():
    return record(clock="virtual")


@pytest.mark.parametrize("world", [real, virtual])
def test_answers_are_the_same_over_a_socket_and_in_simulated_time(world):
    settings = TextSettings(first_token_s=0.001, token_s=0.0001, calls_per_minute=3)
    with world(), serve(settings) as server, TextClient(server.base_url) as client:
        whole = client.write("a lake in the north", 12)
        parts = list(client.stream("a lake in the north", 12))
        with pytest.raises(ServiceUnavailable) as refused:
            for _ in range(2):
                client.write("a lake in the north")
    assert "".join(parts).split() == whole.text.split()
    assert len(parts) == 3
    assert (refused.value.status, [each.status for each in server.usage]) == (429, [200, 200, 200, 429])
    assert 0 < refused.value.retry_after_s <= 60
    assert [(each.path, each.status) for each in server.requests] == [("/write", 200)] * 3 + [("/write", 429)]


def test_the_parts_of_a_stream_come_one_after_the_other():
    with record(clock="virtual"), serve(PLAIN) as server, TextClient(server.base_url) as client:
        begun_ns = current_clock().now_ns()
        times = [(current_clock().now_ns() - begun_ns) / 1e9 for _ in client.stream("one two", 10)]
    assert times == [1.5, 2.0]
    assert server.requests[0].answered_ns - begun_ns == 2 * SECOND


# == text settings ==================================================================================================


PROMPTS = [f"prompt {number}" for number in range(2_000)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("calls_per_minute", 0), ("tokens_per_minute", 1.5), ("at_once", 0), ("at_once", ((1, 5),)),
     ("at_once", ((0, 5), (9, 3), (4, 2))), ("at_once", ((0, 0),)), ("at_once", (5, 6)), ("first_token_s", -1),
     ("spread", 3), ("token_s", -0.1), ("answer_tokens", 0), ("slow_rate", 2), ("slow_factor", 0),
     ("input_price", -1), ("output_price", "free")],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(name, value):
    with pytest.raises(OptionError, match=name):
        TextSettings(**{name: value})


def test_the_same_seed_gives_the_same_answers_and_another_one_others():
    one, again, other = TextSettings(seed=3), TextSettings(seed=3), TextSettings(seed=4)
    lengths = [[each.answer_length(prompt) for prompt in PROMPTS] for each in (one, again, other)]
    assert lengths[0] == lengths[1] != lengths[2]
    assert sum(lengths[0]) / len(PROMPTS) == pytest.approx(100, rel=0.05)


def test_the_slow_tail_has_its_share_and_another_attempt_is_a_new_chance():
    settings = TextSettings(spread=0, first_token_s=1, slow_rate=0.1, slow_factor=7)
    first = [settings.first_token_of(prompt, 1) for prompt in PROMPTS]
    assert set(first) == {1.0, 7.0}
    assert first.count(7.0) == pytest.approx(200, rel=0.2)
    again = [settings.first_token_of(prompt, 2) for prompt, s in zip(PROMPTS, first, strict=True) if s == 7]
    assert again.count(7.0) < len(again) / 4


def test_steps_of_what_it_works_on_at_once():
    settings = TextSettings(at_once=((0, 16), (30, 6), (60, 20)))
    assert [settings.at_once_after(s) for s in (0, 29, 30, 59.9, 60, 1_000)] == [16, 16, 6, 6, 20, 20]
    assert TextSettings().at_once_after(5) is None

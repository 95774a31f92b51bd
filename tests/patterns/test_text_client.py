"""The client of the text service: what it asks, and what its errors say."""

from __future__ import annotations

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import ServiceUnavailable
from kaygraph_viz.course.patterns.text_client import TextClient
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.course.services.text_service import TextSettings


def test_threads_and_coroutines_get_the_same_answers():
    prompts = [f"prompt number {number}" for number in range(6)]
    with kv.record(clock="virtual"), serve(TextSettings()) as server, TextClient(server.base_url) as client:
        with kv.get_executor("thread", 3) as executor:
            plain = [outcome.value for outcome in executor.imap(client.write, prompts)]
        with kv.get_executor("async", 3) as executor:
            assert [outcome.value for outcome in executor.imap(client.write_async, prompts)] == plain
    assert all(answer.tokens == 3 + answer.output_tokens for answer in plain)
    assert sum(answer.credits for answer in plain) * 2 == pytest.approx(sum(each.credits for each in server.usage))


def test_a_refusal_says_how_long_to_wait_in_each_way_of_asking():
    settings = TextSettings(calls_per_minute=1, first_token_s=0, token_s=0)

    async def ask(client):
        await client.write_async("one")

    with kv.record(clock="virtual"), serve(settings) as server, TextClient(server.base_url) as client:
        client.write("one")
        kv.sleep(20)
        for way in (lambda: client.write("one"), lambda: list(client.stream("one")), lambda: kv.run(ask(client))):
            with pytest.raises(ServiceUnavailable) as refused:
                way()
            assert (refused.value.status, refused.value.retry_after_s) == (429, 40)


def test_no_service_and_a_late_answer_are_errors_of_the_same_class():
    async def ask(client):
        await client.write_async("one")

    with kv.record(clock="virtual"), serve(TextSettings(first_token_s=9)) as server:
        for url in (server.base_url, "http://127.0.0.1:9"):
            with TextClient(url, timeout_s=1) as client:
                for way in (lambda: client.write("one"), lambda: kv.run(ask(client))):
                    with pytest.raises(ServiceUnavailable):
                        way()
        with TextClient("http://127.0.0.1:9") as client, pytest.raises(ServiceUnavailable):
            list(client.stream("one"))

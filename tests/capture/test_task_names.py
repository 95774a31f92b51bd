"""Which tasks are branches of the program, and what they are called."""

from __future__ import annotations

import asyncio

import pytest

import kaygraph_viz as kv
from kaygraph_viz.trace.span import Span


def recorded(main, **options) -> list[Span]:
    with kv.record(capture="asyncio", **options) as trace:
        asyncio.run(main)
    return [span for span in trace.validate() if span.kind == "branch"]  # a busy machine may hold up the loop


def names(main) -> list[str]:
    return [span.name for span in recorded(main)]


def double(number: int) -> int:
    return 2 * number


async def fetch(page: str) -> str:
    await asyncio.sleep(0)
    return page


async def _in_a_group(several) -> None:
    async with asyncio.TaskGroup() as group:
        for each in several:
            group.create_task(each)


async def _as_completed(several) -> None:
    for each in asyncio.as_completed(list(several)):
        await each


ASKED = {
    "gather": lambda several: asyncio.gather(*several),
    "group": _in_a_group,
    "create": lambda several: asyncio.wait([asyncio.create_task(each) for each in several]),
    "ensure": lambda several: asyncio.wait([asyncio.ensure_future(each) for each in several]),
    "completed": _as_completed,
}


@pytest.mark.parametrize("how", ASKED)
def test_a_task_of_the_program_is_a_branch_whoever_wrote_its_coroutine(how: str):
    async def main() -> None:
        await ASKED[how](asyncio.sleep(0) for _ in range(3))

    spans = recorded(main())
    (own,) = (span for span in spans if span.name == "main")
    assert [span.parent_id for span in spans if span.name == "sleep"] == [own.span_id] * 3


def test_the_first_task_is_one_too():
    assert names(asyncio.sleep(0)) == ["sleep"]


def test_a_task_that_a_library_makes_for_itself_is_no_branch():
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        queue.put_nowait(1)
        assert await asyncio.wait_for(queue.get(), 60) == 1
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await reader.read()
            writer.close()

    assert names(main()) == ["main"]


def test_a_call_in_a_thread_is_one_branch():
    async def main() -> None:
        assert await asyncio.gather(*(asyncio.to_thread(double, number) for number in range(3))) == [0, 2, 4]

    assert sorted(names(main())) == ["double", "double", "double", "main"]


def test_what_is_waited_for_with_a_time_limit_is_one_branch():
    async def main() -> None:
        pages = (asyncio.wait_for(fetch(page), 60) for page in "ab")
        assert await asyncio.gather(*pages) == ["a", "b"]

    spans = recorded(main(), label="arguments")
    assert sorted((span.name, span.attributes.get("label")) for span in spans if span.name != "main") == [
        ("fetch", '"a"'), ("fetch", '"b"'),
    ]  # fmt: skip

"""Worker threads of anyio: plain handlers of web applications."""

from __future__ import annotations

import asyncio

import anyio.to_thread
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import kaygraph_viz as kv


def work() -> str:
    with kv.span("inside"):
        return "done"


def test_a_call_in_a_worker_thread_is_a_branch():
    async def main() -> None:
        assert await anyio.to_thread.run_sync(work) == "done"

    with kv.record(capture="anyio") as trace:
        asyncio.run(main())
    trace.validate()
    outer, inside = trace.spans
    assert (outer.name, inside.parent_id) == ("work", outer.span_id)


def test_plain_handlers_of_fastapi_are_branches():
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    @app.get("/{number}")
    def double(number: int) -> int:
        return 2 * number

    async def main() -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop") as client:
            assert (await client.get("/4")).json() == 8

    with kv.record(capture="anyio", label="arguments") as trace:
        asyncio.run(main())
    (found,) = trace.validate().where(name="double")
    assert dict(found.attributes) == {"label": "number=4"}


def test_plain_handlers_of_an_application_are_branches():
    def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", page)])

    async def main() -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop") as client:
            found = await asyncio.gather(*(client.get("/") for _ in range(4)))
        assert [each.text for each in found] == ["hello"] * 4

    with kv.record(capture=["anyio", "asyncio"]) as trace:
        asyncio.run(main())
    trace.validate()
    assert sum(each.name == "page" for each in trace) == 4

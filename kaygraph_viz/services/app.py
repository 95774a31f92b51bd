"""The services as a web application.

Belongs here: receiving a question, waiting and sending the reply, or not sending it. Does not belong here: choosing the
reply (``responses``) and running the application (``server``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from kaygraph_viz._optional import needed
from kaygraph_viz.errors import ServiceError
from kaygraph_viz.services.endpoints import request_key, verify
from kaygraph_viz.services.kinds import AnyService, AnySettings, service_of
from kaygraph_viz.services.responses import Reply
from kaygraph_viz.services.settings import ServiceSettings

with needed():
    from starlette.responses import Response, StreamingResponse
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ServiceSettings", "create_app", "request_key", "verify"]

MOST_BYTES = 1 << 20  # of the body of a request


def create_app(
    settings: AnySettings | AnyService = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> ASGIApp:
    """Return all services as one web application.

    ``GET /verify``, ``/profile``, ``/location``, ``/social`` and ``/company`` answer what the functions of these names
    in ``endpoints`` return, as JSON; 404 when nothing is known and 400 for a question that is not complete. ``/health``
    is answered at once, whatever the settings. `LocalServer` runs it; another ASGI server will do, too, except for
    answers that break off.

    Parameters
    ----------
    settings
        How slow, unreliable and strict they are: one for all of them, or some by the name of the service; the rest
        takes `DEFAULT_SETTINGS`. `TextSettings`: the text service, which has ``POST /write`` instead. Or a service.
    clock
        Returns seconds on a monotonic axis; measures the rate where no server has stamped the request [s].
    sleep
        Waits for a latency [s].
    """
    services = service_of(settings)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The stamp of the request log, when there is one: then the log shows exactly the rate that was allowed.
        received_ns: int | None = scope.get("received_ns")
        now_ns = round(clock() * 1e9) if received_ns is None else received_ns
        body = await _body(receive) if scope["method"] == "POST" else b""
        reply = services.reply(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), now_ns, body)
        if reply.latency_s:
            await sleep(reply.latency_s)
        if reply.pieces:
            await StreamingResponse(_timed(reply.pieces, sleep), media_type=reply.media_type)(scope, receive, send)
        else:
            await _carry_out(reply, scope, receive, send)

    return app


async def _body(receive: Receive) -> bytes:
    """Return the body of a request, up to `MOST_BYTES`."""
    body, message = b"", await receive()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) > MOST_BYTES:
            break
        message = await receive()
    return body[:MOST_BYTES]


async def _timed(
    pieces: Sequence[tuple[float, bytes]], sleep: Callable[[float], Awaitable[object]]
) -> AsyncIterator[bytes]:
    """Yield the parts of a body, each when it is due."""
    for wait_s, piece in pieces:
        await sleep(wait_s)
        yield piece


async def _carry_out(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    response = Response(reply.body, reply.status, reply.headers, reply.media_type)
    if reply.fault == "cut":
        await send({"type": "http.response.start", "status": reply.status, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": reply.half_body, "more_body": True})
    if reply.fault in ("cut", "drop"):
        transport = scope.get("state", {}).get("transport")
        if transport is None:
            raise ServiceError(
                "this ASGI server lets no application close a connection; run it with LocalServer(app=app)"
            )
        transport.close()
    if reply.fault:
        while (await receive())["type"] != "http.disconnect":
            pass
    if reply.fault in ("", "hang"):
        await response(scope, receive, send)

"""The asynchronous node: prep -> exec -> post as coroutines, with the same hooks under names that end in ``_async``.

Belongs here: what one asynchronous node does when it runs. Does not belong here: several items (``batch``), several
nodes (``graph``), loops (``execute.coroutines.loops``).

A hook or method that is not overridden calls its plain twin, so that a class can be moved over method by method.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable
from types import CoroutineType
from typing import Any, NoReturn, Self

from kaygraph_viz.base.checks import refuse_if_async
from kaygraph_viz.base.errors import NodeError, add_note_once, warn
from kaygraph_viz.execute.coroutines.loops import run_in_private_loop, with_ticker
from kaygraph_viz.execute.retries import Attempts, as_branch_error, as_node_error, first_attempt
from kaygraph_viz.graph.node import BaseNode, Node, Shared
from kaygraph_viz.graph.shared import watched
from kaygraph_viz.trace.recorder import span


class AsyncBase(BaseNode):
    """The base of asynchronous nodes and graphs; use `AsyncNode` or `AsyncGraph`."""

    # -- to be overridden ---------------------------------------------------------------------------------------

    async def prep_async(self, shared: Shared) -> Any:
        """Read from the shared store what `exec_async` needs; by default what `prep` returns."""
        return self._call_plain("prep", shared)

    async def exec_async(self, prep_res: Any) -> Any:
        """Compute, or await what others compute; by default what `exec` returns."""
        return self._call_plain("exec", prep_res)

    async def post_async(self, shared: Shared, prep_res: Any, exec_res: Any) -> str | None:
        """Write to the shared store and return the action; by default what `post` returns."""
        action: str | None = self._call_plain("post", shared, prep_res, exec_res)
        return action

    async def before_prep_async(self, shared: Shared) -> None:
        """Run before `prep_async`; by default runs `before_prep`."""
        self._call_plain("before_prep", shared)

    async def after_exec_async(self, shared: Shared, prep_res: Any, exec_res: Any) -> None:
        """Run between `exec_async` and `post_async`; by default runs `after_exec`."""
        self._call_plain("after_exec", shared, prep_res, exec_res)

    async def on_error_async(self, shared: Shared, error: Exception) -> bool:
        """Handle an error of this node: return True to go on with the default action, False to raise it."""
        return bool(self._call_plain("on_error", shared, error))

    async def setup_resources_async(self) -> None:
        """Open what the node needs, when it is used in an ``async with`` block."""
        self._call_plain("setup_resources")

    async def cleanup_resources_async(self) -> None:
        """Close what `setup_resources_async` opened."""
        self._call_plain("cleanup_resources")

    def _call_plain(self, name: str, *args: Any) -> Any:
        """Call the plain method of a hook; one that returns a coroutine should have the name of the hook."""
        try:
            found = getattr(self, name)(*args)
        except BaseException as raised:
            raise as_node_error(raised, self._where(name))
        if type(found) is CoroutineType:
            found.close()
            raise NodeError(f"{self._where(name)} returned a coroutine; call it {name}_async")
        return found

    # -- running ------------------------------------------------------------------------------------------------

    def run(self, shared: Shared) -> str | None:
        """Run in a loop of its own and return the action; works in a notebook too.

        The loop runs in a thread while the caller waits, so that an interrupt gives control back at once.
        """
        self._warn_of_successors()
        return run_in_private_loop(lambda: self._run_async(shared))

    async def run_async(self, shared: Shared) -> str | None:
        """Run in the loop that is running and return the action; in a notebook: ``await node.run_async(shared)``."""
        self._warn_of_successors()
        return await with_ticker(self._run_async(shared))

    def _warn_of_successors(self) -> None:
        if self.successors:
            what = f"{self.node_id!r} runs alone, its successors do not run; use AsyncGraph(start=...)"
            warn(what, stacklevel=3)

    def _run(self, shared: Shared) -> NoReturn:
        raise NodeError(f"{self!r} is asynchronous and cannot run in a plain graph; write: AsyncGraph(start=...)")

    async def _run_async(self, shared: Shared) -> str | None:
        return (await self._cycle_async(shared))[0]

    async def _cycle_async(self, shared: Shared) -> tuple[str | None, Any]:
        """Run the three phases and return the action and the result of the second one."""
        self._context = {}
        shared = watched(shared)
        with span(self.node_id, kind=self._kind):
            try:
                await self._hook_async("before_prep", shared)
                prep_res = await self._phase_async("prep", self.prep_async, shared)
                exec_res = await self._exec_phase_async(shared, prep_res)
                await self._hook_async("after_exec", shared, prep_res, exec_res)
                action = await self._phase_async("post", self.post_async, shared, prep_res, exec_res)
                self._refuse_generator("post", action)
            except CancelledError:
                raise  # of the task: what user code raises by itself has become an error
            except BaseException as raised:
                error = as_node_error(raised, f"node {self.node_id!r}")
                if not isinstance(error, Exception) or not await self._hook_async("on_error", shared, error):
                    raise error
                return None, None
        return action, exec_res

    async def _phase_async(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        with span(name, kind="phase"):
            return await self._call_async(name, function, *args)

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        """Run the second phase."""
        raise NotImplementedError

    async def _hook_async(self, name: str, *args: Any) -> Any:
        """Call a hook by its plain name, await it, and return its answer."""
        answer = await self._call_async(name, getattr(self, f"{name}_async"), *args)
        self._refuse_generator(name, answer)
        return answer

    async def _call_async(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Do as `_call` for a method that may be asynchronous."""
        where = self._where(name)
        try:
            found = function(*args)
            answer = await found if inspect.isawaitable(found) else found
            refuse_if_async(answer, where)
        except CancelledError as cancelled:
            raise as_branch_error(cancelled, where) from cancelled
        except BaseException as raised:
            error = as_node_error(raised, where)
            if error is raised:
                add_note_once(error, f"in {where}")
            raise error
        return answer

    async def __aenter__(self) -> Self:
        await self._hook_async("setup_resources")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._hook_async("cleanup_resources")


class AsyncNode(AsyncBase, Node):
    """A node whose phases are coroutines, tried again when `exec_async` fails.

    Parameters
    ----------
    max_retries, wait, node_id
        As for `Node`.

    Examples
    --------
    >>> import asyncio
    >>> class Fetch(AsyncNode):
    ...     async def prep_async(self, shared):
    ...         return shared["city"]
    ...
    ...     async def exec_async(self, city):
    ...         await asyncio.sleep(0)
    ...         return f"weather of {city}"
    ...
    ...     async def post_async(self, shared, city, weather):
    ...         shared["weather"] = weather
    >>> shared = {"city": "Oslo"}
    >>> asyncio.run(Fetch().run_async(shared))
    >>> shared["weather"]
    'weather of Oslo'
    """

    async def exec_fallback_async(self, prep_res: Any, exc: Exception) -> Any:
        """Return a value in place of the one that `exec_async` could not give; by default the error is raised."""
        return self._call_plain("exec_fallback", prep_res, exc)

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        where, retry = self._where("exec"), self._retry_policy()
        with span("exec", kind="phase"), first_attempt():
            attempts = Attempts(self._exec_once_async, retry, self.exec_fallback_async, lambda _: where)
            value, error, _ = await attempts.run_async(prep_res, 0)
            if error is not None:
                raise error
            return value

    def _exec_once_async(self, prep_res: Any) -> Any:
        return self.exec_async(prep_res)


async def run_step(step: BaseNode, shared: Shared) -> str | None:
    """Run a node of an asynchronous graph, plain or asynchronous, and return its action."""
    if isinstance(step, AsyncBase):
        return await step._run_async(shared)
    return step._run(shared)

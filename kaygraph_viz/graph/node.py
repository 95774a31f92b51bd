"""The node: prep -> exec -> post with hooks, retries and validation, and the wiring of nodes.

Belongs here: what one node does when it runs, and refusing one that contains itself. Does not belong here: several
items (``batch``), several nodes (``graph``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from types import GeneratorType
from typing import Any, ClassVar, Self, TypeVar

from kaygraph_viz.base.checks import checked_seconds, checked_whole, refuse_if_async
from kaygraph_viz.base.errors import DataError, GraphError, NodeError, WiringError, add_note_once, short, warn
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.execute.retries import Attempts, RetryPolicy, as_node_error, attempt_number, first_attempt
from kaygraph_viz.graph.shared import watched
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.span import Kind
from kaygraph_viz.trace.trace import GraphView, NodeView

Shared = MutableMapping[str, Any]
NodeT = TypeVar("NodeT", bound="BaseNode")
ID_LIMIT = 80
DEFAULT = "default"


class BaseNode:
    """A step of a graph: `prep` reads from the shared store, `exec` computes, `post` writes and picks the next action.

    Subclass `Node`, which adds retries, rather than this class. Each step of a graph runs a shallow copy of the node,
    so keep what must last in `shared`, and never put a lock, queue or thread on a node.

    Parameters
    ----------
    node_id
        Its name in charts and diagrams; default: the name of its class.
    """

    _is_parallel: ClassVar[bool] = False  # whether a diagram shows it as several branches
    _kind: ClassVar[Kind] = "node"  # of its span

    def __init__(self, node_id: str | None = None) -> None:
        self.node_id = readable_id(node_id, type(self).__name__)
        self.params: dict[str, Any] = {}
        self.successors: dict[str, BaseNode] = {}
        self._context: dict[str, Any] = {}

    # -- to be overridden ---------------------------------------------------------------------------------------

    def prep(self, shared: Shared) -> Any:
        """Read from the shared store what `exec` needs."""

    def exec(self, prep_res: Any) -> Any:
        """Compute; no access to the shared store, so that it can be tried again or run elsewhere."""

    def post(self, shared: Shared, prep_res: Any, exec_res: Any) -> str | None:
        """Write to the shared store and return the action that picks the successor; None means ``"default"``."""

    def before_prep(self, shared: Shared) -> None:
        """Run before `prep`; does nothing unless overridden."""

    def after_exec(self, shared: Shared, prep_res: Any, exec_res: Any) -> None:
        """Run between `exec` and `post`; does nothing unless overridden."""

    def on_error(self, shared: Shared, error: Exception) -> bool:
        """Handle an error of this node: return True to go on with the default action, False to raise it."""
        return False

    def setup_resources(self) -> None:
        """Open what the node needs, when it is used in a ``with`` block."""

    def cleanup_resources(self) -> None:
        """Close what `setup_resources` opened."""

    # -- wiring -------------------------------------------------------------------------------------------------

    def next(self, node: NodeT, action: str = DEFAULT) -> NodeT:
        """Make `node` the successor for `action` and return it.

        Raises
        ------
        WiringError
            If `node` is not a node or `action` not a text.
        """
        _check_successor(self, node, f"{self.node_id} >> other")
        _check_action(self, action)
        known = self.successors.get(action)
        if known is not None and known is not node:
            warn(
                f"{self.node_id!r} already goes to {known.node_id!r} on {short(action)}; {node.node_id!r} takes its "
                "place. A node has one successor per action: use FanOutNode to run several at once",
                stacklevel=3,
            )
        self.successors[action] = node
        return node

    def __rshift__(self, other: NodeT) -> NodeT:
        _check_successor(self, other, f"{self.node_id} >> other")
        return self.next(other)

    def __sub__(self, action: str) -> Transition:
        _check_action(self, action)
        return Transition(self, action)

    # -- running ------------------------------------------------------------------------------------------------

    def run(self, shared: Shared) -> str | None:
        """Run prep, exec and post of this node alone on the store `shared`, and return the action of `post`."""
        if self.successors:
            warn(f"{self.node_id!r} runs alone, its successors do not run; use Graph(start=...)", stacklevel=2)
        return self._run(shared)

    def _run(self, shared: Shared) -> str | None:
        return self._cycle(shared)[0]

    def _cycle(self, shared: Shared) -> tuple[str | None, Any]:
        """Run the three phases and return the action and the result of `exec`."""
        self._context = {}
        shared = watched(shared)
        with span(self.node_id, kind=self._kind):
            try:
                self._hook("before_prep", shared)
                prep_res = self._phase("prep", self.prep, shared)
                exec_res = self._exec_phase(shared, prep_res)
                self._hook("after_exec", shared, prep_res, exec_res)
                action = self._phase("post", self.post, shared, prep_res, exec_res)
                self._refuse_generator("post", action)
            except BaseException as raised:
                error = as_node_error(raised, f"node {self.node_id!r}")
                if not isinstance(error, Exception) or not self._hook("on_error", shared, error):
                    raise error
                return None, None
        return action, exec_res

    def _phase(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        with span(name, kind="phase"):
            return self._call(name, function, *args)

    def _hook(self, name: str, *args: Any) -> Any:
        """Call a hook by its name and return its answer."""
        answer = self._call(name, getattr(self, name), *args)
        self._refuse_generator(name, answer)
        return answer

    def _call(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a method of the user's; what it raises becomes an error of this node, with a note that names both."""
        where = self._where(name)
        try:
            answer = function(*args)
            refuse_if_async(answer, where)
        except BaseException as raised:
            error = as_node_error(raised, where)
            if error is raised:
                add_note_once(error, f"in {where}")
            raise error
        return answer

    def _refuse_generator(self, name: str, answer: Any) -> None:
        """Refuse a hook that has a ``yield`` by mistake: its body would never run."""
        if isinstance(answer, GeneratorType):
            raise NodeError(f"{self._where(name)} returned a generator, which nothing reads; write return, not yield")

    def _where(self, name: str) -> str:
        return f"{name} of node {self.node_id!r}"

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        return self._phase("exec", self.exec, prep_res)

    # -- around it ----------------------------------------------------------------------------------------------

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Store a copy of `params`; inside a graph a node gets those of all graphs around it, too."""
        self.params = dict(params)

    def get_context(self, key: str, default: Any = None) -> Any:
        """Return a value that `set_context` stored during this run of the node."""
        return self._context.get(key, default)

    def set_context(self, key: str, value: Any) -> None:
        """Store a value for the rest of this run of the node."""
        self._context[key] = value

    @property
    def logger(self) -> logging.Logger:
        """The logger of the node's class."""
        return logging.getLogger(f"kaygraph_viz.{type(self).__name__}")

    def __enter__(self) -> Self:
        self._hook("setup_resources")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._hook("cleanup_resources")

    def inner_nodes(self) -> Collection[BaseNode]:
        """Return the nodes that run inside this one; those of a graph, and branches that are nodes."""
        return ()

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram shows of this node, under the name it has in its graph."""
        return NodeView(name, type(self).__name__, is_parallel=self._is_parallel)

    def _repr_mimebundle_(self, **_options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a notebook shows on the last line of a cell: a diagram, and the text."""
        from kaygraph_viz.plot.diagram.markup import shown_formats  # a run needs no pictures

        return shown_formats(self._shown_structure(), repr(self))

    def _shown_structure(self) -> GraphView:
        return GraphView(self.node_id, (self.structure_view(self.node_id),))

    def __repr__(self) -> str:
        called = "" if self.node_id == type(self).__name__ else f" {self.node_id!r}"
        return one_line(f"<{type(self).__name__}{called}>")


class Node(BaseNode):
    """A node whose `exec` is tried again when it fails.

    Parameters
    ----------
    max_retries
        The number of attempts at most, 1 or more; 1 means no second one.
    wait
        Time between attempts [s].
    node_id
        Its name in charts and diagrams; default: the name of its class.

    Raises
    ------
    OptionError
        If `max_retries` is below 1, or `wait` is negative or NaN.

    Examples
    --------
    >>> class Double(Node):
    ...     def prep(self, shared):
    ...         return shared["number"]
    ...
    ...     def exec(self, number):
    ...         return 2 * number
    ...
    ...     def post(self, shared, prep_res, exec_res):
    ...         shared["number"] = exec_res
    >>> shared = {"number": 21}
    >>> Double().run(shared)
    >>> shared
    {'number': 42}
    """

    def __init__(self, max_retries: int = 1, wait: float = 0, node_id: str | None = None) -> None:
        super().__init__(node_id)
        self.max_retries = checked_whole("max_retries", max_retries, 1, 1_000_000, "max_retries=3")
        self.wait = checked_seconds("wait", wait, "wait=0.5")

    @property
    def cur_retry(self) -> int:
        """The number of attempts of this item that went before, from 0; parallel items each have their own."""
        return attempt_number() - 1

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        """Return a value in place of the one that `exec` could not give; by default the error is raised."""
        raise exc

    def _retry_policy(self) -> RetryPolicy:
        return RetryPolicy(self.max_retries, self.wait)

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        with span("exec", kind="phase"), first_attempt():
            attempts = Attempts(
                self._exec_once, self._retry_policy(), self.exec_fallback, lambda _: self._where("exec")
            )
            value, error, _ = attempts.run(prep_res, 0)
            if error is not None:
                raise error
            return value

    def _exec_once(self, prep_res: Any) -> Any:
        return self.exec(prep_res)


class ValidatedNode(Node):
    """A node that checks what goes into `exec` and what comes out of it.

    Override `validate_input` and `validate_output`: each returns the (possibly changed) value or raises.

    Examples
    --------
    >>> class Root(ValidatedNode):
    ...     def prep(self, shared):
    ...         return shared["number"]
    ...
    ...     def validate_input(self, number):
    ...         if number < 0:
    ...             raise ValueError("expected a number of 0 or more")
    ...         return number
    ...
    ...     def exec(self, number):
    ...         return number**0.5
    >>> Root().run({"number": -1})
    Traceback (most recent call last):
    ...
    ValueError: expected a number of 0 or more
    in exec of node 'Root'
    """

    def validate_input(self, prep_res: Any) -> Any:
        """Return what `exec` gets, or raise."""
        return prep_res

    def validate_output(self, exec_res: Any) -> Any:
        """Return what `post` gets, or raise."""
        return exec_res

    def _exec_once(self, prep_res: Any) -> Any:
        given = self.validate_input(prep_res)
        refuse_if_async(given, self._where("validate_input"))
        value = self.exec(given)
        refuse_if_async(value, self._where("exec"))
        return self.validate_output(value)


def items_of(node: BaseNode, shared: Shared) -> Any:
    """Return ``shared["items"]``, which a node reads that does not override `prep`."""
    if "items" not in shared:
        raise DataError(f"{node!r} reads shared['items'], which is not there; put the items there or override prep")
    return shared["items"]


class Transition:
    """The left side of ``node - "action" >> other``."""

    __slots__ = ("action", "node")

    def __init__(self, node: BaseNode, action: str) -> None:
        self.node = node
        self.action = action

    def __rshift__(self, other: NodeT) -> NodeT:
        _check_successor(self.node, other, f"{self.node.node_id} - {short(self.action)} >> other")
        return self.node.next(other, self.action)


def readable_id(node_id: object, fallback: str) -> str:
    """Return a name that is a text, not empty, printable and at most 80 characters long."""
    text = "" if node_id is None else node_id if isinstance(node_id, str) else short(node_id, ID_LIMIT)
    text = "".join(mark for mark in text[: 4 * ID_LIMIT] if mark.isprintable()).strip()
    return (text if len(text) <= ID_LIMIT else text[: ID_LIMIT - 3] + "...") or fallback


def _check_successor(node: BaseNode, other: object, wrote: str) -> None:
    if isinstance(other, BaseNode):
        return
    if isinstance(other, tuple) and len(other) == 2:
        hint = f"write: {node.node_id} - {short(other[0])} >> node"
    elif isinstance(other, type) and issubclass(other, BaseNode):
        hint = f"write an instance: {other.__name__}()"
    else:
        hint = f"write a node on the right, as in: {wrote}"
    raise WiringError(f"{node!r} >> {short(other)}: the right side is {type(other).__name__}, expected a node; {hint}")


def _check_action(node: BaseNode, action: object) -> None:
    if not isinstance(action, str) or not action:
        raise WiringError(
            f"{node!r} - {short(action)}: an action is {type(action).__name__}, expected a text that is not empty; "
            f'write: {node.node_id} - "approved" >> other'
        )


def refuse_to_contain_itself(node: BaseNode) -> None:
    """Raise `GraphError` if a node or graph runs itself inside itself, directly or through others: it would not end."""
    around: dict[BaseNode, Iterator[BaseNode]] = {node: iter(node.inner_nodes())}  # each is inside the one before it
    done: set[BaseNode] = set()
    while around:
        last, inner = next(reversed(around.items()))
        for each in inner:
            if each in around:
                raise GraphError(
                    f"{each!r} contains itself, so its nodes would never end; for a loop, make an earlier node the "
                    'successor of a later one: later - "again" >> earlier'
                )
            if each not in done and (inside := each.inner_nodes()):
                around[each] = iter(inside)
                break
        else:
            done.add(last)
            del around[last]

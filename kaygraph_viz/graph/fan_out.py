"""A node that runs several different operations at once.

Belongs here: operations by name, their inputs and their results. Does not belong here: one operation on many items
(``batch``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kaygraph_viz.base.checks import checked_word, refuse_if_async
from kaygraph_viz.base.errors import OptionError, WiringError, short
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.coroutines.loops import run_in_private_loop
from kaygraph_viz.graph.async_node import AsyncBase
from kaygraph_viz.graph.batch import BranchingNode
from kaygraph_viz.graph.node import BaseNode, Shared, refuse_to_contain_itself
from kaygraph_viz.trace.trace import NodeView

Operation = Callable[[Any], Any] | BaseNode  # functions and nodes may be asynchronous


class FanOutNode(BranchingNode):
    """Run several different operations at once; `post` gets their results by name.

    A function gets what `prep` returned, or its own part of it. A node runs with its own prep, exec and post on the
    same shared store; its result is what its `exec` returned.

    Parameters
    ----------
    branches
        The operations by name: functions of one argument, or nodes.
    inputs
        For branches whose argument is not what `prep` returned: a function of that, by name of the branch.
    wait_for
        ``"all"``, or ``"first"``: the first branch that succeeds is the only result, and the others are cancelled, as
        in a hedged request. When all fail, their errors are raised as an ``ExceptionGroup``.
    max_workers
        The number of branches in progress at once at most, 1 to 4096; default: all of them.
    **options
        ``executor max_retries wait on_error timeout deadline progress retry node_id`` as for `ParallelBatchNode`. With
        ``on_error="collect"``, `post` gets an `Outcome` by name.

    Raises
    ------
    WiringError
        If `branches` is empty or holds something that is neither a function nor a node.
    OptionError
        If an option is out of its range, or branches are nodes and the executor runs them in other processes.

    Examples
    --------
    >>> check = FanOutNode({"length": len, "upper": str.upper, "first": lambda text: text[0]})
    >>> check.prep = lambda shared: shared["text"]
    >>> check.post = lambda shared, text, results: shared.update(results)
    >>> shared = {"text": "tea"}
    >>> check.run(shared)
    >>> shared
    {'text': 'tea', 'length': 3, 'upper': 'TEA', 'first': 't'}
    """

    def __init__(
        self,
        branches: Mapping[str, Operation],
        *,
        inputs: Mapping[str, Callable[[Any], Any]] | None = None,
        wait_for: Literal["all", "first"] = "all",
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        **options: Any,
    ) -> None:
        self.branches = _checked_branches(branches)
        one_each = min(len(self.branches), self.worker_limit)
        super().__init__(one_each if max_workers is None else max_workers, executor, **options)
        checked_word("wait_for", wait_for, ("all", "first"))
        self.wait_for = wait_for
        self.inputs = dict(inputs or {})
        unknown = self.inputs.keys() - self.branches.keys()
        if unknown:
            raise OptionError("inputs", sorted(unknown), f"names of branches: {', '.join(self.branches)}")
        self._refuse_nodes_elsewhere()

    def _refuse_nodes_elsewhere(self) -> None:
        nodes = [name for name, operation in self.branches.items() if isinstance(operation, BaseNode)]
        if nodes and self._crosses_processes:
            what = f"functions where branches run in other processes: {', '.join(nodes)} would lose what they write"
            raise OptionError("branches", nodes, what, 'executor="thread"')

    def inner_nodes(self) -> list[BaseNode]:
        """Return the branches that are nodes."""
        return [operation for operation in self.branches.values() if isinstance(operation, BaseNode)]

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        names, collects = tuple(self.branches), self.on_error_policy == "collect"
        fallback = self._picklable().exec_fallback
        options = {"fn": self._operation(shared, prep_res), "label": str, "fallback": fallback}
        is_race = self.wait_for == "first"
        outcomes = [self._first_branch(names, **options)] if is_race else self._branches(names, **options)
        return {outcome.name: outcome if collects else outcome.value for outcome in outcomes}

    def _operation(self, shared: Shared, prep_res: Any) -> Callable[[str], Any]:
        """Return the function that runs one branch by its name."""
        self._refuse_nodes_elsewhere()  # again, since executor and branches can be set later
        refuse_to_contain_itself(self)
        if self._crosses_processes:
            return _Operations(self.branches, self.inputs, prep_res)

        def run_branch(name: str) -> Any:
            operation = self.branches[name]
            if not isinstance(operation, BaseNode):
                return _Operations(self.branches, self.inputs, prep_res)(name)
            step = copy.copy(operation)
            step.set_params({**operation.params, **self.params})
            if not isinstance(step, AsyncBase):
                return step._cycle(shared)[1]

            async def result() -> Any:
                return (await step._cycle_async(shared))[1]

            kind = self.executor.kind if isinstance(self.executor, Executor) else self.executor
            return result() if kind == "async" else run_in_private_loop(result)

        return run_branch

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram shows of this node: its branches by name."""
        return NodeView(name, type(self).__name__, is_parallel=True, branches=tuple(self.branches))


@dataclass(frozen=True)
class _Operations:
    """Calls one of several functions by its name; a class, as a closure could not be pickled without cloudpickle."""

    branches: Mapping[str, Operation]
    inputs: Mapping[str, Callable[[Any], Any]]
    prep_res: Any

    def __call__(self, name: str) -> Any:
        operation: Any = self.branches[name]
        if name not in self.inputs:
            return operation(self.prep_res)
        given = self.inputs[name](self.prep_res)
        refuse_if_async(given, f"the input of branch {name!r}")
        return operation(given)


def _checked_branches(branches: Mapping[str, Operation]) -> dict[str, Operation]:
    if not isinstance(branches, Mapping) or not branches:
        raise WiringError(
            f"FanOutNode({short(branches)}): branches must be operations by name, at least one; "
            'write: FanOutNode({"security": check_security, "format": check_format})'
        )
    for name, operation in branches.items():
        if not isinstance(name, str) or not name:
            raise WiringError(f"FanOutNode: the name {short(name)} of a branch must be a text that is not empty")
        is_node_class = isinstance(operation, type) and issubclass(operation, BaseNode)
        if is_node_class or not (callable(operation) or isinstance(operation, BaseNode)):
            raise WiringError(
                f"FanOutNode: branch {name!r} is {short(operation)}, expected a function of one argument or a node"
            )
    return dict(branches)

"""User code may raise anything in a branch, on every kind of executor: its outcome says so (several modules)."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.base.errors import BranchError
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.coroutines.executor import AsyncExecutor
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from tests.execute.test_contract import opened
from tests.user_errors import ERRORS, Raises, leave

NAMES = [name for name in ERRORS if name != "KeyboardInterrupt"]  # which ends a call, whatever its policy
CONTROL = ("StopIteration", "StopIteration with a value", "StopAsyncIteration", "GeneratorExit", "SystemExit",
           "BaseExceptionGroup", "CancelledError", "own BaseException")  # fmt: skip
STAY_THERE = ("not picklable", "leaves while pickled")  # cannot leave their process


@pytest.fixture(params=KINDS)
def executor(request):
    with opened(request, request.param) as made:
        yield made


def raise_named(name):
    """Raise the error of a name, made in the worker: not every one could be sent there."""
    error = ERRORS[name]()
    raise error


def give_named(name):
    """Return an error as a value."""
    return ERRORS[name]()


def check(outcome: Outcome, name: str, executor: Executor) -> None:
    """Check that an outcome tells of the error of a name as it is, or as a branch's error."""
    kind, travels = type(ERRORS[name]()), executor.capabilities.needs_pickling
    if name in CONTROL or (name in STAY_THERE and travels):
        assert type(outcome.error) is BranchError
        assert kind.__name__ in str(outcome.error) or "was cancelled by itself" in str(outcome.error)
    elif name in ("not loadable", "unchangeable") and travels:  # other libraries change how Python does it
        assert type(outcome.error) in (kind, BranchError)
    else:
        assert type(outcome.error) is kind
    assert outcome.status == "error"
    assert repr(outcome)
    assert outcome.traceback


@pytest.mark.parametrize(
    "options", [{}, {"timeout": 1000}, {"retry": RetryPolicy(2)}, {"fallback": Raises(KeyError())}]
)
def test_every_error_is_an_outcome(executor, options):
    outcomes = list(executor.imap(raise_named, NAMES, on_error="collect", **options))
    for outcome, name in zip(outcomes, NAMES, strict=True):
        if "fallback" in options:
            assert type(outcome.error) is KeyError
        else:
            check(outcome, name, executor)


@pytest.mark.parametrize("clock", [None, "virtual"])
def test_every_error_is_an_outcome_while_it_is_recorded(executor, clock):
    with record(clock=clock) as trace:
        outcomes = list(executor.imap(raise_named, NAMES, on_error="collect"))
    for outcome, name in zip(outcomes, NAMES, strict=True):
        check(outcome, name, executor)
    assert len(trace.where(kind="branch", status="error")) == len(NAMES)


@pytest.mark.parametrize("name", [*CONTROL, "unchangeable"])
def test_an_error_is_raised_and_ends_the_call(executor, name):
    seen = []
    with pytest.raises((BranchError, type(ERRORS["unchangeable"]()))):
        seen.extend(executor.imap(raise_named, [name, "ValueError"], window=0))
    assert seen == []


@pytest.mark.parametrize("name", NAMES)
def test_coroutines_beside_each_other(name):
    async def main():
        async def fail(item):
            await asyncio.sleep(0)
            raise_named(item)

        with AsyncExecutor() as executor:
            return [outcome async for outcome in executor.aimap(fail, [name], on_error="collect")]

    (outcome,) = asyncio.run(main())
    if name.startswith("StopIteration"):
        assert type(outcome.error) is RuntimeError  # so Python has it
    else:
        check(outcome, name, AsyncExecutor())


def test_an_error_may_be_a_value(executor):
    names = [name for name in NAMES if name not in (*STAY_THERE, "not loadable", "BaseExceptionGroup")]
    outcomes = list(executor.imap(give_named, names))
    assert [type(outcome.value) for outcome in outcomes] == [type(ERRORS[name]()) for name in names]
    assert all(outcome.ok for outcome in outcomes)


@pytest.mark.parametrize("name", CONTROL)
def test_an_input_that_fails_comes_after_the_outcomes_before_it(executor, name):
    def source():
        yield from range(4)
        raise_named(name)

    seen = []
    with pytest.raises((BranchError, RuntimeError)):  # the latter is what Python makes of a StopIteration there
        for outcome in executor.imap(abs, source()):
            seen.append(outcome.value)
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize("name", CONTROL)
def test_coroutines_beside_one_that_fails_are_cancelled_before_the_call_returns(name):
    cancelled = []

    async def wait_or_fail(item):
        if item == 3:
            raise_named(name)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(item)

    with get_executor("async", 4) as executor, pytest.raises((BranchError, RuntimeError)):
        list(executor.imap(wait_or_fail, range(4), ordered=False))
    assert sorted(cancelled) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["serial", "thread", "async"])
def test_every_error_in_a_stage_is_a_dead_letter_and_the_others_go_on(kind):
    def fail_or_pass(item):
        return item if isinstance(item, int) else raise_named(item)

    given = [0, *NAMES, 1]
    with PipelineRun([Stage("a", fail_or_pass, 2, executor=kind), Stage("b", abs)], given) as run:
        outcomes = list(run)
    assert [outcome.value for outcome in outcomes if outcome.ok] == [0, 1]
    letters = sorted((outcome for outcome in outcomes if not outcome.ok), key=lambda letter: letter.index)
    for letter, name in zip(letters, NAMES, strict=True):
        check(letter, name, get_executor(kind))


class LeavesWhenSent:
    """An object whose pickling ends the program, if it may."""

    __reduce__ = leave


class LeavesWhenLoaded:
    """An object whose unpickling ends the program, if it may."""

    def __getstate__(self):
        return {"state": 1}

    __setstate__ = leave


def make_one(kind):
    return kind()


@pytest.mark.parametrize("kind", ["process", "dask"])
@pytest.mark.parametrize("clock", [None, "virtual"])
def test_items_and_values_that_end_the_program_while_they_travel(request, kind, clock):
    with opened(request, kind) as executor, record(clock=clock):
        values = list(executor.imap(make_one, [LeavesWhenSent, LeavesWhenLoaded, int], on_error="collect"))
        items = list(executor.imap(type, [LeavesWhenSent(), LeavesWhenLoaded(), 3], on_error="collect"))
    assert [outcome.status for outcome in values] == [outcome.status for outcome in items] == ["error", "error", "ok"]


@pytest.mark.parametrize("kind", ["serial", "thread", "async"])
def test_a_submitted_call(kind):
    with get_executor(kind, 3) as executor:
        for name in NAMES:
            error = executor.submit(raise_named, name).exception()
            assert type(error) in (type(ERRORS[name]()), BranchError)

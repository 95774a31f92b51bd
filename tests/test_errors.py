"""Errors: messages from fields, the builtin they inherit, pickling, and notes."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import dataclass

import pytest

from kaygraph_viz.base import errors
from kaygraph_viz.base.errors import add_note_once, short

MADE = [
    errors.KayGraphVizError("message"),
    errors.OptionError("workers", 0, "a whole number", "workers=4"),
    errors.TraceError("message", violations=("a", "b")),
    errors.TraceFormatError("message"),
    errors.GraphError("message"),
    errors.WiringError("message"),
    errors.StepLimitExceeded("message"),
    errors.NodeError("message"),
    errors.BranchError("message"),
    errors.DeadlineExceeded("item 3 of 'Check'", 2.0),
    errors.OutputExistsError("chart.svg"),
    errors.MissingDependencyError("dask", "dask"),
    errors.PlatformError("threads need an installed Python"),
    errors.ServiceError("message"),
    errors.DataError("message"),
    errors.ServiceUnavailable("http://127.0.0.1/", "it answered 429", 429, 1.0),
    errors.RateLimitError("message"),
    errors.WorkerLostError(4711, -9, "item 3 of 'Check'"),
    errors.WorkerStartError(7, 3),
    errors.RemoteWorkerLostError("item 3 of 'Check'", "tcp://127.0.0.1:1", 4711, 2),
    errors.SchedulerLostError("tcp://127.0.0.1:1"),
    errors.SharedConflictError("total", 4, 9),
    errors.CallCancelled("message"),
    errors.VirtualClockError("message"),
    errors.DeadlockError([], [errors.Wait("the main program", "a.py:3 in f", "", "an event")]),
    errors.RealWaitError("message"),
]
CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.KayGraphVizError)]


def test_every_error_class_is_tried_here():
    assert {type(error) for error in MADE} == set(CLASSES)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_survives_pickling_with_message_fields_and_notes(error):
    error = copy.copy(error)
    error.add_note("in item 3")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.OptionError, ValueError),
        (errors.TraceFormatError, ValueError),
        (errors.GraphError, ValueError),
        (errors.WiringError, TypeError),
        (errors.StepLimitExceeded, RuntimeError),
        (errors.BranchError, RuntimeError),
        (errors.DeadlineExceeded, TimeoutError),
        (errors.MissingDependencyError, ImportError),
        (errors.PlatformError, RuntimeError),
        (errors.ServiceUnavailable, ConnectionError),
    ],
)
def test_is_caught_by_the_builtin(cls, builtin):
    assert issubclass(cls, builtin)


def test_deadline_says_what_to_write_instead():
    text = str(errors.DeadlineExceeded("item 3 of 'Check'", 2.0))
    assert "item 3 of 'Check'" in text
    assert "2 s" in text
    assert "timeout=" in text


def test_missing_dependency_names_the_extra():
    assert "kaygraph-viz[dask]" in str(errors.MissingDependencyError("distributed", "dask"))


def test_a_note_is_added_once():
    error = ValueError("bad")
    add_note_once(error, "in item 3")
    add_note_once(error, "in item 3")
    assert error.__notes__ == ["in item 3"]


def test_an_error_that_takes_no_notes_stays_as_it_is():
    @dataclass(frozen=True)
    class FrozenError(Exception):
        code: int

    error = FrozenError(7)
    add_note_once(error, "in item 3")
    assert error.code == 7


@pytest.mark.parametrize("base", [Exception, RecursionError])
def test_short_survives_a_repr_that_raises(base):
    class Rude:
        def __repr__(self):
            raise base("no")

    assert short(Rude()) == "<Rude>"


def test_short_cuts():
    assert len(short("x" * 10_000)) == 80

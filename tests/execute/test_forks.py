"""A branch that forks and forgets to end the copy: the copy ends with it, with every kind of worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kaygraph_viz.execute.forks import end_copy, forks

GUARD_S = 30.0

PROGRAM = """
import json, os, sys
import kaygraph_viz as kv
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.execute.registry import get_executor

kind, path = sys.argv[1:]

def branch(x):
    with open(path, "a") as file:
        file.write(f"{x} ")
    copy = os.fork() if x in (3, 5, 7) else 1
    if copy == 0:
        if x == 5:
            raise ValueError("in the copy")
        if x == 7:
            sys.exit(4)
    elif x in (3, 5, 7):
        assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 1
    return x

async def branch_async(x):
    return branch(x)

for recorded in (False, True):
    open(path, "w").close()
    with get_executor(kind, 2) as executor, kv.record() if recorded else open(path) as trace:
        function = branch_async if kind == "async" else branch
        found = list(executor.imap(function, range(20), retry=RetryPolicy(3), on_error="collect", owner="Check"))
    with open(path) as file:
        run = sorted(map(int, file.read().split()))
    if recorded:
        trace.validate()
        assert sorted(span.index for span in trace) == run
    print(json.dumps([[outcome.value for outcome in found], run]))
"""


BESIDE_BRANCHES = """
import os, sys
from kaygraph_viz.base.errors import CallCancelled
from kaygraph_viz.execute.registry import get_executor

def items():
    for x in range(20):
        if x == 3 and (copy := os.fork()):
            os.waitpid(copy, 0)
        yield x

def log(x):
    os.write(1, b".")

with get_executor(sys.argv[1], 2) as executor:
    assert len(list(executor.imap(log, items()))) == 20
    outcomes = executor.imap(log, range(20), window=0)
    next(outcomes)
    copy = os.fork()
    if copy == 0:
        try:
            list(outcomes)
        except CallCancelled as error:
            os._exit(7 if "is a fork" in str(error) else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), len(list(outcomes)))
"""


def test_a_process_without_forks_is_no_copy():
    end_copy(forks.count, "item 3 of 'Check'")
    end_copy(None, "item 3 of 'Check'")


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("kind", ["serial", "thread", "async", "process"])
def test_a_copy_that_comes_back_from_its_branch_ends_there(kind, tmp_path):
    """It returns, raises or exits. It would try that again, run all items after it again, and the program twice."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    ended = subprocess.run(
        [sys.executable, str(script), kind, str(tmp_path / "log")], capture_output=True, text=True,
        timeout=GUARD_S, check=True,
    )  # fmt: skip
    numbers = list(range(20))
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [[numbers, numbers]] * 2
    assert "item 3 of 'Check' forked, and the copy of its process came back" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_copy_made_by_the_input_ends_and_one_that_reads_outcomes_is_told(kind):
    ended = subprocess.run(
        [sys.executable, "-c", BESIDE_BRANCHES, kind], capture_output=True, text=True, timeout=GUARD_S, check=True
    )
    assert ended.stdout.count(".") == 40
    assert ended.stdout.replace(".", "") == "7 19\n"
    assert "the input of 'log' forked, and the copy of its process came back" in ended.stderr

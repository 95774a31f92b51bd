"""The command from its first moment on: Ctrl-C while the program is still being loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUARD_S = 60.0

LOADING = """
import runpy, signal, sys

class Interrupting:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise {turns_into}("as some packages turn it into an error of their own")

signal.signal(signal.SIGINT, signal.{handler})
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = ["--version"]
{start}
"""
STARTS = {
    "module": 'runpy.run_module("kaygraph_viz", run_name="__main__")',
    "script": 'runpy.run_path("main.py", run_name="__main__")',
    "command": "from kaygraph_viz.__main__ import main; sys.exit(main())",
}


def run(start, module, handler="default_int_handler", turns_into="ImportError"):
    program = LOADING.format(module=module, start=STARTS[start], handler=handler, turns_into=turns_into)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=GUARD_S, check=False
    )


@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("module", ["kaygraph_viz.cli.main", "numpy"])
def test_ctrl_c_while_the_program_is_loaded_ends_it_with_130(start, module):
    done = run(start, module)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kaygraph-viz: interrupted\n")


@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_where_ctrl_c_is_ignored_it_stays_so():
    done = run("command", "numpy", "SIG_IGN")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.processes
def test_little_is_loaded_before_ctrl_c_is_taken_care_of():
    program = "import sys; before = set(sys.modules); import kaygraph_viz.__main__; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"typing", "signal", "enum", "importlib", "collections"}


@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_before_that_is_no_traceback_in_the_script():
    done = run("script", "kaygraph_viz.__main__", "default_int_handler", turns_into="KeyboardInterrupt")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")

"""The command line as a program: how it ends, and where its text goes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kaygraph_viz.course.services.datasets import load_customers, load_customers_key

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 60  # against a test that hangs; never waited for
GOOD = next(one for one in load_customers(limit=60) if load_customers_key()[one["customer_id"]].is_clean)
BAD = {**GOOD, "email": "nowhere"}


def start(*command, **environment):
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process):
    out, err = process.communicate(timeout=GUARD_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_program(*arguments, **environment):
    return finished(start(sys.executable, "main.py", *arguments, **environment))


@pytest.mark.processes
def test_whole_data_set_is_run_by_main_py_without_a_bar():
    done = run_program("--example", "validation", "--virtual")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"planted faults found +408 +of 408, by the answer key\n", done.stdout)
    assert re.search(r"clean records rejected +0 +of 1,592\n", done.stdout)


@pytest.mark.processes
def test_module_is_the_same_program():
    done = finished(start(sys.executable, "-m", "kaygraph_viz", "--workers", "0"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kaygraph-viz: workers must be a whole number from 1 to 4096, got 0. For example: workers=4\n"


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [json.dumps(BAD), "--virtual"]])
def test_reader_that_has_gone_is_no_error(arguments):
    process = start(sys.executable, "main.py", *arguments)
    process.stdout.close()  # before anything can have been written
    process.stdout = None
    done = finished(process)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("sh") is None or shutil.which("head") is None, reason="needs sh and head")
def test_reader_of_one_line_is_no_error(tmp_path):
    path = tmp_path / "many.json"
    path.write_text(json.dumps([{"customer_id": str(number)} for number in range(2_000)]))  # more than a pipe holds
    script = '("$0" main.py "$1" 2>"$2"; echo $? >"$3") | head -n 1'
    done = finished(start("sh", "-c", script, sys.executable, str(path), str(tmp_path / "err"), str(tmp_path / "code")))
    assert done.stdout == "0: rejected\n"
    assert ((tmp_path / "err").read_text(), (tmp_path / "code").read_text()) == ("", "0\n")


@pytest.mark.processes
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_is_full_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "main.py", "--virtual", json.dumps(GOOD)],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=GUARD_S, check=False,
        )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("sh") is None, reason="needs sh")
def test_closed_output_is_no_error():
    done = finished(start("sh", "-c", '"$0" main.py --virtual "$1" >&-', sys.executable, json.dumps(GOOD)))
    assert (done.returncode, done.stderr) == (0, "")


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests themselves ignore it
from kaygraph_viz.cli.main import main
from kaygraph_viz.course.patterns import checks
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.course.services.endpoints import ServiceSettings

def announce(record):
    print("running", flush=True)
    return []

checks.serve = lambda settings: serve(ServiceSettings(hang_rate=1))
checks.check_security = announce
sys.exit(main(["--example", "validation", "--workers", "4"]))
"""


@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_while_the_service_hangs_ends_with_130_and_leaves_nothing_behind():
    process = start(sys.executable, "-c", INTERRUPTED)
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert (done.returncode, done.stderr) == (130, "kaygraph-viz: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody of its session is left


@pytest.mark.processes
def test_names_outside_the_coding_of_the_output_are_no_error():
    printed = run_program(json.dumps({**GOOD, "customer_id": "Łódź-7", "email": "x"}), PYTHONIOENCODING="ascii")
    assert (printed.returncode, printed.stderr) == (1, "")
    assert "rejected" in printed.stdout

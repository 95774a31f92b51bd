"""A recorded program behaves as under plain ``python``; tests of ``cli.record`` as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kaygraph_viz as kv

pytestmark = pytest.mark.processes

POOLS = """
import sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

class Box:
    def __init__(self, value):
        self.value = value

def double(box):
    return Box(2 * box.value)

if __name__ == "__main__":
    print(sys.argv, __file__, __name__, __doc__, sys.path[0], __spec__ is None)
    with ThreadPoolExecutor(2) as pool:
        print([box.value for box in pool.map(double, map(Box, range(4)))])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        print([box.value for box in pool.map(double, map(Box, range(4)))])
    sys.exit(3)
"""
FAILS = """
def inner():
    raise ValueError("no")

def outer():
    inner()

outer()
"""
AFTERWARDS = """
import atexit, sys, threading
from concurrent.futures import ThreadPoolExecutor

go = threading.Event()
atexit.register(lambda: print("at exit", sys.modules["__main__"].go is go))
threading.Thread(target=lambda: (go.wait(), print("late thread"))).start()
pool = ThreadPoolExecutor(1)
pool.submit(go.wait)
print("main ends")
go.set()
"""
LEAVES = """
import os, threading
thread = threading.Thread(target=int)
thread.start()
thread.join()
os.write(1, b"leaving")
os._exit(7)
"""
FORKS = """
import os
pid = os.fork()
if pid:
    print("child ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
else:
    print("child")
    raise SystemExit(4)
"""
EXITS = """
raise SystemExit("bye")
"""
HOOK = """
import sys
sys.excepthook = lambda kind, error, traceback: print("hook", kind.__name__, traceback.tb_frame.f_code.co_name)
1 / 0
"""
INTERRUPTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(30)
"""
TERMINATED = INTERRUPTED.replace("SIGINT", "SIGTERM")
ENCODED = "# -*- coding: latin-1 -*-\nprint(len('\u00e9'))\n"
PROGRAMS = {
    "pools": POOLS, "fails": FAILS, "afterwards": AFTERWARDS, "leaves": LEAVES, "forks": FORKS, "exits": EXITS,
    "hook": HOOK, "interrupted": INTERRUPTED, "terminated": TERMINATED, "encoded": ENCODED,
}  # fmt: skip


def ran(folder: Path, *words: str) -> tuple[int, str, list[str]]:
    """Run Python, and return exit code, output, and errors without the lines that are ours."""
    environment = {**os.environ, "PYTHONPATH": str(Path(kv.__file__).parents[1]), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout, [each for each in done.stderr.splitlines() if "kaygraph-viz:" not in each]


DAILY = ("pools", "fails", "interrupted")  # the others take a second each


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in DAILY else pytest.mark.thorough) for name in PROGRAMS]
)
def test_a_script_behaves_as_without_a_recording(name: str, tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAMS[name], encoding="latin-1")
    plain = ran(tmp_path, "program.py", "one", "--two")
    assert ran(tmp_path, "-m", "kaygraph_viz", "record", "--out", "out", "program.py", "one", "--two") == plain
    trace = tmp_path / "out" / "program.jsonl.gz"
    assert trace.exists() == (name in ("pools", "afterwards", "leaves"))
    if name == "pools":
        found = kv.load(trace)
        found.validate()
        assert [each.name for each in found] == ["double"] * 8
        assert sorted(path.suffix for path in trace.parent.iterdir()) == [".gz", ".html", ".png"]


@pytest.mark.thorough
def test_a_module_behaves_as_without_a_recording(tmp_path: Path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__main__.py").write_text("import sys\nprint(sys.argv[1:], __name__, __spec__.name)\n")
    plain = ran(tmp_path, "-m", "shop", "a", "-m")
    assert ran(tmp_path, "-m", "kaygraph_viz", "record", "-m", "shop", "a", "-m") == plain


HELD = """
import os, signal, sys

def held():
    return signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])

before = []
os.register_at_fork(after_in_child=lambda: before.append(held()))
from kaygraph_viz.cli.record import LastWord
LastWord(list)
pid = os.fork()
if pid == 0:
    is_usual = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    os._exit(before == [True] and not held() and is_usual)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), held())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_no_signal_is_lost_while_a_child_is_forked(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", HELD], cwd=Path(kv.__file__).parents[1], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("1 False\n", "")


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_with_its_trace(number: signal.Signals, tmp_path: Path):
    text = "import os, threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n"
    text += f"os.kill(os.getpid(), {number:d})\n"
    (tmp_path / "program.py").write_text(text + "import time\ntime.sleep(30)\n")
    assert ran(tmp_path, "-m", "kaygraph_viz", "record", "program.py")[0] == -number
    assert [each.name for each in kv.load(tmp_path / "recorded" / "program.jsonl.gz")] == ["int"]


BLOCKS = """
import asyncio, time

async def fetch(url):
    time.sleep(0.11)

async def main():
    await asyncio.gather(fetch("a.html"), fetch("b.html"))

asyncio.run(main())
"""


def test_bars_show_arguments_on_request_and_the_last_words_name_what_held_up_the_loop(tmp_path: Path):
    (tmp_path / "program.py").write_text(BLOCKS)
    command = [sys.executable, "-m", "kaygraph_viz", "record", "--arguments", "--out", "out", "program.py"]
    environment = {**os.environ, "PYTHONPATH": str(Path(kv.__file__).parents[1])}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    found = kv.load(tmp_path / "out" / "program.jsonl.gz")
    assert [each.attributes["label"] for each in found if each.name == "fetch"] == ['"a.html"', '"b.html"']
    assert "kaygraph-viz: The loop was held up, so that no other coroutine could go on: in fetch 2 times" in done.stderr
    assert "<h1>program</h1>" in (tmp_path / "out" / "program.html").read_text(encoding="utf-8")

"""The wheel alone, in environments of their own: what the core can do, and what each extra adds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.footprint import ROOT, build_wheel, direct, environment as variables, install, packages

pytestmark = [pytest.mark.processes, pytest.mark.thorough]

RECORDS = """
import time
from concurrent.futures import ThreadPoolExecutor
import kaygraph_viz as kv

with kv.record(capture="all") as trace, ThreadPoolExecutor(4) as pool:
    list(pool.map(time.sleep, [0.003, 0.001, 0.002] * 4))
kv.save_picture(kv.gantt(trace), "run.png")
kv.save_report(trace, "run.html")
print(kv.summarize(trace).counts["branches"], len(kv.explain(trace).parts) > 5, len(kv.what_if(trace).makespan_s))
"""
NOTEBOOK = ROOT / "notebooks" / "00_start_here.ipynb"
EXECUTES = ["-m", "jupyter", "execute", "--timeout=120"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Return the Python of an environment with the wheel and an extra; each is made once."""
    made = {}

    def environment(extra=""):
        if extra not in made:
            made[extra] = install(wheel, extra, tmp_path_factory.mktemp(extra or "core"))
        return made[extra]

    return environment


def run(python, folder, *words):
    done = started(python, folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def started(python, folder, *words):
    return subprocess.run(
        [str(python), *words], cwd=folder, env=variables(), capture_output=True, text=True, check=False, timeout=300
    )


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < 6_000_000


def test_the_core_records_analyses_and_draws_with_few_packages(environment, tmp_path):
    python = environment()
    assert run(python, tmp_path, "-c", RECORDS).split()[:2] == ["12", "True"]
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert direct("") <= 9
    assert len(packages(python)) <= 25


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["--example", "enrichment"], "lessons"),
        (["--virtual"], "lessons"),
        (['{"name": "Ada"}'], "lessons"),
        (["Validate this"], "lessons"),
        (["--interactive"], "lessons"),
        (["lab"], "lab"),
        (["grade", "00_start_here.ipynb"], "lab"),
    ],
)
def test_what_the_core_lacks_is_named_in_one_line(words, extra, environment, tmp_path):
    shutil.copy(NOTEBOOK, tmp_path)
    done = started(environment(), tmp_path, "-m", "kaygraph_viz", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f'pip install "kaygraph-viz[{extra}]"' in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == [NOTEBOOK.name]


def test_the_core_records_programs_copies_lessons_and_makes_pages(environment, tmp_path):
    python, program = environment(), "import threading\nfor _ in range(3):\n    threading.Thread(target=int).start()\n"
    (tmp_path / "program.py").write_text(program)
    run(python, tmp_path, "-m", "kaygraph_viz", "record", "program.py")
    run(python, tmp_path, "-m", "kaygraph_viz", "report", "recorded/program.jsonl.gz", "-o", "page.html")
    run(python, tmp_path, "-m", "kaygraph_viz", "lessons", "mine")
    assert (tmp_path / "page.html").is_file()
    assert (tmp_path / "mine" / "00_start_here.ipynb").is_file()


def test_the_lessons_extra_runs_every_pattern(environment, tmp_path):
    run(environment("lessons"), tmp_path, "-m", "kaygraph_viz", "--virtual", "--out", "out")
    assert len(list((tmp_path / "out").glob("*.png"))) > 10


@pytest.mark.parametrize("lesson", ["00_start_here", "05_pipeline"])
def test_lessons_of_the_wheel_run(environment, tmp_path, lesson):
    python = environment("lab")
    run(python, tmp_path, "-m", "kaygraph_viz", "lessons", "mine")
    run(python, tmp_path, *EXECUTES, str(Path("mine") / f"{lesson}.ipynb"))

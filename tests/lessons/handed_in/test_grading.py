"""Handed-in notebooks, in real kernels: each gets what it has reached, and one that crashes costs itself only."""

from __future__ import annotations

import asyncio
import json

import psutil
import pytest

from kaygraph_viz.lessons import notebooks
from kaygraph_viz.lessons.handed_in.grading import DIED, LATE, Reached, graded

pytestmark = pytest.mark.processes

LONG_S = 300.0
SET_UP = (
    "import kaygraph_viz as kv\nfrom kaygraph_viz.lessons import Lesson, goals\nlesson = Lesson('99_small')\nleast = 2"
)
ASKED = """
with kv.record(clock="virtual") as mine, kv.get_executor("thread", {workers}) as executor:
    list(executor.imap(lambda item: kv.sleep(1), range(2)))
"""
POOR, GOOD = ASKED.format(workers=1), ASKED.format(workers=2)
GRADE = "lesson.grade(mine, [goals.all_ok(2), goals.at_least_at_once(least)])"
STARTS = "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)"
UNMET = ("at least 2 branches at once",)


def book(answer=POOR, grade=GRADE, more=()):
    def cell(source, *tags, outputs=()):
        return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, "outputs": list(outputs)}

    faked = {"output_type": "stream", "name": "stdout", "text": "2 of 2 goals met"}
    sources = [cell(SET_UP), *([] if answer is None else [cell(answer, "exercise-1")]), cell(grade, outputs=[faked])]
    return json.dumps({"cells": [*sources, *more], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def reached(tmp_path, monkeypatch):
    """A function that grades notebooks with these answers, and returns what they got by name."""
    lessons, handed_in = tmp_path / "lessons", tmp_path / "handed_in"
    lessons.mkdir()
    handed_in.mkdir()
    (lessons / "99_small.ipynb").write_text(book())
    monkeypatch.setattr(notebooks, "FOLDERS", (lessons,))

    def reached(texts, timeout_s=LONG_S):
        async def all_of_them():
            paths = [handed_in / f"{name}.ipynb" for name in texts]
            return {each.path.stem: each async for each in graded(paths, timeout_s=timeout_s, jobs=2)}

        for name, text in texts.items():
            (handed_in / f"{name}.ipynb").write_text(text)
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        found = asyncio.run(all_of_them())
        left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []
        return {name: one.exercises[0] if one.exercises else one.note for name, one in found.items()}

    return reached


def test_each_gets_what_it_has_reached(reached):
    found = reached({
        "good": book(GOOD),
        "other goals": book(POOR, "lesson.grade(mine, [])"),
        "none": "hello",
        "ends its kernel": book("import os; os._exit(0)"),
    })  # fmt: skip
    assert found == {
        "good": Reached(1, 2, 2),
        "other goals": Reached(1, 1, 2, UNMET),
        "none": "'none.ipynb' is not a notebook: it must be a file that Jupyter has saved",
        "ends its kernel": Reached(1, None, None, note=DIED),
    }


@pytest.mark.thorough
def test_one_that_hangs_is_ended_at_its_time_limit(reached):
    assert reached({"hangs": book("while True: pass")}, timeout_s=4) == {"hangs": Reached(1, None, None, note=LATE)}


@pytest.mark.thorough
def test_errors_and_attempts_to_change_the_grade(reached):
    fake_lesson = "import kaygraph_viz.lessons.lesson as place\nplace.Lesson.grade = lambda *args: None"
    found = reached({
        "error": book("mine = 1 / 0"),
        "prints it": book("print('2 of 2 goals met'); mine = None"),
        "no cell": book(None),
        "lower goal": book(f"{POOR}\nleast = 1"),
        "other lesson": book(f"{POOR}\nclass lesson: grade = staticmethod(lambda *args: 0)"),
        "other goals": book(f"{POOR}\nclass goals: all_ok = at_least_at_once = staticmethod(lambda number: 0)"),
        "changed class": book(f"{POOR}\n{fake_lesson}"),
        "grades itself": book(f"{POOR}\nlesson.grade(mine, [goals.all_ok(2)]); del mine"),
        "asks": book("mine = input()"),
        "starts a process": book(f"import subprocess, sys\n{STARTS}{GOOD}"),
    })  # fmt: skip
    assert found["error"].note == "it ended with ZeroDivisionError: division by zero"
    assert (found["prints it"].met, found["prints it"].goals) == (0, 2)
    assert found["no cell"] == Reached(1, None, None, note="its cell is not there")
    for name in ("lower goal", "other lesson", "other goals"):
        assert found[name] == Reached(1, 1, 2, UNMET), name
    assert found["changed class"].note == "it changed kaygraph_viz.lessons.Lesson.grade of kaygraph_viz"
    assert found["grades itself"].met is None
    assert found["asks"].note.startswith("it ended with StdinNotImplementedError")
    assert found["starts a process"] == Reached(1, 2, 2)

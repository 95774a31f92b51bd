"""Handed-in notebooks: read, put into the shipped lesson, run in kernels of their own, and graded."""

from __future__ import annotations

import asyncio
import json
import os

import psutil
import pytest

from kaygraph_viz.base.errors import DataError
from kaygraph_viz.course.lessons import notebooks
from kaygraph_viz.course.lessons.goals import at_least_at_once
from kaygraph_viz.course.lessons.grade import Grade
from kaygraph_viz.course.lessons.handed_in.grading import DIED, LATE, Reached, graded
from kaygraph_viz.course.lessons.handed_in.kernel import MAX_PRINTED, CellRun, Kernel, Watch
from kaygraph_viz.course.lessons.handed_in.notebook import (
    Answer,
    Cell,
    answers_to,
    cells_of,
    exercises_of,
    lesson_of,
    shipped_exercises,
)
from kaygraph_viz.course.lessons.lesson import Lesson
from kaygraph_viz.testing import bar, make_trace


def test_code_cells_know_their_exercise(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": "# Title", "metadata": {}},
        {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"tags": ["exercise-2"]}, "id": "x"},
        {"cell_type": "code", "source": "lesson.grade(a, [])", "metadata": {}},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert cells_of(tmp_path / "a.ipynb") == [Cell("a = 1\nb = 2", 2, "x"), Cell("lesson.grade(a, [])")]


NOT_NOTEBOOKS = ["", "{}", "[]", "[" * 100_000, '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}']


@pytest.mark.parametrize("text", NOT_NOTEBOOKS, ids=lambda text: text[:9])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(DataError, match=r"'a.ipynb' is not a notebook"):
        cells_of(tmp_path / "a.ipynb")


def test_each_exercise_has_the_cells_up_to_its_grade():
    texts = ["set up", "1", "check", "lesson.grade(a)", "between", "2", "lesson.grade(b)", "end"]
    cells = [Cell(text, int(text) if text.isdigit() else 0) for text in texts]
    (first, second), rest = exercises_of(cells)
    assert [cell.source for cell in first.before + second.before] == ["set up", "between"]
    assert [cell.source for cell in first.after] == ["check", "lesson.grade(a)"]
    assert (second.number, [cell.source for cell in rest]) == (2, ["end"])


def test_an_exercise_without_a_grade_is_a_clear_error():
    with pytest.raises(DataError, match="exercise 3 has no cell below it that grades it"):
        exercises_of([Cell("a", 3), Cell("b")])


SHIPPED = [
    Cell("set up", 0, "s"),
    Cell("one?", 1, "1"),
    Cell("lesson.grade(a)", 0, "g1"),
    Cell("between", 0, "b"),
    Cell("two?", 2, "2"),
    Cell("lesson.grade(b)", 0, "g2"),
]

EXERCISES, _ = exercises_of(SHIPPED)


def handed_in_cells(**changed):
    """Return the shipped cells, some of them by their ids replaced by a cell, by several, or by none."""
    cells = [changed.get(f"id_{cell.id}", cell) for cell in SHIPPED]
    return [each for cell in cells for each in (cell if isinstance(cell, list) else [cell])]


def test_only_the_cells_of_exercises_are_taken():
    cells = handed_in_cells(
        id_s=Cell("mine", 0, "s"), id_1=Cell("1", 1, "1"), id_g1=Cell("lesson.grade = fake", 0, "g1")
    )
    assert answers_to(EXERCISES, cells) == [Answer("1"), Answer("two?")]


def test_added_cells_count_where_they_stand():
    one = [Cell("helper", 0, "n1"), Cell("1", 1, "1"), Cell("again", 0, "n2"), Cell("lesson.grade(c)", 0, "n3")]
    two = [Cell("more", 0, "n4"), Cell("2", 2, "2")]
    first, second = answers_to(EXERCISES, handed_in_cells(id_1=one, id_2=two))
    assert first == Answer("1", (one[0],), (one[2],))
    assert second == Answer("2", (two[0],), ())


def test_a_cell_is_told_by_its_id_where_tags_are_lost_and_a_split_one_is_joined():
    cells = handed_in_cells(id_1=Cell("1", 0, "1"), id_2=[Cell("2", 2, "2"), Cell("3", 2, "x")])
    assert answers_to(EXERCISES, cells) == [Answer("1"), Answer("2\n\n3")]


def test_a_cell_that_is_gone_is_no_answer():
    assert answers_to(EXERCISES, handed_in_cells(id_1=[])) == [None, Answer("two?")]
    assert answers_to(EXERCISES, []) == [None, None]


@pytest.mark.parametrize("source", ['lesson = Lesson("00_start_here")', "x = 1\nlesson=kv.Lesson( '00_start_here')"])
def test_the_lesson_is_told_by_the_cell_that_sets_it_up(source):
    assert lesson_of([Cell("import os"), Cell(source)]) == "00_start_here"


def test_a_notebook_of_no_lesson_is_a_clear_error():
    with pytest.raises(DataError, match="no notebook of a lesson"):
        lesson_of([Cell("print(1)")])
    with pytest.raises(DataError, match="there is no lesson '99_other' in this version"):
        shipped_exercises("99_other")


def test_shipped_lessons_are_found_in_a_checkout_and_in_an_installed_package(monkeypatch, tmp_path):
    name = "07_how_many_workers"
    assert shipped_exercises(name)[0].number == 1
    book = {"cells": [
        {"cell_type": "code", "source": "x", "metadata": {"tags": ["exercise-1"]}},
        {"cell_type": "code", "source": "lesson.grade(x)", "metadata": {}},
    ]}  # fmt: skip
    (tmp_path / f"{name}.ipynb").write_text(json.dumps(book))
    monkeypatch.setattr(notebooks, "FOLDERS", (tmp_path,))
    assert shipped_exercises(name)[0].asked == Cell("x", 1)


AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


@pytest.fixture
def variables():
    return {"lesson": Lesson("00_start_here"), "before": [1], "mine": None, "_private": 0}


@pytest.fixture
def watch(variables):
    watch = Watch(variables)
    watch.keep()
    return watch


def test_variables_are_put_back_except_those_that_are_asked_for(variables, watch):
    lesson = variables["lesson"]
    variables.update(lesson=None, before=[2], mine=AT_ONCE, new=3)
    del variables["_private"]
    watch.restore({"mine"})
    assert variables == {"lesson": lesson, "before": [1], "mine": AT_ONCE, "new": 3}


def test_grades_from_before_the_grading_cell_are_forgotten(variables, watch):
    variables["lesson"].grade(AT_ONCE, [at_least_at_once(2)])
    watch.restore(set())
    assert json.loads(watch.report(1)) == {"grade": None, "changed": []}
    variables["lesson"].grade(AT_ONCE, [at_least_at_once(2)])
    assert json.loads(watch.report(1))["grade"]["met"] == 1


@pytest.mark.parametrize(
    ("place", "name", "fake"),
    [
        (Lesson, "grade", lambda *args: None),
        (Grade, "passed", property(lambda self: True)),
        (Lesson, "results", lambda self: {}),
    ],
)
def test_changed_functions_of_the_package_are_named(watch, monkeypatch, place, name, fake):
    monkeypatch.setattr(place, name, fake)
    changed = Watch.report(watch, 1) if name != "results" else watch_changed(watch, monkeypatch)
    assert any(each.endswith(f"{place.__name__}.{name}") for each in json.loads(changed)["changed"])


def watch_changed(watch, monkeypatch):
    """Return the report without a lesson, whose results are those that were changed."""
    monkeypatch.setitem(watch._variables, "lesson", None)
    return watch.report(1)


def test_a_function_with_other_code_is_noticed(watch, monkeypatch):
    monkeypatch.setattr(at_least_at_once, "__code__", (lambda count, *names: None).__code__)
    assert "kaygraph_viz.course.lessons.goals.at_least_at_once" in json.loads(watch.report(1))["changed"]


LONG_S = 60.0


@pytest.mark.thorough
def test_cells_show_texts_and_errors(tmp_path):
    async def run():
        async with Kernel(tmp_path, {**os.environ, "FROM_US": "yes"}) as kernel:
            cell = "import os; print(os.environ['FROM_US']); 1 + 1"
            assert await kernel.run(cell, LONG_S) == CellRun("yes\n2\n", "", "ok")
            assert await kernel.run("1 / 0", LONG_S) == CellRun(
                "ZeroDivisionError: division by zero\n", "ZeroDivisionError: division by zero", "error"
            )
            page = "class Page:\n    def _repr_html_(self): 1 / 0\n    def __repr__(self): return 'text'\nPage()"
            assert await kernel.run(page, LONG_S) == CellRun("text\n", "", "ok")  # nobody sees pages and charts
            assert (await kernel.run("input()", LONG_S)).error.startswith("StdinNotImplementedError")
            assert len((await kernel.run("print('x' * 1_000_000)", LONG_S)).shown) == MAX_PRINTED

    asyncio.run(run())


def test_a_cell_that_hangs_and_one_that_ends_its_kernel_leave_no_process(tmp_path):
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    async def run():
        async with Kernel(tmp_path) as hanging, Kernel(tmp_path) as ending:
            starts_one = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)"
            assert (await hanging.run(starts_one, LONG_S)).end == "ok"
            assert (await hanging.run("while True: pass", 0.1)).end == "late"
            assert (await ending.run("import os; print('bye', flush=True); os._exit(3)", LONG_S)).end == "died"

    asyncio.run(run())
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []


SET_UP = """import kaygraph_viz as kv
from kaygraph_viz.course.lessons import Lesson, goals
lesson = Lesson('99_small')
least = 2"""

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


@pytest.mark.processes
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


@pytest.mark.processes
@pytest.mark.thorough
def test_one_that_hangs_is_ended_at_its_time_limit(reached):
    assert reached({"hangs": book("while True: pass")}, timeout_s=4) == {"hangs": Reached(1, None, None, note=LATE)}


@pytest.mark.processes
@pytest.mark.thorough
def test_errors_and_attempts_to_change_the_grade(reached):
    fake_lesson = "import kaygraph_viz.course.lessons.lesson as place\nplace.Lesson.grade = lambda *args: None"
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
    assert found["changed class"].note == "it changed kaygraph_viz.course.lessons.Lesson.grade of kaygraph_viz"
    assert found["grades itself"].met is None
    assert found["asks"].note.startswith("it ended with StdinNotImplementedError")
    assert found["starts a process"] == Reached(1, 2, 2)

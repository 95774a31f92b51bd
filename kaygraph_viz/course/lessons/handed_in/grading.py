"""Grading handed-in notebooks: each is run anew, in a kernel and a folder of its own, with a time limit.

Belongs here: which cells are run, and what a notebook gets. Does not belong here: how the results are printed
(``cli.grade``).

A handed-in notebook runs with the rights of the one who grades it: use an account or a container for it. What an answer
may change is told in ``kernel``.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaygraph_viz.base.errors import KayGraphVizError
from kaygraph_viz.course.lessons.handed_in.kernel import CellRun, Kernel, Watch
from kaygraph_viz.course.lessons.handed_in.notebook import (
    Answer,
    Cell,
    Exercise,
    answers_to,
    cells_of,
    lesson_of,
    shipped_exercises,
)
from kaygraph_viz.course.lessons.lesson import names_in

__all__ = ["Graded", "Reached", "graded"]

LATE, DIED = "it took longer than the time limit", "its kernel ended"
# What a kernel needs of our environment; what else is there, such as passwords, is not for those who hand in.
ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TMP", "TEMP", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
    "JUPYTER_PATH", "JUPYTER_DATA_DIR", "MPLCONFIGDIR",
)  # fmt: skip


@dataclass(frozen=True)
class Reached:
    """What an exercise of a handed-in notebook got."""

    exercise: int
    met: int | None  # how many goals are met, of so many; None where it was not graded
    goals: int | None
    unmet: tuple[str, ...] = ()  # the goals that are not met
    note: str = ""  # why it was not graded, or what else to know


@dataclass(frozen=True)
class Graded:
    """What a handed-in notebook got."""

    path: Path
    lesson: str  # its name, or ""
    exercises: tuple[Reached, ...]  # empty where the notebook could not be graded
    note: str = ""  # why it was not graded, or what else to know


async def graded(paths: Sequence[Path], *, timeout_s: float, jobs: int) -> AsyncGenerator[Graded, None]:
    """Grade notebooks, so many at once, and yield what each got as it is done; its cells take so long at most [s]."""
    free = asyncio.Semaphore(jobs)

    async def one(path: Path) -> Graded:
        async with free:
            return await _graded(path, timeout_s)

    tasks = [asyncio.create_task(one(path)) for path in paths]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _graded(path: Path, timeout_s: float) -> Graded:
    lesson = ""
    try:
        cells = cells_of(path)
        lesson = lesson_of(cells)
        shipped = shipped_exercises(lesson)
        answers = answers_to(shipped, cells)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
            async with Kernel(Path(folder), environment) as kernel:
                run = _Run(kernel, time.monotonic() + timeout_s)
                return Graded(path, lesson, tuple([each async for each in run.all(shipped, answers)]))
    except (KayGraphVizError, OSError, RuntimeError) as error:  # a file that is none, a kernel that does not start
        return Graded(path, lesson, (), str(error))


class _Run:
    """One run of a lesson with the answers of a learner."""

    def __init__(self, kernel: Kernel, until: float) -> None:
        self._kernel = kernel
        self._until = until
        self._watch = f"_{secrets.token_hex(8)}"
        self._lost = ""

    async def all(self, shipped: Sequence[Exercise], answers: Sequence[Answer | None]) -> AsyncGenerator[Reached, None]:
        """Yield what each exercise got; where there is no answer, the shipped cell is run for the exercises below."""
        start = (
            f"import builtins, {Watch.__module__} as watch; builtins.{self._watch} = watch.Watch(globals()); del watch"
        )
        for asked, answer in zip(shipped, answers, strict=True):
            await self._cells(asked.before)
            await self._silent(start if asked is shipped[0] else "")
            reached = await self._reached(asked, answer or Answer(asked.asked.source))
            missing = Reached(asked.number, None, None, note=self._lost or "its cell is not there")
            yield reached if answer is not None else missing

    async def _reached(self, asked: Exercise, answer: Answer) -> Reached:
        set_by_it = {name for cell in (asked.asked, *asked.after) for name in names_in(cell.source)[0]}
        await self._silent(f"{self._watch}.keep()")
        await self._cells(answer.above)
        run = await self._run(answer.source)
        await self._cells(answer.below)
        await self._silent(f"{self._watch}.restore({set_by_it!r})")
        after = await self._cells(asked.after)
        report = await self._silent(f"print('{self._watch}' + {self._watch}.report({asked.number}))")
        if self._lost:
            return Reached(asked.number, None, None, note=self._lost)
        errors = [error for error in (run.error, *after) if error]
        return self._of(asked.number, report.shown, errors[0] if errors else "")

    def _of(self, number: int, shown: str, error: str) -> Reached:
        lines = [line.removeprefix(self._watch) for line in shown.splitlines() if line.startswith(self._watch)]
        try:
            found: dict[str, Any] = json.loads(lines[-1])
            grade, changed = found["grade"], found["changed"]
        except (ValueError, IndexError, KeyError, TypeError):
            return Reached(number, None, None, note="it hid its grade")
        if changed:
            return Reached(number, None, None, note=f"it changed {changed[0]} of kaygraph_viz")
        error = f"it ended with {error}" if error else ""
        if grade is None:
            return Reached(number, None, None, note=error or "it was not graded")
        unmet = tuple(each["goal"] for each in grade["goals"] if not each["is_met"])
        return Reached(number, grade["met"], grade["of"], unmet, error)

    async def _cells(self, cells: Sequence[Cell]) -> list[str]:
        """Run cells and return their errors."""
        return [(await self._run(cell.source)).error for cell in cells]

    async def _silent(self, source: str) -> CellRun:
        return await self._run(source, silent=True)

    async def _run(self, source: str, *, silent: bool = False) -> CellRun:
        """Run a cell, unless the kernel is lost already."""
        if self._lost:
            return CellRun("", "", "ok")
        run = await self._kernel.run(source, max(0.0, self._until - time.monotonic()), silent=silent)
        self._lost = {"late": LATE, "died": DIED}.get(run.end, "")
        return run

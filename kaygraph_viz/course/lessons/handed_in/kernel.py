"""One Jupyter kernel in which the cells of a notebook are run, and that may hang or die at any time.

Belongs here: starting it, running a cell with a time limit, ending it with all that it started; and inside of it, what
an answer must not change, and what it reached. Does not belong here: which cells are run (``grading``).

`Watch` makes it hard to change a grade by accident or with little effort. It is no wall: an answer runs in the same
process, and whoever knows Python well can get around it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from types import FunctionType, TracebackType
from typing import Any, Literal, Self

from kaygraph_viz.base.optional import require
from kaygraph_viz.course.lessons.lesson import Lesson

__all__ = ["MAX_PRINTED", "CellRun", "Kernel", "Watch"]


PACKAGE = "kaygraph_viz"
FOLDER = Path(__file__).parents[4]  # the folder with the package
TEXTS_ONLY = "get_ipython().display_formatter.active_types = ['text/plain']"
POLL_S = 0.2
START_S = 60.0
MAX_PRINTED = 100_000  # characters that are kept of what one cell shows


@dataclass(frozen=True)
class CellRun:
    """What a cell did."""

    shown: str  # its text outputs, in order, its error included
    error: str  # the class and the message of its error, or ""
    end: Literal["ok", "error", "late", "died"]  # late: the kernel still runs it


class Kernel:
    """A new Python kernel, in a folder; leaving the block ends it and the processes that it has started."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        path = [str(FOLDER), os.environ.get("PYTHONPATH", "")]  # the lessons there are those that are here
        inherited = os.environ if environment is None else environment
        ours = {"PYTHONPATH": os.pathsep.join(filter(None, path)), "MPLBACKEND": "agg"}  # nobody sees the charts
        self._environment = {**inherited, **ours}

    async def __aenter__(self) -> Self:
        require("jupyter_client")
        from jupyter_client.manager import AsyncKernelManager

        self._manager = AsyncKernelManager(kernel_name="python3")
        await self._manager.start_kernel(cwd=str(self._folder), env=self._environment, stdout=DEVNULL, stderr=DEVNULL)
        self._client = self._manager.client()
        try:
            self._client.start_channels()
            await self._client.wait_for_ready(timeout=START_S)
            await self.run(TEXTS_ONLY, START_S, silent=True)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)

    async def run(self, source: str, timeout_s: float, *, silent: bool = False) -> CellRun:
        """Run a cell, no longer than so [s], and return what it did. One that was late or died was the last."""
        asked = self._client.execute(source, silent=silent, allow_stdin=False)
        shown: list[str] = []
        error, left, until = "", MAX_PRINTED, time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                message = await self._client.get_iopub_msg(timeout=POLL_S)
            except queue.Empty:
                if not await self._manager.is_alive():
                    break
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return CellRun("".join(shown), error, "error" if error else "ok")
            if kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            text = f"{error}\n" if kind == "error" else _text(content)
            shown.append(text[:left])
            left -= len(shown[-1])
        return CellRun("".join(shown), error, "late" if await self._manager.is_alive() else "died")


def _text(content: Mapping[str, Any]) -> str:
    """Return the text of an output."""
    shown = content.get("text", "") or content.get("data", {}).get("text/plain", "")
    return shown if isinstance(shown, str) and "text" in content else f"{shown}\n" if shown else ""


class Watch:
    """What the cells of a lesson have left before an answer runs."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._kept: dict[str, Any] = {}
        self._functions: dict[str, object] = {}

    def keep(self) -> None:
        """Remember the variables and the functions as they are before an answer."""
        self._kept = dict(self._variables)
        self._functions = dict(_functions())

    def restore(self, answers: set[str]) -> None:
        """Put back the variables that an answer has changed, but not those that it is asked to set; forget grades."""
        for name, value in self._kept.items():
            if name not in answers and not name.startswith("_") and self._variables.get(name) is not value:
                self._variables[name] = value
        lesson = self._variables.get("lesson")
        if isinstance(lesson, Lesson):
            lesson.grades.clear()

    def report(self, exercise: int) -> str:
        """Return as JSON the grade of an exercise, or null, and the functions of the package that were changed."""
        now = dict(_functions())
        changed = sorted(name for name, code in self._functions.items() if now.get(name) is not code)
        lesson = self._variables.get("lesson")
        grades = lesson.results()["exercises"] if isinstance(lesson, Lesson) else []
        found = next((each for each in grades if each["exercise"] == exercise), None)
        return json.dumps({"grade": found, "changed": changed})


def _functions() -> Iterator[tuple[str, object]]:
    """Yield the code of each function of the package that is loaded, by its full name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == PACKAGE:
            for name, value in list(vars(module).items()):
                yield from _code(f"{module_name}.{name}", value)
                if isinstance(value, type) and value.__module__.partition(".")[0] == PACKAGE:
                    for inner, member in list(vars(value).items()):
                        yield from _code(f"{module_name}.{name}.{inner}", member)


def _code(name: str, value: object) -> Iterator[tuple[str, object]]:
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    if isinstance(inner, FunctionType):
        yield name, inner.__code__
    elif isinstance(value, type):
        yield name, value

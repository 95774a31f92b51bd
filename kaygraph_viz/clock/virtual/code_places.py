"""What a thread of the simulation is doing, for messages: its branch, and the line of user code.

Belongs here: reading frames. Does not belong here: what the messages say (``scheduler``, ``watchdog``).
"""

from __future__ import annotations

import asyncio
import linecache
import sys
import sysconfig
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

from kaygraph_viz.base.texts import one_line
from kaygraph_viz.clock.clock import frames_of
from kaygraph_viz.clock.virtual.fiber import Fiber

__all__ = [
    "Line",
    "caller_of",
    "is_in_branch",
    "is_user_code",
    "is_user_frame",
    "is_user_function",
    "line_in",
    "line_of",
    "named_place_of",
    "place_in",
    "place_of",
    "tasks_of",
]


def _outside() -> tuple[str, ...]:
    """Return the folders with the files of this package and of libraries."""
    libraries = [sysconfig.get_path(name).replace("//", "/") for name in ("stdlib", "purelib")]
    return (str(Path(__file__).resolve().parents[2]), *libraries, str(Path(asyncio.__file__).parents[1]))


_OUTSIDE = _outside()
MOST_TASKS = 8  # of an event loop, in a message


class Line(NamedTuple):
    """A line of user code that a thread was in, by its code and the offset of an instruction."""

    code: CodeType
    offset: int  # and not the line: reading that from a frame takes much longer

    @property
    def number(self) -> int:
        """The number of the line; 0 where the code does not tell."""
        return next((line or 0 for start, end, line in self.code.co_lines() if start <= self.offset < end), 0)

    @property
    def text(self) -> str:
        """The line itself; empty where the source is not at hand."""
        return one_line(linecache.getline(self.code.co_filename, self.number).strip())

    def __str__(self) -> str:
        return one_line(f"{_file(self.code.co_filename)}{self.number} in {self.code.co_name}", 200)

    def __repr__(self) -> str:
        return f"<Line {self}>"


def _file(path: str) -> str:
    """Return how a message names a file; a cell of a notebook by its number."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kind_and_name = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(path)
    if kind_and_name is None:
        return f"{Path(path).name}:"
    return f"cell {kind_and_name[1].removeprefix('In')} line "


def caller_of(frame: FrameType | None) -> tuple[CodeType, int] | None:
    """Return the `Line` of user code that called the function of a frame, at whatever distance, as a plain tuple."""
    while frame is not None and not is_user_frame(frame):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def named_place_of(fiber: Fiber) -> str:
    """Return the name of a fiber with its `place_of`."""
    found = place_of(fiber)
    return f"{fiber.name} ({found})" if found else fiber.name


def place_of(fiber: Fiber) -> str:
    """Return the branch of a fiber, or those of its event loop, and the line of user code."""
    frames = _frames_at(fiber)
    places = [place_in(frames)]
    if fiber.is_parked and fiber.is_notifiable:
        loop = next((frame.f_locals.get("self") for frame in frames if frame.f_code.co_name == "_run_once"), None)
        places += [place_in(frames_of(task.get_coro())) for task in tasks_of(loop)[:MOST_TASKS]]
    return "; ".join(place for place in places if place)


def place_in(frames: list[FrameType]) -> str:
    """Return the branch and the innermost line of user code among frames, innermost first."""
    branch = next((name for frame in frames if (name := _branch_in(frame))), "")
    return ", ".join(part for part in (branch, str(line_in(frames) or "")) if part)


def line_of(fiber: Fiber) -> Line | None:
    """Return the innermost line of user code that a fiber is in."""
    return line_in(_frames_at(fiber))


def is_in_branch(fiber: Fiber) -> bool:
    """Return whether a fiber is inside a branch."""
    return any(_branch_in(frame).startswith("item ") for frame in _frames_at(fiber))


def line_in(frames: list[FrameType]) -> Line | None:
    """Return the innermost line of user code among frames, innermost first."""
    return next((Line(frame.f_code, frame.f_lasti) for frame in frames if is_user_frame(frame)), None)


def _frames_at(fiber: Fiber) -> list[FrameType]:
    """Return the frames of a fiber, innermost first."""
    thread = fiber.thread
    return [] if thread is None else fiber.carrier.frames_of(thread, fiber.turn)


def tasks_of(loop: Any) -> list[asyncio.Task[Any]]:
    """Return the tasks of an event loop that have not ended, in the order in which they were made."""
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return []
    return sorted(asyncio.all_tasks(loop), key=lambda task: getattr(task, "number", 0))


def _branch_in(frame: FrameType) -> str:
    """Return the branch that a frame runs: its caller has a number ``index`` and a function ``where`` of it."""
    try:
        found = frame.f_locals
        where = found.get("where") or getattr(found.get("self"), "where", None)
        return str(where(found["index"])) if callable(where) and type(found.get("index")) is int else ""
    except Exception:
        return ""


def is_user_frame(frame: FrameType) -> bool:
    """Return whether a frame runs code that is neither of this package nor of a library."""
    return _is_user(frame.f_code, frame.f_globals)


def is_user_function(function: FunctionType) -> bool:
    """Return whether a function is neither of this package nor of a library."""
    return _is_user(function.__code__, function.__globals__)


def _is_user(code: CodeType, names: Mapping[str, Any]) -> bool:
    file = code.co_filename
    if file == "<string>":  # generated, as the methods of a dataclass are
        file = str(names.get("__file__", file))
    return is_user_code(file)


@lru_cache(4096)  # asked for each lock that is taken, and with preemption for each instruction
def is_user_code(file: str) -> bool:
    """Return whether a file is neither of this package nor of a library."""
    return not file.startswith(("<frozen", *_OUTSIDE))

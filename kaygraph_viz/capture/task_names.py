"""What a task of asyncio is called, and whether the program asked for it.

Belongs here: which coroutines are branches. Does not belong here: names of functions (``names``), what tasks did
(``tasks``).

A task that a library makes for itself is no branch of the program. One that the program makes of a coroutine of asyncio
is, such as those of ``gather(sleep(1), sleep(2))``.
"""

from __future__ import annotations

import sys
from asyncio import to_thread, wait_for
from types import CoroutineType, FrameType
from typing import Any

from kaygraph_viz.capture.names import is_machinery, root_of

__all__ = ["task_name", "work_of"]

_WAITS_IN_A_TASK = sys.version_info < (3, 12)  # then `wait_for` makes a task of what it is given
_MAKERS = frozenset({  # what makes tasks of the coroutines that its caller has made
    "Runner.run", "TaskGroup.create_task", "_AsCompletedIterator.__init__", "_ensure_future", "as_completed",
    "create_task", "ensure_future", "gather", "run",
})  # fmt: skip

_libraries: dict[str, str] = {}  # by the file of a coroutine; nothing for the program itself


def task_name(coroutine: Any) -> str | None:
    """Return the name of a task that `create_task` is making; None for one that is no branch of the program."""
    try:
        library = _libraries[coroutine.cr_code.co_filename]
    except (AttributeError, KeyError):
        library = _library_of(coroutine)
    if library:
        if library != "asyncio" or not _is_asked_for(sys._getframe(1)):
            return None
        # The work of a coroutine of these, which has not begun, is a branch without it.
        is_for_thread = getattr(coroutine, "cr_code", None) is to_thread.__code__
        if is_for_thread or (_WAITS_IN_A_TASK and _given_to_wait_for(coroutine) is not None):
            return None
        coroutine = work_of(coroutine)
    name: Any = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    return name if name.__class__ is str and ">" not in name else str(name).rpartition("<locals>.")[2]


def work_of(coroutine: Any) -> Any:
    """Return the coroutine that a task is there for: what `wait_for` is given, or itself."""
    given = _given_to_wait_for(coroutine)
    return coroutine if given is None else given


def _given_to_wait_for(coroutine: Any) -> Any:
    """Return the coroutine that `wait_for` is given; None where there is none."""
    frame = getattr(coroutine, "cr_frame", None)
    if frame is None or coroutine.cr_code is not wait_for.__code__:
        return None
    given = frame.f_locals.get("fut")
    return given if isinstance(given, CoroutineType) else None


def _is_asked_for(hook: FrameType) -> bool:
    """Return whether it is the program that calls the hook with this frame, and not asyncio for itself."""
    frame = hook.f_back
    while frame is not None:
        module = frame.f_globals.get("__name__")  # a program may write anything there
        if module.__class__ is not str or module.partition(".")[0] != "asyncio":
            return module.__class__ is not str or not is_machinery(module)
        if frame.f_code.co_qualname.partition(".<locals>")[0] not in _MAKERS:
            return False
        frame = frame.f_back
    return False


def _library_of(coroutine: Any) -> str:
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
    frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    module = getattr(coroutine, "__module__", None) or (frame is not None and frame.f_globals.get("__name__"))
    library = root_of(module) if is_machinery(module or None) else ""
    if code is not None and not code.co_filename.startswith("<"):  # such as <string>, which is no file
        _libraries[code.co_filename] = library
    return library

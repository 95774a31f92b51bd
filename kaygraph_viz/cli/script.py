"""Running somebody's program as ``python`` itself runs it, inside a recording.

Belongs here: `__main__`, paths, exit codes, signals, and the moment at which the recording ends. Does not belong here:
arguments and files (``cli.record``).
"""

from __future__ import annotations

import atexit
import io
import os
import runpy
import signal
import sys
import threading
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

__all__ = ["LastWord", "run_module", "run_script"]

INTERRUPTED_ON_WINDOWS = 0xC000013A - (1 << 32)  # the exit code of Python there, where no process dies of a signal


class LastWord:
    """Calls a function once, when the program is over, however it ends: normally, by a signal, or by `os._exit`."""

    def __init__(self, say: Callable[[], None]) -> None:
        self._say = say
        self._pid = os.getpid()
        self._is_said = False
        self._leave = os._exit
        self._is_interrupted = False
        atexit.register(self._at_exit)
        os._exit = self._exit_at_once  # type: ignore[assignment]
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)
            if hasattr(os, "register_at_fork"):
                self._held = threading.local()
                os.register_at_fork(
                    before=self._hold_signal, after_in_parent=self._release_signal, after_in_child=self._forget_signal
                )

    def interrupted(self) -> None:
        """Have the process die of the interrupt in the end, as Python does: shells and make look at that."""
        self._is_interrupted = True

    def _say_once(self) -> None:
        if not self._is_said and os.getpid() == self._pid:
            self._is_said = True
            self._say()

    def _at_exit(self) -> None:
        os._exit = self._leave
        self._say_once()
        if self._is_interrupted and os.getpid() == self._pid:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            if os.name == "nt":
                self._leave(INTERRUPTED_ON_WINDOWS)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(self._pid, signal.SIGINT)

    def _exit_at_once(self, status: int) -> None:
        self._say_once()
        self._leave(status)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._say_once()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _hold_signal(self) -> None:
        """Have a signal wait while a child is forked: in between it would be lost, since Python handles it later."""
        self._held.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def _release_signal(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._held.before)

    def _forget_signal(self) -> None:
        """Let a signal end a forked child as it ends any program."""
        if signal.getsignal(signal.SIGTERM) == self._terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._release_signal()


def run_script(path: str, arguments: Sequence[str], last: LastWord) -> None:
    """Run a script as ``python PATH ARGUMENTS`` does; `SystemExit` is raised as the script raises it."""
    with io.open_code(path) as file:  # before anything is changed: a missing file is an error of ours
        text = file.read()
    absolute = os.path.abspath(path)  # noqa: PTH100  (as Python does: links are kept)
    sys.argv = [path, *arguments]
    sys.path[0] = os.path.dirname(os.path.realpath(absolute))  # noqa: PTH120
    main = types.ModuleType("__main__")
    vars(main).update(
        __file__=absolute,
        __builtins__=__builtins__,
        __spec__=None,
        __package__=None,
        __cached__=None,
        __loader__=None,
        __annotations__={},
    )

    def run() -> None:
        # They stay: exit functions, threads and pickles look there, and what comes back from spawned children.
        sys.modules["__main__"] = sys.modules["__mp_main__"] = main
        exec(compile(text, absolute, "exec", dont_inherit=True), vars(main))  # noqa: S102  (the reader's own script)

    _as_python_does(run, last)


def run_module(name: str, arguments: Sequence[str], last: LastWord) -> None:
    """Run a module as ``python -m NAME ARGUMENTS`` does."""
    sys.argv = [name, *arguments]
    sys.path[0] = os.getcwd()  # noqa: PTH109
    run: Any = runpy._run_module_as_main  # type: ignore[attr-defined]
    _as_python_does(lambda: run(name, alter_argv=True), last)


def _as_python_does(run: Callable[[], None], last: LastWord) -> None:
    """Run a program; an error that it raises is shown as Python shows it, without our frames."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename in _OUR_FILES:
            traceback = traceback.tb_next
        if isinstance(error, KeyboardInterrupt):
            last.interrupted()
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)  # the program's own if it has set one
        sys.exit(1)


_OUR_FILES = (__file__, runpy.__file__, "<frozen runpy>")

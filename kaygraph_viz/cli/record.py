"""``kaygraph-viz record``: record a program that knows nothing of this package, run as ``python`` itself runs it.

Belongs here: the arguments, what is written at the end, and `__main__`, paths, exit codes and signals of the program.
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
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.base.errors import OptionError, OutputExistsError
from kaygraph_viz.capture.kinds import KINDS
from kaygraph_viz.cli.terminal import OK, Parser, printable
from kaygraph_viz.recording import record
from kaygraph_viz.trace.trace import Trace

USAGE = "%(prog)s [--capture KINDS] [--arguments] [--out DIR] [--force] (SCRIPT | -m MODULE) [ARGUMENTS ...]"
EXAMPLES = """examples:
  kaygraph-viz record crawl.py --depth 3            record everything, write to recorded/
  kaygraph-viz record --out runs -m shop.nightly    record a module
  kaygraph-viz record --capture asyncio,futures crawl.py
  kaygraph-viz record --arguments crawl.py          bars show what was called with what: fetch("a.html")
"""
ENDINGS = {".jsonl.gz": "the trace, for kaygraph_viz.load()", ".png": "the chart", ".html": "the page with the numbers"}


def run(words: Sequence[str]) -> int:
    """Run a program with its arguments, record it, and write what was recorded when it is over."""
    options, program = _read(words)
    kinds = options.capture.split(",")
    name = Path(program[0]).stem if not options.is_module else program[0]
    paths = {ending: Path(options.out) / f"{name}{ending}" for ending in ENDINGS}
    taken = [path for path in paths.values() if path.exists()]
    if taken and not options.force:
        raise OutputExistsError(taken[0])
    if not options.is_module and not Path(program[0]).is_file():
        raise OptionError("SCRIPT", program[0], "a file with Python code", "kaygraph-viz record crawl.py")
    recording = record(capture=kinds, label="arguments" if options.arguments else None)
    trace = recording.__enter__()  # until the program is over, which may be after this function
    last = LastWord(lambda: _end(recording, trace, paths))
    (run_module if options.is_module else run_script)(program[0], program[1:], last)
    return OK


def parser() -> Parser:
    """Return the parser of the words behind ``record``, up to the program."""
    made = Parser(prog="kaygraph-viz record", usage=USAGE, epilog=EXAMPLES)
    made.add_argument("--capture", default="all", metavar="KINDS", help=f"any of {', '.join(KINDS)}, or all (default)")
    made.add_argument(
        "--arguments", action="store_true", help="keep arguments that are numbers, texts or paths, for bars"
    )
    made.add_argument("--out", default="recorded", metavar="DIR", help="where to write (default: recorded)")
    made.add_argument("--force", action="store_true", help="overwrite what is there")
    return made


def _read(arguments: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Return our options, and the program with its own: they begin at the first word that is no option of ours."""
    ours = parser()
    place, takes_value = 0, False
    while place < len(arguments) and (takes_value or arguments[place].startswith("-")) and arguments[place] != "-m":
        takes_value = not takes_value and arguments[place] in ("--capture", "--out")
        place += 1
    options = ours.parse_args(arguments[:place])
    options.is_module = arguments[place : place + 1] == ["-m"]
    program = list(arguments[place + options.is_module :])
    if not program:
        ours.error("expected a script, such as: kaygraph-viz record crawl.py")
    return options, program


def _end(recording: AbstractContextManager[Trace], trace: Trace, paths: dict[str, Path]) -> None:
    """End the recording and write it; nothing of this may change how the program ends."""
    try:
        recording.__exit__(None, None, None)
        _write(trace, paths)
    except BaseException as error:
        print(f"kaygraph-viz: could not save: {printable(repr(error))}", file=sys.stderr)


def _write(trace: Trace, paths: dict[str, Path]) -> None:
    if not len(trace):
        print(f"kaygraph-viz: nothing was recorded: the program started no work of {', '.join(KINDS)}", file=sys.stderr)
        return
    import matplotlib as mpl

    mpl.use("Agg")  # the program may have chosen a window
    from kaygraph_viz.html_report.report import save_report
    from kaygraph_viz.plot.canvas import save_picture
    from kaygraph_viz.plot.gantt.gantt import gantt

    next(iter(paths.values())).parent.mkdir(parents=True, exist_ok=True)
    trace.save(paths[".jsonl.gz"])
    save_picture(gantt(trace, title=paths[".png"].stem), paths[".png"])
    save_report(trace, paths[".html"], title=paths[".html"].stem)
    found = explain(trace)
    for sentence in filter(None, (summarize(trace).sentence, found.sentence, found.blocked_loop)):
        print(f"kaygraph-viz: {printable(sentence)}", file=sys.stderr)
    print(f"kaygraph-viz: wrote {', '.join(str(path) for path in paths.values())}", file=sys.stderr)


# -- running the program ---------------------------------------------------------------------------------------------


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
    runner: Any = runpy  # of which this is not public
    _as_python_does(lambda: runner._run_module_as_main(name, alter_argv=True), last)


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

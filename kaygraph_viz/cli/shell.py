"""The prompt of ``kaygraph-viz --interactive``: commands with history, completion and help.

Belongs here: the commands, and the history of what was typed. Does not belong here: what the commands run
(``examples``) and how it is shown (``run_output``).
"""

from __future__ import annotations

import cmd
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

from kaygraph_viz.analysis.wording import aligned
from kaygraph_viz.base.errors import DataError, KayGraphVizError
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.cli.run_output import (
    check_outputs,
    patterns_named_in,
    print_files,
    print_run,
    print_verdicts,
    read_records,
    whole,
    write_outputs,
)
from kaygraph_viz.cli.terminal import printable
from kaygraph_viz.course.examples.example import EXAMPLES, ExampleRun, Setup, run_example
from kaygraph_viz.course.examples.mapreduce import count_words
from kaygraph_viz.course.examples.validation import sample_record, validate_records
from kaygraph_viz.execute.registry import KINDS

__all__ = ["Shell"]

HISTORY = Path("~/.kaygraph_viz_history")
MAX_REMEMBERED = 1000
AUTO = "auto, the default of the pattern"
COMMANDS = {  # name: how it is called and what it does, in the order of the help
    "validate": ("validate [JSON or FILE]", "validate a record, the records of a file, or one of the shipped data"),
    "enrich": ("enrich [COUNT]", "ask four services about each of some customers"),
    "batch": ("batch [COUNT]", "price orders with a worker pool"),
    "mapreduce": ("mapreduce [TEXT]", "count the words of your text, or of the addresses to Congress"),
    "pipeline": ("pipeline [COUNT]", "load orders into a database, stage by stage"),
    "example": ("example [NAME]", f"run a pattern on the shipped data: {', '.join(EXAMPLES)}"),
    "workers": ("workers [N or auto]", "show or set how many branches may run at once, 1 to 4096"),
    "executor": ("executor [KIND or auto]", f"show or set the kind of workers: {', '.join(KINDS)}"),
    "gantt": ("gantt", "write charts, diagram and trace of the last run to the output folder"),
    "help": ("help [COMMAND]", "show the commands, or one of them"),
    "quit": ("quit", "leave"),
}
CHOICES: dict[str, Iterable[str]] = {  # what Tab completes after a command
    "example": EXAMPLES,
    "workers": ("auto", "1", "2", "4", "8", "16"),
    "executor": ("auto", *KINDS),
    "help": COMMANDS,
}


class Shell(cmd.Cmd):
    """A prompt to run patterns from; `force` says whether files of earlier sessions may be overwritten."""

    intro = """Type a command, a JSON record, or a sentence such as: Validate and enrich this user data
help shows the commands, gantt draws the last run, quit leaves."""
    prompt = "kaygraph> "

    def __init__(self, setup: Setup | None = None, *, out: Path | None = None, force: bool = False) -> None:
        super().__init__()
        self.setup = setup or Setup()
        self.out = out or Path("out")
        self.force = force
        self._run: ExampleRun | None = None
        self._drawn: set[str] = set()

    # -- the loop -------------------------------------------------------------------------------------------------

    def cmdloop(self, intro: str | None = None) -> None:
        """Read commands until ``quit`` or the end of the input; Ctrl-C at a terminal begins a new line."""
        if not sys.stdin.isatty():
            super().cmdloop(intro)
            return
        with _history():
            while True:
                try:
                    super().cmdloop(intro)
                except KeyboardInterrupt:
                    print()
                    intro = ""
                else:
                    break

    def onecmd(self, line: str) -> bool:
        """Run one command; what goes wrong in it is said in one line, and the prompt comes back."""
        try:
            return bool(super().onecmd(line))
        except (KayGraphVizError, OSError) as error:
            print(printable(" ".join(str(error).split())))
        except KeyboardInterrupt:
            print("interrupted")
        return False

    def emptyline(self) -> bool:
        """Do nothing for an empty line."""
        return False

    def default(self, line: str) -> None:
        """Take a record or a sentence as it is."""
        records = read_records(line)
        if records is not None:
            self._validate(records)
            return
        try:
            named = patterns_named_in(line, EXAMPLES)
        except DataError as error:
            raise DataError(f"{error}; help shows the commands") from None
        for name in named:
            if name == "validation":
                self._validate([sample_record()])
            else:
                self._example(name)

    def completenames(self, text: str, *_: object) -> list[str]:
        """Return the commands and patterns that begin with `text`."""
        return _beginning(text, dict.fromkeys((*COMMANDS, *EXAMPLES)))

    def completedefault(self, text: str, line: str, *_: object) -> list[str]:
        """Return what may follow the command of `line` and begins with `text`."""
        return _beginning(text, CHOICES.get(line.split(maxsplit=1)[0], ()))

    # -- patterns -------------------------------------------------------------------------------------------------

    def do_validate(self, line: str) -> None:
        """Validate records."""
        records = read_records(line) if line else None
        self._validate([sample_record()] if records is None else records)

    def do_mapreduce(self, line: str) -> None:
        """Count words."""
        if line:
            self._show(count_words(line, self.setup))
        else:
            self._example("mapreduce")

    def do_example(self, line: str) -> None:
        """Run a pattern by its name."""
        self._example(line.strip() or "validation")

    def _validate(self, records: list[dict[str, str]]) -> None:
        verdicts, self._run = validate_records(records, self.setup)
        print_verdicts(verdicts, self._run)

    def _example(self, name: str, count: str = "") -> None:
        self._show(run_example(name, replace(self.setup, items=whole(count)) if count else self.setup))

    do_enrich = partialmethod(_example, "enrichment")
    do_batch = partialmethod(_example, "batch")
    do_pipeline = partialmethod(_example, "pipeline")

    def _show(self, run: ExampleRun) -> None:
        self._run = run
        print_run(run)

    # -- settings and the rest ------------------------------------------------------------------------------------

    def _setting(self, name: str, line: str) -> None:
        """Show or set an option of `Setup`."""
        if line:
            value: Any = None if line == "auto" else whole(line)
            self.setup = replace(self.setup, **{name: value})
        print(f"{name}: {getattr(self.setup, name) or AUTO}")

    do_workers = partialmethod(_setting, "workers")
    do_executor = partialmethod(_setting, "executor")

    def do_gantt(self, line: str) -> None:
        """Write the files of the last run; those that this session wrote before are overwritten."""
        if self._run is None:
            print("nothing has been run yet: try validate")
            return
        check_outputs(self.out, self._run.name, force=self.force or self._run.name in self._drawn)
        print_files(self.out, write_outputs(self._run, self.out))
        self._drawn.add(self._run.name)

    def do_help(self, line: str) -> None:
        """Show the commands, or one of them."""
        if line and line not in COMMANDS:
            print(printable(f"there is no command {line!r}; these are:"))
        print(aligned([COMMANDS[line]] if line in COMMANDS else list(COMMANDS.values())))

    def do_quit(self, line: str) -> bool:
        """Leave."""
        return True

    def do_EOF(self, line: str) -> bool:  # noqa: N802  (the name that cmd calls at Ctrl-D)
        """Leave."""
        print()
        return True


@contextmanager
def _history() -> Iterator[None]:
    """Remember from session to session what was typed, where the system can."""
    try:
        import readline
    except ImportError:
        yield
        return
    if "libedit" in (readline.__doc__ or ""):  # macOS: there cmd's own binding means something else
        readline.parse_and_bind("bind ^I rl_complete")
    with suppress(OSError):
        readline.read_history_file(HISTORY.expanduser())
    readline.set_history_length(MAX_REMEMBERED)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(HISTORY.expanduser())


def _beginning(text: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(text)]

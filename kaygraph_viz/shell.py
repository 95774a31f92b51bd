"""The prompt of ``kaygraph-viz --interactive``: commands with history, completion and help.

Belongs here: the commands. Does not belong here: what they run (``patterns.examples``) and how it is shown
(``report``).
"""

from __future__ import annotations

import cmd
from pathlib import Path

from kaygraph_viz.errors import KayGraphVizError
from kaygraph_viz.execute.limits import checked_workers
from kaygraph_viz.inputs import patterns_named_in, read_records
from kaygraph_viz.patterns.examples import EXAMPLES, ExampleRun, run_example, sample_record, validate_records
from kaygraph_viz.report import check_outputs, print_run, print_verdicts, printable, write_outputs

__all__ = ["Shell"]


class Shell(cmd.Cmd):
    """A prompt to run patterns from.

    Parameters
    ----------
    workers
        How many branches may run at once, 1 to 4096; the command ``workers`` changes it.
    out
        Where pictures go; default: the folder ``out``.
    force
        Whether pictures that were there before may be overwritten; those of this session always may.
    """

    intro = "Type help for the commands, quit to leave."
    prompt = "kaygraph> "

    def __init__(self, *, workers: int, out: Path | None = None, force: bool = False) -> None:
        super().__init__()
        self.workers = checked_workers(workers)
        self.out = out or Path("out")
        self.force = force
        self._run: ExampleRun | None = None
        self._drawn: set[str] = set()

    def onecmd(self, line: str) -> bool:
        """Run one command; what goes wrong in it is said in one line, and the prompt comes back."""
        try:
            return bool(super().onecmd(line))
        except (KayGraphVizError, OSError) as error:
            print(printable(str(error)))
        except KeyboardInterrupt:
            print("interrupted")
        return False

    def emptyline(self) -> bool:
        """Do nothing for an empty line."""
        return False

    def default(self, line: str) -> None:
        """Take a record or a sentence as it is."""
        records = read_records(line)
        if records is None:
            patterns_named_in(line, list(EXAMPLES))
            records = [sample_record()]
        self._validate(records)

    def do_validate(self, line: str) -> None:
        """Validate a record: ``validate [JSON]``; without one, a record of the shipped data."""
        records = read_records(line) if line else [sample_record()]
        self._validate([sample_record()] if records is None else records)

    def _validate(self, records: list[dict[str, str]]) -> None:
        verdicts, self._run = validate_records(records, workers=self.workers)
        print_verdicts(verdicts, self._run)

    def do_example(self, line: str) -> None:
        """Run a pattern on the shipped data: ``example [NAME]``."""
        self._run = run_example(line.strip() or "validation", workers=self.workers)
        print_run(self._run)

    def complete_example(self, text: str, *_: object) -> list[str]:
        """Return the patterns that begin with `text`."""
        return [name for name in EXAMPLES if name.startswith(text)]

    def do_workers(self, line: str) -> None:
        """Show or set how many branches may run at once: ``workers [N]``, 1 to 4096."""
        if line:
            self.workers = checked_workers(_whole(line))
        print(f"workers: {self.workers}")

    def do_gantt(self, line: str) -> None:
        """Write the charts of the last run to the output folder: ``gantt``."""
        if self._run is None:
            print("nothing has been run yet: try validate")
            return
        check_outputs(self.out, self._run.name, force=self.force or self._run.name in self._drawn)
        for path in write_outputs(self._run, self.out):
            print(printable(str(path)))
        self._drawn.add(self._run.name)

    def do_quit(self, line: str) -> bool:
        """Leave: ``quit``."""
        return True

    def do_EOF(self, line: str) -> bool:  # noqa: N802  (the name that cmd calls at Ctrl-D)
        """Leave."""
        print()
        return True


def _whole(text: str) -> int:
    """Return the number that `text` is; anything else is left for the check of the range to report."""
    try:
        return int(text)
    except ValueError:
        return text  # type: ignore[return-value]

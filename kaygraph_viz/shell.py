"""The prompt of ``kaygraph-viz --interactive``: commands with history, completion and help.

Belongs here: the commands. Does not belong here: what they run (``patterns.examples``) and how it is shown (``report``).
"""

from __future__ import annotations

import cmd
from pathlib import Path

from kaygraph_viz.errors import KayGraphVizError
from kaygraph_viz.execute.limits import checked_workers
from kaygraph_viz.inputs import patterns_named_in, read_records
from kaygraph_viz.patterns.examples import EXAMPLES, ExampleRun, run_example, sample_record, validate_records
from kaygraph_viz.report import check_outputs, print_run, print_verdicts, write_outputs

__all__ = ["Shell"]


class Shell(cmd.Cmd):
    """A prompt to run patterns from.

    Parameters
    ----------
    workers
        How many branches may run at once, 1 to 4096; the command ``workers`` changes it.
    out
        Where pictures go; default: the folder ``out``.
    """

    intro = "Type help for the commands, quit to leave."
    prompt = "kaygraph> "

    def __init__(self, *, workers: int, out: Path | None = None) -> None:
        super().__init__()
        self.workers = checked_workers(workers)
        self.out = out or Path("out")
        self._run: ExampleRun | None = None

    def onecmd(self, line: str) -> bool:
        """Run one command; what goes wrong in it is said in one line, and the prompt comes back."""
        try:
            return bool(super().onecmd(line))
        except (KayGraphVizError, OSError) as error:
            print(error)
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
        """validate [JSON]: validate a record, or one of the shipped data."""
        records = read_records(line) if line else [sample_record()]
        self._validate([sample_record()] if records is None else records)

    def _validate(self, records: list[dict[str, str]]) -> None:
        verdicts, self._run = validate_records(records, workers=self.workers)
        print_verdicts(verdicts, self._run)

    def do_example(self, line: str) -> None:
        """example NAME: run a pattern on the shipped data."""
        self._run = run_example(line.strip() or "validation", workers=self.workers)
        print_run(self._run)

    def complete_example(self, text: str, *_: object) -> list[str]:
        """Return the patterns that begin with `text`."""
        return [name for name in EXAMPLES if name.startswith(text)]

    def do_workers(self, line: str) -> None:
        """workers [N]: show or set how many branches may run at once, 1 to 4096."""
        if line:
            self.workers = checked_workers(int(line) if line.strip().lstrip("-").isdigit() else line)  # type: ignore[arg-type]
        print(f"workers: {self.workers}")

    def do_gantt(self, line: str) -> None:
        """gantt: write the charts of the last run to the output folder."""
        if self._run is None:
            print("nothing has been run yet: try validate")
            return
        check_outputs(self.out, self._run.name, force=True)
        for path in write_outputs(self._run, self.out):
            print(path)

    def do_quit(self, line: str) -> bool:
        """quit: leave."""
        return True

    def do_EOF(self, line: str) -> bool:  # noqa: N802  (the name that cmd calls at Ctrl-D)
        """Leave."""
        print()
        return True

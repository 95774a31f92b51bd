"""The command line: ``kaygraph-viz``, ``python -m kaygraph_viz`` and ``python main.py`` are this program.

Belongs here: arguments, what they mean, exit codes. Does not belong here: what is run (``patterns.examples``), how a
run is shown (``report``) and the prompt of ``--interactive`` (``shell``).

Exit codes: 0 for success, 1 for a record that was not accepted, 2 for input that cannot be used, 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from kaygraph_viz.errors import KayGraphVizError, short
from kaygraph_viz.inputs import patterns_named_in, read_records
from kaygraph_viz.patterns.examples import DEFAULT_WORKERS, EXAMPLES, run_example, sample_record, validate_records
from kaygraph_viz.report import check_outputs, print_run, print_verdicts, printable, write_outputs
from kaygraph_viz.shell import Shell

__all__ = ["main"]

OK, NOT_ACCEPTED, USAGE, INTERRUPTED = 0, 1, 2, 130

EXAMPLES_OF_USE = """examples:
  kaygraph-viz                                      run every pattern on the shipped data
  kaygraph-viz --example validation --workers 16    run one of them with 16 workers
  kaygraph-viz --out out                            and write charts and traces to out/
  kaygraph-viz '{"name": "Ada", "country": "GB"}'   validate a record of your own
  kaygraph-viz customers.json                       validate the records of a JSON file
  kaygraph-viz "Validate this user data"            run the patterns that a sentence names
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


class _UsageError(Exception):
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code.

    Parameters
    ----------
    arguments
        What stands after the name of the program; default: those of this process.

    Examples
    --------
    >>> main(["--example", "validation", "--workers", "none"])
    2
    """
    try:
        code = _run(_parser().parse_args(arguments))
        print(end="", flush=True)
    except (_UsageError, KayGraphVizError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _closed_quietly()
        print(f"kaygraph-viz: {_one_line(error)}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("kaygraph-viz: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _run(options: argparse.Namespace) -> int:
    out = None if options.out is None else Path(options.out)
    if options.interactive:
        Shell(workers=options.workers, out=out, force=options.force).cmdloop()
        return OK
    if options.input is None:
        return _run_examples(list(EXAMPLES) if options.example == "all" else [options.example], options, out)
    records = read_records(options.input)
    if records is not None:
        return _validate(records, options, out)
    for name in patterns_named_in(options.input, list(EXAMPLES)):
        print(f"{name}, on a record of the shipped data:\n")
        _validate([sample_record()], options, out)
    return OK


def _run_examples(names: Sequence[str], options: argparse.Namespace, out: Path | None) -> int:
    if out is not None:
        for name in names:
            check_outputs(out, name, force=options.force)
    for name in names:
        run = run_example(name, workers=options.workers)
        print_run(run)
        if out is not None:
            write_outputs(run, out)
    if out is None:
        print("Add --out DIR for the charts and the traces.")
    else:
        _say_where(out)
    return OK


def _validate(records: Sequence[dict[str, str]], options: argparse.Namespace, out: Path | None) -> int:
    if out is not None:
        check_outputs(out, "validation", force=options.force)
    verdicts, run = validate_records(records, workers=options.workers)
    print_verdicts(verdicts, run)
    if out is not None:
        write_outputs(run, out)
        _say_where(out)
    return OK if all(verdict.status == "accepted" for verdict in verdicts) else NOT_ACCEPTED


def _say_where(out: Path) -> None:
    print(f"Charts and traces are in {printable(str(out))}{os.sep}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kaygraph-viz",
        description="Run patterns of parallel work on real data and see what happened.",
        epilog=EXAMPLES_OF_USE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", nargs="?", help="a JSON record, a JSON file, or a sentence that names patterns")
    parser.add_argument(
        "--example", choices=[*EXAMPLES, "all"], default="all", metavar="NAME",
        help=f"which pattern to run: {', '.join(EXAMPLES)} or all (default)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=DEFAULT_WORKERS, metavar="N",
        help=f"how many branches may run at once, 1 to 4096 (default {DEFAULT_WORKERS})",
    )  # fmt: skip
    parser.add_argument("--out", metavar="DIR", help="write charts and traces to this folder")
    parser.add_argument("--force", action="store_true", help="overwrite charts and traces that exist")
    parser.add_argument("--interactive", action="store_true", help="open a prompt")
    parser.add_argument("--version", action="version", version=f"kaygraph-viz {_version()}")
    return parser


def _version() -> str:
    try:
        return version("kaygraph-viz")
    except PackageNotFoundError:
        return "(a checkout that is not installed)"


def _one_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, KayGraphVizError):
        text = f"{short(str(error.filename), 300)}: {error.strerror}"
    return printable(" ".join(text.split()))


def _closed_quietly() -> int:
    """Whoever read our output has gone: let Python's own flush at exit find nothing to complain about."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK

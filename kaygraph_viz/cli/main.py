"""The command line: ``kaygraph-viz``, ``python -m kaygraph_viz`` and ``python main.py`` are this program.

Belongs here: arguments, what they mean, exit codes. Does not belong here: what is run (``examples``), how a
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

from kaygraph_viz.cli.inputs import patterns_named_in, read_records, whole
from kaygraph_viz.cli.record import record_program
from kaygraph_viz.cli.report import (
    check_outputs,
    print_files,
    print_overview,
    print_run,
    print_verdicts,
    printable,
    write_outputs,
)
from kaygraph_viz.cli.shell import Shell
from kaygraph_viz.errors import KayGraphVizError, short
from kaygraph_viz.examples.outcome import ExampleRun
from kaygraph_viz.examples.registry import EXAMPLES, run_example
from kaygraph_viz.examples.setup import Setup
from kaygraph_viz.examples.validation import sample_record, validate_records
from kaygraph_viz.execute.registry import KINDS

__all__ = ["main"]

OK, NOT_ACCEPTED, USAGE, INTERRUPTED = 0, 1, 2, 130

EXAMPLES_OF_USE = """examples:
  kaygraph-viz                                         run every pattern on the shipped data
  kaygraph-viz --out out                               and write charts and traces to out/
  kaygraph-viz --example validation --workers 16       run one of them with 16 workers
  kaygraph-viz --example batch --executor thread       run it on another kind of worker
  kaygraph-viz --example pipeline --virtual            in simulated time: the same on every machine
  kaygraph-viz '{"name": "Ada", "country": "GB"}'      validate a record of your own
  kaygraph-viz customers.json                          validate the records of a JSON file
  kaygraph-viz "Validate and enrich this user data"    run the patterns that a sentence names
  kaygraph-viz --interactive                           enter commands at a prompt
  kaygraph-viz record crawl.py                         record a program of your own
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


class _UsageError(Exception):
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code.

    Examples
    --------
    >>> main(["--example", "validation", "--workers", "none"])
    2
    """
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        if words[:1] == ["record"]:
            record_program(words[1:], _parser())
            return OK
        code = _run(_parser().parse_args(words))
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
    options.setup = _setup(options)
    if options.interactive:
        Shell(options.setup, out=out, force=options.force).cmdloop()
        return OK
    if options.input is None:
        return _run_examples(list(EXAMPLES) if options.example == "all" else [options.example], options, out)
    records = read_records(options.input)
    if records is not None:
        return _validate(records, options, out)
    named = patterns_named_in(options.input, EXAMPLES)
    if "validation" in named:
        print("validation, on a record of the shipped data:\n")
        _validate([sample_record()], options, out)
    return _run_examples([name for name in named if name != "validation"], options, out)


def _setup(options: argparse.Namespace) -> Setup:
    return Setup(
        workers=options.workers, executor=options.executor, items=options.items, seed=options.seed,
        clock="virtual" if options.virtual else None,
    )  # fmt: skip


def _run_examples(names: Sequence[str], options: argparse.Namespace, out: Path | None) -> int:
    if out is not None:
        for name in names:
            check_outputs(out, name, force=options.force)
    runs = [_shown(name, options.setup, out) for name in names]
    if len(runs) > 1:
        print_overview(runs)
    if out is None:
        print("Add --out DIR for the charts and the traces.")
    return OK


def _shown(name: str, setup: Setup, out: Path | None) -> ExampleRun:
    run = run_example(name, setup)
    print_run(run)
    if out is not None:
        print_files(out, write_outputs(run, out))
    return run


def _validate(records: Sequence[dict[str, str]], options: argparse.Namespace, out: Path | None) -> int:
    if out is not None:
        check_outputs(out, "validation", force=options.force)
    verdicts, run = validate_records(records, options.setup)
    print_verdicts(verdicts, run)
    if out is not None:
        print_files(out, write_outputs(run, out))
    return OK if all(verdict.status == "accepted" for verdict in verdicts) else NOT_ACCEPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kaygraph-viz",
        description="Run patterns of parallel work on real data and see what happened.",
        epilog=EXAMPLES_OF_USE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", nargs="?", help="a JSON record, a JSON file, or a sentence that names patterns")
    _add_setup(parser)
    parser.add_argument("--out", metavar="DIR", help="write charts and traces to this folder")
    parser.add_argument("--force", action="store_true", help="overwrite charts and traces that exist")
    parser.add_argument("--interactive", action="store_true", help="enter commands at a prompt")
    parser.add_argument("--version", action="version", version=f"kaygraph-viz {_version()}")
    return parser


def _add_setup(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is run, and how."""
    parser.add_argument(
        "--example", choices=[*EXAMPLES, "all"], default="all", metavar="NAME",
        help=f"which pattern to run: {', '.join(EXAMPLES)} or all (default)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=whole, metavar="N",
        help="how many branches may run at once, 1 to 4096 (default: depends on the pattern)",
    )  # fmt: skip
    parser.add_argument(
        "--executor", choices=KINDS, metavar="KIND",
        help=f"the kind of workers: {', '.join(KINDS)} (default: depends on the pattern)",
    )  # fmt: skip
    parser.add_argument(
        "--items", type=whole, metavar="N",
        help="how many records, orders, texts or events (default: what makes a readable chart)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=whole, default=0, metavar="N", help="seed of the random latencies, faults and events (default 0)"
    )
    parser.add_argument("--virtual", action="store_true", help="run in simulated time, the same on every machine")


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
    """Point stdout at the null device after its reader has gone, so that the flush at exit raises no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK

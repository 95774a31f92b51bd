"""The command line without a command: run patterns on the shipped data, or on records of the reader's own.

Belongs here: arguments, and what they mean. Does not belong here: what is run (``examples``), how a run is shown
(``run_output``) and the prompt of ``--interactive`` (``shell``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kaygraph_viz.cli.run_output import (
    check_outputs,
    patterns_named_in,
    print_files,
    print_overview,
    print_run,
    print_verdicts,
    read_records,
    whole,
    write_outputs,
)
from kaygraph_viz.cli.terminal import NOT_ACCEPTED, OK, Parser
from kaygraph_viz.course.examples.example import EXAMPLES, ExampleRun, Setup, run_example
from kaygraph_viz.execute.registry import KINDS

__all__ = ["parser", "run"]

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
  kaygraph-viz lab                                     open the lessons in JupyterLab
  kaygraph-viz record crawl.py                         record a program of your own
  kaygraph-viz report run.jsonl.gz -o run.html         make a page to send of a saved run
  kaygraph-viz grade handed_in/                        grade notebooks that learners hand in

tab completion in bash and zsh, with the extra [completion] installed:
  eval "$(register-python-argcomplete kaygraph-viz)"
"""


def run(words: Sequence[str]) -> int:
    """Run what the words of the command line ask for, and return the exit code."""
    options = parser().parse_args(words)
    out = None if options.out is None else Path(options.out)
    options.setup = Setup(
        workers=options.workers,
        executor=options.executor,
        items=options.items,
        seed=options.seed,
        clock="virtual" if options.virtual else None,
    )
    if options.interactive:
        from kaygraph_viz.cli.shell import Shell

        Shell(options.setup, out=out, force=options.force).cmdloop()
        return OK
    if options.input is None:
        return _run_examples(list(EXAMPLES) if options.example == "all" else [options.example], options, out)
    records = read_records(options.input)
    if records is not None:
        return _validate(records, options, out)
    named = patterns_named_in(options.input, EXAMPLES)
    if "validation" in named:
        from kaygraph_viz.course.examples.validation import sample_record

        print("validation, on a record of the shipped data:\n")
        _validate([sample_record()], options, out)
    return _run_examples([name for name in named if name != "validation"], options, out)


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
    found = run_example(name, setup)
    print_run(found)
    if out is not None:
        print_files(out, write_outputs(found, out))
    return found


def _validate(records: Sequence[dict[str, str]], options: argparse.Namespace, out: Path | None) -> int:
    if out is not None:
        check_outputs(out, "validation", force=options.force)
    from kaygraph_viz.course.examples.validation import validate_records  # needs more packages than showing help does

    verdicts, found = validate_records(records, options.setup)
    print_verdicts(verdicts, found)
    if out is not None:
        print_files(out, write_outputs(found, out))
    return OK if all(verdict.status == "accepted" for verdict in verdicts) else NOT_ACCEPTED


def parser() -> Parser:
    """Return the parser of the command line without a command."""
    made = Parser(
        prog="kaygraph-viz",
        description="Run patterns of parallel work on real data and see what happened.",
        epilog=EXAMPLES_OF_USE,
    )
    made.add_argument("input", nargs="?", help="a JSON record, a JSON file, or a sentence that names patterns")
    made.add_argument(
        "--example",
        choices=[*EXAMPLES, "all"],
        default="all",
        metavar="NAME",
        help=f"which pattern to run: {', '.join(EXAMPLES)} or all (default)",
    )
    made.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help="how many branches may run at once, 1 to 4096 (default: depends on the pattern)",
    )
    made.add_argument(
        "--executor",
        choices=KINDS,
        metavar="KIND",
        help=f"the kind of workers: {', '.join(KINDS)} (default: depends on the pattern)",
    )
    made.add_argument(
        "--items",
        type=whole,
        metavar="N",
        help="how many records, orders, texts or events (default: what makes a readable chart)",
    )
    made.add_argument(
        "--seed", type=whole, default=0, metavar="N", help="seed of the random latencies, faults and events (default 0)"
    )
    made.add_argument("--virtual", action="store_true", help="run in simulated time, the same on every machine")
    made.add_argument("--out", metavar="DIR", help="write charts and traces to this folder")
    made.add_argument("--force", action="store_true", help="overwrite charts and traces that exist")
    made.add_argument("--interactive", action="store_true", help="enter commands at a prompt")
    try:
        found = version("kaygraph-viz")
    except PackageNotFoundError:
        found = "(a checkout that is not installed)"
    made.add_argument("--version", action="version", version=f"kaygraph-viz {found}")
    return made

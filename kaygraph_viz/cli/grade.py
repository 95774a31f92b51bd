"""``kaygraph-viz grade``: run handed-in notebooks anew and print what each has reached.

Belongs here: the arguments, progress, and the table. Does not belong here: running and grading (``lessons.handed_in``).
"""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

from kaygraph_viz.analysis.wording import aligned, counted
from kaygraph_viz.base.checks import checked_whole
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import usable_cores
from kaygraph_viz.base.optional import require
from kaygraph_viz.cli.run_output import whole
from kaygraph_viz.cli.terminal import OK, Parser, printable
from kaygraph_viz.course.lessons.handed_in.grading import Graded, graded

EPILOG = """Each notebook is run anew, in a kernel and a folder of its own. Only the cells of its exercises are taken,
and cells that were added beside them; all others are those of the shipped lesson. Stored outputs count nothing. One
that hangs, or ends its kernel, costs only itself.

Handed-in code runs with your rights. Grade notebooks of people whom you do not trust in a container, or under an
account that can reach nothing of value. Code that wants to cheat can do so, since it runs in the process that grades
it; changed functions and variables are noticed, but read an answer that surprises you.

examples:
  kaygraph-viz grade handed_in/
  kaygraph-viz grade --timeout 120 --jobs 4 ada.ipynb grace.ipynb
  kaygraph-viz grade --csv handed_in/ > grades.csv
"""
EXAMPLE = "kaygraph-viz grade handed_in/"
HEADINGS = ("file", "lesson", "exercise", "goals met", "note")
CHECKPOINTS = ".ipynb_checkpoints"  # copies that Jupyter keeps


def run(words: Sequence[str]) -> int:
    """Grade the notebooks that the words of the command line name, and return the exit code."""
    options = parser().parse_args(words)
    checked_whole("--timeout", options.timeout, 1, 86_400, "--timeout 300")
    checked_whole("--jobs", options.jobs, 1, 64, "--jobs 2")
    paths = list(dict.fromkeys(path for name in options.names for path in _notebooks(Path(name))))
    require("jupyter_client")
    found = asyncio.run(_all(paths, options))
    found.sort(key=lambda each: paths.index(each.path))
    if options.json:
        data = [
            {
                "file": str(one.path),
                "lesson": one.lesson,
                "exercises": [
                    {"exercise": each.exercise, "met": each.met, "of": each.goals, "unmet": list(each.unmet)}
                    | {"note": each.note}
                    for each in one.exercises
                ],
                "note": one.note,
            }
            for one in found
        ]
        print(json.dumps(data, indent=1))
    elif options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("file", "lesson", "exercise", "met", "goals", "note"))
        writer.writerows((_inert(str(one.path)), one.lesson, *row[:3], _inert(row[3])) for one, row in _rows(found))
    else:
        _print_table(found)
    return OK


def parser() -> Parser:
    """Return the parser of the words behind ``grade``."""
    made = Parser(prog="kaygraph-viz grade", description="Grade handed-in notebooks of the lessons.", epilog=EPILOG)
    made.add_argument("names", nargs="+", metavar="NOTEBOOK_OR_FOLDER", help="what was handed in")
    made.add_argument(
        "--timeout", type=whole, default=300, metavar="SECONDS", help="for each notebook, 1 to 86400 (default 300)"
    )
    made.add_argument(
        "--jobs",
        type=whole,
        default=max(1, usable_cores() // 2),
        metavar="N",
        help="how many notebooks are run at once, 1 to 64 (default: half of the cores)",
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--csv", action="store_true", help="print comma-separated values instead of a table")
    return made


def _notebooks(path: Path) -> list[Path]:
    """Return the notebooks in a folder and those below it, or the one that a path names."""
    if path.is_dir():
        found = [each for each in sorted(path.rglob("*.ipynb")) if CHECKPOINTS not in each.parts]
        if not found:
            raise OptionError("the folder", str(path), "one with notebooks in it", EXAMPLE)
        return found
    if not path.is_file():
        raise OptionError("the argument", str(path), "a notebook or a folder", EXAMPLE)
    return [path]


async def _all(paths: Sequence[Path], options: Namespace) -> list[Graded]:
    """Grade notebooks and return what they got; tell of each on the error channel as it is done."""
    found: list[Graded] = []
    begins = f"{counted(len(paths), 'notebook')}, {options.jobs} at once, each for {options.timeout} s at most"
    print(begins, file=sys.stderr, flush=True)
    async with aclosing(graded(paths, timeout_s=options.timeout, jobs=options.jobs)) as done:
        async for each in done:
            found.append(each)
            said = each.note or "; ".join(_goals(one.met, one.goals) or one.note for one in each.exercises)
            print(printable(f"[{len(found)}/{len(paths)}] {each.path}: {said}"), file=sys.stderr, flush=True)
    return found


def _goals(met: int | None, goals: int | None) -> str:
    return "" if met is None else f"{met} of {goals}"


def _rows(found: Sequence[Graded]) -> Iterator[tuple[Graded, tuple[str, int | None, int | None, str]]]:
    """Yield a row for each exercise, and one for each notebook that could not be graded: exercise, met, goals, note."""
    for one in found:
        for each in one.exercises:
            unmet = f"not met: {'; '.join(each.unmet)}" if each.unmet else ""
            yield one, (str(each.exercise), each.met, each.goals, ". ".join(filter(None, [each.note, unmet])))
        if not one.exercises:
            yield one, ("", None, None, one.note)


def _print_table(found: Sequence[Graded]) -> None:
    rows = [
        (str(one.path), one.lesson, exercise, _goals(met, goals) or "-", note)
        for one, (exercise, met, goals, note) in _rows(found)
    ]
    for line in aligned([[printable(cell) for cell in row] for row in [HEADINGS, *rows]]).splitlines():
        print(line)
    complete = sum(
        bool(one.exercises) and all(each.met == each.goals is not None for each in one.exercises) for one in found
    )
    print(f"\n{complete} of {counted(len(found), 'notebook')} met all goals.")


def _inert(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text

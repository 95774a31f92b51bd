"""How the command line shows a run: a table on the terminal, pictures and a trace in a folder.

Belongs here: printing and the names of files. Does not belong here: drawing itself (``plot``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kaygraph_viz.analysis.metrics import summarize
from kaygraph_viz.errors import OutputExistsError

if TYPE_CHECKING:
    from kaygraph_viz.patterns.examples import ExampleRun
    from kaygraph_viz.patterns.validation import Verdict

__all__ = ["check_outputs", "print_run", "print_verdicts", "printable", "write_outputs"]

DPI = 150
LONGEST_LINE = 500


def print_run(run: ExampleRun) -> None:
    """Print what was measured in one run."""
    print(f"{run.title}\n")
    _print_table(run.facts)
    print(f"\n  {summarize(run.trace).describe()}\n")
    for note in run.notes:
        print(f"  {printable(note)}")
    print()


def print_verdicts(verdicts: Sequence[Verdict], run: ExampleRun) -> None:
    """Print what was decided about a few records, and why."""
    for verdict in verdicts:
        print(f"{printable(verdict.customer_id) or 'the record'}: {verdict.status}")
        for reason in verdict.reasons:
            print(f"  {printable(reason)}")
    print()
    _print_table(run.facts)


def _print_table(facts: Iterable[tuple[str, str]]) -> None:
    rows = list(facts)
    left = max(len(label) for label, _ in rows)
    right = max(len(value) for _, value in rows)
    for label, value in rows:
        print(f"  {label:<{left}}  {value:>{right}}")


def printable(text: str) -> str:
    """Return text that cannot steer or flood a terminal, in characters that the terminal knows.

    Examples
    --------
    >>> printable("red" + chr(27) + "[31m")
    'red?[31m'
    """
    if len(text) > LONGEST_LINE:
        text = text[: LONGEST_LINE - 3] + "..."
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    harmless = "".join(mark if mark.isprintable() else "?" for mark in text)
    return harmless.encode(encoding, "replace").decode(encoding)


def _paths(out: Path, name: str) -> dict[str, Path]:
    return {
        "serial": out / f"{name}-serial-gantt.png",
        "parallel": out / f"{name}-gantt.png",
        "diagram": out / f"{name}-diagram.png",
        "trace": out / f"{name}-trace.jsonl.gz",
    }


def check_outputs(out: Path, name: str, *, force: bool) -> None:
    """Make the folder and see that nothing in it would be overwritten.

    Raises
    ------
    OutputExistsError
        If a file is there and `force` is false.
    OSError
        If the folder cannot be made.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in _paths(out, name).values():
        if path.exists() and not force:
            raise OutputExistsError(path)


def write_outputs(run: ExampleRun, out: Path) -> list[Path]:
    """Write Gantt charts, graph diagram and trace of a run, and return where they are.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    from kaygraph_viz.plot.diagram import diagram
    from kaygraph_viz.plot.gantt import gantt

    paths = _paths(out, run.name)
    drawn = {paths[label]: gantt(trace) for label, trace in run.traces.items()}
    drawn[paths["diagram"]] = diagram(run.graph, trace=run.trace)
    for path, axes in drawn.items():
        figure = axes.figure
        assert isinstance(figure, Figure)  # no part of a larger figure: each was drawn on its own
        figure.savefig(path, dpi=DPI, bbox_inches="tight")
        plt.close(figure)
    run.trace.save(paths["trace"])
    return [*drawn, paths["trace"]]

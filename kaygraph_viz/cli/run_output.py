"""A run on the command line: reading its input, tables on the terminal, pictures and a trace in a folder.

Belongs here: telling records, files, sentences and numbers apart, printing, and the names of files. Does not belong
here: judging the records (``patterns``), what is worth printing (``course.examples``) and drawing (``plot``).
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaygraph_viz.analysis.explain import CAUSES, explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import aligned, counted, duration, significant
from kaygraph_viz.base.errors import DataError, OutputExistsError, short
from kaygraph_viz.cli.terminal import noticing_interrupts, printable
from kaygraph_viz.trace.files import written
from kaygraph_viz.trace.nesting import Nesting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kaygraph_viz.course.examples.example import ExampleRun
    from kaygraph_viz.course.patterns.validation import Verdict
    from kaygraph_viz.trace.trace import Trace


WIDTH = 110  # of a line before a sentence goes on in the next
WORTH_SHOWING = 0.01  # of the time of all workers
OUTPUTS = ("gantt", "diagram", "trace", "page", "orders")  # how the names of what we write end
Rows = Iterable[Sequence[str]]


def print_run(run: ExampleRun) -> None:
    """Print the results and the measurements of a run."""
    _say(run.title)
    print("-" * min(len(run.title), WIDTH))
    print()
    if run.facts:
        _print_table(run.facts)
    for note in run.notes:
        _say(note, "  ")
    print(end="\n" if run.notes else "")
    _print_measured(run)


def print_verdicts(verdicts: Sequence[Verdict], run: ExampleRun) -> None:
    """Print the verdicts on records, with the reasons."""
    for verdict in verdicts:
        _say(f"{verdict.customer_id or 'the record'}: {verdict.status}")
        for reason in verdict.reasons:
            _say(reason, "  ")
    print()
    _print_table(run.facts)
    _print_measured(run)


def _print_measured(run: ExampleRun) -> None:
    _say("Measured in simulated time:" if run.is_simulated else "Measured:", "  ")
    _print_table(run.measured.facts())
    if run.details:
        heading, rows = run.details
    else:
        found = explain(run.trace)
        shares = [(name, share) for name, share in found.shares.items() if share >= WORTH_SHOWING and found.workers > 1]
        by_size = sorted(shares, key=lambda item: -item[1])
        heading = f"How the time of {counted(found.workers, 'worker')} was used:"
        rows = [(name, f"{share:.0%}", CAUSES[name].meaning) for name, share in by_size]
    if rows:
        _say(heading, "  ")
        _print_table(rows, right=range(1, len(rows[0])) if run.details else (1,))


def print_overview(runs: Sequence[ExampleRun]) -> None:
    """Print one line for each of several runs, to compare them."""
    headings = ("", "items", "failed", "one by one", "in parallel", "measured speedup", "workers", "bottleneck")
    _say("All patterns")
    print("------------\n")
    rows: list[Sequence[str]] = [headings]
    for run in runs:
        found = run.measured
        serial = "" if found.serial_s is None else duration(found.serial_s)
        speedup = "" if found.speedup is None else significant(found.speedup, 2)
        bottleneck = "" if found.bottleneck is None else found.bottleneck[0]
        times = (serial, duration(found.makespan_s), speedup)
        rows.append((run.name, f"{found.items:,}", f"{found.failed:,}", *times, f"{found.workers:,}", bottleneck))
    _print_table(rows, right=range(1, 7))


def print_files(out: Path, files: Mapping[Path, str]) -> None:
    """Print the names of written files, and what to look for in them."""
    _say(f"In {out}{os.sep}", "  ")
    _print_table([(path.name, caption) for path, caption in files.items()], right=())


def _print_table(rows: Rows, *, right: Iterable[int] = (1,)) -> None:
    for line in aligned([[printable(cell) for cell in row] for row in rows], right=set(right)).splitlines():
        print(f"  {line}")
    print()


def _say(text: str, indent: str = "") -> None:
    """Print a sentence, wrapped to `WIDTH`."""
    print(textwrap.fill(printable(text), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  "))


def check_outputs(out: Path, name: str, *, force: bool) -> None:
    """Make the folder; raise `OutputExistsError` where an output is in it, unless it is a file and `force` is set."""
    out.mkdir(parents=True, exist_ok=True)
    taken = [path for path in sorted(out.glob(f"{name}-*")) if path.stem.partition(".")[0].endswith(OUTPUTS)]
    for path in taken:
        if path.exists() and not path.is_file():
            raise OutputExistsError(path, is_file=False)
        if not force:
            raise OutputExistsError(path)


def write_outputs(run: ExampleRun, out: Path) -> dict[Path, str]:
    """Write charts, diagram, trace and the other files of a run; return by path what to look for in each."""
    files: dict[Path, str] = {}
    longest_s = max((run.traces[name].makespan_s for name in run.compared), default=0.0)
    with noticing_interrupts():
        from kaygraph_viz.plot.diagram.diagram import diagram
        from kaygraph_viz.plot.gantt.gantt import gantt

        for label, trace in run.traces.items():
            path = out / ("-".join([run.name, *([label] if label != "parallel" else []), "gantt"]) + ".png")
            end_s = longest_s if label in run.compared else 0.0
            _save(gantt(trace, title=_title(run.name, label, trace), color_by=run.color_by, end_s=end_s), path)
            files[path] = run.captions.get(label, "when each branch waited, ran and ended, a row for each worker")
        path = out / f"{run.name}-diagram.png"
        _save(diagram(run.graph, trace=run.traces.get(run.drawn, run.trace)), path)
        files[path] = f"the graph, with the times of the {run.drawn or 'parallel'} run"
        for end, content in run.extras.items():
            path = out / f"{run.name}-{end}"
            with written(path) as stream:
                stream.write(content)
            files[path] = run.captions.get(end, "")
        files[run.trace.save(out / f"{run.name}-trace.jsonl.gz")] = "the parallel run, for kaygraph_viz.load()"
    return files


def _title(name: str, label: str, trace: Trace) -> str:
    summary, branches = summarize(trace), trace.columns.is_kind("branch")
    bars = int((branches & ~Nesting.of(trace.columns).enclosing(branches)).sum())  # those that hold others have no bar
    how = f"{counted(bars, 'branch', 'branches')}, {counted(summary.workers, 'worker')}"
    return f"{name}, {label}: {how}, {duration(summary.makespan_s, 2)}"


def _save(axes: Axes, path: Path) -> None:
    import matplotlib.pyplot as plt

    from kaygraph_viz.plot.canvas import figure_of, save_picture

    try:
        save_picture(axes, path)
    finally:
        plt.close(figure_of(axes))


MAX_FILE_BYTES = 64 << 20
_WORDS = {
    "validation": r"\bvalidat|\bcheck|\bverif",
    "enrichment": r"\benrich|\bAPIs?\b",
    "batch": r"\bbatch",
    "mapreduce": r"\bmap\W?reduce|\bword.?count|\bcount\w*\b.*\bwords?\b",
    "pipeline": r"\bpipeline|\bETL\b",
    "coordination": r"\bcoordinat|\basync",
    "report": r"\breport",
    "stream": r"\bstream|\breal.?time",
}
_EVERYTHING = r"\beverything\b|\b(all|every)\b.*\b(pattern|example)s?\b"


def read_records(text: str) -> list[dict[str, str]] | None:
    """Return the records that `text` is or names, or None if it is a sentence."""
    if text.lstrip().startswith(("{", "[")):
        return _records(text, "the input")
    if not text.strip():
        raise DataError("the input is empty; it must be a JSON record, a JSON file, or a sentence that names patterns")
    if not _names_a_file(text):
        return None
    with Path(text).open("rb") as file:  # never more than the limit, also of a device that has no size and no end
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"{short(str(Path(text)))} is larger than {MAX_FILE_BYTES >> 20} MB, too large for a file of records"
        )
    return _records(content.decode("utf-8-sig", errors="replace"), short(text))


def _names_a_file(text: str) -> bool:
    if "\0" in text or "\n" in text:
        return False
    try:
        return text.endswith((".json", "/")) or Path(text).exists()
    except (OSError, ValueError):  # longer than a name can be, or not to be written in the coding of names
        return False


def _records(text: str, source: str) -> list[dict[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is not valid JSON: {short(str(error))}") from None
    records = found if isinstance(found, list) else [found]
    if not records or not all(isinstance(record, dict) for record in records):
        raise DataError(f'{source} must be a JSON object or a list of them, such as {{"name": "Ada", "country": "GB"}}')
    # Numbers become texts, as in a form; other values are left for the format check to report.
    return [
        {key: str(value) if type(value) in (int, float) else value for key, value in record.items()}
        for record in records
    ]


def patterns_named_in(sentence: str, known: Sequence[str]) -> list[str]:
    """Return the patterns that a sentence names."""
    words = _WORDS if not re.search(_EVERYTHING, sentence, re.IGNORECASE) else dict.fromkeys(known, "")
    named = [name for name in known if re.search(words[name], sentence, re.IGNORECASE)]
    if not named:
        raise DataError(f"{short(sentence)} names no pattern that can be run ({', '.join(known)})")
    return named


def whole(text: str) -> Any:
    """Return `text` as an integer; other text is returned unchanged, for the check of the range to report."""
    try:
        return int(text)
    except ValueError:
        return text

"""The command line of the benchmarks: choose rows, measure them, print one table.

Belongs here: options and printing. Does not belong here: measuring (``harness``).
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Result, Scale, measure, registered
from kaygraph_viz.base.machine import usable_cores

INTERRUPTED = 130  # the exit code after Ctrl-C
HEADINGS = ("name", "ours", "peer", "ratio", "target", "")
WIDTHS = (50, 10, 10, 7, 7, 8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and print their table.

    Parameters
    ----------
    arguments
        The words of the command line; default: those of this process.

    Returns
    -------
    int
        The exit code: 1 if a row failed, or with ``--check`` is over its target; 130 after an interrupt; else 0.
    """
    options = _parser().parse_args(arguments)
    chosen = _chosen(options.only)
    if not chosen:
        _parser().error(f"no benchmark's name contains {' or '.join(map(repr, options.only))}; try --list")
    if options.list:
        print("\n".join(row.name for row in chosen))
        return 0
    results: list[Result] = []
    try:
        _measure_all(chosen, Scale(is_quick=options.quick), results)
    except KeyboardInterrupt:
        print(f"interrupted: {len(results)} of {len(chosen)} rows were measured", flush=True)
        return INTERRUPTED
    finally:
        if options.json is not None:
            options.json.write_text(json.dumps(_as_data(results), indent=2) + "\n", encoding="utf-8")
    bad = {"failed", "over"} if options.check else {"failed"}
    return int(any(result.verdict in bad for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure kaygraph_viz against its peers. Ratios are ours divided by the peer's: less is better.",
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", default=[], help="rows whose name contains this; repeatable"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it works, the figures mean little"
    )
    parser.add_argument("--json", metavar="PATH", type=Path, help="also write the results to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a row is over its target")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and measure nothing")
    return parser


def _chosen(words: Sequence[str]) -> list[Benchmark]:
    return [row for row in registered() if not words or any(word.lower() in row.name.lower() for word in words)]


def _measure_all(chosen: Sequence[Benchmark], scale: Scale, results: list[Result]) -> None:
    """Measure the rows, and print and keep each as soon as it is measured."""
    print(machine() + (" (quick: the figures mean little)" if scale.is_quick else ""))
    print(_line(HEADINGS) + "against; note", flush=True)
    for row in chosen:
        results.append(measure(row, scale))
        print(_line(_cells(results[-1])) + _remark(results[-1]), flush=True)


def machine() -> str:
    """Return cores, Python and GIL of the machine in one line.

    Examples
    --------
    >>> "Python" in machine()
    True
    """
    cores = usable_cores()
    gil = "with GIL" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without GIL"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} cores, Python {python} {gil}, {platform.system()} {platform.machine()}"


def _line(cells: Sequence[str]) -> str:
    first, *others = (cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    *figures, verdict = others
    return "  ".join([first, *(figure.strip().rjust(len(figure)) for figure in figures), verdict])


def _cells(result: Result) -> tuple[str, str, str, str, str, str]:
    row, measured = result.benchmark, result.measured
    target = "" if row.target is None else f"{row.target:g}"
    if measured is None:
        return row.name, "", "", "", target, result.verdict
    ours, peer = (_readable(value, row.unit) for value in (measured.ours, measured.peer))
    return row.name, ours, peer, f"{measured.ratio:.2f}", target, result.verdict


def _remark(result: Result) -> str:
    return "; ".join(text for text in (result.benchmark.peer, result.benchmark.note, result.reason) if text)


def _readable(value: float, unit: str) -> str:
    """Return a figure with its unit.

    Examples
    --------
    >>> _readable(0.0000021, "s"), _readable(84.2, "B")
    ('2.1 us', '84.2 B')
    """
    if unit != "s":
        return f"{value:.3g} {unit}"
    factor, shown = next((pair for pair in ((1, "s"), (1e3, "ms"), (1e6, "us")) if value * pair[0] >= 1), (1e9, "ns"))
    return f"{value * factor:.3g} {shown}"


def _as_data(results: Sequence[Result]) -> dict[str, Any]:
    return {"machine": machine(), "rows": [_row_as_data(result) for result in results]}


def _row_as_data(result: Result) -> dict[str, Any]:
    row, measured = result.benchmark, result.measured
    figures = {} if measured is None else {"ours": measured.ours, "peer": measured.peer, "ratio": measured.ratio}
    about = {"name": row.name, "against": row.peer, "unit": row.unit, "target": row.target, "note": row.note}
    return {**about, **figures, "verdict": result.verdict, "reason": result.reason}


if __name__ == "__main__":
    sys.exit(main())

"""``make fuzz``: random graphs, programs and files, each case from a seed that is shown where it fails.

Belongs here: options, progress, reports. Does not belong here: what a case is (``graphs``, ``programs``, ``files``).
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

HANGS_S = 120  # after which a case counts as one that never ends
EVERY_S = 10.0  # how often progress is shown
MOST_FAILURES = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases and return the exit code: 1 if one failed, 3 if one hung, 130 after an interrupt."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", choices=tuple(KINDS))
    parser.add_argument("--seed", type=int, default=None, help="of the first case; default: by the time")
    parser.add_argument("--cases", type=int, default=2000)
    options = parser.parse_args(arguments)
    seed = int(time.time()) % 1_000_000 * 1000 if options.seed is None else options.seed
    print(f"fuzz {options.what}: {options.cases:,} cases from SEED={seed}", flush=True)
    try:
        failed = KINDS[options.what](seed, options.cases)
    except KeyboardInterrupt:
        return 130
    print(f"fuzz {options.what}: {options.cases:,} cases, {failed} failed", flush=True)
    return int(failed > 0)


def _graphs(seed: int, cases: int) -> int:
    from tests.fuzz.descriptions import describe
    from tests.fuzz.graphs import Workers, children, drawn, run_case

    with ExitStack() as opened:
        workers = opened.enter_context(Workers())

        def report(number: int) -> str:
            return f"make fuzz-graphs SEED={seed + number} CASES=1\n{drawn(describe(seed + number).graph)}"

        failed = _run(cases, lambda number: run_case(seed + number, workers), report)
    if left := children():
        print(f"processes are left: {left}")
    return failed + bool(left)


def _programs(seed: int, cases: int) -> int:
    from tests.fuzz.programs import drawn, program, run_case

    def report(number: int) -> str:
        return f"make fuzz-programs SEED={seed + number} CASES=1\n{drawn(program(seed + number))}"

    with TemporaryDirectory() as folder:
        return _run(cases, lambda number: run_case(seed + number, Path(folder)), report)


def _files(seed: int, cases: int) -> int:
    from tests.fuzz.files import FileFuzzer

    with TemporaryDirectory() as folder:
        fuzzer = FileFuzzer(seed, Path(folder))

        def report(number: int) -> str:
            kept = Path("out", f"fuzzed-{seed}-{number}")
            kept.parent.mkdir(exist_ok=True)
            shutil.copy(Path(folder, "fuzzed"), kept)
            return f"make fuzz-files SEED={seed} CASES={number + 1}\nor load {kept}"

        failed = _run(cases, lambda number: fuzzer.run_case(), report)
        print(f"{fuzzer.loaded:,} files were loaded, {fuzzer.kept:,} reached new code")
    return failed


def _run(cases: int, run_case: Callable[[int], None], report: Callable[[int], str]) -> int:
    """Run the cases, show progress, report those that fail, and return how many did."""
    failed, shown_s = 0, time.monotonic()
    for number in range(cases):
        _watch(report, number)
        try:
            run_case(number)
        except Exception:
            failed += 1
            print(f"\nFAILED, to repeat it: {report(number)}\n{traceback.format_exc()}", flush=True)
            if failed == MOST_FAILURES:
                print(f"ended after {failed} failures")
                break
        if time.monotonic() - shown_s > EVERY_S:
            shown_s = time.monotonic()
            print(f"  {number + 1:,} of {cases:,}", flush=True)
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    return failed


def _watch(report: Callable[[int], str], number: int) -> None:
    """End the program with a report if the case that begins now never ends."""
    if not hasattr(signal, "alarm"):
        return

    def hangs(*_: object) -> None:
        print(f"\nHANGS, to repeat it: {report(number)}", flush=True)
        faulthandler.dump_traceback(all_threads=True)
        os._exit(3)  # its threads would keep the program

    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANGS_S)


KINDS: dict[str, Callable[[int, int], int]] = {"graphs": _graphs, "programs": _programs, "files": _files}

if __name__ == "__main__":
    sys.exit(main())

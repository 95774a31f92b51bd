"""The page that one sends: its size, and the time until a browser has drawn it.

Belongs here: pages opened in Chromium from their files. Does not belong here: packing a run (``live_timeline``), and
whether the page is right (``tests/browser``).

Both pages are opened in one tab of one browser, from the same folder. Ours counts as drawn when its chart says that it
has drawn a frame, the other one in the first frame after it has loaded. Reports that VizTracer writes as HTML are no
peer: they need a function that browsers no longer have, and stay empty.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark
from benchmarks.pictures import trace_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

SPANS = 100_000
BUDGET_S, BUDGET_MB = 2.0, 4.0
HANGS_MS = 60_000
IS_DRAWN = "() => document.querySelector('.kv-stage > canvas')?.dataset.frames > 0"
IS_LOADED = "() => document.readyState === 'complete'"
PLAIN = '<!doctype html>\n<meta charset="utf-8">\n<script type="application/json">"{}"</script>\n<p>Run</p>\n'


@benchmark("page of 100,000 spans, drawn", peer="a budget of 2 s", target=1.0, note="from its file")
def drawn_against_budget(scale: Scale) -> Measured:
    """Measure the time from opening the page to the first frame of its chart."""
    with _pages(scale) as (tab, ours, _):
        return alternate(lambda: _opened_s(tab, ours, IS_DRAWN), lambda: BUDGET_S, scale.pick(5, 1))


@benchmark("page of 100,000 spans, drawn / a plain page", peer="a page of as many bytes that shows one word")
def drawn_against_plain(scale: Scale) -> Measured:
    """Measure the same against what the browser needs to read so many bytes."""
    with _pages(scale) as (tab, ours, plain):
        return alternate(
            lambda: _opened_s(tab, ours, IS_DRAWN), lambda: _opened_s(tab, plain, IS_LOADED), scale.pick(5, 1)
        )


@benchmark("page of 100,000 spans, size", peer="a budget of 4 MB", unit="MB", target=1.0)
def size_against_budget(scale: Scale) -> Measured:
    """Measure how large the file is."""
    with TemporaryDirectory() as folder:
        return Measured(_written(scale, Path(folder)).stat().st_size / 1e6, BUDGET_MB)


@contextmanager
def _pages(scale: Scale) -> Iterator[tuple[Page, Path, Path]]:
    """Open a tab, and write the page and a plain one of its size."""
    from tests.browser.chromium import HEIGHT, WIDTH, launched, missing

    if why := missing():
        raise ImportError(why)
    with TemporaryDirectory() as folder, launched() as browser:
        ours, plain = _written(scale, Path(folder)), Path(folder) / "plain.html"
        plain.write_text(PLAIN.format("x" * (ours.stat().st_size - len(PLAIN) + 2)), encoding="utf-8")
        yield browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}), ours, plain


def _written(scale: Scale, folder: Path) -> Path:
    return kv.save_report(trace_of(scale.pick(SPANS, 1_000)), folder / "run.html")


def _opened_s(tab: Page, path: Path, condition: str) -> float:
    """Return the time from opening a file to the frame in which a condition holds [s]."""
    began = time.perf_counter()
    tab.goto(path.as_uri(), wait_until="commit")
    tab.wait_for_function(condition, timeout=HANGS_MS)
    return time.perf_counter() - began

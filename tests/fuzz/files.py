"""Random files for `load`: it takes them or says why not, and what it takes everything else can use.

Belongs here: reading one file, and the search for files that reach new code. Does not belong here: content
(``mutations``), and how many files (``__main__``, ``test_fuzz``).
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from dataclasses import fields
from pathlib import Path
from random import Random

import kaygraph_viz as kv
from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.plot.gantt.layout import make_bins, make_layout
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.timeline.packing import pack
from tests.fuzz.coverage import Coverage
from tests.fuzz.mutations import corpus, mutated

MAX_CPU_S = 10.0  # of one small file, traced line by line; most take some milliseconds
MAX_MESSAGE = 1000  # characters
MAX_GROWTH = 256 << 20  # bytes
READERS = (
    "kaygraph_viz.export",
    "kaygraph_viz.trace",
    "kaygraph_viz.base.machine",
    "kaygraph_viz.analysis",
    "kaygraph_viz.plot",
)


class FileFuzzer:
    """Makes files, one for each call of `run_case`, and keeps those that reached new code, to change them further.

    Parameters
    ----------
    seed
        Cases with the same seed are the same files, if they are run in the same order.
    folder
        Where the files are written; the one that was read last stays there.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._rnd = Random(f"files {seed}")
        self._folder = folder
        self._coverage = Coverage(*READERS)
        self._kept: list[bytes] = []
        self.loaded = 0
        for content in corpus():
            self._read(content)

    @property
    def kept(self) -> int:
        """The number of files that reached new code."""
        return len(self._kept)

    def run_case(self) -> None:
        """Make a file and read it; raise `AssertionError`, or what was raised, where something is wrong."""
        recent = self._kept[-20:] if self._rnd.random() < 0.3 else self._kept
        content = mutated(self._rnd, self._rnd.choice(recent), self._rnd.choice(self._kept))
        if content:
            self._read(content)

    def _read(self, content: bytes) -> None:
        path = self._folder / "fuzzed"
        path.write_bytes(content)
        began_s, size = time.process_time(), _peak_bytes()
        with self._coverage.watched() as found_new:
            for partial in (False, True):
                trace = loaded(path, partial=partial)
                if trace is not None:
                    self.loaded += not partial
                    use(trace, self._folder)
                    break
        lasted_s, growth = time.process_time() - began_s, _peak_bytes() - size
        assert lasted_s < MAX_CPU_S, f"reading {len(content):,} bytes took {lasted_s:.1f} s"
        assert growth < MAX_GROWTH, f"reading {len(content):,} bytes took {growth:,} bytes of memory"
        if found_new():
            self._kept.append(content)


def _peak_bytes() -> int:
    """Return the most memory that this process ever had [bytes], 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def loaded(path: Path, *, partial: bool) -> Trace | None:
    """Return the trace in a file, or None if it was refused as it should."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            trace = kv.load(path, partial=partial)
        except TraceFormatError as error:
            if len(str(error)) > MAX_MESSAGE:
                raise AssertionError(f"a message of {len(str(error)):,} characters") from error
            return None
    assert all("could be read" in str(each.message) for each in told), [str(each.message) for each in told]
    return trace


def use(trace: Trace, folder: Path) -> None:
    """Do with a trace what readers do, and raise `AssertionError` if it is another one when it was saved."""
    for found in (trace, kv.summarize(trace), kv.explain(trace), kv.critical_path(trace)):
        str(found), repr(found)
    chart = Chart.of(trace)
    make_layout(chart)
    make_bins(chart, 50)
    pack(trace)
    assert list(kv.load(trace.save(folder / "saved"))) == list(trace), "saved and loaded, it is another trace"
    again = kv.load(kv.to_perfetto(trace, folder / "exported"))
    assert _for_perfetto(again) == _for_perfetto(trace), "exported and loaded, it is another trace"


def _for_perfetto(trace: Trace) -> list[str]:
    """Return the spans as texts, with question marks in place of lone surrogates, which Perfetto cannot have."""
    shown = ([getattr(span, field.name) for field in fields(span)] for span in trace)
    return [re.sub(r"\\ud[89a-f][0-9a-f]{2}", "?", repr(each)) for each in shown]

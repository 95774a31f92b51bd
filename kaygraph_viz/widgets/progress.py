"""A progress bar for notebooks: counts, throughput and the time left.

Belongs here: showing it, ten times a second at most. Does not belong here: counting (``execute.progress``).
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any

from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.errors import warn
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.execute.progress import ProgressCallback, ProgressInfo
from kaygraph_viz.widgets.guarded import guarded, parts_of

with needed():
    import ipywidgets

EVERY_S = 0.1
BARS = {False: "info", True: "warning"}  # colours of the page's theme; the words say the same


def progress(
    title: str = "", *, every_s: float = EVERY_S, monotonic_s: Callable[[], float] = time.monotonic
) -> Progress:
    """Return a progress bar for the argument `progress` of a node.

    The bar appears below the cell in which the node begins to run, or where you put the value on the last line of a
    cell. Without a notebook it is one line of text.

    Parameters
    ----------
    title
        What stands in front of it.
    every_s
        The least time between two changes of what is shown [s], 0 or more. The end is always shown.
    monotonic_s
        Gives the time that this is measured by [s].

    Returns
    -------
    Progress
        Give it to one node or to several.

    Raises
    ------
    OptionError
        If `every_s` is not a number of seconds.

    Examples
    --------
    >>> from kaygraph_viz.graph.batch import ParallelBatchNode
    >>> class Check(ParallelBatchNode):
    ...     def prep(self, shared):
    ...         return [1, 2, 3]
    >>> shown = progress("Checking")
    >>> Check(max_workers=2, progress=shown).run({})
    >>> shown.pace.done, shown.pace.total
    (3, 3)
    """
    return Progress(title, checked_seconds("every_s", every_s, "every_s=0.1"), monotonic_s)


class Progress(ProgressCallback):
    """The progress bar that `progress` returns; nodes call it, and notebooks show it.

    Attributes
    ----------
    pace
        How far the batch was that was shown last.
    widget, bar, words
        The widgets, for changing their looks.
    """

    def __init__(self, title: str, every_s: float, monotonic_s: Callable[[], float]) -> None:
        super().__init__(self._hear)
        self.title = one_line(title)
        self.pace = ProgressInfo(0, None, 0.0)
        self.updates = 0  # how often what is shown has changed
        self._every_s, self._monotonic_s = every_s, monotonic_s
        self._shown_s: float | None = None
        self._is_placed = False
        self._lock = Lock()  # several batches may report at once
        self._has_warned = False
        self.bar = guarded(
            ipywidgets.FloatProgress,
            self._warn_once,
            (),
            min=0.0,
            max=1.0,
            description=self.title,
            bar_style=BARS[False],
            tooltip="How many items have ended",
        )
        self.words = guarded(ipywidgets.HTML, self._warn_once, ())
        self.widget = guarded(ipywidgets.HBox, self._warn_once, (), children=[self.bar, self.words])
        self.widget.add_class("kv-progress")
        self._show()

    # -- called by nodes ------------------------------------------------------------------------------------------

    def begun(self) -> ProgressCallback:
        """Return the callback for a batch that begins now, and show the bar, if it is not shown yet."""
        self._place()
        return _Batch.of(self)

    def is_due(self) -> bool:
        """Return whether `every_s` has passed since the bar last changed."""
        return self._shown_s is None or self._monotonic_s() - self._shown_s >= self._every_s

    def _hear(self, pace: ProgressInfo) -> None:
        """Show the counts of a batch."""
        if self._lock.acquire(blocking=False):  # another thread shows a batch right now: this count may be left out
            try:
                self.pace, self._shown_s = pace, self._monotonic_s()
                self.updates += 1
                self._show()
            finally:
                self._lock.release()

    def finish(self) -> None:
        """End the line on a terminal."""
        if not _has_front_end() and sys.stderr is not None and sys.stderr.isatty():
            print(file=sys.stderr)

    def close(self) -> None:
        """Remove the bar with all that it consists of: ipywidgets keeps each part until then."""
        for part in [*parts_of(self.widget), self.widget]:
            part.close()

    def _warn_once(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn(what, stacklevel=2)

    # -- showing --------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        pace = self.pace
        self.bar.value = min(1.0, pace.done / pace.total) if pace.total else float(pace.total == 0)
        self.bar.bar_style = BARS[pace.failed > 0]
        self.words.value = f"<span role='status'>{html.escape(self.text)}</span>"
        if not _has_front_end() and sys.stderr is not None and sys.stderr.isatty():
            print(f"\r{self}\x1b[K", end="", file=sys.stderr, flush=True)

    @property
    def text(self) -> str:
        """The counts, the throughput and the time left, in words."""
        pace = self.pace
        of_total = "" if pace.total is None else f" of {pace.total:,}"
        left = f", {pace.left_s:.3g} s left" if pace.left_s else ""
        counts = f"{pace.done:,}{of_total} done: {pace.ok:,} ok, {pace.failed:,} failed"
        return f"{counts}; {pace.throughput_per_s:.3g} items/s{left}"

    def _place(self) -> None:
        """Display the bar below the cell that runs now, once."""
        if not self._is_placed and _has_front_end():
            from IPython.display import display

            self._is_placed = True
            display(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._is_placed = True
        bundle = self.widget._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if isinstance(data, dict):
            data["text/plain"] = repr(self)
        return data, metadata

    def __repr__(self) -> str:
        return f"{self.title}: {self.text}" if self.title else self.text


class _Batch(ProgressCallback):
    """The callback of one batch: it passes its counts on to a `Progress`, at its interval and at the end."""

    owner: Progress
    last: tuple[int, int | None, int] | None = None

    @classmethod
    def of(cls, owner: Progress) -> ProgressCallback:
        batch = cls(owner._hear)
        batch.owner = owner
        batch._start()
        return batch

    def __call__(self, done: int, total: int | None, failed: int = 0) -> None:
        self.last = done, total, failed
        if self.owner.is_due():
            super().__call__(done, total, failed)

    def ended(self) -> None:
        if self.last is not None:
            super().__call__(*self.last)
        self.owner.finish()


def _has_front_end() -> bool:
    """Return whether this runs in a kernel; looked up in what is loaded already, since IPython takes long to load."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None

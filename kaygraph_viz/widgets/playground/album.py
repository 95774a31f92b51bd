"""The pictures of a panel's log, each drawn once.

Belongs here: which pictures can be shown again, and which another run has made out of date. Does not belong here:
drawing (``pictures``, ``forecast``), and when what is shown (``playground``).
"""

from __future__ import annotations

from typing import Any

from kaygraph_viz.widgets.playground.forecast import Preview, preview
from kaygraph_viz.widgets.playground.pictures import Picture, gantt_picture, sketch_picture
from kaygraph_viz.widgets.playground.state import Log, Settings, Tried

__all__ = ["Album"]


class Album:
    """The pictures of the runs of a log, and of predictions from them."""

    def __init__(self, log: Log, last: int) -> None:
        self._log = log
        self._least = last
        self._charts: dict[tuple[Any, ...], Picture] = {}
        self._entries: list[Tried] | None = None  # those of the log when the following were drawn
        self._sketches: dict[int, Picture | None] = {}
        self._previews: list[Preview] = []

    @property
    def last(self) -> int:
        """Where the axis of workers ends: all runs have room."""
        return max([self._least, *(entry.workers for entry in self._log.entries)])

    def chart(self, tried: Tried) -> Picture:
        """Return the chart of a run, at the scale of the charts that it compares with."""
        log = self._log
        key = (id(tried), log.title(tried), log.scale_s(tried), log.max_rows)
        if key not in self._charts:
            alive = {id(entry) for entry in log.entries}
            self._charts = {old: chart for old, chart in self._charts.items() if old[0] in alive - {id(tried)}}
            self._charts[key] = gantt_picture(tried.trace, key[1], end_s=key[2], rows=key[3])
        return self._charts[key]

    def sketch(self, tried: Tried) -> Picture | None:
        """Return how fast the runs of the log were, with one marked."""
        self._forget_what_is_out_of_date()
        if id(tried) not in self._sketches:
            self._sketches[id(tried)] = sketch_picture(self._log, tried, last=self.last)
        return self._sketches[id(tried)]

    def known_preview(self, settings: Settings) -> Preview | None:
        """Return a prediction that was made of the log as it is; None where there is none yet."""
        self._forget_what_is_out_of_date()
        return next((each for each in self._previews if each.forecast.settings == settings), None)

    def new_preview(self, settings: Settings) -> Preview | None:
        """Return a prediction, and keep it unless the log has got another run meanwhile; None where there is none."""
        entries = self._log.entries
        made = preview(self._log, settings, last=self.last)
        if made is not None and entries is self._entries is self._log.entries:
            self._previews.append(made)
        return made

    def _forget_what_is_out_of_date(self) -> None:
        if self._entries is not self._log.entries:
            self._entries, self._sketches, self._previews = self._log.entries, {}, []

"""A trace as a pandas DataFrame.

Belongs here: the columns of both tables. Does not belong here: arithmetic beyond differences of times (``analysis``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.checks import checked_flag
from kaygraph_viz.base.optional import require
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.trace.columns import SpanColumns, stretches
from kaygraph_viz.trace.span import KINDS, STATUSES
from kaygraph_viz.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


SECOND_NS = 1e9


def to_frame(trace: Trace, *, parts: bool = False) -> pd.DataFrame:
    """Return a trace as a table, one row for each span, or one for each part of each span.

    It is the way to questions that no analysis here answers: group, filter and join it, or write it to a database.

    Parameters
    ----------
    trace
        What was recorded; of a live trace, what has ended so far.
    parts
        Whether the table is about parts, what went on when within the spans; ``frame.merge(to_frame(trace),
        on="span_id")`` adds what is known of their spans.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``span_id`` and ordered by start. ``frame.attrs["dropped"]`` is the number of spans that were not
        kept. All times are float seconds; instants count from the first submission of the run.

        ================  =====================  ===================================================================
        column            type                   meaning
        ================  =====================  ===================================================================
        ``parent_id``     Int64                  the span it happened in; missing at the top
        ``name``          category               the node, phase or branch it belongs to
        ``kind``          category               one of ``graph node phase branch attempt wait``
        ``lane``          category               the worker it ran on
        ``index``         Int64                  position of the item in its batch; missing where it has none
        ``attempt``       int64                  how many attempts it took, or which one it is; from 1
        ``status``        category               one of ``ok error cancelled timeout abandoned lost skipped``
        ``submitted_s``   float64                when it was ready to run [s]
        ``started_s``     float64                when it began [s]
        ``ended_s``       float64                when it ended [s]
        ``queue_wait_s``  float64                from submitted to started [s]
        ``service_s``     float64                from started to ended [s]
        ``cpu_s``         float64                CPU time of its thread [s]; NaN where it was not measured
        ``blocked_s``     float64                blocked by a full queue or a limit [s]
        ``waiting_s``     float64                neither CPU nor blocked [s]; NaN where CPU time was not measured
        ``error``         string                 type and message of the error; missing where there is none
        ``links``         object                 numbers of the spans whose results it needed, as a tuple
        ``attributes``    object                 anything else that was kept, as a dict
        ================  =====================  ===================================================================

        With ``parts=True`` ordered by span and then by time; the parts of a span leave no gaps:

        ================  =====================  ===================================================================
        column            type                   meaning
        ================  =====================  ===================================================================
        ``span_id``       int64                  the span
        ``part``          category               one of ``cpu wait gil core blocked pause unknown``, see `Part`
        ``started_s``     float64                when it began [s]
        ``ended_s``       float64                when it ended [s]
        ``cpu_share``     float64                the share of it that was CPU: 1 of ``cpu``, 0 of others; of
                                                 ``unknown`` as measured, NaN where it was not
        ================  =====================  ===================================================================

    Raises
    ------
    MissingDependencyError
        If pandas is not installed.
    OptionError
        If `parts` is no truth value.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> frame = to_frame(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 1, 3, queued_s=1)))
    >>> frame.groupby("name", observed=True)[["queue_wait_s", "service_s"]].sum()
          queue_wait_s  service_s
    name
    a              0.0        1.0
    b              1.0        2.0
    >>> to_frame(make_trace(bar("a", "t-1", 0, 3, parts=[("wait", 2), ("cpu", 1)])), parts=True)
       span_id  part  started_s  ended_s  cpu_share
    0        1  wait        0.0      2.0        0.0
    1        1   cpu        2.0      3.0        1.0
    """
    checked_flag("parts", parts, "to_frame(trace, parts=True)")
    pandas = require("pandas")
    columns = trace.columns
    zero_ns = int(columns.column("submitted_ns").min(initial=np.iinfo(np.int64).max))
    if parts:
        found = stretches(columns)
        frame = pandas.DataFrame(
            {
                "span_id": columns.column("span_id")[found.owner],
                "part": _category(pandas, found.kind, PART_KINDS),
                "started_s": (found.started_ns - zero_ns) / SECOND_NS,
                "ended_s": (found.ended_ns - zero_ns) / SECOND_NS,
                "cpu_share": found.cpu_share,
            }
        )
    else:
        frame = _frame_of_spans(pandas, columns, zero_ns)
    frame.attrs["dropped"] = trace.dropped
    return frame


def _frame_of_spans(pandas: Any, columns: SpanColumns, zero_ns: int) -> Any:
    submitted, started, ended, cpu, blocked = (
        columns.column(name) for name in ("submitted_ns", "started_ns", "ended_ns", "cpu_ns", "blocked_ns")
    )
    waiting = np.maximum(0, ended - started - cpu - blocked)
    numbers = columns.column("span_id").tolist()
    return pandas.DataFrame(
        {
            "parent_id": _nullable(pandas, columns.column("parent_id"), columns.column("parent_id") == 0),
            "name": _category(pandas, columns.rows["name"], columns.names),
            "kind": _category(pandas, columns.rows["kind"], KINDS),
            "lane": _category(pandas, columns.rows["lane"], columns.lanes),
            "index": _nullable(pandas, columns.column("index"), columns.column("index") < 0),
            "attempt": columns.column("attempt"),
            "status": _category(pandas, columns.rows["status"], STATUSES),
            "submitted_s": (submitted - zero_ns) / SECOND_NS,
            "started_s": (started - zero_ns) / SECOND_NS,
            "ended_s": (ended - zero_ns) / SECOND_NS,
            "queue_wait_s": (started - submitted) / SECOND_NS,
            "service_s": (ended - started) / SECOND_NS,
            "cpu_s": np.where(cpu < 0, np.nan, cpu / SECOND_NS),
            "blocked_s": blocked / SECOND_NS,
            "waiting_s": np.where(cpu < 0, np.nan, waiting / SECOND_NS),
            "error": pandas.array(
                [columns.errors.get(number) for number in numbers], dtype=pandas.StringDtype("python")
            ),
            "links": pandas.Series([columns.links.get(number, ()) for number in numbers], dtype=object),
            "attributes": pandas.Series([dict(columns.attributes.get(number, ())) for number in numbers], dtype=object),
        }
    ).set_index(pandas.Index(numbers, name="span_id", dtype="int64"))


def _nullable(pandas: Any, values: npt.NDArray[np.int64], is_missing: npt.NDArray[np.bool_]) -> Any:
    return pandas.arrays.IntegerArray(values.copy(), is_missing)


def _category(pandas: Any, codes: npt.NDArray[np.integer[Any]], texts: Any) -> Any:
    """Return a categorical of texts by their codes; texts that became equal by being cut are one category."""
    unique = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(unique)}
    merged = np.array([place[text] for text in texts], np.int64)[codes] if len(texts) else codes.astype(np.int64)
    return pandas.Categorical.from_codes(merged, categories=pandas.Index(unique, dtype=object))

"""See parallel code: record every branch, draw it, and learn from what really happened.

>>> import kaygraph_viz as kv
>>> class Double(kv.ParallelBatchNode):
...     def prep(self, shared):
...         return shared["numbers"]
...
...     def exec(self, number):
...         return 2 * number
...
...     def post(self, shared, numbers, doubled):
...         shared["doubled"] = doubled
>>> with kv.record() as trace:
...     kv.Graph(start=Double(max_workers=4)).run(shared := {"numbers": [1, 2, 3]})
>>> shared["doubled"]
[2, 4, 6]
>>> kv.summarize(trace).counts["branches"]
3

This module holds the public names and no logic. Each is loaded when it is first used (PEP 562), so that importing the
package loads neither matplotlib nor ipywidgets.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing` would take a while to load, in which Ctrl-C at the command line is a traceback
if TYPE_CHECKING:
    from typing import Any

    from kaygraph_viz.analysis.compare import Comparison as Comparison, compare as compare
    from kaygraph_viz.analysis.conflicts import Conflict as Conflict, conflicts as conflicts
    from kaygraph_viz.analysis.critical_path import (
        CriticalPath as CriticalPath,
        PathStep as PathStep,
        critical_path as critical_path,
    )
    from kaygraph_viz.analysis.explain import Explanation as Explanation, explain as explain
    from kaygraph_viz.analysis.per_item import NameLoad as NameLoad, per_name as per_name
    from kaygraph_viz.analysis.summary import Summary as Summary, summarize as summarize
    from kaygraph_viz.analysis.what_if.what_if import WhatIf as WhatIf, what_if as what_if
    from kaygraph_viz.base.errors import KayGraphVizError as KayGraphVizError
    from kaygraph_viz.base.machine import this_machine as this_machine
    from kaygraph_viz.clock.clock import compute as compute, cost as cost, sleep as sleep, sleep_async as sleep_async
    from kaygraph_viz.clock.sync import Lock as Lock
    from kaygraph_viz.clock.virtual.clock import VirtualClock as VirtualClock
    from kaygraph_viz.course.lessons.playgrounds import playground as playground
    from kaygraph_viz.execute.call import MemoryBudget as MemoryBudget
    from kaygraph_viz.execute.cancel import CancelToken as CancelToken
    from kaygraph_viz.execute.coroutines.loops import run as run
    from kaygraph_viz.execute.explore import Exploration as Exploration, explore as explore
    from kaygraph_viz.execute.outcome import Outcome as Outcome, Outcomes as Outcomes
    from kaygraph_viz.execute.pipeline.stages import DeadLetter as DeadLetter, Stage as Stage, StageFacts as StageFacts
    from kaygraph_viz.execute.progress import ProgressCallback as ProgressCallback, ProgressInfo as ProgressInfo
    from kaygraph_viz.execute.rates.in_flight import AdaptiveLimit as AdaptiveLimit
    from kaygraph_viz.execute.rates.rate_limit import RateLimit as RateLimit
    from kaygraph_viz.execute.registry import get_executor as get_executor
    from kaygraph_viz.execute.retries import RetryPolicy as RetryPolicy
    from kaygraph_viz.export.frame import to_frame as to_frame
    from kaygraph_viz.export.loading import load as load
    from kaygraph_viz.export.otel import to_opentelemetry as to_opentelemetry
    from kaygraph_viz.export.perfetto import to_perfetto as to_perfetto
    from kaygraph_viz.graph.async_node import AsyncNode as AsyncNode
    from kaygraph_viz.graph.batch import (
        AsyncBatchNode as AsyncBatchNode,
        AsyncParallelBatchNode as AsyncParallelBatchNode,
        BatchNode as BatchNode,
        ParallelBatchNode as ParallelBatchNode,
    )
    from kaygraph_viz.graph.fan_out import FanOutNode as FanOutNode
    from kaygraph_viz.graph.graph import (
        AsyncBatchGraph as AsyncBatchGraph,
        AsyncGraph as AsyncGraph,
        AsyncParallelBatchGraph as AsyncParallelBatchGraph,
        BatchGraph as BatchGraph,
        Graph as Graph,
        ParallelBatchGraph as ParallelBatchGraph,
    )
    from kaygraph_viz.graph.map_reduce import MapReduceNode as MapReduceNode, Reduced as Reduced
    from kaygraph_viz.graph.node import BaseNode as BaseNode, Node as Node, ValidatedNode as ValidatedNode
    from kaygraph_viz.graph.pipeline import PipelineNode as PipelineNode, PipelineResult as PipelineResult
    from kaygraph_viz.html_report.report import save_report as save_report
    from kaygraph_viz.plot.canvas import save_picture as save_picture
    from kaygraph_viz.plot.curves.concurrency import concurrency as concurrency
    from kaygraph_viz.plot.curves.limits import limit_curve as limit_curve
    from kaygraph_viz.plot.curves.memory import memory_curve as memory_curve
    from kaygraph_viz.plot.curves.pairs import paired_bars as paired_bars
    from kaygraph_viz.plot.curves.queues import queue_depth as queue_depth
    from kaygraph_viz.plot.curves.speedup import speedup_curve as speedup_curve
    from kaygraph_viz.plot.description import Description as Description, describe as describe
    from kaygraph_viz.plot.diagram.diagram import diagram as diagram
    from kaygraph_viz.plot.diagram.markup import diagram_text as diagram_text
    from kaygraph_viz.plot.gantt.gantt import gantt as gantt
    from kaygraph_viz.recording import record as record
    from kaygraph_viz.trace.recorder import span as span
    from kaygraph_viz.trace.span import Span as Span
    from kaygraph_viz.trace.trace import Trace as Trace
    from kaygraph_viz.trace.traced import traced as traced
    from kaygraph_viz.widgets.playground.playground import Playground as Playground
    from kaygraph_viz.widgets.progress import Progress as Progress, progress as progress
    from kaygraph_viz.widgets.timeline.timeline import Timeline as Timeline, timeline as timeline

__version__ = "0.1.0"

_HOME = {
    "graph.node": (
        "BaseNode",
        "Node",
        "ValidatedNode",
    ),
    "graph.batch": (
        "BatchNode",
        "ParallelBatchNode",
        "AsyncBatchNode",
        "AsyncParallelBatchNode",
    ),
    "graph.async_node": ("AsyncNode",),
    "graph.graph": (
        "AsyncGraph",
        "AsyncBatchGraph",
        "AsyncParallelBatchGraph",
        "Graph",
        "BatchGraph",
        "ParallelBatchGraph",
    ),
    "graph.fan_out": ("FanOutNode",),
    "graph.map_reduce": (
        "MapReduceNode",
        "Reduced",
    ),
    "execute.coroutines.loops": ("run",),
    "execute.progress": (
        "ProgressInfo",
        "ProgressCallback",
    ),
    "execute.registry": ("get_executor",),
    "execute.outcome": (
        "Outcome",
        "Outcomes",
    ),
    "execute.call": ("MemoryBudget",),
    "execute.retries": ("RetryPolicy",),
    "execute.cancel": ("CancelToken",),
    "execute.explore": (
        "Exploration",
        "explore",
    ),
    "execute.rates.in_flight": ("AdaptiveLimit",),
    "execute.rates.rate_limit": ("RateLimit",),
    "execute.pipeline.stages": (
        "DeadLetter",
        "Stage",
        "StageFacts",
    ),
    "graph.pipeline": (
        "PipelineNode",
        "PipelineResult",
    ),
    "export.frame": ("to_frame",),
    "export.loading": ("load",),
    "export.otel": ("to_opentelemetry",),
    "export.perfetto": ("to_perfetto",),
    "html_report.report": ("save_report",),
    "base.machine": ("this_machine",),
    "plot.curves.concurrency": ("concurrency",),
    "plot.description": (
        "Description",
        "describe",
    ),
    "plot.canvas": ("save_picture",),
    "plot.diagram.markup": ("diagram_text",),
    "plot.curves.limits": ("limit_curve",),
    "plot.curves.memory": ("memory_curve",),
    "plot.curves.pairs": ("paired_bars",),
    "plot.curves.queues": ("queue_depth",),
    "plot.curves.speedup": ("speedup_curve",),
    "analysis.what_if.what_if": (
        "WhatIf",
        "what_if",
    ),
    "recording": ("record",),
    "trace.recorder": ("span",),
    "trace.traced": ("traced",),
    "trace.trace": ("Trace",),
    "trace.span": ("Span",),
    "analysis.summary": (
        "Summary",
        "summarize",
    ),
    "analysis.per_item": (
        "NameLoad",
        "per_name",
    ),
    "analysis.critical_path": (
        "PathStep",
        "CriticalPath",
        "critical_path",
    ),
    "analysis.compare": (
        "Comparison",
        "compare",
    ),
    "analysis.explain": (
        "Explanation",
        "explain",
    ),
    "analysis.conflicts": (
        "Conflict",
        "conflicts",
    ),
    "plot.gantt.gantt": ("gantt",),
    "plot.diagram.diagram": ("diagram",),
    "clock.clock": (
        "cost",
        "sleep",
        "sleep_async",
        "compute",
    ),
    "clock.sync": ("Lock",),
    "clock.virtual.clock": ("VirtualClock",),
    "course.lessons.playgrounds": ("playground",),
    "widgets.playground.playground": ("Playground",),
    "widgets.progress": (
        "Progress",
        "progress",
    ),
    "widgets.timeline.timeline": (
        "Timeline",
        "timeline",
    ),
    "base.errors": ("KayGraphVizError",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [*_MODULE_OF, "__version__"]  # noqa: PLE0604  (names of strings, from the table above)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value  # the next look-up finds it directly
    return value


def load_ipython_extension(shell: Any) -> None:
    """Make ``%%gantt`` known to IPython, which calls this for ``%load_ext kaygraph_viz``."""
    from importlib import import_module

    import_module(f"{__name__}.magics").load_ipython_extension(shell)


def __dir__() -> list[str]:
    return sorted(__all__)

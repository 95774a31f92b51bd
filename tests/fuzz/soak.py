"""``make soak``: everything the package does, again and again, and nothing may be left over.

Belongs here: rounds, and counting what a process holds. Does not belong here: whether results are right (``graphs``).
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import matplotlib as mpl
import psutil
from matplotlib import pyplot as plt

import kaygraph_viz as kv
from kaygraph_viz.base.errors import CallCancelled
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve
from tests.fuzz.functions import Function, Work
from tests.fuzz.graphs import Workers, children, run_case

KINDS = ("serial", "thread", "process", "async")
WARM_UP = 3  # rounds in which caches fill and modules are loaded
CLUSTER_EVERY = 5  # rounds, since a cluster takes seconds to start
CASES = 5  # random graphs in each round
MORE_BYTES, MORE_OBJECTS = 48 << 20, 3_000  # that may be there at the end: what the allocator keeps, late caches
PER_ROUND = 15  # objects that a round may leave on average; one that leaks leaves more
PER_CLUSTER = 1_000  # objects that Dask keeps of each cluster that was closed, also of one of its own


class Holdings(NamedTuple):
    """What this process holds; `descriptors` is 0 where the system does not say."""

    processes: int
    threads: int
    descriptors: int
    objects: int
    bytes: int

    @classmethod
    def now(cls) -> Holdings:
        plt.close("all")
        left = len(children())  # collects garbage, too
        process = psutil.Process()
        descriptors = process.num_fds() if hasattr(process, "num_fds") else 0
        memory = process.memory_info().rss
        return cls(left, threading.active_count(), descriptors, len(gc.get_objects()), memory)

    def __str__(self) -> str:
        return (
            f"{self.processes} processes, {self.threads} threads, {self.descriptors} descriptors, "
            f"{self.objects:,} objects, {self.bytes / 2**20:,.0f} MiB"
        )


def leaks(start: Holdings, end: Holdings, rounds: int) -> list[str]:
    """Return in words what there is more of at the end than at the start."""
    late = MORE_OBJECTS + rounds * (PER_ROUND + PER_CLUSTER // CLUSTER_EVERY)
    allowed = start._replace(objects=start.objects + late, bytes=start.bytes + MORE_BYTES)
    more = zip(Holdings._fields, start, end, allowed, strict=True)
    return [f"{name}: {before:,} at first, {after:,} at the end" for name, before, after, most in more if after > most]


def soak(minutes: float, rounds: int | None = None, *, with_cluster: bool = True) -> list[str]:
    """Run rounds for some minutes, or a number of them after the warm-up, and return what they left over."""
    mpl.use("agg")
    until_s, number, start, kinds = time.monotonic() + 60 * minutes, 0, Holdings.now(), Counter[str]()
    with TemporaryDirectory() as folder:
        while (number < WARM_UP + rounds) if rounds is not None else (time.monotonic() < until_s or number <= WARM_UP):
            run_round(number, Path(folder), with_cluster=with_cluster and number % CLUSTER_EVERY == 0)
            number += 1
            end = Holdings.now()
            print(f"round {number}: {end}", flush=True)
            if number == WARM_UP:
                start, kinds = end, _kinds()
    found = leaks(start, end, number - WARM_UP)
    if found:
        print("kinds of objects:", *(_kinds() - kinds).most_common(12), sep="\n  ")
    return found


def _kinds() -> Counter[str]:
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def run_round(number: int, folder: Path, *, with_cluster: bool) -> None:
    """Do everything once."""
    with Workers(with_cluster=with_cluster) as workers:
        for case in range(CASES * number, CASES * (number + 1)):
            run_case(case % 1000, workers)
    for kind in (*KINDS, "dask") if with_cluster else KINDS:
        use_executor(kind)
    show(folder)
    serve_requests()
    stop_pipelines()
    stop_calls()


# -- what a round does ------------------------------------------------------------------------------------------------


def use_executor(kind: str) -> None:
    """Start workers; items succeed, fail and are read only in part, recorded and not."""
    function = Function(Work(1, failing=0.3))
    with kv.get_executor(kind, 2) as executor:
        list(executor.imap(function, range(20), on_error="collect"))
        with kv.record(), suppress(Exception):
            list(executor.imap(function, range(20)))
        executor.imap(function, range(20)).close()
        next(executor.imap(function, iter(range(1000)), on_error="collect"))


def show(folder: Path) -> None:
    """Save and load a trace, and draw it in every way."""
    graph = kv.Graph(start=kv.FanOutNode({"a": len, "b": str.upper}, node_id="both"))
    graph.start_node.prep = lambda shared: "text"  # type: ignore[union-attr]
    with kv.record(memory=True, sample_s=0.01) as trace:  # in a process of its own
        graph.run({})
    trace = kv.load(trace.save(folder / "trace.jsonl.gz"))
    for draw in (kv.gantt, kv.concurrency, kv.queue_depth, kv.memory_curve):
        with suppress(kv.KayGraphVizError):  # nothing to draw
            kv.save_picture(draw(trace), folder / "picture.svg")
    kv.save_picture(kv.diagram(graph, trace=trace), folder / "picture.png")
    plt.close("all")
    kv.save_report(trace, folder / "report.html", graph=graph)
    kv.to_perfetto(trace, folder / "perfetto.json")
    kv.to_frame(trace)
    str(kv.what_if(trace)), str(kv.explain(trace))
    kv.timeline(trace, graph=graph).close()
    with kv.record() as live:
        view = kv.timeline(live)
        graph.run({})
    view.wait()
    view.close()


def serve_requests() -> None:
    """Start the services, ask them, also in vain, and stop them."""
    settings = ServiceSettings(latency_s=0, fail_first=1)
    with serve(settings) as server, server.client() as client:
        for number in range(4):
            client.get("/social", params={"customer_id": f"C{number:05}"})
    with kv.VirtualClock(), serve(settings) as server, server.client() as client:
        client.get("/social", params={"customer_id": "C00001"})


def stop_pipelines() -> None:
    """Run pipelines to their end, to an error, and until their reader leaves."""
    stages = [kv.Stage("a", Function(Work(2)), 2, buffer=2), kv.Stage("b", Function(Work(3, failing=0.3)), 2)]

    class FirstOnly(kv.PipelineNode):
        def exec(self, run):  # type: ignore[no-untyped-def]
            return next(run)

    kv.PipelineNode(stages).run({"items": range(20)})
    with suppress(Exception):
        kv.PipelineNode(stages, on_error="raise").run({"items": range(20)})
    FirstOnly(stages).run({"items": iter(range(10_000))})


def stop_calls() -> None:
    """Cancel calls in progress, and let them run out of time."""
    for kind in ("thread", "process", "async"):
        token = kv.CancelToken()
        with kv.get_executor(kind, 2) as executor, suppress(CallCancelled):
            for outcome in executor.imap(Function(Work(4)), iter(range(10_000)), cancel=token):
                if outcome.index == 3:
                    token.cancel()
    with kv.record(clock="virtual"), suppress(TimeoutError), kv.get_executor("thread", 2) as executor:
        list(executor.imap(kv.sleep, [1, 2, 3], timeout=1.5))


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak and return the exit code: 1 if something was left over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    found = soak(parser.parse_args(arguments).minutes)
    print(*(f"LEFT OVER: {each}" for each in found) if found else ("nothing was left over",), sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

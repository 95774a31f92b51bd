"""Small programs that use everything whose order could depend on the machine; on every kind of worker.

``python -m tests.virtual.scenarios`` prints a digest of the saved trace and the result of each, for several seeds: the
same on every machine, under every version of Python and with every ``PYTHONHASHSEED``. The file ``schedules.txt`` holds
them; where an order was changed on purpose, or the format of traces, write it anew.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import kaygraph_viz as kv
from kaygraph_viz.course.patterns.map_reduce import word_count_graph
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.registry import KINDS

SEEDS = (0, 1)
KNOWN = Path(__file__).with_name("schedules.txt")


def cost(item):
    return (item * 7919 % 13) / 10 + 0.1


def uneven(item):
    kv.sleep(cost(item))
    kv.compute(cost(item + 3) / 5)
    return item


async def uneven_async(item):
    await kv.sleep_async(cost(item))
    kv.compute(cost(item + 3) / 5)
    return item


def even(item):
    kv.sleep(1)
    kv.compute(0.02)
    return item


async def even_async(item):
    await kv.sleep_async(1)
    kv.compute(0.02)
    return item


def flaky(item):
    kv.sleep(cost(item))
    if item % 3 == 0:
        raise ValueError(f"item {item}")
    return item


async def flaky_async(item):
    await kv.sleep_async(cost(item))
    if item % 3 == 0:
        raise ValueError(f"item {item}")
    return item


FUNCTIONS = {"uneven": (uneven, uneven_async), "even": (even, even_async), "flaky": (flaky, flaky_async)}


def run(kind, name, items, workers=3, **options):
    with kv.get_executor(kind, workers) as executor:
        outcomes = executor.imap(FUNCTIONS[name][kind == "async"], items, **options)
        return [(outcome.index, outcome.status, outcome.attempts) for outcome in outcomes]


def batch(kind):
    return run(kind, "uneven", range(12))


def ties(kind):
    return run(kind, "even", range(9), ordered=False)


def bounded(kind):
    def slowly():
        for item in range(8):
            kv.sleep(0.05)
            yield item

    return run(kind, "uneven", slowly(), window=1)


def retries(kind):
    policy = kv.RetryPolicy.exponential(3, start_s=0.2, jitter_s=0.3)
    return run(kind, "flaky", range(7), on_error="collect", retry=policy)


def timeouts(kind):
    return run(kind, "uneven", range(12), on_error="collect", timeout=0.9)


def deadline(kind):
    try:
        return run(kind, "even", range(30), deadline=2.5)
    except kv.KayGraphVizError as error:
        return type(error).__name__


def cancelled(kind):
    token, seen = CancelToken(), []
    try:
        with kv.get_executor(kind, 3) as executor:
            for outcome in executor.imap(FUNCTIONS["uneven"][kind == "async"], range(50), cancel=token, ordered=False):
                seen.append(outcome.index)
                if len(seen) == 5:
                    token.cancel()
    except kv.KayGraphVizError as error:
        return seen, type(error).__name__


def limited(kind):
    limit = kv.RateLimit(per_second=3, in_flight=2)

    def call(item):
        with limit:
            kv.sleep(cost(item) / 4)
            if item == 4:
                raise Busy

    async def call_async(item):
        async with limit:
            await kv.sleep_async(cost(item) / 4)
            if item == 4:
                raise Busy

    if kind in ("process", "dask"):  # no memory is shared
        return None
    with kv.get_executor(kind, 5) as executor:
        outcomes = executor.imap(call_async if kind == "async" else call, range(9), on_error="collect")
        return [outcome.status for outcome in outcomes]


class Busy(Exception):
    retry_after_s = 1.5


def submitted(kind):
    function = FUNCTIONS["uneven"][kind == "async"]
    with kv.get_executor(kind, 3) as executor:
        futures = [executor.submit(function, item) for item in range(6)]
        first = [future.result() for future in concurrent.futures.as_completed(futures, timeout=100)]
        futures = [executor.submit(function, item) for item in range(6)]
        done, _ = concurrent.futures.wait(futures, timeout=1)
        return first, [future.result() for future in done]


class Inner(kv.ParallelBatchNode):
    def prep(self, shared):
        return range(3)

    def exec(self, item):
        return uneven(item)


class Outer(kv.ParallelBatchNode):
    def prep(self, shared):
        return range(4)

    def exec(self, item):
        Inner(2).run({})
        return item


def nested(kind):
    Outer(3, executor=kind).run({})


def first(shared):
    shared["first"] = uneven(1)
    return shared["first"]


def second(shared):
    shared["second"] = uneven(shared["first"] + 5)


def third(shared):
    return uneven(8)


class Fan(kv.FanOutNode):
    def prep(self, shared):
        return dict(shared) if self.executor in ("process", "dask") else shared


def fan_out(kind):
    Fan(branches={"first": first, "second": second, "third": third}, executor=kind).run(shared := {"first": 0})
    return sorted(shared)


def pipeline(kind):
    if kind == "dask":  # no kind of stage
        return None
    costly, wrong = (FUNCTIONS[name][kind == "async"] for name in ("uneven", "flaky"))
    retry = kv.RetryPolicy.exponential(2, start_s=0.1, jitter_s=0.1)
    stages = [
        kv.Stage("cost", costly, workers=2, buffer=1, executor=kind),
        kv.Stage("fail", wrong, workers=3, buffer=2, timeout=1.2, retry=retry, executor=kind),
    ]
    with PipelineRun(stages, range(10), ordered=False) as run:
        found = [(outcome.index, outcome.status, outcome.attempts) for outcome in run]
    return found, run.bottleneck, [(facts.blocked_s, facts.longest_queue) for facts in run.stages]


def word_count(kind):
    texts = ["a b a", "b c", "c d a", "", "e a b"]
    word_count_graph(max_workers=2, executor=kind).run(shared := {"speeches": [Text(each) for each in texts]})
    return shared["ranking"]


@dataclass(frozen=True)
class Text:
    text: str


def validation(kind):
    from kaygraph_viz.course.patterns.checks import local_checks  # it needs pydantic, which not every place has
    from kaygraph_viz.course.patterns.validation import validation_graph

    records = load_customers()[:6]
    with local_checks(records, ServiceSettings(seed=1)) as checks:
        validation_graph(checks, max_workers=4, executor=kind).run(shared := {"records": records})
    return [(verdict.customer_id, verdict.status) for verdict in shared["verdicts"]]


def coroutines(kind):
    return asyncio.run(_coroutines()) if kind == "async" else None


async def _coroutines():
    found = []
    async with asyncio.TaskGroup() as group:
        for item in range(4):
            group.create_task(uneven_async(item))
    found += [await each for each in asyncio.as_completed([even_async(item) for item in range(5)])]
    done, late = await asyncio.wait([asyncio.ensure_future(uneven_async(item)) for item in range(9)], timeout=0.7)
    found += [[task.result() for task in done], len(late)]
    for task in late:
        task.cancel()
    await asyncio.gather(*(asyncio.to_thread(_spanned, item) for item in range(3)))
    for item in range(3):
        await asyncio.to_thread(_spanned, item)  # one after the other
    return found


def _spanned(item):
    with kv.span(f"span {item}"):
        kv.sleep(0.3)


class Defaults(kv.ParallelBatchNode):
    def prep(self, shared):
        return range(22)

    def exec(self, item):
        return uneven_async(item) if self.executor == "async" else uneven(item)


def defaults(kind):
    """Nobody says how many workers or cores there are."""
    run(kind, "uneven", iter(range(30)), workers=None, ordered=False)
    Defaults(executor=kind).run({})
    Defaults(executor=kind, schedule="static").run({})
    word_count_graph(executor=kind).run(shared := {"speeches": [Text("a b a"), Text("b c")]})
    return shared["ranking"]


SCENARIOS = (
    batch, ties, bounded, retries, timeouts, deadline, cancelled, limited, submitted, nested, fan_out, pipeline,
    word_count, validation, coroutines, defaults,
)  # fmt: skip


def saved(scenario, kind, seed, path, **options):
    """Run a scenario in simulated time; return its saved trace, and what it returned, as bytes."""
    with kv.record(clock=kv.VirtualClock(seed, **options), shared_access=True) as trace:
        result = scenario(kind)
    trace.validate().save(path)
    return path.read_bytes() + repr(result).encode()


def digests(scenario):
    """Run a scenario on every kind of worker with every seed, and return a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.jsonl")
        return [
            f"{scenario.__name__} {kind} {seed} {hashlib.sha256(saved(scenario, kind, seed, path)).hexdigest()[:16]}"
            for kind in KINDS
            for seed in SEEDS
        ]


if __name__ == "__main__":
    for each in SCENARIOS:
        print("\n".join(digests(each)))

"""Never too many calls, in a second or at once, whoever makes them; by a clock of the test, or in simulated time."""

from __future__ import annotations

import asyncio
import threading

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError, ServiceUnavailable
from kaygraph_viz.clock.clock import current_clock, use_clock
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

GUARD_S = 20.0


class Service:
    """Notes when calls begin and how many are inside."""

    def __init__(self, limit):
        self.limit = limit
        self.begun_ns = []
        self.now = self.most = 0
        self.lock = threading.Lock()

    def enter(self):
        with self.lock:
            self.begun_ns.append(current_clock().now_ns())
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self):
        with self.lock:
            self.now -= 1

    def call(self, x):
        with self.limit:
            self.enter()
            self.leave()
        return x

    async def call_async(self, x):
        async with self.limit:
            self.enter()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.leave()
        return x

    def most_in_any_second(self):
        begun = sorted(self.begun_ns)
        return max(sum(start <= other < start + 10**9 for other in begun) for start in begun)


def use(kind, service, count):
    with get_executor(kind, 8) as executor:
        function = service.call_async if kind == "async" else service.call
        return [o.value for o in executor.imap(function, range(count))]


@pytest.mark.parametrize("kind", ["serial", "thread", "async"])
@pytest.mark.parametrize("rate", [1, 3, 10])
def test_never_more_than_the_rate_begin_in_any_second(kind, rate):
    service = Service(RateLimit(per_second=rate))
    with use_clock(FakeClock()) as clock:
        assert use(kind, service, 35) == list(range(35))
        assert service.most_in_any_second() == rate
        assert clock.now_ns() >= (35 // rate - 1) * 10**9
        assert clock.now_ns() <= 36 / rate * 10**9  # and it is used


@pytest.mark.parametrize("kind", ["thread", "async"])
@pytest.mark.parametrize("places", [1, 2, 5])
def test_never_more_than_the_places_at_once(kind, places):
    service = Service(RateLimit(in_flight=places))
    assert use(kind, service, 200) == list(range(200))
    assert service.most <= places
    if kind == "async":
        assert service.most == places


def test_threads_and_coroutines_share_one_limit():
    with record(clock="virtual"):  # in which a call begins at the very time at which it may
        service = Service(RateLimit(per_second=7, in_flight=2))
        thread = threading.Thread(target=use, args=("thread", service, 30))
        thread.start()
        assert use("async", service, 30) == list(range(30))
        thread.join()
    assert len(service.begun_ns) == 60
    assert service.most <= 2
    assert service.most_in_any_second() <= 7
    assert service.now == 0


@pytest.mark.parametrize("kind", ["serial", "thread", "async"])
def test_retry_after_holds_all_of_them_back(kind):
    limit = RateLimit(in_flight=1)
    begun_s = []

    def call(x):
        with limit:
            begun_s.append(current_clock().now_ns() / 1e9)
            if x == 1:
                raise ServiceUnavailable("geo", "too many", retry_after_s=30)

    async def call_async(x):
        async with limit:
            begun_s.append(current_clock().now_ns() / 1e9)
            if x == 1:
                raise ServiceUnavailable("geo", "too many", retry_after_s=30)

    with use_clock(FakeClock()), get_executor(kind, 3) as executor:
        list(executor.imap(call_async if kind == "async" else call, range(4), on_error="collect"))
    assert sorted(begun_s)[:2] != sorted(begun_s)[2:]
    assert {0.0, 30.0} == set(begun_s)


def test_a_pause_holds_back_and_strange_values_do_nothing():
    limit = RateLimit(per_second=100)
    with use_clock(FakeClock()) as clock:
        limit.pause(5)
        limit.pause(-1)
        with limit:
            assert clock.now_ns() == 5 * 10**9
        for strange in (float("nan"), float("inf"), True, "3", None, -4):
            error = LookupError()
            error.retry_after_s = strange
            with pytest.raises(LookupError), limit:
                raise error
        with limit:
            assert clock.now_ns() == 5 * 10**9


@pytest.mark.parametrize("raised", [RuntimeError, StopIteration, SystemExit])
def test_an_error_that_fails_when_it_is_asked_for_a_wait_is_left_alone_and_its_place_is_free(raised):
    class NoAnswerError(Exception):
        @property
        def retry_after_s(self):
            raise raised

    limit = RateLimit(in_flight=1)
    with pytest.raises(NoAnswerError), limit:
        raise NoAnswerError
    assert not limit._turns._inside


def test_a_cancelled_waiter_gives_its_place_on():
    async def main():
        limit, entered = RateLimit(in_flight=1), []

        async def enter(x, gate):
            async with limit:
                entered.append(x)
                await gate.wait()

        gate = asyncio.Event()
        first, second, third = (asyncio.create_task(enter(x, gate)) for x in range(3))
        for _ in range(5):
            await asyncio.sleep(0)
        second.cancel()
        gate.set()
        await asyncio.wait([first, second, third])
        assert entered == [0, 2]
        assert second.cancelled()
        async with asyncio.timeout(GUARD_S), limit:  # nothing was lost
            pass

    asyncio.run(main())


def test_one_that_is_cancelled_just_as_it_is_called_gives_its_place_on():
    async def main():
        limit = RateLimit(in_flight=1)

        async def enter():
            async with limit:
                return "entered"

        await limit.__aenter__()
        second, third = asyncio.create_task(enter()), asyncio.create_task(enter())
        for _ in range(3):
            await asyncio.sleep(0)
        await limit.__aexit__(None, None, None)  # calls the second one
        second.cancel()
        async with asyncio.timeout(GUARD_S):
            assert await third == "entered"
        assert second.cancelled() or second.cancelling()

    asyncio.run(main())


@pytest.mark.parametrize("is_async", [True, False])
def test_an_interrupt_while_waiting_for_the_time_loses_no_place(is_async):
    class Interrupting(FakeClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    limit = RateLimit(per_second=1, in_flight=1)

    async def enter():
        async with limit:
            pass

    with use_clock(Interrupting()):
        with limit:
            pass
        with pytest.raises(KeyboardInterrupt):
            if is_async:
                asyncio.run(enter())
            else:
                with limit:
                    pass
    with use_clock(FakeClock(100)):
        with limit:
            pass
        asyncio.run(enter())


@pytest.mark.parametrize("kind", ["serial", "async"])
def test_the_time_it_took_is_blocked_time_and_a_wait_span(kind):
    service = Service(RateLimit(per_second=1))
    with record(clock=FakeClock()) as trace:
        use(kind, service, 3)
    waits = trace.where(kind="wait")
    branches = {s.span_id: s for s in trace.where(kind="branch")}
    assert {s.name for s in waits} == {"rate limit"}
    assert sum(branches[s.parent_id].blocked_ns for s in waits) == sum(s.blocked_ns for s in waits)
    assert max(s.ended_ns for s in waits) == 2 * 10**9
    trace.validate()


@pytest.mark.parametrize(
    "options",
    [{}, {"per_second": 0}, {"per_second": -1}, {"per_second": 1.5}, {"per_second": True}, {"in_flight": 0},
     {"in_flight": 10**9}, {"in_flight": "2"}],
    ids=str,
)  # fmt: skip
def test_impossible_limits(options):
    with pytest.raises(OptionError):
        RateLimit(**options)


def test_it_says_what_it_is():
    assert repr(kv.RateLimit(50, 8)) == "RateLimit(per_second=50, in_flight=8)"

"""The clock of simulated time.

Belongs here: its options, entering and leaving a block, and what is refused in one before it would block simulated
time: real connections and sleeps in a branch, waits of an event loop of real time. Does not belong here: the schedule
(``scheduler``), what is detected because nothing moves (``watchdog``), what works in simulated time (``patches``).

Python reports a connection to an audit hook before it is made, and from version 3.13 on a sleep. The hook does nothing
outside of branches in simulated time.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar
from types import FrameType
from typing import Any, Self

from kaygraph_viz.base.checks import checked_flag, checked_number, checked_seconds, checked_whole, checked_workers
from kaygraph_viz.base.errors import OptionError, VirtualClockError
from kaygraph_viz.base.machine import SIMULATED, SIMULATED_CORES, Machine
from kaygraph_viz.base.parts import contextmanager, log_kept
from kaygraph_viz.base.thread_protocols import Event
from kaygraph_viz.clock.clock import WORKER_KINDS, Clock, current_clock, until_set, use_clock
from kaygraph_viz.clock.virtual.carriers import carrier
from kaygraph_viz.clock.virtual.code_places import is_user_frame
from kaygraph_viz.clock.virtual.fiber import Fiber
from kaygraph_viz.clock.virtual.loop import VirtualLoop, loops_in_simulated_time
from kaygraph_viz.clock.virtual.patches import ordinary_code
from kaygraph_viz.clock.virtual.preempt import Preemption
from kaygraph_viz.clock.virtual.processors import Slots, compute
from kaygraph_viz.clock.virtual.scheduler import Scheduler
from kaygraph_viz.clock.virtual.threads import VirtualEvent, VirtualThreads, futures_in_simulated_time, here, module_of
from kaygraph_viz.clock.virtual.user_threads import started_threads

__all__ = ["SIMULATED_WORKERS", "VirtualClock"]

_in_branch: ContextVar[bool] = ContextVar("kaygraph_viz_in_virtual_branch", default=False)
_is_installed: list[bool] = []
_WAITS_OF_LOOPS = ("call_at", "run_in_executor")
SIMULATED_WORKERS = 4  # by default, on any machine


class VirtualClock(Clock):
    """A clock that advances only when all threads wait: the same run, to the nanosecond, on every machine.

    ``with record(clock="virtual", seed=0)`` makes one with the defaults. Branches are unchanged: `sleep` is waiting and
    `compute` is CPU, in simulated seconds; whatever else they do takes no simulated time. Threads share one
    interpreter, which passes to the next one every 5 ms; processes have one each; of the coroutines of a loop one runs
    at a time. What branches in other processes get and return is copied, as it really would be. The default number of
    workers is 4. Used for a second block, the clock goes on where it stopped.

    Parameters
    ----------
    seed
        Whole number, 0 or more. 0: what is due at one instant comes in the order in which it became certain (when a
        thread fell asleep, was started or was woken). Any other number: in an order drawn from it. What ends at the
        very instant of its deadline is in time. The module `random` is seeded with it inside the block.
    cores
        How many processes, and threads without a GIL, can compute at once, 1 to 4096, whatever the machine has; None
        for any number.
    gil
        Whether one thread of a process computes at a time, as in the usual Python. False: threads compute side by side,
        as in a free-threaded one (``python3.14t``); the coroutines of a loop still take turns.
    switch_interval_s
        How long a thread keeps the interpreter when others want it [s], above 0.
    start_up_s
        How long a worker takes to start [s]: a number, or one for each kind (``thread process dask``).
    dispatch_s
        How long an item takes to reach a worker [s], in the same way.
    preempt
        The chance, 0 to 1, that a thread yields after a single instruction of user code; see `explore`. Above 0,
        each version of Python has schedules of its own. In a browser tab this holds for functions, methods and
        coroutines of your code, but not for code in `exec`, for modules that a branch imports, and for methods that a
        dataclass gets which is defined inside a branch.
    patience_s
        How long a branch may wait for something that simulated time cannot see, while the whole process is idle [s of
        real time], above 0. Ten times that where something else in the process computes, where the system does not
        report what its threads do (Linux does), and for the main program, which is only warned.

    Raises
    ------
    OptionError
        If an option is out of its range.

    Notes
    -----
    Ordinary code means what it really means, in simulated seconds: `time.sleep` and the clocks of `time` (which begin
    at 0, the date on 1 January 2000), the locks, events, conditions, semaphores, barriers, timers and threads of
    `threading`, the queues of `queue`, ``ThreadPoolExecutor`` (8 threads by default), and all of `asyncio` under
    `asyncio.run` or `run`. That goes for what your code makes inside the block, for events, semaphores, barriers and
    queues that it has made before, and for locks made before that have a name in your modules or are attributes of a
    class or an object that has. What installed libraries make is real, and so are the threads that they start; those
    get an error that says so when they wait with `kv.sleep`.

    What your own code asks of the machine otherwise, such as its cores or the order of a set of texts, stays as it is
    there.

    A real connection inside a branch, a pool that was made before the block, and waiting coroutines in a loop that
    was there before it, as that of a notebook, are refused with an error that says what to write. A branch that waits
    for something else that is real, such as another lock made before the block, a socket or another program, is
    reported with its line after `patience_s`. Reading a file may take long, and so may code that computes, in
    whatever language and however busy the machine is. A deadlock is reported at once, with the threads that wait for
    each other and their lines (`DeadlockError`). A branch that computes without end meets no deadline, since time
    stands still meanwhile: after a hundred times `patience_s` a warning says where. A branch that ends its process
    (``os._exit``) ends this one. At the end of the block all threads end that were started inside, and their pools
    are shut.

    Examples
    --------
    >>> from kaygraph_viz.clock.clock import sleep
    >>> with VirtualClock() as clock:
    ...     sleep(3600)
    ...     clock.now_ns()
    3600000000000
    >>> VirtualClock(gil=False)
    VirtualClock(seed=0, gil=False)
    """

    is_exact = True
    has_network = False
    default_workers = SIMULATED_WORKERS
    threads: VirtualThreads

    def __init__(
        self,
        seed: int = 0,
        *,
        cores: int | None = SIMULATED_CORES,
        gil: bool = True,
        switch_interval_s: float = 0.005,
        start_up_s: float | Mapping[str, float] = 0.0,
        dispatch_s: float | Mapping[str, float] = 0.0,
        preempt: float = 0.0,
        patience_s: float = 0.1,
    ) -> None:
        self.seed = checked_whole("seed", seed, 0, 1 << 62)
        checked_workers(cores, "cores")
        self.gil = checked_flag("gil", gil, "gil=False")
        checked_seconds("switch_interval_s", switch_interval_s, "switch_interval_s=0.005", low=1e-6)
        checked_seconds("patience_s", patience_s, "patience_s=0.1", low=1e-3)
        self.preempt = checked_number("preempt", preempt, 0, 1, "preempt=0.1")
        self.start_up_s = _by_kind("start_up_s", start_up_s)
        self.dispatch_s = _by_kind("dispatch_s", dispatch_s)
        self._interval_ns = round(switch_interval_s * 1e9)
        self._scheduler = Scheduler(seed, patience_s)
        self._cores_in_all = cores
        self._cores = Slots(self._scheduler, cores, "a core", "core")
        self._blocks: list[Any] = []
        self._home: asyncio.Task[Any] | None = None
        self._preemption = Preemption(self._scheduler, self.preempt)
        self.threads = VirtualThreads(self, self._scheduler, self._preemption, has_gil=gil)

    @property
    def machine(self) -> Machine:
        """The computer that is simulated."""
        return Machine(self._cores_in_all, SIMULATED, self.gil)

    def now_ns(self) -> int:
        """Return the simulated time [ns]; it begins at 0."""
        return self._scheduler.now_ns

    def cpu_ns(self) -> int:
        """Return the simulated CPU time of the calling thread [ns]."""
        fiber = self._scheduler.mine()
        return 0 if fiber is None else fiber.cpu_ns

    def sleep(self, seconds: float) -> None:
        """Park the calling thread for `seconds` of simulated time [s]; others go on."""
        self._scheduler.park(self._scheduler.now_ns + round(seconds * 1e9), "the time")

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task for `seconds` of simulated time [s]; other tasks and threads go on."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            await asyncio.sleep(seconds)
        elif asyncio.current_task() is self._home or len(asyncio.all_tasks(loop)) < 2:
            self.sleep(seconds)  # the cell of a notebook is the only task of its loop: nothing else is held up
        else:
            raise VirtualClockError(
                "this event loop runs in real time, because it existed before the block began; write kv.run(main()) "
                "instead of await main(), or await graph.run_async(shared)"
            )

    def wait(self, event: Event, seconds: float) -> bool:
        """Park the calling thread until an event is set, at most `seconds` of simulated time [s]."""
        return event.wait(seconds)

    async def wait_async(self, event: asyncio.Event, seconds: float) -> None:
        """Suspend the calling task until an event is set, at most `seconds` of simulated time [s]."""
        is_mine = isinstance(asyncio.get_running_loop(), VirtualLoop)
        await (until_set(event, seconds) if is_mine else self.sleep_async(seconds))

    def compute(self, seconds: float) -> None:
        """Use CPU for `seconds` [s], shared with other threads of the same interpreter if it has a GIL."""
        compute(self._scheduler, self._cores, round(seconds * 1e9), self._interval_ns)

    def new_event_loop(self) -> VirtualLoop:
        """Return an event loop in simulated time."""
        return VirtualLoop(self.threads, ties_by_chance=self.seed != 0)

    def is_kept_by(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether an event loop is one of simulated time."""
        return isinstance(loop, VirtualLoop)

    async def wait_beside(self, event: Event) -> None:
        """Wait for an event in simulated time while the running loop, which keeps real time, goes on."""
        assert isinstance(event, VirtualEvent)
        await event.wait_beside()

    def simulates(self, kind: str) -> bool:
        """Return whether the workers of executors of a kind are simulated."""
        return kind in WORKER_KINDS

    def enter_branch(self, context: Context) -> None:
        """Refuse real connections in the branches that will run in a context."""
        guard(context)

    @property
    def is_running(self) -> bool:
        """Whether a block is running in it."""
        return self._scheduler.root is not None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the schedule with the calling thread; at the end of the block end all that still runs."""
        if self.is_running:  # a block inside the block
            yield
            return
        scheduler = self._scheduler

        def now_s_here() -> float | None:
            return None if scheduler.mine() is None else scheduler.now_ns / 1e9

        with carrier().block():
            state = random.getstate()
            random.seed(self.seed)
            self._home = asyncio.current_task() if asyncio._get_running_loop() is not None else None
            try:
                scheduler.enter(Fiber("the main program", self.threads.interpreter()))
                with ordinary_code(), started_threads(self.threads):  # still there for threads that `close` ends
                    try:
                        with (
                            guards(),
                            self._preemption.in_block(),
                            loops_in_simulated_time(scheduler, self.new_event_loop),
                            futures_in_simulated_time(self.threads.Event, now_s_here),
                        ):
                            yield
                    finally:
                        self.threads.shut_pools()
                        scheduler.close()
            except KeyboardInterrupt:
                if scheduler.reason is not None:
                    raise scheduler.reason from None
                raise
            finally:
                random.setstate(state)

    def __enter__(self) -> Self:
        block = self._block()
        block.__enter__()
        self._blocks.append(block)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._blocks.pop().__exit__(None, None, None)

    @contextmanager
    def _block(self) -> Iterator[None]:
        with log_kept(), self.running(), use_clock(self):
            yield

    def __repr__(self) -> str:
        return f"VirtualClock(seed={self.seed}{'' if self.gil else ', gil=False'})"


def _by_kind(name: str, value: float | Mapping[str, float]) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(WORKER_KINDS, checked_seconds(name, value, f"{name}=0.005"))
    if unknown := set(value) - set(WORKER_KINDS):
        expected = f"seconds for {', '.join(WORKER_KINDS)}"
        raise OptionError(name, sorted(map(str, unknown)), expected, f'{name}={{"process": 0.1}}')
    seconds = {kind: checked_seconds(name, each, f"{name}=0.005") for kind, each in value.items()}
    return dict.fromkeys(WORKER_KINDS, 0.0) | seconds


def guard(context: Context) -> None:
    """Mark a context as one in which a branch of simulated time will run."""
    context.run(_in_branch.set, True)


@contextmanager
def guards() -> Iterator[None]:
    """Refuse real connections in branches, and real waits of coroutines, while the block runs."""
    if not _is_installed:
        _is_installed.append(True)
        sys.addaudithook(_hook)  # once: Python cannot remove it
    loop = asyncio._get_running_loop()  # one that was running before the block, such as that of a notebook
    if loop is None or any(name in vars(loop) for name in _WAITS_OF_LOOPS):
        yield
        return
    with suppress(AttributeError):  # a loop written in C has no attributes to replace
        for name in _WAITS_OF_LOOPS:
            setattr(loop, name, _refuser(getattr(loop, name)))
    try:
        yield
    finally:
        for name in _WAITS_OF_LOOPS:
            vars(loop).pop(name, None)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    refuse = _REFUSED.get(event)
    if refuse is not None and not current_clock().has_network and _in_branch.get():
        refuse(args)


def _refuse_connection(args: tuple[Any, ...]) -> None:
    raise VirtualClockError(
        f"under a virtual clock no real connection to {args[1] if len(args) > 1 else args!r} is possible; use the "
        "client of a service that was started inside the block (server.client()), or record with the real clock"
    )


def _refuse_sleep(args: tuple[Any, ...]) -> None:
    """Refuse the real `time.sleep` that a module bound before the block; our own calls are let through."""
    if args and args[0] and not module_of(sys._getframe(2)).startswith("kaygraph_viz."):
        raise VirtualClockError(
            f"the virtual clock cannot replace this time.sleep({args[0]}): a library or a default argument holds the "
            f"real function from before the block; write kv.sleep({args[0]}) instead"
        )


_REFUSED: dict[str, Callable[[tuple[Any, ...]], None]] = {
    "socket.connect": _refuse_connection,
    "time.sleep": _refuse_sleep,
}


def _refuser(wait: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a loop that refuses to wait for coroutines of the user."""

    def refuse(*args: Any, **options: Any) -> Any:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and module_of(frame).partition(".")[0] == "asyncio":
            frame = frame.f_back
        if here() is not None and frame is not None and is_user_frame(frame):
            raise VirtualClockError(
                "this event loop runs in real time, because it existed before the block began; write kv.run(main()) "
                "instead of await main(), or await graph.run_async(shared)"
            )
        return wait(*args, **options)

    return refuse

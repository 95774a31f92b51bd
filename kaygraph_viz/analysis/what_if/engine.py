"""A discrete-event simulation of workers that take the branches of calls.

Belongs here: which worker gets which branch and when, passing results on, and the times of it all. Does not belong
here: what happens within a branch (``tasks``), where durations come from (``model``), what is made of it (``replay``).

The rules are those of the virtual clock. Workers take branches in their order. Of the threads of an interpreter one
computes at a time, and it passes to the next one every 5 ms, in the order in which they came. A coroutine keeps its
loop for as long as it computes. Processes have an interpreter each; they, and threads that compute without the
interpreter, share the cores. Events of one instant come in the order in which they were entered.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence

from kaygraph_viz.analysis.what_if.tasks import Callback, CallSpec, EventLoop, Operation, Simulation, Slots, Task
from kaygraph_viz.analysis.workers import OWN_INTERPRETER

SWITCH_NS = 5_000_000  # sys.getswitchinterval()
MAX_TURNS = 20_000  # of the interpreter: in longer runs turns are longer, or each second would cost 200 events
LOOP_TURN_NS = 10_000_000  # how long branches that never wait keep the loop for themselves


def simulate(
    program: Sequence[Operation],
    branches: int,
    operations_of: Callable[[int], Sequence[Operation]],
    *,
    cores: int | None = None,
    switch_ns: int = SWITCH_NS,
    has_gil: bool = True,
) -> Simulation:
    """Simulate a program and return all times of it."""
    simulation = Simulation(branches, operations_of, cores, switch_ns, make_calls, has_gil=has_gil)
    main = Task(simulation, simulation.new_interpreter(), is_alone=cores is None)
    simulation.events.call_at(0, lambda: main.perform(program, simulation.end))
    simulation.events.run()
    return simulation


def make_calls(owner: Task, specs: Sequence[CallSpec], on_over: Callback) -> None:
    """Begin calls at once, and call back when the last one is over."""
    left = [len(specs)]

    def one_is_over() -> None:
        left[0] -= 1
        if not left[0]:
            owner.call_soon(on_over)

    pools = [(WorkerPool if spec.feeder is None else FedPool)(owner, spec, one_is_over) for spec in specs]
    for pool in pools:
        pool.is_alone = owner.is_alone and len(pools) == 1
        if isinstance(pool, FedPool):
            pools[pool.feeder].follower = pool
        owner.events.call_at(owner.events.now + pool.spec.after_ns, pool.begin)
    if not pools:
        owner.call_soon(on_over)


class Worker(Task):
    """One worker of a pool: a thread, or a process."""

    __slots__ = ("_branch", "_done_ns", "_pulls", "number", "place", "pool")

    def __init__(self, pool: WorkerPool, number: int, interpreter: Slots, *, is_alone: bool) -> None:
        super().__init__(pool.owner.simulation, interpreter, is_alone=is_alone)
        self.pool = pool
        self.number = number
        self.place = 0  # of its branch among all that the pool has taken
        self._branch = -1
        self._done_ns = self._pulls = 0

    def pull(self) -> None:
        """Take the next branch, if there is one; after an empty branch another, in a loop and not by recursion."""
        self._pulls += 1
        while self._pulls == 1:
            branch = self.pool.next_for(self)
            if branch is None:
                self.suspend()
            else:
                self._branch = branch
                self.place = self.pool.taken
                self.pool.taken += 1
                begins_ns = self.pool.supplied_ns(branch) + self.pool.spec.dispatch_ns
                if begins_ns > self.events.now:
                    self.events.call_at(begins_ns, self._begin)
                else:
                    self._begin()
            self._pulls -= 1

    def _begin(self) -> None:
        simulation, branch = self.simulation, self._branch
        simulation.started[branch] = self.events.now
        simulation.worker[branch] = self.number
        self.perform(simulation.operations_of(branch), self._end)

    def _end(self) -> None:
        self._done_ns = self.events.now
        self.pass_on()

    def pass_on(self) -> None:
        """End the branch and take another one, once there is room for its result; else the follower calls again."""
        follower = self.pool.follower
        if follower is not None and not follower.offer(self, self._branch):
            self.suspend()
            return
        self.simulation.ended[self._branch] = self.events.now
        self.simulation.blocked[self._branch] = self.events.now - self._done_ns
        self._pull_again()

    def _pull_again(self) -> None:
        self.pull()


class Coroutine(Worker):
    """One slot of an event loop: it runs only while it has the loop."""

    __slots__ = ("_has_waited",)

    def __init__(self, pool: WorkerPool, number: int, loop: EventLoop) -> None:
        super().__init__(pool, number, pool.owner.interpreter, is_alone=False)
        self.loop = loop
        self._has_waited = False

    def call_soon(self, callback: Callback) -> None:
        """Continue in the next round of the loop."""
        assert self.loop is not None
        self.loop.call_soon(callback)

    def suspend(self) -> None:
        """Release the loop for other coroutines."""
        assert self.loop is not None
        self.loop.release()

    def _wait(self, duration_ns: int) -> None:
        self.events.call_at(self.events.now + duration_ns, self._wake)
        self._note_wait()
        self.suspend()

    def _wake(self) -> None:
        assert self.loop is not None
        self.loop.wake(self._continue)

    def _note_wait(self) -> None:
        if not self._has_waited:
            self._has_waited = True
            self.pool.open_slots()

    def _call(self, specs: Sequence[CallSpec]) -> None:
        super()._call(specs)
        self._note_wait()
        self.suspend()

    def _begin(self) -> None:
        self._has_waited = False
        super()._begin()

    def _pull_again(self) -> None:
        if self.events.now >= self.pool.turn_ns:
            self.pool.turn_ns = self.events.now + LOOP_TURN_NS
            self.call_soon(self.pull)
            self.suspend()
        else:
            self.pull()


class WorkerPool:
    """The workers of one call while it runs."""

    def __init__(self, owner: Task, spec: CallSpec, on_over: Callback) -> None:
        self.owner = owner
        self.spec = spec
        self.is_alone = False
        self.follower: FedPool | OrderedReader | None = None if spec.kept is None else OrderedReader(spec.kept)
        self.taken = 0  # how many branches workers have taken
        self.turn_ns = 0  # until when coroutines that never wait may go on
        self._simulation = owner.simulation
        self._events = owner.events
        self._on_over = on_over
        self._begun_ns = self._supplied_ns = 0
        self._size = min(spec.workers, len(spec.branches))
        self._started = self._left = 0
        self._is_over = False
        self._queues = [iter(queue) for queue in _queues(spec, self._size)]
        self._loop = (owner.loop or EventLoop(owner.events)) if spec.kind == "async" else None

    def begin(self) -> None:
        """Start the workers; of coroutines one, which opens slots for others when it waits."""
        self._begun_ns = self._supplied_ns = self._events.now
        self._start(1 if self._loop is not None and self._opens_slots_when_needed else self._size)
        if not self._size:
            self._close()

    _opens_slots_when_needed = True

    def open_slots(self) -> None:
        """Double the slots of the loop, as a coroutine waits."""
        if not self._is_over:
            self._start(self._started)

    def _start(self, count: int) -> None:
        start_up = self.spec.start_up_ns or (0,)
        for number in range(self._started, min(self._size, self._started + count)):
            if self._loop is not None:
                worker: Worker = Coroutine(self, number, self._loop)
            elif self.spec.kind in OWN_INTERPRETER:
                interpreter = self._simulation.new_interpreter()
                worker = Worker(self, number, interpreter, is_alone=self._simulation.cores.is_unlimited)
            else:
                worker = Worker(self, number, self.owner.interpreter, is_alone=self.is_alone and self._size == 1)
            self._started += 1
            self._left += 1
            if self._loop is not None:
                self._loop.call_soon(worker.pull)
            else:
                self._events.call_at(self._events.now + start_up[min(number, len(start_up) - 1)], worker.pull)

    def next_for(self, worker: Worker) -> int | None:
        """Return the next branch for a worker; None where there is none, and then the worker has ended."""
        branch = next(self._queues[worker.number % len(self._queues)], None)
        if branch is None:
            self._end_worker()
        return branch

    def supplied_ns(self, branch: int) -> int:
        """Return when the input has yielded a branch that a worker asks for now [ns]."""
        if not self.spec.is_lazy:
            self._simulation.submitted[branch] = self._begun_ns
            return self._events.now
        self._supplied_ns = max(self._supplied_ns, self._events.now) + self.spec.supply_ns.get(branch, 0)
        self._simulation.submitted[branch] = self._supplied_ns
        return self._supplied_ns

    def _end_worker(self) -> None:
        self._is_over = True
        self._left -= 1
        if not self._left:
            self._events.call_at(self._events.now + self.spec.close_ns, self._close)

    def _close(self) -> None:
        """Close the follower, and end the call later by what a sample leaves out."""
        if self.follower is not None:
            self.follower.close()
        lasted_ns = max(0, self._events.now - self.spec.close_ns - self._begun_ns)
        more_ns = round(lasted_ns * (self.spec.scale - 1))
        if more_ns > 0:
            self._events.call_at(self._events.now + more_ns, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._simulation.calls[self.spec.number] = self._begun_ns, self._events.now
        self._on_over()


def _queues(spec: CallSpec, workers: int) -> list[Sequence[int]]:
    """Return the branches that all workers share, or those of each."""
    if not spec.is_static or not workers:
        return [spec.branches]
    edges = [len(spec.branches) * number // workers for number in range(workers + 1)]
    return [spec.branches[first:last] for first, last in itertools.pairwise(edges)]


class OrderedReader:
    """A reader of finished branches, which takes them in the order in which workers took them."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._due = 0
        self._early: set[int] = set()
        self._blocked: deque[Worker] = deque()

    def offer(self, worker: Worker, finished: int) -> bool:
        """Take a finished branch and return True; False while too many before it are missing: it is called later."""
        if worker.place - self._due >= self._room:
            self._blocked.append(worker)
            return False
        self._early.add(worker.place)
        while self._due in self._early:
            self._early.remove(self._due)
            self._due += 1
        for _ in range(len(self._blocked)):
            waiting = self._blocked.popleft()
            if waiting.place - self._due < self._room:
                waiting.call_soon(waiting.pass_on)
            else:
                self._blocked.append(waiting)
        return True

    def close(self) -> None:
        """Do nothing: all have been taken."""


class FedPool(WorkerPool):
    """A pool whose input are the finished branches of another one, which wait for it in a bounded queue."""

    _opens_slots_when_needed = False

    def __init__(self, owner: Task, spec: CallSpec, on_over: Callback) -> None:
        super().__init__(owner, spec, on_over)
        self.feeder = spec.feeder or 0
        self._inbox: dict[int, int] = {}  # branches by place
        self._skipped: set[int] = set()
        self._due = self._entered = 0
        self._idle: deque[Worker] = deque()  # of this pool
        self._blocked: deque[Worker] = deque()  # of the feeder
        self._is_closed = False

    def offer(self, worker: Worker, finished: int) -> bool:
        """Queue the result of a finished branch and return True; False while the queue is full: it is called later."""
        branch = self.spec.follows.get(finished)
        if branch is None:
            if self.spec.is_ordered:
                self._skipped.add(worker.place)
                self._advance()
            return True
        place = worker.place if self.spec.is_ordered else self._entered
        if not self._has_room(place):
            self._blocked.append(worker)
            return False
        self._entered += 1
        self._inbox[place] = branch
        self._simulation.submitted[branch] = self._events.now
        self._wake_idle()
        return True

    def _has_room(self, place: int) -> bool:
        return self.spec.room is None or place - self._due < self.spec.room

    def next_for(self, worker: Worker) -> int | None:
        """Return the next branch; None where there is none yet, and then the worker is woken when there is."""
        branch = self._inbox.pop(self._due, None)
        if branch is not None:
            self._due += 1
            self._advance()
        elif self._is_closed:
            self._end_worker()
        else:
            self._idle.append(worker)
        return branch

    def _advance(self) -> None:
        """Skip the places at which nothing will come, and wake the workers for which there is room now."""
        while self._due in self._skipped:
            self._skipped.remove(self._due)
            self._due += 1
        for _ in range(len(self._blocked) if self.spec.is_ordered else min(1, len(self._blocked))):
            worker = self._blocked.popleft()
            if self.spec.is_ordered and not self._has_room(worker.place):
                self._blocked.append(worker)
            else:
                worker.call_soon(worker.pass_on)
        self._wake_idle()

    def _wake_idle(self) -> None:
        if self._idle and self._due in self._inbox:
            worker = self._idle.popleft()
            worker.call_soon(worker.pull)

    def supplied_ns(self, branch: int) -> int:
        """Return now [ns]: a branch is taken from the queue only when it is there."""
        return self._events.now

    def close(self) -> None:
        """Wake the idle workers, which end, as nothing more will come."""
        self._is_closed = True
        while self._idle:
            worker = self._idle.popleft()
            worker.call_soon(worker.pull)

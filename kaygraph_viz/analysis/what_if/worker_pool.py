"""Who gets which branch in a simulation: workers, and the teams that they form for a call.

Belongs here: taking branches, handing them on, leaving. Does not belong here: what happens within a branch (``tasks``).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence

from kaygraph_viz.analysis.what_if.event_queue import Happening, Loop, Turns
from kaygraph_viz.analysis.what_if.steps import Crew
from kaygraph_viz.analysis.what_if.tasks import Task

__all__ = ["make_call"]

OWN_INTERPRETER = frozenset({"process", "dask"})
LOOP_TURN_NS = 10_000_000  # how long branches that never wait keep the loop for themselves


def make_call(owner: Task, crews: Sequence[Crew], on_over: Happening) -> None:
    """Begin calls at once, and let something happen when the last one is over."""
    left = [len(crews)]

    def one_is_over() -> None:
        left[0] -= 1
        if not left[0]:
            owner.soon(on_over)

    teams = [(Team if crew.feeder is None else FedTeam)(owner, crew, one_is_over) for crew in crews]
    for team in teams:
        team.is_alone = owner.is_alone and len(teams) == 1
        if isinstance(team, FedTeam):
            teams[team.feeder].follower = team
        owner.agenda.at(owner.agenda.now + team.crew.after_ns, team.begin)
    if not teams:
        owner.soon(on_over)


class Worker(Task):
    """One worker of a team: a thread, or a process."""

    __slots__ = ("_branch", "_done_ns", "_pulls", "number", "place", "team")

    def __init__(self, team: Team, number: int, interpreter: Turns, *, is_alone: bool) -> None:
        super().__init__(team.owner.run, interpreter, is_alone=is_alone)
        self.team = team
        self.number = number
        self.place = 0  # of its branch among all that the team has taken
        self._branch = -1
        self._done_ns = self._pulls = 0

    def pull(self) -> None:
        """Take the next branch, if there is one; after one without steps another, not in a call within the call."""
        self._pulls += 1
        while self._pulls == 1:
            self._take()
            self._pulls -= 1

    def _take(self) -> None:
        branch = self.team.next_for(self)
        if branch is None:
            self.rest()
            return
        self._branch = branch
        self.place = self.team.taken
        self.team.taken += 1
        begins_ns = self.team.supplied_ns(branch) + self.team.crew.dispatch_ns
        if begins_ns > self.agenda.now:
            self.agenda.at(begins_ns, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        run, branch = self.run, self._branch
        run.started[branch] = self.agenda.now
        run.worker[branch] = self.number
        self.follow(run.steps_of(branch), self._end)

    def _end(self) -> None:
        self._done_ns = self.agenda.now
        self.hand_on()

    def hand_on(self) -> None:
        """End the branch and take another one, if there is room for what came of it; else try again when told so."""
        follower = self.team.follower
        if follower is not None and not follower.offer(self, self._branch):
            self.rest()
            return
        self.run.ended[self._branch] = self.agenda.now
        self.run.blocked[self._branch] = self.agenda.now - self._done_ns
        self._pull_again()

    def _pull_again(self) -> None:
        self.pull()


class Coroutine(Worker):
    """One slot of a loop: it runs only while it has the loop."""

    __slots__ = ("_has_waited",)

    def __init__(self, team: Team, number: int, loop: Loop) -> None:
        super().__init__(team, number, team.owner.interpreter, is_alone=False)
        self.loop = loop
        self._has_waited = False

    def soon(self, what: Happening) -> None:
        """Go on in the next round of the loop."""
        assert self.loop is not None
        self.loop.soon(what)

    def rest(self) -> None:
        """Leave the loop to others."""
        assert self.loop is not None
        self.loop.give_back()

    def _wait(self, duration_ns: int) -> None:
        self.agenda.at(self.agenda.now + duration_ns, self._wake)
        self._note_wait()
        self.rest()

    def _wake(self) -> None:
        assert self.loop is not None
        self.loop.wake(self._go_on)

    def _note_wait(self) -> None:
        if not self._has_waited:
            self._has_waited = True
            self.team.one_waits()

    def _call(self, crews: Sequence[Crew]) -> None:
        super()._call(crews)
        self._note_wait()
        self.rest()

    def _begin(self) -> None:
        self._has_waited = False
        super()._begin()

    def _pull_again(self) -> None:
        if self.agenda.now >= self.team.turn_ns:
            self.team.turn_ns = self.agenda.now + LOOP_TURN_NS
            self.soon(self.pull)
            self.rest()
        else:
            self.pull()


class Team:
    """The workers of one call while it runs."""

    def __init__(self, owner: Task, crew: Crew, on_over: Happening) -> None:
        self.owner = owner
        self.crew = crew
        self.is_alone = False
        self.follower: FedTeam | Reader | None = None if crew.kept is None else Reader(crew.kept)
        self.taken = 0  # how many branches workers have taken
        self.turn_ns = 0  # until when coroutines that never wait may go on
        self._run = owner.run
        self._agenda = owner.agenda
        self._on_over = on_over
        self._begun_ns = self._supplied_ns = 0
        self._size = min(crew.workers, len(crew.branches))
        self._hired = self._left = 0
        self._is_over = False
        self._queues = [iter(queue) for queue in _queues(crew, self._size)]
        self._loop = (owner.loop or Loop(owner.agenda)) if crew.kind == "async" else None

    def begin(self) -> None:
        """Let the workers start."""
        self._begun_ns = self._supplied_ns = self._agenda.now
        self._hire(1 if self._loop is not None and self._opens_slots_when_needed else self._size)
        if not self._size:
            self._close()

    _opens_slots_when_needed = True

    def one_waits(self) -> None:
        """Open more slots of the loop, as a coroutine waits: as many again as there are."""
        if not self._is_over:
            self._hire(self._hired)

    def _hire(self, count: int) -> None:
        start_up = self.crew.start_up_ns or (0,)
        for number in range(self._hired, min(self._size, self._hired + count)):
            worker = self._worker(number)
            self._hired += 1
            self._left += 1
            if self._loop is not None:
                self._loop.soon(worker.pull)
            else:
                self._agenda.at(self._agenda.now + start_up[min(number, len(start_up) - 1)], worker.pull)

    def _worker(self, number: int) -> Worker:
        if self._loop is not None:
            return Coroutine(self, number, self._loop)
        if self.crew.kind in OWN_INTERPRETER:
            return Worker(self, number, self._run.interpreter(), is_alone=self._run.cores.is_unlimited)
        return Worker(self, number, self.owner.interpreter, is_alone=self.is_alone and self._size == 1)

    def next_for(self, worker: Worker) -> int | None:
        """Return the next branch; None where there is none, and then the worker has left."""
        branch = next(self._queues[worker.number % len(self._queues)], None)
        if branch is None:
            self._leave()
        return branch

    def supplied_ns(self, branch: int) -> int:
        """Return when the input has come up with a branch that is asked for now [ns]."""
        if not self.crew.is_lazy:
            self._run.submitted[branch] = self._begun_ns
            return self._agenda.now
        self._supplied_ns = max(self._supplied_ns, self._agenda.now) + self.crew.supply_ns.get(branch, 0)
        self._run.submitted[branch] = self._supplied_ns
        return self._supplied_ns

    def _leave(self) -> None:
        self._is_over = True
        self._left -= 1
        if not self._left:
            self._agenda.at(self._agenda.now + self.crew.close_ns, self._close)

    def _close(self) -> None:
        """Tell whoever is fed, who stands for more branches too, and end when as many as these stand for would have."""
        if self.follower is not None:
            self.follower.close()
        lasted_ns = max(0, self._agenda.now - self.crew.close_ns - self._begun_ns)
        more_ns = round(lasted_ns * (self.crew.scale - 1))
        if more_ns > 0:
            self._agenda.at(self._agenda.now + more_ns, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._run.calls[self.crew.number] = self._begun_ns, self._agenda.now
        self._on_over()


def _queues(crew: Crew, workers: int) -> list[Sequence[int]]:
    """Return the branches that all workers share, or those of each."""
    if not crew.is_static or not workers:
        return [crew.branches]
    edges = [len(crew.branches) * number // workers for number in range(workers + 1)]
    return [crew.branches[first:last] for first, last in itertools.pairwise(edges)]


class Reader:
    """Whoever takes finished branches in the order in which they were taken, as soon as they are there.

    Parameters
    ----------
    room
        How many may wait for one before them.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._due = 0
        self._early: set[int] = set()
        self._givers: deque[Worker] = deque()

    def offer(self, giver: Worker, finished: int) -> bool:
        """Take a finished branch; False while there are too many before it, and then the giver is told."""
        if giver.place - self._due >= self._room:
            self._givers.append(giver)
            return False
        self._early.add(giver.place)
        while self._due in self._early:
            self._early.remove(self._due)
            self._due += 1
        for _ in range(len(self._givers)):
            waiting = self._givers.popleft()
            if waiting.place - self._due < self._room:
                waiting.soon(waiting.hand_on)
            else:
                self._givers.append(waiting)
        return True

    def close(self) -> None:
        """Do nothing: all have been taken."""


class FedTeam(Team):
    """A team whose input are the finished branches of another one, which wait for it in a queue."""

    _opens_slots_when_needed = False

    def __init__(self, owner: Task, crew: Crew, on_over: Happening) -> None:
        super().__init__(owner, crew, on_over)
        self.feeder = crew.feeder or 0
        self._inbox: dict[int, int] = {}  # branches by place
        self._skipped: set[int] = set()
        self._due = self._entered = 0
        self._takers: deque[Worker] = deque()
        self._givers: deque[Worker] = deque()
        self._is_closed = False

    def offer(self, giver: Worker, finished: int) -> bool:
        """Take what has come of a finished branch; False where there is no room yet, and then the giver is told."""
        branch = self.crew.follows.get(finished)
        if branch is None:
            if self.crew.is_ordered:
                self._skipped.add(giver.place)
                self._go_on()
            return True
        place = giver.place if self.crew.is_ordered else self._entered
        if not self._has_room(place):
            self._givers.append(giver)
            return False
        self._entered += 1
        self._inbox[place] = branch
        self._run.submitted[branch] = self._agenda.now
        self._wake_taker()
        return True

    def _has_room(self, place: int) -> bool:
        return self.crew.room is None or place - self._due < self.crew.room

    def next_for(self, worker: Worker) -> int | None:
        """Return the next branch; None where there is none yet, and then the worker is told when there is."""
        branch = self._inbox.pop(self._due, None)
        if branch is not None:
            self._due += 1
            self._go_on()
        elif self._is_closed:
            self._leave()
        else:
            self._takers.append(worker)
        return branch

    def _go_on(self) -> None:
        """Pass the places at which nothing will come, and tell those for whom there is room now."""
        while self._due in self._skipped:
            self._skipped.remove(self._due)
            self._due += 1
        for _ in range(len(self._givers) if self.crew.is_ordered else min(1, len(self._givers))):
            giver = self._givers.popleft()
            if self.crew.is_ordered and not self._has_room(giver.place):
                self._givers.append(giver)
            else:
                giver.soon(giver.hand_on)
        self._wake_taker()

    def _wake_taker(self) -> None:
        if self._takers and self._due in self._inbox:
            worker = self._takers.popleft()
            worker.soon(worker.pull)

    def supplied_ns(self, branch: int) -> int:
        """Return now [ns]: what is in the queue is there."""
        return self._agenda.now

    def close(self) -> None:
        """Say that nothing more will come."""
        self._is_closed = True
        while self._takers:
            worker = self._takers.popleft()
            worker.soon(worker.pull)

"""Simulated time: the same programs, run on a deterministic schedule.

Belongs here: the schedule, the clock that users see, and threads, locks, futures and event loops that wait in simulated
time. Does not belong here: what is run (``execute``) and what is recorded (``trace``).

The idea
--------
User code runs unchanged, in real threads, but only one of them runs at a time. A thread that would wait parks: it tells
the scheduler until when, or for what, passes the turn to the thread that is due next, and blocks on a real lock until
its own turn comes. When all wait, nothing is left but the passing of time, so the clock jumps to the next event. Code
between two waits takes no simulated time, unless it says so with `compute` or `cost`. No decision depends on how fast
the machine is or how it schedules threads, so a program has one run, to the nanosecond, for each seed.

Threads and not coroutines, since user code calls functions that block, and cannot be rewritten to yield. Real threads
and not greenlets, since thread-local data, `threading.current_thread` and debuggers then work as they do without us.

A browser tab has no threads. There each fiber is a stack of calls that waits for a promise of JavaScript and what
Python keeps for each thread is exchanged with the fiber. A fiber has its turn from what carries it (``carriers``), and
nothing else here knows which that is: the schedule is the same, to the byte. The tests run both ways, with greenlets in
place of promises. There is no watchdog in a browser tab. Preemption works there, too: user code is rewritten so that it
calls us between its instructions (``preempt``).

Which thread runs next
----------------------
The event queue is a heap ordered by time, then by a tie value, then by a serial number. With seed 0 ties are broken by
the serial number: first queued, first run. With another seed the tie value is random, so that each seed is another
legal order of what happens at once. Expired time limits have the highest tie value: what ends at the very instant of
its deadline is in time. The turn changes only where a thread waits or ends; with ``preempt`` also between instructions
of user code. CPU time is a wait, too: for the slot of an interpreter (the GIL), then for one of a core, then for the
end of a slice, which is as long as Python's switch interval if another thread wants the slot.

What a block replaces, in the order in which it is entered
----------------------------------------------------------
It is left in the reverse order. Blocks that are nested, or run in several threads, share the names of 3 and 4, which
the last one to end puts back.

1. The random state (``clock``). It is read first and restored last, so that nothing below can change it for the caller.
2. The schedule itself (``scheduler``), with the calling thread as its first fiber, and the watchdog. All that follows
   asks whether the calling thread is on the schedule.
3. Names of `time`, `threading` and `queue`, also where modules of the user have bound them, and locks from before the
   block that have a name there (``patches``, ``locks``).
4. ``start``, ``join`` and ``is_alive`` of threads, and ``submit`` of pools (``user_threads``). These two come before
   the rest because the threads that the end of the block stops still meet them while they clean up.
5. Refusals (``clock``): an audit hook for connections and sleeps of branches, and the waits of a running real loop.
6. Preemption (``preempt``), if it was asked for: hooks of Python, or the code of user functions.
7. What makes event loops and ``asyncio.as_completed`` and ``asyncio.Lock.acquire`` (``loop``).
8. ``wait`` and ``as_completed`` of `concurrent.futures` (``threads``).
9. The context variable of the clock in force. It is last, since from here on the package itself waits in simulated
   time, which needs all of the above; and it is left first, so that their clean-up waits in real time.

At the end of a block 8 to 5 are taken back first. Then pools are shut down and each thread that is left gets `Stopped`
where it waits, one after the other in the order of their starts; one in a computation or a system call is interrupted
from outside. Only then the names are put back.

Each replacement asks who calls it (``threads``): in a thread that is not on the schedule, and in code of an
installed library, it does what it replaces. A library may share its locks with threads that are not simulated, so that
simulating those locks would hang the program. The waits of this package that must be real put the real clock in force.

What it cannot simulate
-----------------------
- Waits for something real: a socket, a file, a process, a lock that a library holds. What can be told in advance is
  refused (``clock``). The rest is detected: if the process is idle while a thread has the turn, that one waits for
  something real (``watchdog``).
- How long code takes. The simulation has what `compute`, `cost` and `sleep` say.
- The death of a process. Simulated processes are threads with an interpreter of their own, which get copies; what ends
  the process ends the program.
- An event loop that was running before the block, such as that of a notebook: only one task of it can wait.
- Code that polls without sleeping. Time stands still meanwhile; the watchdog warns.
- Orders that Python itself leaves open, such as that of a set of texts. Futures and tasks are hashed by a number, since
  their order in a set would otherwise follow their addresses.
"""

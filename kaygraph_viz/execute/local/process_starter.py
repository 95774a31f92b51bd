"""The parent's side of worker processes: starting, asking, ending them, and keeping idle ones for later.

Belongs here: one child, and the pool of an executor. Does not belong here: what is asked (``processes``), what happens
inside a child (``worker_process``).
"""

from __future__ import annotations

import os
import pickle
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import IO, Any

from kaygraph_viz.base.errors import CallCancelled, OptionError, WorkerStartError
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.execute.local.answers import AnswerReader, SharedProgress

__all__ = ["Child", "Pool"]

PROGRAM = (  # the folder of the program, which is none, must not hide anything; the parent's folders come with the call
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv[1]); "
    "from kaygraph_viz.execute.local.worker_process import main; main(sys.argv[2:])"
)
ROOT = str(Path(__file__).resolve().parents[3])
HAS_PAIRS = os.name == "posix"  # where a child can inherit open files by number
OWN_GROUP: dict[str, Any] = (  # a signal that a terminal sends is for the parent
    {"process_group": 0} if HAS_PAIRS else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
)
POLL_CHILD_S = 0.25  # a process that the child left behind may keep the pipe open: its end alone says nothing
PAUSE_S = 0.01  # between looks at a process that nothing tells about
END_TIMEOUT_S = 1.0  # for a child that was asked to end
MAX_FAILURES = 3  # processes that ended by themselves
MAX_KILLED = 20  # processes that were ended from outside: then the item that they should have begun is lost
OWN_FAULTS = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"}  # what a process does to itself


def _memory_file() -> IO[bytes]:
    """Return a file to be shared as memory, where the system can without a disk: a full one would be a crash."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("kaygraph-viz"), "r+b")
    return tempfile.TemporaryFile(prefix="kaygraph-viz-")


class Child:
    """A worker process, seen from its parent."""

    def __init__(self) -> None:
        self.header: object = None  # the call it knows
        self.was_killed = False
        if not sys.executable:
            raise OptionError("executor", "process", "another kind: this Python has no executable to start", "thread")
        self._chunk = 0  # the number of the one that was sent last
        self._waiting = Lock()  # held while its number is used, and while it is given free
        self._start()
        self.answers = AnswerReader(self.pipe, self.pid)

    def _start(self) -> None:
        if HAS_PAIRS:
            import socket

            ours, theirs = socket.socketpair()
            with theirs, _memory_file() as file:
                file.truncate(SharedProgress.SIZE)
                self.progress = SharedProgress(file.fileno())
                self.pipe: Any = Connection(ours.detach())
                descriptors = (theirs.fileno(), file.fileno())
                self.process = self._spawn(*map(str, descriptors), pass_fds=descriptors)
        else:
            self._start_by_name()

    def _start_by_name(self) -> None:
        """Start a child that finds pipe and memory by their names; only it knows the key."""
        key = secrets.token_bytes(32)
        descriptor, path = tempfile.mkstemp(prefix="kaygraph-viz-")
        try:
            os.ftruncate(descriptor, SharedProgress.SIZE)
            self.progress = SharedProgress(descriptor)
            with Listener(authkey=key) as listener:
                env = os.environ | {"KAYGRAPH_VIZ_KEY": key.hex()}
                self.process = self._spawn(str(listener.address), path, env=env)
                threading.Thread(target=self._unblock_listener, args=(listener.address,), daemon=True).start()
                self.pipe = listener.accept()
        except AuthenticationError:  # that was us
            self.progress.close()
            raise WorkerStartError(self.process.wait(), 1) from None
        finally:
            os.close(descriptor)
            with suppress(OSError):  # Windows keeps what is in use; its temporary folder is cleaned by the system
                Path(path).unlink()

    def _unblock_listener(self, address: Any) -> None:
        """Connect to a listener whose child has ended before it did: it would wait for ever."""
        self.process.wait()
        with suppress(OSError, EOFError, AuthenticationError):
            Client(address, authkey=b"not the key").close()

    def _spawn(self, *places: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, ROOT, str(os.getpid()), *places]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **OWN_GROUP, **options)  # noqa: S603  (our own program)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid

    def ask(self, header: dict[str, Any], indices: list[int], items: list[Any]) -> None:
        """Send a chunk, after the settings of its call if they are new to the child; raise `OSError` if it is dead."""
        if self.header is not header:
            self.pipe.send_bytes(pickle.dumps(header, pickle.HIGHEST_PROTOCOL))
            self.header = header
        self._chunk += 1
        self.pipe.send_bytes(pickle.dumps((self._chunk, indices, items), pickle.HIGHEST_PROTOCOL))

    def answer(self, within_s: float) -> bytes | None:
        """Return the answer to the last chunk, or None if there is none yet."""
        within_s = max(0.0, min(within_s, POLL_CHILD_S))
        if self.answers.has_news(within_s):
            try:
                return self.answers.read(self._chunk)
            except EOFError:
                if self.answers.has_refused or self.progress.in_progress is None or self.has_ended():
                    raise
                REAL.sleep(min(within_s, PAUSE_S))  # it is about to end, or its branch has closed the pipe and goes on
                return None
        if self.has_ended() and not self.answers.has_news(0):
            raise EOFError
        return None

    def has_ended(self) -> bool:
        """Return whether the process has ended; it keeps its number until `end`, where the system allows that."""
        if self.process.returncode is None and hasattr(os, "waitid"):
            with suppress(ChildProcessError):  # nobody waits for processes here, or somebody else did
                return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return self.process.poll() is not None

    def kill(self) -> None:
        """End the process at once, and what it has started, since its time is over; from any thread."""
        self.was_killed = True
        self._kill()

    def _kill(self) -> None:
        with self._waiting:
            self._kill_group()
            self.process.kill()

    def _kill_group(self) -> None:
        """Kill all that is in the group of the process, which keeps its number as long as nobody has waited for it."""
        if os.name == "posix" and self.process.returncode is None:
            with suppress(OSError):
                if hasattr(os, "waitid"):
                    os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # fails if somebody has
                os.killpg(self.pid, signal.SIGKILL)

    def ask_to_end(self) -> None:
        """Tell an idle child that it is not needed any more."""
        with suppress(OSError):
            self.pipe.send_bytes(b"")  # in words: that the pipe ends, it may not notice, or take for our death
            self.pipe.close()

    def end(self, within_s: float = END_TIMEOUT_S) -> int | None:
        """Make sure that the process and what it has started have ended; return its code, minus that of a signal."""
        until, pause_s = time.monotonic() + within_s, 0.0005
        while not self.has_ended() and time.monotonic() < until:
            REAL.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S)
        if not self.has_ended():
            self._kill()
        with self._waiting:
            self._kill_group()
            return self.process.wait()

    def close(self) -> None:
        """Close pipe and memory of a child whose process has ended."""
        self.pipe.close()
        self.progress.close()

    def leave_to_parent(self) -> None:
        """Close what this process, a fork, has inherited of a child of its parent."""
        self.process.returncode = 0  # there is nothing to wait for here
        self.close()


class Pool:
    """The worker processes of one executor: idle ones are kept for later calls."""

    def __init__(self, max_idle: int) -> None:
        self.max_idle = max_idle
        self.begin_count()
        self._owner = os.getpid()
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._is_closed = self._is_over = False

    def take(self) -> Child:
        """Return an idle child, or a new one."""
        if self._is_over:
            raise CallCancelled("the program is ending")
        if self._owner != os.getpid():
            self._begin_anew()
        with suppress(IndexError):
            while True:
                child = self._idle.pop()
                if not child.has_ended():
                    return child
                self._end([child])
        child = Child()
        self._all.add(child)
        return child

    def _begin_anew(self) -> None:
        """Leave the children to the process of which this one is a fork: two may not talk to one child."""
        others, self._idle, self._all, self._owner = self._all, [], set(), os.getpid()
        for child in others:
            child.leave_to_parent()

    def begin_count(self) -> None:
        """Count from here on how many children end, one after the other, before they begin anything."""
        self._ended = self._failed = 0  # in any way, and by themselves

    def give_back(self, child: Child) -> None:
        """Keep a child for later, or end it where there are enough."""
        if self._is_closed or len(self._idle) >= self.max_idle:
            self._end([child])
        else:
            self._idle.append(child)
            if self._is_closed:  # meanwhile
                self.close()

    def remove_dead(self, child: Child, *, was_idle: bool) -> int | None:
        """Take a dead child off the list and return its code; raise `WorkerStartError` after too many idle ones."""
        self._all.discard(child)
        code = child.end()
        child.close()
        if not was_idle:
            self.begin_count()
            return code
        # the code is minus the number of a signal, or what the process itself said
        self._ended += 1
        self._failed += code is None or code >= 0 or -code in {getattr(signal, name, 0) for name in OWN_FAULTS}
        if self._failed >= MAX_FAILURES:
            tries = self._ended
            self.begin_count()
            raise WorkerStartError(code, tries)
        return code

    def were_too_many_killed(self) -> bool:
        """Return whether so many were ended from outside, one after the other, that an item is given up; count anew."""
        if self._ended < MAX_KILLED:
            return False
        self.begin_count()
        return True

    def close(self) -> None:
        """End the idle children; those that work are ended when they are given back."""
        self._is_closed = True
        if self._owner == os.getpid():  # a fork of this process has no children
            idle = []
            while self._idle:
                with suppress(IndexError):
                    idle.append(self._idle.pop())
            self._end(idle)

    def close_all(self) -> None:
        """End all children at once: the executor, or the program, is gone."""
        if self._owner == os.getpid():
            self._is_over = True
            for child in list(self._all - set(self._idle)):
                with suppress(OSError):
                    child.kill()
            self.close()

    def _end(self, children: list[Child]) -> None:
        for child in children:
            child.ask_to_end()
        until = time.monotonic() + END_TIMEOUT_S
        for child in children:
            child.end(until - time.monotonic())
            child.close()
            self._all.discard(child)

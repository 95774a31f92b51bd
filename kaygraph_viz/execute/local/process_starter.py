"""The parent's side of worker processes: starting, asking, ending them, and keeping idle ones for later.

Belongs here: one child, and the pool of an executor. Does not belong here: what is asked (``processes``), what happens
inside a child (``worker_process``).
"""

from __future__ import annotations

import os
import pickle
import secrets
import select
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from kaygraph_viz.errors import CallCancelled, OptionError, WorkerStartError
from kaygraph_viz.execute.local.shared_progress import SharedProgress

__all__ = ["Child", "Pool"]

PROGRAM = (  # the folder of the program, which is none, must not hide anything; the parent's folders come with the call
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv[1]); "
    "from kaygraph_viz.execute.local.worker_process import main; main(sys.argv[2:])"
)
ROOT = str(Path(__file__).resolve().parents[3])
HAS_PAIRS = os.name == "posix"  # where a child can inherit open files by number
POLL_CHILD_S = 0.25  # a process that the child left behind may keep the pipe open: its end alone says nothing
END_TIMEOUT_S = 1.0  # for a child that was asked to end
MAX_FAILURES = 3


class Child:
    """A worker process, seen from its parent.

    It is started with a program of ours rather than a copy of this one: neither a script without a ``__main__`` guard
    nor a notebook is run again.
    """

    def __init__(self) -> None:
        self.header: object = None  # the call it knows
        self.was_killed = False
        if not sys.executable:
            raise OptionError("executor", "process", "another kind: this Python has no executable to start", "thread")
        self._start()
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self.pipe.fileno(), select.POLLIN)

    def _start(self) -> None:
        if HAS_PAIRS:
            import socket

            ours, theirs = socket.socketpair()
            with theirs, tempfile.TemporaryFile(prefix="kaygraph-viz-") as file:
                file.truncate(SharedProgress.SIZE)
                self.progress = SharedProgress(file.fileno())
                self.pipe: Any = Connection(ours.detach())
                descriptors = (theirs.fileno(), file.fileno())
                self.process = self._spawn(*map(str, descriptors), pass_fds=descriptors, process_group=0)
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
                options = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
                self.process = self._spawn(str(listener.address), path, env=env, **options)
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
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)  # noqa: S603  (our own program)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid

    def ask(self, header: dict[str, Any], indices: list[int], items: list[Any]) -> None:
        """Send a chunk, after the settings of its call if they are new to the child; raise `OSError` if it is dead."""
        if self.header is not header:
            self.pipe.send_bytes(pickle.dumps(header, pickle.HIGHEST_PROTOCOL))
            self.header = header
        self.pipe.send_bytes(pickle.dumps((indices, items), pickle.HIGHEST_PROTOCOL))

    def answer(self, within_s: float) -> bytes | None:
        """Return the answer to a chunk, or None if there is none yet; raises `EOFError` or `OSError` if it is dead."""
        within_s = max(0.0, min(within_s, POLL_CHILD_S))
        has_ended = self.process.returncode is not None
        if self._poll.poll(within_s * 1e3) if self._poll is not None else self.pipe.poll(within_s):
            answer: bytes = self.pipe.recv_bytes()
            return answer
        if has_ended:
            raise EOFError
        self.process.poll()
        return None

    def kill(self) -> None:
        """End the process at once; from any thread."""
        self.was_killed = True
        self.process.kill()

    def end(self) -> int | None:
        """Make sure that the process has ended, and return its exit code; minus the number of a signal."""
        try:
            return self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """Close pipe and memory of a child whose process has ended."""
        self.pipe.close()
        self.progress.close()


class Pool:
    """The worker processes of one executor: idle ones are kept for later calls."""

    def __init__(self, max_idle: int) -> None:
        self.max_idle = max_idle
        self.failures = 0  # children that ended, one after the other, before they began anything
        self._owner = os.getpid()
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._is_closed = self._is_over = False

    def take(self) -> Child:
        """Return an idle child, or a new one.

        Raises
        ------
        OSError
            If the system starts no more processes.
        KayGraphVizError
            If no process can be started, or the program is about to end.
        """
        if self._is_over:
            raise CallCancelled("the program is ending")
        with suppress(IndexError):
            return self._idle.pop()
        child = Child()
        self._all.add(child)
        return child

    def give_back(self, child: Child) -> None:
        """Keep a child for later, or end it where there are enough."""
        if self._is_closed or len(self._idle) >= self.max_idle:
            self._end([child])
        else:
            self._idle.append(child)
            if self._is_closed:  # meanwhile
                self.close()

    def remove_dead(self, child: Child, *, was_idle: bool) -> int | None:
        """Take a dead child off the list and return its exit code.

        The third in a row that had begun nothing is a `WorkerStartError`.
        """
        self._all.discard(child)
        code = child.end()
        child.close()
        self.failures = self.failures + 1 if was_idle else 0
        if self.failures >= MAX_FAILURES:
            self.failures = 0
            raise WorkerStartError(code, MAX_FAILURES)
        return code

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
            with suppress(OSError):
                child.pipe.close()  # that is how a child learns that it is not needed any more
        until = time.monotonic() + END_TIMEOUT_S
        for child in children:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.process.wait()
            child.progress.close()
            self._all.discard(child)

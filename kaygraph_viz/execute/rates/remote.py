"""A limit in several processes: one keeps it, the others ask it whose turn it is.

Belongs here: what travels to a process, asking from there, and the answers. Does not belong here: what the answer is
(``turns``).

A connection carries one call at a time. When it breaks, its process is gone: what its call had is given back.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import weakref
from collections import deque
from contextlib import suppress
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge, wait
from typing import Any, Self
from weakref import WeakValueDictionary

from kaygraph_viz.base.errors import RateLimitError
from kaygraph_viz.base.threads import Event, Thread
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.execute.rates.turns import Ending, Place, Turns, caller, nothing

Address = str | tuple[str, int]
LOOK_S = 0.05
_limits: WeakValueDictionary[str, Any] = WeakValueDictionary()


class Ticket:
    """What travels to another process: which limit it is, and where it is kept."""

    def __init__(self, name: str, key: bytes, address: Address | None = None) -> None:
        self.name, self.key, self.address = name, key, address

    @classmethod
    def of(cls, limit: object) -> Self:
        """Return a ticket for a limit of this process."""
        ticket = cls(f"{os.getpid()}-{secrets.token_hex(8)}", secrets.token_bytes(32))
        ticket.keep(limit)
        return ticket

    def keep(self, limit: object) -> None:
        """Note which limit it is in this process."""
        _limits[self.name] = limit

    def known(self) -> Any:
        """Return the limit in this process, or None."""
        return _limits.get(self.name)

    def open(self, limit: object, turns: Turns | Asking) -> None:
        """Be ready for other processes; in simulated time there are none."""
        if self.address is None and isinstance(turns, Turns) and current_clock().has_network:
            self.address = start_owner(limit, turns, self.key)


# -- asking ------------------------------------------------------------------------------------------------------


class Asking:
    """The turns of a limit that another process keeps."""

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket
        self._idle: deque[Connection] = deque()  # one for each call that was in progress at the same time
        self._entered: dict[Place, None] = {}

    def take(self, place: Place) -> None:
        """Wait for a turn; in a thread."""
        self._ask(place)
        place.held_by = self._answer(place)
        self._entered[place] = None

    async def take_async(self, place: Place) -> None:
        """Wait for a turn; in a coroutine."""
        self._ask(place)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def wait() -> None:
            try:
                held_by, error = self._answer(place), None
            except RateLimitError as raised:
                held_by, error = "", raised

            def tell() -> None:
                if not answer.done():
                    answer.set_result(held_by) if error is None else answer.set_exception(error)

            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(tell)

        Thread(target=wait, name="rate limit", daemon=True).start()
        place.held_by = await answer
        self._entered[place] = None

    def leave(self, place: Place, ending: Ending) -> None:
        """End a call; a second time does nothing."""
        self._entered.pop(place, None)
        if place.link is not None:
            connection, place.link = place.link, None
            self._send(connection, ("leave", tuple(ending)))
            self._idle.append(connection)

    def give_back(self, place: Place) -> None:
        """Undo all that was done for a call that was not made."""
        self._entered.pop(place, None)
        if place.link is not None:
            connection, place.link = place.link, None
            with suppress(OSError), connection:  # where the answer has not come, closing it says the same
                connection.send(("back",))

    def correct(self, place: Place, units: int) -> None:
        """Count another number of units for a call, as long as its block lasts."""
        if place.link is None:
            raise RateLimitError(
                "in a worker process, the units of a call can only be corrected in its block: "
                "with limit.units(1200) as call: ...; call.used(950)"
            )
        self._send(place.link, ("correct", units))

    def pause(self, seconds: float) -> None:
        """Let no call begin for some time [s]."""
        connection = self._connection()
        self._send(connection, ("pause", seconds))
        self._idle.append(connection)

    def entered(self) -> Place | None:
        """Return a call whose block has begun: the newest of the caller."""
        entered = [place for place in list(self._entered) if place.is_entered]
        mine = (place for place in reversed(entered) if place.owner == caller())
        return next(mine, entered[-1] if entered else None)

    def _ask(self, place: Place) -> None:
        place.owner = caller()
        place.link = connection = self._connection()
        self._send(connection, ("take", place.units))

    def _answer(self, place: Place) -> str:
        """Return what the call has waited for, when its turn has come."""
        try:
            while (connection := place.link) is not None:
                if connection.poll(LOOK_S):
                    held_by: str = connection.recv()
                    return held_by
        except (EOFError, OSError) as error:
            raise _gone() from error
        raise _gone()

    def _connection(self) -> Connection:
        with suppress(IndexError):
            return self._idle.pop()
        if self._ticket.address is None:
            raise _gone()
        try:
            return Client(self._ticket.address, authkey=self._ticket.key)
        except (OSError, EOFError, AuthenticationError) as error:
            raise _gone() from error

    def _send(self, connection: Connection, message: tuple[Any, ...]) -> None:
        try:
            connection.send(message)
        except OSError as error:
            raise _gone() from error


def _gone() -> RateLimitError:
    return RateLimitError(
        "the process that keeps this rate limit does not answer: it has ended, or does not hold the limit any more; "
        "keep it in a variable there as long as workers use it"
    )


# -- answering ---------------------------------------------------------------------------------------------------


def start_owner(limit: object, turns: Turns, key: bytes) -> Address:
    """Answer other processes as long as `limit` exists; return the address."""
    listener, is_over = Listener(), Event()
    address: Address = listener.address
    pid = os.getpid()

    def accept() -> None:
        with listener:
            while not is_over.is_set():
                try:
                    connection = listener.accept()
                except OSError:  # it was gone before it was there, or this process has too many files open
                    is_over.wait(LOOK_S)
                    continue
                serving = Thread(
                    target=_serve, args=(connection, turns, key), name="rate limit of a process", daemon=True
                )
                serving.start()

    def stop() -> None:
        if os.getpid() == pid:  # not in a forked copy
            is_over.set()
            with suppress(OSError):  # wakes the thread that listens
                Client(address).close()

    weakref.finalize(limit, stop)
    Thread(target=accept, name="rate limit", daemon=True).start()
    return address


def _serve(connection: Connection, turns: Turns, key: bytes) -> None:
    """Carry out what a process asks for, until it is gone."""
    with connection:
        try:
            deliver_challenge(connection, key)
            answer_challenge(connection, key)
        except (AuthenticationError, EOFError, OSError):
            return
        while (message := _received(connection))[0] != "gone":
            if message[0] == "take":
                _carry_out(connection, turns, Place(message[1]))
            elif message[0] == "pause":
                turns.pause(message[1])


def _carry_out(connection: Connection, turns: Turns, place: Place) -> None:
    """Wait for the turn of a call, say so, and wait for its end."""
    try:
        if not _has_begun(connection, turns, place):
            return
    finally:
        if not place.is_entered:
            turns.give_back(place)
    while (message := _received(connection))[0] == "correct":
        turns.correct(place, message[1])
    if message[0] == "back":
        turns.give_back(place)
    else:
        turns.leave(place, Ending(*message[1]) if message[0] == "leave" else Ending(is_ok=False))


def _has_begun(connection: Connection, turns: Turns, place: Place) -> bool:
    """Wait for the turn of a call and say so; return False where its process is gone or wants it no more."""
    news, tell = Pipe(duplex=False)
    with news, tell:

        def wake() -> None:
            with suppress(OSError):
                tell.send_bytes(b"!")

        place.wake = wake
        while (wait_s := turns.begin_or_wait_s(place)) > 0:
            if connection in wait([connection, news], None if wait_s == math.inf else wait_s):
                return False
            while news.poll():
                news.recv_bytes()
        place.wake = nothing
        turns.wake_first()
    with suppress(OSError):
        connection.send(place.held_by)
        place.is_entered = True
    return place.is_entered


def _received(connection: Connection) -> tuple[Any, ...]:
    try:
        message: tuple[Any, ...] = connection.recv()
    except (EOFError, OSError):
        return ("gone",)
    return message

"""The process that keeps a limit, answering other processes whose turn it is.

Belongs here: listening, and a thread for each connection. Does not belong here: the other end (``remote``).

A connection carries one call at a time. When it breaks, its process is gone: what its call had is given back.
"""

from __future__ import annotations

import math
import os
import weakref
from contextlib import suppress
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge, wait
from typing import Any

from kaygraph_viz.execute.rates.turns import Ending, Place, Turns, nothing
from kaygraph_viz.real_threads import Event, Thread

__all__ = ["start_owner"]

Address = str | tuple[str, int]
LOOK_S = 0.05


def start_owner(limit: object, turns: Turns, key: bytes) -> Address:
    """Answer other processes as long as `limit` exists; return the address."""
    listener, is_over = Listener(), Event()
    address: Address = listener.address
    weakref.finalize(limit, _stop, address, is_over, os.getpid())
    Thread(target=_accept, args=(listener, turns, key, is_over), name="rate limit", daemon=True).start()
    return address


def _stop(address: Address, is_over: Event, pid: int) -> None:
    """Tell the thread that listens to end, and wake it."""
    if os.getpid() == pid:  # not in a forked copy
        is_over.set()
        with suppress(OSError):
            Client(address).close()


def _accept(listener: Listener, turns: Turns, key: bytes, is_over: Event) -> None:
    with listener:
        while not is_over.is_set():
            try:
                connection = listener.accept()
            except OSError:  # it was gone before it was there, or this process has too many files open
                is_over.wait(LOOK_S)
                continue
            Thread(target=_serve, args=(connection, turns, key), name="rate limit of a process", daemon=True).start()


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

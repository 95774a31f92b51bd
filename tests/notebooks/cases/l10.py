"""Answers to the exercise of lesson 10: a slow call first, and at most six calls at once."""

from __future__ import annotations

from tests.notebooks.cases import Case

RUN = """

my_result, mine = simulated(my_collect)
"""

POOL = """
def my_collect(client):
    with ThreadPoolExecutor({threads}) as pool:
        friends = pool.submit(accounts, client, customers[0])
        places = [pool.submit(place, client, customer) for customer in customers]
    return [each.result() for each in places], friends.result()
"""

SLOW_LAST = """
def my_collect(client):
    with ThreadPoolExecutor(6) as pool:
        places = [pool.submit(place, client, customer) for customer in customers]
        friends = pool.submit(accounts, client, customers[0])
    return [each.result() for each in places], friends.result()
"""

MAP = """
from functools import partial


def my_collect(client):
    with ThreadPoolExecutor(max_workers=6) as pool:
        friends = pool.submit(accounts, client, customers[0])
        places = list(pool.map(partial(place, client), customers))
        return places, friends.result()
"""

SEMAPHORE = """
import threading


def my_collect(client):
    free = threading.Semaphore(6)

    def limited(function, customer):
        with free:
            return function(client, customer)

    with ThreadPoolExecutor(49) as pool:
        friends = pool.submit(limited, accounts, customers[0])
        places = [pool.submit(limited, place, customer) for customer in customers]
    return [each.result() for each in places], friends.result()
"""

AS_COMPLETED = """
from concurrent.futures import as_completed


def my_collect(client):
    with ThreadPoolExecutor(6) as pool:
        friends = pool.submit(accounts, client, customers[0])
        places = [pool.submit(place, client, customer) for customer in reversed(customers)]
        found = [each.result() for each in as_completed(places)]
    return found, friends.result()
"""

ONE_LOCK = """
import threading


def my_collect(client):
    lock = threading.Lock()

    def alone(function, customer):
        with lock:
            return function(client, customer)

    with ThreadPoolExecutor(6) as pool:
        friends = pool.submit(alone, accounts, customers[0])
        places = [pool.submit(alone, place, customer) for customer in customers]
    return [each.result() for each in places], friends.result()
"""

FIRST_ONLY = """
def my_collect(client):
    with ThreadPoolExecutor(6) as pool:
        places = [pool.submit(place, client, customer) for customer in customers]
    return [each.result() for each in places], expected[1]
"""

ASLEEP = """
def my_collect(client):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(kv.sleep, [0.02] * 49))
    return expected
"""

CASES = [
    Case("solution", "shipped", grade="5 of 5"),
    Case("untouched", "as in the notebook", grade="4 of 5", says="it was 1.0 times as fast"),
    Case("right", "five threads", POOL.format(threads=5) + RUN, grade="5 of 5"),
    Case("right", "map", MAP + RUN, grade="5 of 5"),
    Case("right", "a semaphore", SEMAPHORE + RUN, grade="5 of 5"),
    Case("wrong", "the slow call last", SLOW_LAST + RUN, grade="4 of 5", says="it was 1.8 times as fast"),
    Case("wrong", "too many threads", POOL.format(threads=49) + RUN, grade="4 of 5", says="49 branches ran at once"),
    Case("wrong", "three threads", POOL.format(threads=3) + RUN, grade="4 of 5", says="it was 1.8 times as fast"),
    Case("wrong", "another order", AS_COMPLETED + RUN, grade="4 of 5"),
    Case("cheat", "one lock around everything", ONE_LOCK + RUN, grade="4 of 5", says="times as fast"),
    Case("cheat", "the accounts of the last run", FIRST_ONLY + RUN, grade="3 of 5", says="there were 48 branches"),
    Case("cheat", "sleeping, and the expected result", ASLEEP + RUN, grade="4 of 5", says="before it was 3.00 s"),
    Case("cheat", "eighteen", "def my_collect(client):\n    return 18\n" + RUN, grade="0 of 5"),
]  # fmt: skip

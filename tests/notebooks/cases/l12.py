"""Answers to the exercise of lesson 12: short requests that do not wait behind long ones."""

from __future__ import annotations

from tests.notebooks.cases import Case

RUN = """

my_answers, mine = run_day(serve_all)
"""

POOLS = """
def serve_all(coming):
    with ThreadPoolExecutor({short}) as short, ThreadPoolExecutor({long}) as long:
        futures = [(short if each.kind == "short" else long).submit(answer, each) for each in coming]
    return [future.result() for future in futures]
"""

QUEUES = """
import queue
import threading


def serve_all(coming):
    waiting = {"short": queue.Queue(), "long": queue.Queue()}
    answers = {}

    def work(kind):
        while (request := waiting[kind].get()) is not None:
            answers[request.number] = answer(request)

    threads = [threading.Thread(target=work, args=(kind,)) for kind in ["short", "long"] * 3]
    for thread in threads:
        thread.start()
    for request in coming:
        waiting[request.kind].put(request)
    for kind in ["short", "long"] * 3:
        waiting[kind].put(None)
    for thread in threads:
        thread.join()
    return [answers[number] for number in sorted(answers)]
"""

SLOTS = """
import threading


def serve_all(coming):
    long_slots = threading.Semaphore(4)

    def limited(request):
        with long_slots:
            return answer(request)

    with ThreadPoolExecutor(2) as short, ThreadPoolExecutor(32) as long:
        futures = [short.submit(answer, each) if each.kind == "short" else long.submit(limited, each)
                   for each in coming]
    return [future.result() for future in futures]
"""

PRIORITIES = """
import queue
import threading


def serve_all(coming):
    waiting, answers = queue.PriorityQueue(), {}

    def work():
        while (request := waiting.get()[2]) is not None:
            answers[request.number] = answer(request)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for request in coming:
        waiting.put((request.kind == "long", request.number, request))
    for number in range(6):
        waiting.put((2, number, None))
    for thread in threads:
        thread.join()
    return [answers[number] for number in sorted(answers)]
"""

WAITING_WORKERS = """
import threading


def serve_all(coming):
    long_slots = threading.Semaphore(3)

    def limited(request):
        if request.kind == "short":
            return answer(request)
        with long_slots:
            return answer(request)

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(limited, request) for request in coming]
    return [future.result() for future in futures]
"""

ONE_LOCK = """
import threading


def serve_all(coming):
    lock = threading.Lock()

    def alone(request):
        with lock:
            return answer(request)

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(alone, request) for request in coming]
    return [future.result() for future in futures]
"""

DROPPED = """
def serve_all(coming):
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(answer, each) for each in coming if each.kind == "short"]
    return expected
"""

CASES = [
    Case("solution", "shipped", grade="5 of 5"),
    Case("untouched", "as in the notebook", grade="4 of 5", says="95 of 100 waited at most 1.54 s"),
    Case("right", "two and four workers", POOLS.format(short=2, long=4) + RUN, grade="5 of 5"),
    Case("right", "two queues and six threads", QUEUES + RUN, grade="5 of 5"),
    Case("right", "a semaphore beside a pool for the short ones", SLOTS + RUN, grade="5 of 5"),
    Case("wrong", "one worker for the long ones", POOLS.format(short=5, long=1) + RUN, grade="4 of 5",
         says="100 of 100 waited at most 32.00 s"),
    Case("wrong", "two pools of six", POOLS.format(short=6, long=6) + RUN, grade="4 of 5",
         says="7 branches ran at once"),
    Case("wrong", "a semaphore for which workers wait", WAITING_WORKERS + RUN, grade="4 of 5",
         says="95 of 100 waited at most 1.84 s"),
    Case("wrong", "short ones first in one queue", PRIORITIES + RUN, grade="4 of 5",
         says="95 of 100 waited at most 1.44 s"),
    Case("cheat", "only the short ones, and the expected answers", DROPPED + RUN, grade="3 of 5",
         says="no long request was answered"),
    Case("cheat", "one lock around everything", ONE_LOCK + RUN, grade="3 of 5"),
    Case("cheat", "the expected answers", "def serve_all(coming):\n    return expected\n" + RUN, grade="0 of 5",
         says="nothing was recorded"),
]  # fmt: skip

"""Answers to the exercise of lesson 01: what to run at once so that many waits overlap, with at most six at a time."""

from tests.notebooks.cases import Case

RUN = """
with kv.record(clock="virtual", capture="all") as mine, shop.open_checks(customers) as my_checks:
    my_findings = check_all(records, my_checks)
"""


def with_run(source: str) -> str:
    """Return the cell with a function and the lines below it that run it."""
    return source.strip("\n") + "\n\n" + RUN


CASES = [
    Case("solution", "the shipped one", grade="6 of 6"),
    Case("untouched", "the checks of one record at once", grade="4 of 6", says="at most 4 branches ran at once"),
    Case(
        "right",
        "a pool of the standard library",
        with_run("""
from concurrent.futures import ThreadPoolExecutor


def check_all(records, checks):
    def check_one(record):
        return {name: check(record) for name, check in checks.items()}

    with ThreadPoolExecutor(max_workers=6) as pool:
        return list(pool.map(check_one, records))
"""),
        grade="6 of 6",
    ),
    Case(
        "right",
        "an executor",
        with_run("""
def check_all(records, checks):
    with kv.get_executor("thread", 6) as executor:
        outcomes = executor.imap(lambda record: {name: check(record) for name, check in checks.items()}, records)
        return [outcome.unwrap() for outcome in outcomes]
"""),
        grade="6 of 6",
    ),
    Case(
        "right",
        "outcomes collected, six checks of any records at once",
        with_run("""
def check_all(records, checks):
    class AllChecks(kv.ParallelBatchNode):
        def prep(self, shared):
            return [(record, name) for record in records for name in checks]

        def exec(self, item):
            record, name = item
            return checks[name](record)

        def post(self, shared, items, outcomes):
            found = [outcome.value for outcome in outcomes]
            size = len(checks)
            shared["found"] = [dict(zip(checks, found[at : at + size])) for at in range(0, len(found), size)]

    shared = {}
    AllChecks(max_workers=6, on_error="collect").run(shared)
    return shared["found"]
"""),
        grade="6 of 6",
    ),
    Case(
        "right",
        "threads with a semaphore",
        with_run("""
import threading


def check_all(records, checks):
    found = [None] * len(records)
    places = threading.Semaphore(6)

    def check_one(at):
        found[at] = {name: check(records[at]) for name, check in checks.items()}
        places.release()

    threads = []
    for at in range(len(records)):
        places.acquire()
        threads.append(threading.Thread(target=check_one, args=(at,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return found
"""),
        grade="6 of 6",
    ),
    Case(
        "wrong",
        "twelve at once",
        with_run("""
from concurrent.futures import ThreadPoolExecutor


def check_all(records, checks):
    with ThreadPoolExecutor(max_workers=12) as pool:
        return list(pool.map(lambda record: {name: check(record) for name, check in checks.items()}, records))
"""),
        grade="5 of 6",
        says="12 branches ran at once",
    ),
    Case(
        "wrong",
        "findings as they come",
        with_run("""
from concurrent.futures import ThreadPoolExecutor, as_completed


def check_all(records, checks):
    with ThreadPoolExecutor(max_workers=6) as pool:
        futures = [pool.submit(lambda r: {n: c(r) for n, c in checks.items()}, record) for record in records]
        return [future.result() for future in as_completed(futures)]
"""),
        grade="5 of 6",
        says="item",
    ),
    Case(
        "wrong",
        "six records at once, and the four checks of each",
        with_run("""
def check_all(records, checks):
    class CheckRecords(kv.ParallelBatchNode):
        def prep(self, shared):
            return records

        def exec(self, record):
            shared = {"record": record}
            CheckRecord(checks, executor="thread", max_workers=4).run(shared)
            return shared["findings"]

        def post(self, shared, records, findings):
            shared["findings"] = findings

    shared = {}
    CheckRecords(max_workers=6).run(shared)
    return shared["findings"]
"""),
        grade="5 of 6",
        says="branches ran at once",
    ),
    Case(
        "wrong",
        "nothing returned",
        with_run("""
def check_all(records, checks):
    with kv.get_executor("thread", 6) as executor:
        list(executor.imap(lambda record: {name: check(record) for name, check in checks.items()}, records))
"""),
        grade="5 of 6",
    ),
    Case(
        "cheat",
        "only the check that waits",
        with_run("""
def check_all(records, checks):
    with kv.get_executor("thread", 6) as executor:
        found = executor.imap(lambda record: {"external": checks["external"](record)}, records)
        return [dict.fromkeys(checks, []) | outcome.unwrap() for outcome in found]
"""),
        grade="4 of 6",
        says="were not made once",
    ),
    Case(
        "cheat",
        "known before, and six that sleep",
        """
with shop.open_checks(customers) as early:
    known = [{name: check(record) for name, check in early.items()} for record in records]


def check_all(records, checks):
    with kv.get_executor("thread", 6) as executor:
        list(executor.imap(lambda record: kv.sleep(0.02), records))
    return known

"""
        + RUN,
        grade="5 of 6",
        says="were not made once",
    ),
    Case(
        "cheat",
        "one lock around everything",
        with_run("""
import threading


def check_all(records, checks):
    lock = threading.Lock()

    def check_one(record):
        with lock:
            return {name: check(record) for name, check in checks.items()}

    with kv.get_executor("thread", 6) as executor:
        return [outcome.unwrap() for outcome in executor.imap(check_one, records)]
"""),
        grade="4 of 6",
        says="it was 1.0 times as fast",
    ),
]

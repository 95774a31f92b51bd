"""Answers to the exercise of lesson 00: breakfast with two cooks, at least 1.5 times as fast."""

from tests.notebooks.cases import Case

CASES = [
    Case("solution", "the shipped one", grade="3 of 3"),
    Case("untouched", "one dish after the other", grade="2 of 3", says="it was 1.0 times as fast"),
    Case(
        "right",
        "two threads",
        """
        minute = 1
        with kv.record(clock="virtual") as mine:
            breakfast("thread", 2)
        """,
        grade="3 of 3",
    ),
    Case(
        "right",
        "two coroutines are too few hands, two processes are not",
        """
        minute = 1
        workers = 2
        with kv.record(clock="virtual") as mine:
            breakfast("process", workers)
        mine
        """,
        grade="3 of 3",
    ),
    Case(
        "wrong",
        "four cooks",
        """
        minute = 1
        with kv.record(clock="virtual") as mine:
            breakfast("process", 4)
        """,
        grade="2 of 3",
        says="4 branches ran at once",
    ),
    Case(
        "wrong",
        "one thread",
        """
        minute = 1
        with kv.record(clock="virtual") as mine:
            breakfast("thread", 1)
        """,
        grade="2 of 3",
        says="1.0 times as fast",
    ),
    Case(
        "wrong",
        "a kind that does not exist",
        """
        minute = 1
        with kv.record(clock="virtual") as mine:
            breakfast("threads", 2)
        """,
        grade="0 of 3",
        says="the last cell that sets mine ended with an error",
    ),
    Case(
        "cheat",
        "shorter minutes",
        """
        minute = 0.1
        with kv.record(clock="virtual") as mine:
            breakfast("serial", 1)
        """,
        grade="2 of 3",
    ),
    Case(
        "cheat",
        "no toast, no table",
        """
        minute = 1
        with kv.record(clock="virtual") as mine, kv.get_executor("thread", 2) as kitchen:
            list(kitchen.imap(make, ["eggs", "coffee"], label=str))
        """,
        grade="2 of 3",
        says="there were 2 branches",
    ),
]

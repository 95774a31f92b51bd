"""Answers to the exercise of lesson 00: breakfast with two workers, at least 1.5 times as fast."""

from tests.notebooks.cases import Case

CASES = [
    Case("solution", "the shipped one", grade="4 of 4"),
    Case("untouched", "one dish after the other", grade="3 of 4", says="it was 1.0 times as fast"),
    Case(
        "right",
        "one cook with two pots",
        """
        with kv.record(clock="virtual") as mine:
            breakfast("thread", 2)

        kv.gantt(mine, title="My breakfast");
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "two cooks, by keyword and without a chart",
        """
        with kv.record(clock="virtual") as mine:
            breakfast(kind="process", workers=2)
        """,
        grade="4 of 4",
    ),
    Case(
        "wrong",
        "four cooks",
        """
        with kv.record(clock="virtual") as mine:
            breakfast("process", 4)
        """,
        grade="3 of 4",
        says="4 branches ran at once",
    ),
    Case(
        "wrong",
        "one pot",
        """
        with kv.record(clock="virtual") as mine:
            breakfast("thread", 1)
        """,
        grade="3 of 4",
        says="it was 1.0 times as fast",
    ),
    Case(
        "wrong",
        "a kind that does not exist",
        """
        with kv.record(clock="virtual") as mine:
            breakfast("threads", 2)
        """,
        grade="0 of 4",
        says="ended with an error",
    ),
    Case(
        "wrong",
        "nothing recorded",
        """
        mine = None
        breakfast("process", 2)
        """,
        grade="0 of 4",
        says="nothing was recorded",
    ),
    Case(
        "cheat",
        "shorter minutes",
        """
        with kv.record(clock="virtual") as mine:
            breakfast("process", 2, minute=0.1)
        """,
        grade="3 of 4",
        says="before it was 18.5 s",
    ),
    Case(
        "cheat",
        "no toast, no table",
        """
        dishes = {"eggs": (1.5, 6), "coffee": (0.5, 4)}
        with kv.record(clock="virtual") as mine:
            breakfast("thread", 2)
        dishes |= {"toast": (1.5, 2), "table": (3, 0)}
        """,
        grade="2 of 4",
        says="there were 2 branches",
    ),
    Case(
        "cheat",
        "dishes that need nothing",
        """
        dishes = dict.fromkeys(dishes, (0.01, 0.01))
        with kv.record(clock="virtual") as mine:
            breakfast("process", 2)
        """,
        grade="3 of 4",
        says="before it was 18.5 s",
    ),
]

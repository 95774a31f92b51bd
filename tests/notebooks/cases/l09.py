"""Answers to the exercise of lesson 9: what to send to a cluster, and how much at once."""

from __future__ import annotations

from tests.notebooks.cases import Case

RUN = """
answers, mine = weather.on_cluster(my_work, my_parts())
my_answers = my_results(answers)
"""

PARTS = """
def my_parts():
    return [{days}[start : start + {size}] for start in range(0, len({days}), {size})]
"""

WORK = """
def my_work(part):
    return [weather.evaluate(day) for day in part]
"""

RESULTS = """
def my_results(results):
    return sum(results, [])
"""


def chunks_of(size, days="every_day"):
    return PARTS.format(size=size, days=days)


CASES = [
    Case("solution", "shipped", grade="4 of 4"),
    Case("untouched", "as in the notebook", grade="2 of 4", says="1,460 messages, and sending took 87%"),
    Case("right", "chunks of 20", chunks_of(20) + WORK + RESULTS + RUN, grade="4 of 4"),
    Case("right", "half a year for each message", """
        import itertools


        def my_parts():
            for year in weather.years.values():
                yield year[:182]
                yield year[182:]


        def my_work(days):
            return list(map(weather.evaluate, days))


        def my_results(results):
            return list(itertools.chain.from_iterable(results))


        answers, mine = weather.on_cluster(my_work, list(my_parts()))
        my_answers = my_results(answers)
    """, grade="4 of 4"),
    Case("right", "every sixteenth day", """
        def my_parts():
            return [every_day[first::16] for first in range(16)]
    """.replace("\n        ", "\n") + WORK + """
def my_results(results):
    found = [None] * len(every_day)
    for first, numbers in enumerate(results):
        found[first::16] = numbers
    return found
""" + RUN, grade="4 of 4"),
    Case("wrong", "one day in each message", chunks_of(1) + WORK + RESULTS + RUN, grade="2 of 4",
         says="sending took 72%"),
    Case("wrong", "one message for all", chunks_of(1460) + WORK + RESULTS + RUN, grade="3 of 4",
         says="it was 0.9 times as fast"),
    Case("wrong", "one message for each station", chunks_of(365) + WORK + RESULTS + RUN, grade="3 of 4",
         says="it was 3.7 times as fast"),
    Case("wrong", "numbers of days, and all days from outside", """
        def my_parts():
            return [range(start, start + 20) for start in range(0, 1460, 20)]


        def my_work(part):
            return [weather.evaluate(every_day[number]) for number in part]
    """.replace("\n        ", "\n") + RESULTS + RUN, grade="2 of 4", says="73 messages, and sending took 48%"),
    Case("wrong", "results that are not joined", chunks_of(20) + WORK + """
def my_results(results):
    return results
""" + RUN, grade="3 of 4"),
    Case("cheat", "evaluated before sending", """
        def my_parts():
            return [[round(sum(day) / 24, 2) for day in every_day[start : start + 20]] for start in range(0, 1460, 20)]


        def my_work(part):
            return part
    """.replace("\n        ", "\n") + RESULTS + RUN, grade="2 of 4", says="evaluated 0 of 1,460 days"),
    Case("cheat", "the expected results", """
        def my_parts():
            return [0]


        def my_work(part):
            return part


        def my_results(results):
            return expected
    """.replace("\n        ", "\n") + RUN, grade="2 of 4", says="evaluated 0 of 1,460 days"),
    Case("cheat", "busy with nothing", """
        def my_parts():
            return list(range(8))


        def my_work(part):
            kv.compute(2.92 / 8)


        def my_results(results):
            return [18] * 1460
    """.replace("\n        ", "\n") + RUN, grade="3 of 4"),
    Case("cheat", "half of the days", chunks_of(20, "every_day[::2]").replace("len(every_day[::2])", "730") + WORK + """
def my_results(results):
    return [number for chunk in results for number in chunk for _ in range(2)]
""" + RUN, grade="2 of 4", says="evaluated 730 of 1,460 days"),
]  # fmt: skip

"""Answers to the exercises of lesson 15: the workers of each part, parts at once, and a report in time."""

from __future__ import annotations

from tests.notebooks.cases import Case

WORKERS = """
def pricing():
    return PriceOrders({pricing})


def asking():
    return AskServices({asking})


def checking():
    return CheckCustomers({checking})


def counting():
    return CountPanels({counting})


my_page, mine = shop.run(in_a_row(pricing(), asking(), checking(), counting()))
"""

FOUR_PROCESSES = 'max_workers=4, executor="process"'
SIX_THREADS = 'max_workers=6, executor="thread"'


def workers(pricing=FOUR_PROCESSES, asking=SIX_THREADS, checking=SIX_THREADS, counting=FOUR_PROCESSES):
    """Return the cell of exercise 1 with the options of each part."""
    return WORKERS.format(pricing=pricing, asking=asking, checking=checking, counting=counting)


NO_WORK = """
class QuickPrices(PriceOrders):
    def exec(self, order):
        return page["priced"][shop.orders.index(order)]


class PriceOrders(QuickPrices):
    pass

"""

PREPARED = """
class PriceOrders(kv.ParallelBatchNode):
    def prep(self, shared):
        return shop.orders

    def exec(self, order):
        return None

    def post(self, shared, orders, priced):
        shared["priced"], shared["best"] = page["priced"], page["best"]

"""

FAN_OUT = """
at_the_same_time = kv.FanOutNode({{"a": {a}, "b": {b}}})
report = in_a_row(at_the_same_time, counting())

my_page, at_once = shop.run(report)
"""

# Exercises 2 and 3 use the four functions of exercise 1: here those of its solution.

SKIPPED = """
class NoChecks(CheckCustomers):
    def exec(self, customer):
        return page["findings"][shop.new_customers.index(customer)]


at_the_same_time = kv.FanOutNode(
    {"best": in_a_row(pricing(), asking()), "new": NoChecks(max_workers=6, node_id="CheckCustomers")}
)
my_page, at_once = shop.run(in_a_row(at_the_same_time, counting()))
"""

IN_TIME = """
class AskInTime(AskServices):
    def exec(self, question):
        {exec}


def asking_in_time():
    return AskInTime({options})


my_bad_page, in_time = shop.run(in_a_row(pricing(), asking_in_time(), checking(), counting()), hang_rate=0.67)
"""


def in_time(exec, options=SIX_THREADS):
    """Return the cell of exercise 3."""
    return IN_TIME.format(exec=exec, options=options)


GIVEN_UP = """
class AskInTime(AskServices):
    def post(self, shared, questions, outcomes):
        shared["facts"] = {question: each.value for question, each in zip(questions, outcomes)}


def asking_in_time():
    return AskInTime(max_workers=6, timeout=0.3, on_error="collect")


my_bad_page, in_time = shop.run(in_a_row(pricing(), asking_in_time(), checking(), counting()), hang_rate=0.67)
"""

MANY_LINES = """
class AskInTime(AskServices):
    def exec(self, question):
        service, customer = question
        patience_s = 0.25
        answer = shop.ask(service, customer, patience_s)
        if answer is None:
            return None
        return answer


def asking_in_time():
    return AskInTime(max_workers=5)


nodes = [pricing(), asking_in_time(), checking(), counting()]
my_bad_page, in_time = shop.run(in_a_row(*nodes), hang_rate=0.67)
"""

CASES = [
    Case("solution", "shipped", grade="6 of 6"),
    Case("untouched", "as in the notebook", grade="5 of 6", says="it was 1.3 times as fast"),
    Case("right", "without the longest first", workers(), grade="6 of 6"),
    Case("right", "threads by default, and three processes for three panels", workers(
        asking="max_workers=6", checking="max_workers=5", counting='max_workers=3, executor="process"'),
        grade="6 of 6"),
    Case("wrong", "eight processes for all parts", workers(*['max_workers=8, executor="process"'] * 4), grade="4 of 6",
         says="8 PriceOrders branches ran at once"),
    Case("wrong", "threads for all parts", workers(*[SIX_THREADS] * 4), grade="4 of 6",
         says="6 PriceOrders branches ran at once"),
    Case("wrong", "only the services at once", workers(pricing="max_workers=4", counting="max_workers=3"),
         grade="5 of 6", says="times as fast"),
    Case("wrong", "too many requests", workers(asking="max_workers=36"), grade="5 of 6",
         says="36 AskServices and CheckCustomers branches ran at once"),
    Case("cheat", "the prices of the first run", NO_WORK + workers(), grade="5 of 6", says="before it was 4.11 s"),
    Case("cheat", "no prices at all", PREPARED + workers(), grade="5 of 6", says="before it was 4.11 s"),
    Case("cheat", "the first page", "my_page, mine = page, before", grade="5 of 6", says="it was 1.0 times as fast"),

    Case("solution", "shipped: parts at once", exercise=2, grade="6 of 6"),
    Case("untouched", "in a row", exercise=2, grade="5 of 6", says="and CheckCustomers only from"),
    Case("right", "pricing and asking beside checking",
         FAN_OUT.format(a="in_a_row(pricing(), asking())", b="checking()"), exercise=2, grade="6 of 6"),
    Case("right", "pricing beside checking, then asking", """
report = in_a_row(kv.FanOutNode({"price": pricing(), "check": in_a_row(checking())}), asking(), counting())
my_page, at_once = shop.run(report)
""", exercise=2, grade="6 of 6"),
    Case("wrong", "still in a row", """
my_page, at_once = shop.run(in_a_row(checking(), pricing(), asking(), counting()))
""", exercise=2, grade="5 of 6", says="and PriceOrders only from"),
    Case("wrong", "asking beside checking", """
services = kv.FanOutNode({"ask": asking(), "check": checking()})
my_page, at_once = shop.run(in_a_row(pricing(), services, counting()))
""", exercise=2, grade="4 of 6", says="12 AskServices and CheckCustomers branches ran at once"),
    Case("wrong", "asking before pricing", FAN_OUT.format(a="asking()", b="in_a_row(pricing(), checking())"),
         exercise=2, grade="0 of 6"),
    Case("cheat", "no checks", SKIPPED, exercise=2, grade="4 of 6", says="before it was 4.11 s"),
    Case("cheat", "the first page", "my_page, at_once = page, before", exercise=2, grade="4 of 6"),

    Case("solution", "shipped: in time", exercise=3, grade="4 of 4"),
    Case("untouched", "two seconds", exercise=3, grade="2 of 4", says="the longest took 2.00 s"),
    Case("right", "a quarter of a second", in_time("return shop.ask(*question, patience_s=0.25)"), exercise=3,
         grade="4 of 4"),
    Case("right", "five threads, and many lines", MANY_LINES, exercise=3, grade="4 of 4"),
    Case("wrong", "only more threads", in_time("return shop.ask(*question)"), exercise=3, grade="2 of 4",
         says="the longest took 2.00 s"),
    Case("wrong", "threads that are given up", in_time(
        "return shop.ask(*question)", 'max_workers=6, executor="thread", timeout=0.3, on_error="collect"'),
        exercise=3, grade="0 of 4", says="'Outcome' object"),
    Case("wrong", "threads that are given up, and their values", GIVEN_UP, exercise=3, grade="2 of 4"),
    Case("wrong", "too little patience", in_time("return shop.ask(*question, patience_s=0.01)"), exercise=3,
         grade="3 of 4"),
    Case("cheat", "no questions to the social service", in_time(
        "return None if question[0] == 'social' else shop.ask(*question)"), exercise=3, grade="3 of 4"),
    Case("cheat", "no question at all", in_time("return None"), exercise=3, grade="3 of 4"),
]  # fmt: skip

"""Answers to the exercise of lesson 02: 24 customers, four services, one of which allows 20 calls per second."""

from tests.notebooks.cases import Case

RULES = 'rules = {"social": shop.ServiceSettings(latency_s=0.06, latency_spread=0.8, rate_limit=20)}\n'


def asked(options: str, limits: str = "", rules: str = RULES, records: str = "customers[100:124]") -> str:
    """Return the cell with other options of the graph and of the sources."""
    return f"""{rules}
with kv.record(clock="virtual") as mine, shop.serve(rules) as my_server:
    with shop.customer_sources(my_server.base_url, deadline_s=2{limits}) as sources:
        shop.enrichment_graph(sources, {options}).run({{"records": {records}}})
"""


BY_NAME = ', limits={"social": kv.RateLimit(per_second=20)}'

CASES = [
    Case("solution", "the shipped one", grade="4 of 4"),
    Case("untouched", "one request after the other", grade="3 of 4", says="it was 1.0 times as fast"),
    Case("right", "coroutines", asked('max_workers=8, executor="async"', BY_NAME), grade="4 of 4"),
    Case(
        "right",
        "a limit given alone",
        asked('max_workers=8, executor="thread"', ", limits=kv.RateLimit(20)"),
        grade="4 of 4",
    ),
    Case("right", "four records at once", asked("max_workers=4", BY_NAME), grade="4 of 4"),
    Case(
        "right",
        "a lower limit than needed",
        asked("max_workers=24", ', limits={"social": kv.RateLimit(per_second=18)}'),
        grade="4 of 4",
    ),
    Case("wrong", "no limit", asked('max_workers=8, executor="thread"'), grade="3 of 4", says="1 call was refused"),
    Case(
        "wrong",
        "a limit for another service",
        asked("max_workers=8", ', limits={"profile": kv.RateLimit(per_second=20)}'),
        grade="3 of 4",
        says="1 call was refused",
    ),
    Case(
        "wrong",
        "a limit that is too high",
        asked("max_workers=8", ', limits={"social": kv.RateLimit(per_second=200)}'),
        grade="3 of 4",
        says="1 call was refused",
    ),
    Case(
        "wrong",
        "a limit, but one source after the other",
        asked('max_workers=1, executor="serial"', BY_NAME),
        grade="3 of 4",
        says="1.0 times as fast",
    ),
    Case(
        "wrong",
        "limits in a list",
        asked("max_workers=8", ", limits=[kv.RateLimit(per_second=20)]"),
        grade="0 of 4",
        says="a dict of them by name",
    ),
    Case(
        "cheat",
        "a service that allows more",
        asked("max_workers=8", rules='rules = {"social": shop.ServiceSettings(latency_s=0.06, latency_spread=0.8)}\n'),
        grade="3 of 4",
        says="calls in one second",
    ),
    Case(
        "cheat",
        "fewer customers",
        asked("max_workers=8", BY_NAME, records="customers[100:108]"),
        grade="2 of 4",
        says="there were 32 branches",
    ),
    Case(
        "cheat",
        "sleeping instead of asking",
        """
with kv.record(clock="virtual") as mine, shop.serve() as my_server:
    with kv.get_executor("thread", 8) as executor:
        list(executor.imap(lambda number: kv.sleep(0.05), range(96)))
""",
        grade="3 of 4",
        says="profile answered 0 questions",
    ),
]

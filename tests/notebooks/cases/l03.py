"""Answers to the exercise of lesson 03: the longest country first."""

from tests.notebooks.cases import Case


def search(
    *,
    prep: str = "return list(by_country)",
    cost: str = "return 1",
    work: str = "return shop.count_repeats(by_country[country])",
    options: str = 'max_workers=4, executor="process", schedule="longest-first"',
    before: str = "",
) -> str:
    """Return the cell with other methods or options."""
    return f"""by_country = shop.by_country(orders)
{before}

class FindRepeats(kv.ParallelBatchNode):
    def prep(self, shared):
        {prep}

    def branch_name(self, country):
        return country

    def cost(self, country):
        {cost}

    def exec(self, country):
        {work}

    def post(self, shared, countries, repeats):
        shared["repeats"] = dict(zip(countries, repeats, strict=True))


with kv.record(clock="virtual") as mine:
    FindRepeats({options}).run(my_result := {{}})
"""


CASES = [
    Case("solution", "the shipped one", grade="5 of 5"),
    Case("untouched", "all costs are 1", grade="4 of 5", says="it was 1.0 times as fast"),
    Case("right", "the number of pairs", search(cost="return len(by_country[country]) ** 2 / 2"), grade="5 of 5"),
    Case(
        "right",
        "sorted in prep, taken from the queue",
        search(
            prep="return sorted(by_country, key=lambda country: len(by_country[country]), reverse=True)",
            options='max_workers=4, executor="process"',
        ),
        grade="5 of 5",
    ),
    Case(
        "right",
        "only the largest is known",
        search(cost='return {"US": 3, "DE": 2, "FR": 2, "GB": 2}.get(country, 1)'),
        grade="5 of 5",
    ),
    Case(
        "wrong",
        "the shortest first",
        search(cost="return -len(by_country[country])"),
        grade="4 of 5",
        says="times as fast",
    ),
    Case(
        "wrong",
        "static shares",
        search(cost="return len(by_country[country])", options='max_workers=4, executor="process", schedule="static"'),
        grade="4 of 5",
        says="times as fast",
    ),
    Case(
        "wrong",
        "threads",
        search(
            cost="return len(by_country[country])",
            options='max_workers=4, executor="thread", schedule="longest-first"',
        ),
        grade="4 of 5",
        says="times as fast",
    ),
    Case(
        "wrong",
        "eight workers",
        search(
            cost="return len(by_country[country])",
            options='max_workers=8, executor="process", schedule="longest-first"',
        ),
        grade="3 of 5",
        says="branches ran at once",
    ),
    Case(
        "wrong",
        "the cost is a list",
        search(cost="return by_country[country]"),
        grade="0 of 5",
        says="a finite number",
    ),
    Case(
        "cheat",
        "known before",
        search(
            work="return known[country]",
            before="known = {country: shop.count_repeats(found) for country, found in by_country.items()}\n",
        ),
        grade="3 of 5",
        says="before it was 4.81 s",
    ),
    Case(
        "cheat",
        "without the largest country",
        search(
            cost="return len(by_country[country])", prep='return [country for country in by_country if country != "US"]'
        ),
        grade="2 of 5",
        says="there were 33 branches",
    ),
    Case(
        "cheat",
        "a few orders of each country",
        search(cost="return len(by_country[country])", work="return shop.count_repeats(by_country[country][:100])"),
        grade="3 of 5",
        says="before it was 4.81 s",
    ),
]

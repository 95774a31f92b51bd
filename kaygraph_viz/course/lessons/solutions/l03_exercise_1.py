"""A cost function, so that the longest country is begun first.

- Look at the chart: which country ends last, and when does it start?
- If all costs are equal, the longest does not come first. Only the order of the costs counts, not their size.
- `by_country[country]` is the list of orders of a country.
"""

by_country = shop.by_country(orders)


class FindRepeats(kv.ParallelBatchNode):
    def prep(self, shared):
        return list(by_country)  # the items: names of countries

    def branch_name(self, country):
        return country

    def cost(self, country):
        return len(by_country[country])

    def exec(self, country):
        return shop.count_repeats(by_country[country])  # compares each order with each

    def post(self, shared, countries, repeats):
        shared["repeats"] = dict(zip(countries, repeats, strict=True))


with kv.record(clock="virtual") as mine:
    FindRepeats(max_workers=4, executor="process", schedule="longest-first").run(my_result := {})

kv.gantt(mine, title="My run")

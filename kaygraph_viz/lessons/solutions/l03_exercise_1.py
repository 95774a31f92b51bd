"""A cost function, so that the longest country is begun first.

- Look at the chart: which country ends last, and when does it start?
- If all costs are equal, the longest does not come first. Only the order of the costs counts, not their size.
- `by_country[country]` is the list of orders of a country.
"""

by_country = {}
for order in sorted(orders, key=lambda order: order.country):
    by_country.setdefault(order.country, []).append(order)


class FindRepeats(kv.ParallelBatchNode):
    def prep(self, shared):
        return list(by_country)

    def branch_name(self, country):
        return country

    def cost(self, country):
        return len(by_country[country])

    def exec(self, country):
        found = by_country[country]
        kv.compute(1e-6 * len(found) ** 2)  # CPU time, as for comparing each with each
        return len(found) - len({(order.customer_id, order.items) for order in found})

    def post(self, shared, countries, repeats):
        shared["repeats"] = dict(zip(countries, repeats, strict=True))


with kv.record(clock="virtual") as mine:
    FindRepeats(max_workers=4, executor="process", schedule="longest-first").run(my_result := {})

kv.gantt(mine, title="My run")
